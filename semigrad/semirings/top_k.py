"""The k-best semiring: the weights of the k most positive gradient paths."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from semigrad.kernels import ranking
from semigrad.semirings.base import Array, Semiring
from semigrad.semirings.max_product import product


class TopPaths(NamedTuple):
    """The weights of the k most positive and of the k most negative paths, each path once.

    Attributes:
      values: [..., k], descending; -inf where there are fewer paths.
      lowest: [..., k], ascending; +inf where there are fewer paths.
    """

    values: Array
    lowest: Array


@dataclasses.dataclass(frozen=True)
class TopK(Semiring):
    """The weights of the k most positive paths (the k-best semiring of Goodman 1999, with signs).

    Elements are lists of path weights. plus keeps the best of two lists, times the best products
    of their pairs. A negative weight turns the order round: so the k most negative paths are kept
    as well, as `MaxProduct`, which this is for k = 1, keeps both ends. Paths of equal weight are
    listed one by one.

    Where a matrix product takes `MaxProduct` one multiplication and one maximum, it takes this
    k (k + 1) / 2 and k^2; an element holds 2 k numbers a node.

    An infinite weight at the wrong end of a list, -inf among the most positive or +inf among the
    most negative, cannot be told from "no path".

    Attributes:
      k: how many, 1 or more.
    """

    k: int

    def __post_init__(self) -> None:
        """Raises ValueError for a k that is no positive integer."""
        if not isinstance(self.k, int) or isinstance(self.k, bool) or self.k < 1:
            raise ValueError(f"k must be a positive integer, got {self.k!r}")

    def zero(self, shape: Sequence[int], dtype: Any) -> TopPaths:
        full = (*shape, self.k)
        return TopPaths(jnp.full(full, -jnp.inf, dtype), jnp.full(full, jnp.inf, dtype))

    def one(self, shape: Sequence[int], dtype: Any) -> TopPaths:
        return self.lift(jnp.ones(shape, dtype))

    def lift(self, weight: Array) -> TopPaths:
        values = ranking.largest(weight[..., None], self.k)
        return TopPaths(values, -ranking.largest(-weight[..., None], self.k))

    def plus(self, a: TopPaths, b: TopPaths) -> TopPaths:
        values, below = (
            ranking.largest(jnp.concatenate(lists, -1), self.k)
            for lists in zip(_falling(a), _falling(b), strict=True)
        )
        return TopPaths(values, -below)

    def times(self, a: TopPaths, b: TopPaths) -> TopPaths:
        negated = TopPaths(-a.lowest, -a.values)
        return TopPaths(self._best_products(a, b), -self._best_products(negated, b))

    def scale(self, weight: Array, a: TopPaths) -> TopPaths:
        weight, none = weight[..., None], _is_none(a)
        ends = ((a.lowest, a.values, -jnp.inf), (a.values, a.lowest, jnp.inf))
        return TopPaths(
            *(
                ranking.spread_nan(
                    jnp.where(none, fill, product(weight, jnp.where(weight < 0, turned, end)))
                )
                for turned, end, fill in ends
            )
        )

    def sum(self, a: TopPaths, axis: int | Sequence[int] | None = None) -> TopPaths:
        axes = self.axes(a, axis)
        kept = [ax for ax in range(len(self.shape(a))) if ax not in axes]

        def best(x: Array) -> Array:
            x = x.transpose(*kept, *axes, x.ndim - 1)
            return ranking.largest(x.reshape(*x.shape[: len(kept)], -1), self.k)

        values, below = map(best, _falling(a))
        return TopPaths(values, -below)

    def segment_sum(self, a: TopPaths, ids: Array, num_segments: int) -> TopPaths:
        values, below = (ranking.segment_largest(x, ids, num_segments) for x in _falling(a))
        return TopPaths(values, -below)

    def contract(self, weight: Array, a: TopPaths, precision: Any = None) -> TopPaths:
        del precision
        # The most negative are minus the most positive of the negated: more rows of the same.
        high = jnp.concatenate([a.values, -a.lowest], 1)
        low = jnp.concatenate([a.lowest, -a.values], 1)
        best = ranking.contract(weight.astype(high.dtype), high, low)
        values, below = jnp.split(best, 2, axis=1)
        return TopPaths(values, -below)

    def _best_products(self, a: TopPaths, b: TopPaths) -> Array:
        """Returns the k largest products of a path of `a` and one of `b`, each pair at most once.

        The best are products of the largest; of two negative ones, the most negative; and, if there
        are too few of those, of the smallest that is not negative with the largest that is.
        """
        pairs = [
            (a.values, False, b.values, False),
            (a.lowest, True, b.lowest, True),
            (a.lowest, False, b.values, True),
            (a.values, True, b.lowest, False),
        ]
        none = _is_none(a)[..., :, None] | _is_none(b)[..., None, :]
        products = []
        for x, x_negative, y, y_negative in pairs:
            x, y = x[..., :, None], y[..., None, :]
            left_out = none | ((x < 0) != x_negative) | ((y < 0) != y_negative)
            products.append(jnp.where(left_out, -jnp.inf, product(x, y)))
        every = jnp.stack(products, -3)
        return ranking.largest(every.reshape(*every.shape[:-3], -1), self.k)


def _falling(a: TopPaths) -> tuple[Array, Array]:
    """Returns both ends as descending lists, the second negated."""
    return a.values, -a.lowest


def _is_none(a: TopPaths) -> Array:
    """Returns where, [..., k], there are fewer paths."""
    return (a.values == -jnp.inf) & (a.lowest == jnp.inf)
