"""The max contraction: out[b, m, k] = max over n of weight[b, k, n] times a path weight.

BLAS has no such product. A scan over n keeps one [m, k] accumulator, so that the [m, k, n]
product is never formed; `where(p > acc, p, acc)` compiles to one vector maximum and drops the
NaN of zero weight x no path, which is right, and genuine NaNs, which are put back afterwards.
"""

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array

# Below 16 steps XLA fuses the operands' slices into the loop, which then is not vectorised.
_UNROLL = 1


@jax.custom_jvp
def contract(weight: Array, high: Array, low: Array) -> Array:
    """Returns the largest weight[b, k, n] * end over n, where `end` is `low` for negative weights.

    Args:
      weight: [b, k, n].
      high: upper ends of intervals [b, m, n]; -inf where there is no path.
      low: lower ends [b, m, n]; +inf where there is no path (or the same array as `high`).

    Returns:
      [b, m, k]; -inf where no n has a path. NaN wherever a real matrix product would be NaN for
      a NaN in `weight` or `high`.
    """
    columns, highs, lows = _columns(weight, high, low)

    def step(best: Array, at: tuple[Array, Array, Array]) -> tuple[Array, None]:
        candidate = _candidate(*at)
        return jnp.where(candidate > best, candidate, best), None

    start = jnp.full(_shape(weight, high), -jnp.inf, high.dtype)
    best, _ = lax.scan(step, start, (columns, highs, lows), unroll=_UNROLL)
    return jnp.where(_is_nan(weight, high), jnp.nan, best)


@contract.defjvp
def _contract_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Differentiates the winning product; the lowest n wins ties."""
    weight, high, low = primals
    out = contract(weight, high, low)
    winner = _winner(weight, high, low)
    found = jnp.isfinite(out)

    def of_weight(x: Array) -> Array:
        return jnp.take_along_axis(x, winner.mT, axis=2).mT

    def of_path(x: Array) -> Array:
        return jnp.take_along_axis(x, winner, axis=2)

    w = of_weight(weight)
    negative = w < 0
    end = jnp.where(found, jnp.where(negative, of_path(low), of_path(high)), 0)
    d_end = jnp.where(negative, of_path(tangents[2]), of_path(tangents[1]))
    tangent = of_weight(tangents[0]) * end + jnp.where(found, w, 0) * d_end
    return out, tangent


def _winner(weight: Array, high: Array, low: Array) -> Array:
    """Returns the lowest n that attains the maximum, int32 [b, m, k]; 0 where there is no path."""
    columns, highs, lows = _columns(weight, high, low)

    def step(
        state: tuple[Array, Array], at: tuple[Array, tuple[Array, Array, Array]]
    ) -> tuple[tuple[Array, Array], None]:
        best, index = state
        n, operands = at
        candidate = _candidate(*operands)
        better = candidate > best
        return (jnp.where(better, candidate, best), jnp.where(better, n, index)), None

    shape = _shape(weight, high)
    start = jnp.full(shape, -jnp.inf, high.dtype), jnp.zeros(shape, jnp.int32)
    steps = jnp.arange(weight.shape[2], dtype=jnp.int32)
    (_, index), _ = lax.scan(step, start, (steps, (columns, highs, lows)))
    return index


def _columns(weight: Array, high: Array, low: Array) -> tuple[Array, Array, Array]:
    """Moves n to the front: the scan reads one n at a time."""
    weight = weight.astype(high.dtype)
    return jnp.moveaxis(weight, 2, 0), jnp.moveaxis(high, 2, 0), jnp.moveaxis(low, 2, 0)


def _candidate(weight: Array, high: Array, low: Array) -> Array:
    """Returns the products of one n: weight [b, k], ends [b, m] -> [b, m, k]."""
    weight, high, low = weight[:, None, :], high[:, :, None], low[:, :, None]
    return weight * jnp.where(weight < 0, low, high)


def _shape(weight: Array, high: Array) -> tuple[int, int, int]:
    return (high.shape[0], high.shape[1], weight.shape[1])


def _is_nan(weight: Array, high: Array) -> Array:
    in_weight = jnp.any(jnp.isnan(weight), axis=2)
    in_high = jnp.any(jnp.isnan(high), axis=2)
    return in_high[:, :, None] | in_weight[:, None, :]
