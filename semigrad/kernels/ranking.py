"""The k largest numbers, kept as lists in descending order along the last axis.

Lists shorter than k end in -inf. One NaN among the numbers makes all of a list NaN, as nothing can
be ranked against it.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.kernels import order
from semigrad.kernels.fold import fold
from semigrad.kernels.maximum_xla import is_nan

Array = jax.Array
Entry = tuple[Array, ...]  # a number to be ranked by; to tell equal ones apart, where it is from


def largest(x: Array, k: int) -> Array:
    """Returns the k largest of the last axis, [..., n] -> [..., k]."""
    short = max(0, k - x.shape[-1])
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, short)], constant_values=-jnp.inf)
    return spread_nan(lax.top_k(padded, k)[0])


def spread_nan(x: Array) -> Array:
    """Makes lists that hold a NaN all NaN."""
    return jnp.where(jnp.any(jnp.isnan(x), -1, keepdims=True), jnp.nan, x)


def segment_largest(x: Array, ids: Array, num_segments: int) -> Array:
    """Returns the k largest of the lists that share an id, [n, ..., k] -> [num_segments, ..., k].

    Lists whose id is outside [0, num_segments) are left out.
    """
    k = x.shape[-1]
    ids = jnp.where(ids < 0, num_segments, ids)
    has_nan = jnp.any(jnp.isnan(x), -1, keepdims=True)
    is_nan = jax.ops.segment_max(has_nan.astype(jnp.int32), ids, num_segments) > 0
    flat = jnp.moveaxis(x, -1, 1).reshape(-1, *x.shape[1:-1])
    ids = jnp.repeat(ids, k)
    columns = jnp.broadcast_to(ids.reshape(-1, *[1] * (flat.ndim - 1)), flat.shape)
    _, falling = lax.sort((columns, -flat), dimension=0, num_keys=2)
    ids = jnp.sort(ids)
    rank = jnp.arange(ids.size, dtype=ids.dtype) - jnp.searchsorted(ids, ids).astype(ids.dtype)
    best = jnp.full((num_segments, k, *flat.shape[1:]), -jnp.inf, x.dtype)
    best = best.at[ids, rank].set(-falling, mode="drop")
    return jnp.where(is_nan, jnp.nan, jnp.moveaxis(best, 1, -1))


def contract(weight: Array, high: Array, low: Array) -> Array:
    """Returns the k largest products over n, [b, m, K, k].

    A loop over n merges lists into lists: the [m, K, n] product is never formed.

    Args:
      weight: [b, K, n].
      high: descending lists [b, m, n, k], of which weights >= 0 take their products; -inf where
        there is nothing.
      low: ascending lists [b, m, n, k], of which negative weights do; +inf where there is nothing.
    """
    b, m, n, k = high.shape
    if 0 in (b, m, n, weight.shape[1]):
        return jnp.full((b, m, weight.shape[1], k), -jnp.inf, high.dtype)
    return _contract(weight, high, low)


@jax.custom_jvp
def _contract(weight: Array, high: Array, low: Array) -> Array:
    weight = jnp.minimum(weight, order.after(jnp.inf, high))
    (best,) = _best(weight, high, low, ranks_only=True)
    return jnp.where(is_nan(weight, high[..., 0])[..., None], jnp.nan, best)


@_contract.defjvp
def _contract_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Differentiates the products that are listed; of equal ones the lowest n come first."""
    weight, high, low = primals
    d_weight, d_high, d_low = tangents
    out = _contract(*primals)
    k = high.shape[-1]
    _, place = _best(*lax.stop_gradient(primals), ranks_only=False)
    n = place // k

    def of_weight(x: Array) -> Array:
        rows = jnp.moveaxis(n, 1, 2).reshape(*x.shape[:2], -1)
        found = jnp.take_along_axis(x, rows, axis=2)
        return jnp.moveaxis(found.reshape(*x.shape[:2], -1, k), 1, 2)

    def of_lists(x: Array) -> Array:
        rows = place.reshape(*place.shape[:2], -1)
        flat = x.reshape(*x.shape[:2], -1)
        return jnp.take_along_axis(flat, rows, axis=2).reshape(place.shape)

    factor = of_weight(weight)
    ends, d_ends = (
        jnp.where(factor < 0, of_lists(x), of_lists(y)) for x, y in ((low, high), (d_low, d_high))
    )
    listed = jnp.isfinite(out)
    by_weight = of_weight(d_weight) * jnp.where(listed, ends, 0)
    return out, by_weight + jnp.where(listed, factor, 0) * d_ends


@functools.partial(jax.jit, static_argnames="ranks_only")
def _best(weight: Array, high: Array, low: Array, ranks_only: bool) -> Entry:
    """Returns the k largest products and, unless `ranks_only`, where each is: n * k + its rank.

    Jitted to be traced once per shape, however often it is used.
    """
    b, m, _, k = high.shape

    def enter(best: list[Entry], n: Array, column: list[Array]) -> list[Entry]:
        w, highs, lows = column
        new = [
            (_product(w[:, None, :], x[:, :, None], y[:, :, None]), n * k + rank)
            for rank, (x, y) in enumerate(zip(highs, lows, strict=True))
        ]
        return _merge(best, [entry[:1] if ranks_only else entry for entry in new])

    shape = (b, m, weight.shape[1])
    nothing = jnp.full(shape, -jnp.inf, high.dtype), jnp.zeros(shape, jnp.int32)
    columns = [
        (jnp.moveaxis(weight, 2, 0), 0),
        *((jnp.moveaxis(x, (2, 3), (0, 1)), y) for x, y in ((high, -jnp.inf), (low, jnp.inf))),
    ]
    # More steps of long lists would take long to compile.
    start = [nothing[:1] if ranks_only else nothing] * k
    best = fold(enter, start, columns, steps=4 if k <= 4 else 2)
    return tuple(jnp.stack(leaves, -1) for leaves in zip(*best, strict=True))


def _product(weight: Array, high: Array, low: Array) -> Array:
    """Returns the products with one rank of the lists: 0 * inf = 0; -inf where there is none."""
    nothing = jnp.where((high == -jnp.inf) & (low == jnp.inf), -jnp.inf, 0)
    end = jnp.where(weight < 0, low, high)
    return jnp.where((weight == 0) | (end == 0), nothing, weight * end)


def _merge(a: list[Entry], b: list[Entry]) -> list[Entry]:
    """Returns the k largest of two descending lists, descending.

    What has rank i is the largest of a_i, b_i and the smaller of each a_j and b_(i-1-j).
    """
    merged = []
    for i, first in enumerate(a):
        best = _larger(first, b[i])
        for j in range(i):
            best = _larger(best, _smaller(a[j], b[i - 1 - j]))
        merged.append(best)
    return merged


def _larger(x: Entry, y: Entry) -> Entry:
    below = _is_below(x, y)
    return tuple(jnp.where(below, t, s) for s, t in zip(x, y, strict=True))


def _smaller(x: Entry, y: Entry) -> Entry:
    below = _is_below(x, y)
    return tuple(jnp.where(below, s, t) for s, t in zip(x, y, strict=True))


def _is_below(x: Entry, y: Entry) -> Array:
    """Whether x ranks after y: a total order where entries say where they are from."""
    below = y[0] > x[0]
    return below | ((y[0] == x[0]) & (y[1] < x[1])) if len(x) > 1 else below
