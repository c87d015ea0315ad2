"""The max contraction in XLA's operations: the reference, which runs everywhere.

A loop over n keeps one [m, k] accumulator, so that the [m, k, n] product is never formed;
`where(p > acc, p, acc)` compiles to one vector maximum and drops the NaN of zero weight x no path,
which is right, and genuine NaNs, which are put back afterwards. Two accumulators in one loop would
not be vectorised under `vmap`: so the smallest product is minus the largest of the negated ends,
which are more rows of the same contraction.
"""

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.kernels import order

Array = jax.Array

# Steps in the loop's body: with fewer XLA fuses the operands' slices into the loop, which then is
# not vectorised. A loop of a single iteration would be taken apart and fused with what surrounds
# it, at a compile time that grows exponentially in the steps: hence _SHORTEST.
_STEPS = 16
_SHORTEST = 2 * _STEPS


def contract(weight: Array, ends: tuple[Array, ...]) -> tuple[Array, ...]:
    """See maximum.contract; no axis is empty."""
    weight = jnp.minimum(weight, order.after(jnp.inf, ends[0]))
    if len(ends) == 1:
        return (_largest(jnp.abs(weight), ends),)
    high, low = ends
    rows = jnp.concatenate([high, -low], 1), jnp.concatenate([low, -high], 1)
    largest = _largest(weight, rows)
    return largest[:, : high.shape[1]], -largest[:, high.shape[1] :]


def nothing(weight: Array, ends: tuple[Array, ...]) -> tuple[Array, ...]:
    """Returns what no path gives."""
    b, m, _ = ends[0].shape
    fills = (0.0,) if len(ends) == 1 else (-jnp.inf, jnp.inf)
    return tuple(jnp.full((b, m, weight.shape[1]), fill, ends[0].dtype) for fill in fills)


@jax.jit
def _largest(weight: Array, ends: tuple[Array, ...]) -> Array:
    """Returns the upper ends; jitted to be traced once per shape, however often it is used."""
    n = weight.shape[2]
    steps = _STEPS if n >= _SHORTEST else 1
    columns = _columns(weight, ends, -n % steps)

    def step(i: Array, best: Array) -> Array:
        block = [lax.dynamic_slice_in_dim(x, i * steps, steps) for x in columns]
        for j in range(steps):
            candidate = _candidate(*(x[j] for x in block))
            best = jnp.where(candidate > best, candidate, best)
        return best

    best = lax.fori_loop(0, -(-n // steps), step, nothing(weight, ends)[0])
    return jnp.where(is_nan(weight, ends[0]), jnp.nan, best)


def winner(weight: Array, ends: tuple[Array, ...]) -> Array:
    """Returns the lowest n that attains the maximum, int32 [b, m, k]; 0 where there is no path."""
    columns = _columns(weight, ends, 0)

    def step(n: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        best, winner = state
        candidate = _candidate(*(lax.dynamic_index_in_dim(x, n, keepdims=False) for x in columns))
        better = candidate > best
        return jnp.where(better, candidate, best), jnp.where(better, n, winner)

    start = jnp.full_like(nothing(weight, ends)[0], -jnp.inf)
    state = start, jnp.zeros(start.shape, jnp.int32)
    return lax.fori_loop(0, weight.shape[2], step, state)[1]


def _columns(weight: Array, ends: tuple[Array, ...], padding: int) -> list[Array]:
    """Moves n to the front, where the loop reads it, and pads it with weights 0 to no path."""
    fills = (0, 0) if len(ends) == 1 else (0, -jnp.inf, jnp.inf)
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


def is_nan(weight: Array, end: Array) -> Array:
    """Whether a row of either operand of a result holds a NaN."""
    in_weight = jnp.any(jnp.isnan(weight), axis=2)
    in_end = jnp.any(jnp.isnan(end), axis=2)
    return in_end[:, :, None] | in_weight[:, None, :]
