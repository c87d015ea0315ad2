"""The real semiring (+, x): the gradient."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from semigrad.kernels.matmul import matmul, squeeze
from semigrad.semirings.base import Array, Element, Semiring


@dataclasses.dataclass(frozen=True)
class SumProduct(Semiring):
    """The sum over paths of the product of their edges' weights: the gradient.

    Equals `jax.grad` (Bauer 1974; Du et al. 2023, Eq. 1). Elements are arrays; plus is +, times
    is x, "no path" is 0.
    """

    def zero(self, shape: Sequence[int], dtype: Any) -> Array:
        return jnp.zeros(shape, dtype)

    def one(self, shape: Sequence[int], dtype: Any) -> Array:
        return jnp.ones(shape, dtype)

    def lift(self, weight: Array) -> Array:
        return weight

    def plus(self, a: Array, b: Array) -> Array:
        return a + b

    def times(self, a: Array, b: Array) -> Array:
        return a * b

    def sum(self, a: Array, axis: int | Sequence[int] | None = None) -> Array:
        return jnp.sum(a, self.axes(a, axis))

    def segment_sum(self, a: Array, ids: Array, num_segments: int) -> Array:
        return jax.ops.segment_sum(a, jnp.where(ids < 0, num_segments, ids), num_segments)

    def contract(self, weight: Array, a: Array, precision: Any = None) -> Element:
        return matmul(a, squeeze(weight), precision)
