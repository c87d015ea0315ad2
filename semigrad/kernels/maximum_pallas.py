"""The max contraction as a Pallas kernel, for GPUs; interpreted where there is none.

One program computes one tile of [m, k] and walks over n, as maximum_xla.py does for the whole.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from semigrad.kernels import maximum_xla

Array = jax.Array

# Rows and columns of a tile, powers of 2: its accumulator is held in registers.
_TILE = 32


def contract(weight: Array, ends: tuple[Array, ...]) -> tuple[Array, ...]:
    """See maximum.contract; no axis is empty."""
    (b, k, n), m = weight.shape, ends[0].shape[1]
    # n in front of the axis whose neighbours one instruction reads together.
    columns = [_pad(jnp.swapaxes(x, 1, 2)) for x in (weight, *ends)]
    specs = [pl.BlockSpec((None, n, _TILE), lambda b, i, j: (b, 0, j))]
    specs += [pl.BlockSpec((None, n, _TILE), lambda b, i, j: (b, 0, i))] * len(ends)
    rows, width = columns[1].shape[2], columns[0].shape[2]
    outs = pl.pallas_call(
        functools.partial(_tile, n),
        grid=(b, rows // _TILE, width // _TILE),
        in_specs=specs,
        out_specs=[pl.BlockSpec((None, _TILE, _TILE), lambda b, i, j: (b, i, j))] * len(ends),
        out_shape=[jax.ShapeDtypeStruct((b, rows, width), ends[0].dtype)] * len(ends),
        interpret=jax.default_backend() == "cpu",
    )(*columns)
    return tuple(
        jnp.where(maximum_xla.is_nan(weight, end), jnp.nan, out[:, :m, :k])
        for out, end in zip(outs, ends, strict=True)
    )


def _tile(n: int, weight_ref: Any, *refs: Any) -> None:
    ends, outs = refs[: len(refs) // 2], refs[len(refs) // 2 :]

    def step(i: Array, best: tuple[Array, ...]) -> tuple[Array, ...]:
        weight = weight_ref[i, :][None, :]
        values = [ref[i, :][:, None] for ref in ends]
        if len(ends) == 1:
            candidate = jnp.abs(weight) * values[0]
            return (jnp.where(candidate > best[0], candidate, best[0]),)
        high, low = values
        negative = weight < 0
        above = weight * jnp.where(negative, low, high)
        below = weight * jnp.where(negative, high, low)
        return (
            jnp.where(above > best[0], above, best[0]),
            jnp.where(below < best[1], below, best[1]),
        )

    fills = (0.0,) if len(ends) == 1 else (-jnp.inf, jnp.inf)
    start = tuple(
        jnp.full(out.shape, fill, out.dtype) for out, fill in zip(outs, fills, strict=True)
    )
    for out, best in zip(outs, lax.fori_loop(0, n, step, start), strict=True):
        out[...] = best


def _pad(x: Array) -> Array:
    """Fills the last axis up to whole tiles; what is computed of it is dropped."""
    return jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[2] % _TILE)))
