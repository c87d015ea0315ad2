"""The max contraction in XLA's operations: the reference, which runs everywhere.

A loop over n keeps one [m, k] accumulator, so that the [m, k, n] product is never formed;
`where(p > acc, p, acc)` compiles to one vector maximum and drops the NaN of zero weight x no path,
which is right, and genuine NaNs, which are put back afterwards. Two accumulators in one loop would
not be vectorised under `vmap`: so the smallest product is minus the largest of the negated ends,
which are more rows of the same contraction.
"""

import jax
import jax.numpy as jnp

from semigrad.kernels import order
from semigrad.kernels.fold import fold

Array = jax.Array

# Numbers in an accumulator up to which an iteration costs little more than its start.
_SMALL = 1 << 13


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

    def enter(best: Array, _: Array, column: list[Array]) -> Array:
        candidate = _candidate(*column)
        return jnp.where(candidate > best, candidate, best)

    start = nothing(weight, ends)[0]
    best = fold(enter, start, _columns(weight, ends), steps=8 if start.size <= _SMALL else 4)
    return jnp.where(is_nan(weight, ends[0]), jnp.nan, best)


def winner(weight: Array, ends: tuple[Array, ...]) -> Array:
    """Returns the lowest n that attains the maximum, int32 [b, m, k]; 0 where there is no path."""

    def enter(state: tuple[Array, Array], n: Array, column: list[Array]) -> tuple[Array, Array]:
        best, winner = state
        candidate = _candidate(*column)
        better = candidate > best
        return jnp.where(better, candidate, best), jnp.where(better, n, winner)

    start = jnp.full_like(nothing(weight, ends)[0], -jnp.inf)
    state = start, jnp.zeros(start.shape, jnp.int32)
    return fold(enter, state, _columns(weight, ends), steps=4)[1]


def _columns(weight: Array, ends: tuple[Array, ...]) -> list[tuple[Array, float]]:
    """Moves n to the front, where the loop reads it, to be padded with weights 0 to no path."""
    fills = (0, 0) if len(ends) == 1 else (0, -jnp.inf, jnp.inf)
    operands = weight.astype(ends[0].dtype), *ends
    return [(jnp.moveaxis(x, 2, 0), fill) for x, fill in zip(operands, fills, strict=True)]


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
