"""Semirings of sums over paths kept as logarithms: total mass and number of paths."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from semigrad.kernels import logspace, order
from semigrad.kernels.matmul import columns, matmul, squeeze
from semigrad.semirings.base import Array, Semiring, log_dtype


class _LogSum(Semiring):
    """Base of the semirings (logaddexp, +) over R and -inf; a subclass gives the lift."""

    def zero(self, shape: Sequence[int], dtype: Any) -> Array:
        return jnp.full(shape, -jnp.inf, log_dtype(dtype))

    def one(self, shape: Sequence[int], dtype: Any) -> Array:
        return jnp.zeros(shape, log_dtype(dtype))

    def plus(self, a: Array, b: Array) -> Array:
        return logspace.add(a, b)

    def times(self, a: Array, b: Array) -> Array:
        return logspace.multiply(a, b)

    def sum(self, a: Array, axis: int | Sequence[int] | None = None) -> Array:
        return logspace.sum(a, self.axes(a, axis))

    def segment_sum(self, a: Array, ids: Array, num_segments: int) -> Array:
        return logspace.segment_sum(a, jnp.where(ids < 0, num_segments, ids), num_segments)

    def rows(self, weight: Array, a: Array) -> tuple[Array, Array]:
        """Returns the log of a number for each row [..., k, 1], and e^lift divided by it."""
        raise NotImplementedError

    def contract(self, weight: Array, a: Array, precision: Any = None) -> Array:
        return log_matmul(a, *self.rows(squeeze(weight.astype(a.dtype)), a), precision)


def log_matmul(a: Array, log_scale: Array, rows: Array, precision: Any) -> Array:
    """Returns the log of the product of e^a and of `rows` >= 0 times e^log_scale, row by row."""
    top, _, mass = logspace.lift_rows(a)
    total = matmul(mass, rows, precision)
    log_mass = logspace.log_lifted(total) + (top + columns(log_scale))
    return jnp.where(total == 0, -jnp.inf, log_mass)


@dataclasses.dataclass(frozen=True)
class LogSumProduct(_LogSum):
    """The log of the sum over paths of |weight|^power, in nats.

    With power 1 this is log Z, the log of the paths' mass; the derivative in `power` gives the
    entropy of the path distribution, and power 0 counts the paths of non-zero weight (Renyi
    1961 for the family; Du et al. 2023, section 4.3, for power 1). Elements are float32 or
    float64 arrays; plus is logaddexp, times is +, "no path" is -inf.

    Attributes:
      power: the exponent, a number or a scalar array; may be traced.
    """

    power: Any = 1.0

    def lift(self, weight: Array) -> Array:
        dtype = log_dtype(weight.dtype)
        log_weight = logspace.log_magnitude(weight.astype(dtype))
        if self._is_plain:
            return log_weight
        power = jnp.asarray(self.power, dtype)
        infinite = jnp.isinf(log_weight)
        finite = power * jnp.where(infinite, 0, log_weight)
        # |w|^0 is 1 for an infinite weight too; a weight of 0 is no path whatever the power.
        limit = jnp.where((log_weight > 0) & (power > 0), jnp.inf, -jnp.inf)
        limit = jnp.where((log_weight > 0) & (power == 0), 0, limit)
        return jnp.where(infinite, limit, finite)

    def rows(self, weight: Array, a: Array) -> tuple[Array, Array]:
        if self._is_plain:
            return logspace.normalise_rows(weight, a)
        lifted = self.lift(weight)
        top = logspace.largest(lifted, (lifted.ndim - 1,))
        return jnp.where(top == -jnp.inf, 0, top), jnp.exp(logspace.shift(lifted, top))

    @property
    def _is_plain(self) -> bool:
        return isinstance(self.power, (int, float)) and self.power == 1


@dataclasses.dataclass(frozen=True)
class Count(_LogSum):
    """The log of the number of paths of non-zero weight, in nats (the counting semiring of
    Goodman 1999, as a logarithm).

    Elements are float32 or float64 arrays; plus is logaddexp, times is +, "no path" is -inf.
    """

    def lift(self, weight: Array) -> Array:
        return logspace.log_magnitude(_is_edge(weight))

    def rows(self, weight: Array, a: Array) -> tuple[Array, Array]:
        # A row of edges is normalised already. Weights wait for `a`, as normalise_rows has them do.
        edges = _is_edge(jnp.minimum(weight, order.after(math.inf, a)))
        return jnp.zeros((*weight.shape[:-1], 1), edges.dtype), edges


def _is_edge(weight: Array) -> Array:
    """Returns 1 where a weight is not 0, else 0; NaN stays NaN."""
    ones = (weight != 0).astype(log_dtype(weight.dtype))
    return jnp.where(jnp.isnan(weight), jnp.nan, ones)
