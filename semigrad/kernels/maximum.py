"""The max contraction: out[b, m, k] = max over n of weight[b, k, n] times a path weight.

BLAS has no such product. A loop over n keeps one [m, k] accumulator, so that the [m, k, n]
product is never formed; `where(p > acc, p, acc)` compiles to one vector maximum and drops the
NaN of zero weight x no path, which is right, and genuine NaNs, which are put back afterwards.
"""

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array

# Steps in the loop's body: with fewer XLA fuses the operands' slices into the loop, which then is
# not vectorised. A loop of a single iteration would be taken apart and fused with what surrounds
# it, at a compile time that grows exponentially in the steps: hence _SHORTEST.
_STEPS = 16
_SHORTEST = 2 * _STEPS


@jax.custom_jvp
def contract(weight: Array, ends: tuple[Array, ...]) -> Array:
    """Returns the largest weight[b, k, n] * end[b, m, n] over n.

    Args:
      weight: [b, k, n]; not negative if there is one end only.
      ends: the upper and lower ends of intervals, (-inf, +inf) where there is no path, of which
        negative weights take the lower; or one array.

    Returns:
      [b, m, k]; -inf where no n has a path. NaN wherever a real matrix product would be NaN for
      a NaN in `weight` or the ends.
    """
    return _contract(weight, ends) if weight.shape[2] else _nothing(weight, ends)


@jax.jit
def _contract(weight: Array, ends: tuple[Array, ...]) -> Array:
    """The kernel; jitted to be traced once per shape, however often a model uses it."""
    n = weight.shape[2]
    steps = _STEPS if n >= _SHORTEST else 1
    columns = _columns(weight, ends, -n % steps)

    def step(i: Array, best: Array) -> Array:
        block = [lax.dynamic_slice_in_dim(x, i * steps, steps) for x in columns]
        for j in range(steps):
            candidate = _candidate(*(x[j] for x in block))
            best = jnp.where(candidate > best, candidate, best)
        return best

    best = lax.fori_loop(0, -(-n // steps), step, _nothing(weight, ends))
    return jnp.where(_is_nan(weight, ends[0]), jnp.nan, best)


@contract.defjvp
def _contract_jvp(
    primals: tuple[Array, tuple[Array, ...]], tangents: tuple[Array, tuple[Array, ...]]
) -> tuple[Array, Array]:
    """Differentiates the winning product; the lowest n wins ties."""
    weight, ends = primals
    d_weight, d_ends = tangents
    out = contract(weight, ends)
    if weight.shape[2] == 0:
        return out, jnp.zeros_like(out)
    winner = _winner(*lax.stop_gradient((weight, ends)))
    found = jnp.isfinite(out)

    def of_weight(x: Array) -> Array:
        return jnp.take_along_axis(x, winner.mT, axis=2).mT

    def of_ends(xs: tuple[Array, ...]) -> Array:
        high, low = (jnp.take_along_axis(x, winner, axis=2) for x in (xs[0], xs[-1]))
        return jnp.where(w < 0, low, high)

    w = of_weight(weight)
    end = jnp.where(found, of_ends(ends), 0)
    return out, of_weight(d_weight) * end + jnp.where(found, w, 0) * of_ends(d_ends)


def _winner(weight: Array, ends: tuple[Array, ...]) -> Array:
    """Returns the lowest n that attains the maximum, int32 [b, m, k]; 0 where there is no path."""
    columns = _columns(weight, ends, 0)

    def step(n: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        best, winner = state
        candidate = _candidate(*(lax.dynamic_index_in_dim(x, n, keepdims=False) for x in columns))
        better = candidate > best
        return jnp.where(better, candidate, best), jnp.where(better, n, winner)

    start = _nothing(weight, ends)
    state = start, jnp.zeros(start.shape, jnp.int32)
    return lax.fori_loop(0, weight.shape[2], step, state)[1]


def _columns(weight: Array, ends: tuple[Array, ...], padding: int) -> list[Array]:
    """Moves n to the front, where the loop reads it, and pads it with weights 0 to no path."""
    fills = (0, -jnp.inf, jnp.inf)[: 1 + len(ends)]
    columns = [jnp.moveaxis(x, 2, 0) for x in (weight.astype(ends[0].dtype), *ends)]
    return [
        jnp.pad(x, ((0, padding), (0, 0), (0, 0)), constant_values=fill) if padding else x
        for x, fill in zip(columns, fills, strict=True)
    ]


def _candidate(weight: Array, *ends: Array) -> Array:
    """Returns the products of one n: weight [b, k], ends [b, m] -> [b, m, k]."""
    weight = weight[:, None, :]
    high, low = ends[0][:, :, None], ends[-1][:, :, None]
    return weight * (high if len(ends) == 1 else jnp.where(weight < 0, low, high))


def _nothing(weight: Array, ends: tuple[Array, ...]) -> Array:
    b, m, _ = ends[0].shape
    return jnp.full((b, m, weight.shape[1]), -jnp.inf, ends[0].dtype)


def _is_nan(weight: Array, end: Array) -> Array:
    in_weight = jnp.any(jnp.isnan(weight), axis=2)
    in_end = jnp.any(jnp.isnan(end), axis=2)
    return in_end[:, :, None] | in_weight[:, None, :]
