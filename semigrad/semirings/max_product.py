"""Max-product semirings: the weight of the top gradient path."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from semigrad.kernels import maximum
from semigrad.semirings.base import Array, Semiring


class Extremes(NamedTuple):
    """The ends of the interval of path weights; max < min where there is no path.

    Attributes:
      max: weight of the most positive path; -inf where there is no path.
      min: weight of the most negative path; +inf where there is no path.
    """

    max: Array
    min: Array


@dataclasses.dataclass(frozen=True)
class MaxProduct(Semiring):
    """The weights of the most positive and of the most negative path (Du et al. 2023, Eq. 5).

    max alone does not distribute over multiplication by a negative number. The ends of the
    interval of path weights do: plus is the hull of two intervals, times the product of two
    intervals, "no path" the empty interval (-inf, +inf).

    A path whose weight is 0 times an infinite one weighs 0, but is left out where the two meet in
    a matrix product.

    Attributes:
      kernel: how matrix products are contracted: "xla"; "native" on a CPU, with the package
        semigrad-native; "pallas" on a GPU; or None for the fastest at hand. All give the same
        numbers.
    """

    kernel: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a kernel that there is not, or not here."""
        maximum.check(self.kernel)

    def zero(self, shape: Sequence[int], dtype: Any) -> Extremes:
        return Extremes(jnp.full(shape, -jnp.inf, dtype), jnp.full(shape, jnp.inf, dtype))

    def one(self, shape: Sequence[int], dtype: Any) -> Extremes:
        return Extremes(jnp.ones(shape, dtype), jnp.ones(shape, dtype))

    def lift(self, weight: Array) -> Extremes:
        return Extremes(weight, weight)

    def plus(self, a: Extremes, b: Extremes) -> Extremes:
        return Extremes(jnp.maximum(a.max, b.max), jnp.minimum(a.min, b.min))

    def times(self, a: Extremes, b: Extremes) -> Extremes:
        empty = _is_empty(a) | _is_empty(b)
        ends = [product(x, y) for x in a for y in b]
        return _empty_where(
            empty,
            Extremes(
                jnp.maximum(jnp.maximum(ends[0], ends[1]), jnp.maximum(ends[2], ends[3])),
                jnp.minimum(jnp.minimum(ends[0], ends[1]), jnp.minimum(ends[2], ends[3])),
            ),
        )

    def scale(self, weight: Array, a: Extremes) -> Extremes:
        empty, swap = _is_empty(a), weight < 0
        return _empty_where(
            empty,
            Extremes(
                product(weight, jnp.where(swap, a.min, a.max)),
                product(weight, jnp.where(swap, a.max, a.min)),
            ),
        )

    def sum(self, a: Extremes, axis: int | Sequence[int] | None = None) -> Extremes:
        axes = self.axes(a, axis)
        return Extremes(
            jnp.max(a.max, axes, initial=-jnp.inf), jnp.min(a.min, axes, initial=jnp.inf)
        )

    def segment_sum(self, a: Extremes, ids: Array, num_segments: int) -> Extremes:
        ids = jnp.where(ids < 0, num_segments, ids)
        return Extremes(
            jax.ops.segment_max(a.max, ids, num_segments),
            jax.ops.segment_min(a.min, ids, num_segments),
        )

    def contract(self, weight: Array, a: Extremes, precision: Any = None) -> Extremes:
        del precision
        return Extremes(*maximum.contract(weight, a, self.kernel))


@dataclasses.dataclass(frozen=True)
class AbsMaxProduct(Semiring):
    """The weight of the strongest path, sign aside: the largest product of magnitudes.

    Elements are arrays >= 0; plus is max, times is x, "no path" is 0 (Du et al. 2023, section 4,
    over absolute weights).

    Attributes:
      kernel: see `MaxProduct`.
    """

    kernel: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a kernel that there is not, or not here."""
        maximum.check(self.kernel)

    def zero(self, shape: Sequence[int], dtype: Any) -> Array:
        return jnp.zeros(shape, dtype)

    def one(self, shape: Sequence[int], dtype: Any) -> Array:
        return jnp.ones(shape, dtype)

    def lift(self, weight: Array) -> Array:
        return jnp.abs(weight)

    def plus(self, a: Array, b: Array) -> Array:
        return jnp.maximum(a, b)

    def times(self, a: Array, b: Array) -> Array:
        return product(a, b)

    def sum(self, a: Array, axis: int | Sequence[int] | None = None) -> Array:
        return jnp.max(a, self.axes(a, axis), initial=0)

    def segment_sum(self, a: Array, ids: Array, num_segments: int) -> Array:
        ids = jnp.where(ids < 0, num_segments, ids)
        return jnp.maximum(jax.ops.segment_max(a, ids, num_segments), 0)

    def contract(self, weight: Array, a: Array, precision: Any = None) -> Array:
        del precision
        return maximum.contract(weight, (a,), self.kernel)[0]


@jax.custom_jvp
def product(x: Array, y: Array) -> Array:
    """Returns x * y with 0 * inf = 0, in value and derivative; NaN stays NaN."""
    result = x * y
    undefined = jnp.isnan(result) & ~jnp.isnan(x) & ~jnp.isnan(y)
    return jnp.where(undefined, 0, result)


@product.defjvp
def _product_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    x, y = (jnp.where(jnp.isinf(z), 0, z) for z in primals)
    return product(*primals), tangents[0] * y + x * tangents[1]


def _is_empty(a: Extremes) -> Array:
    return a.max < a.min


def _empty_where(empty: Array, a: Extremes) -> Extremes:
    return Extremes(jnp.where(empty, -jnp.inf, a.max), jnp.where(empty, jnp.inf, a.min))
