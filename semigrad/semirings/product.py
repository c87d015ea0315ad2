"""Several semirings in one sweep."""

from collections.abc import Callable, Sequence
from typing import Any

from semigrad.semirings.base import Array, Element, Semiring


class Product(Semiring):
    """The direct product of semirings: several statistics from one forward and reverse pass.

    Elements are tuples, one element per part; every operation acts part by part.
    """

    def __init__(self, *parts: Semiring):
        """Makes the product of `parts`, at least one."""
        if not parts:
            raise ValueError("Product needs at least one semiring")
        self.parts = parts

    def __repr__(self) -> str:
        return f"Product({', '.join(map(repr, self.parts))})"

    def zero(self, shape: Sequence[int], dtype: Any) -> tuple[Element, ...]:
        return tuple(part.zero(shape, dtype) for part in self.parts)

    def one(self, shape: Sequence[int], dtype: Any) -> tuple[Element, ...]:
        return tuple(part.one(shape, dtype) for part in self.parts)

    def lift(self, weight: Array) -> tuple[Element, ...]:
        return tuple(part.lift(weight) for part in self.parts)

    def plus(self, a: Element, b: Element) -> tuple[Element, ...]:
        return self._zip(lambda part, x, y: part.plus(x, y), a, b)

    def times(self, a: Element, b: Element) -> tuple[Element, ...]:
        return self._zip(lambda part, x, y: part.times(x, y), a, b)

    def scale(self, weight: Array, a: Element) -> tuple[Element, ...]:
        return self._zip(lambda part, x: part.scale(weight, x), a)

    def sum(self, a: Element, axis: int | Sequence[int] | None = None) -> tuple[Element, ...]:
        return self._zip(lambda part, x: part.sum(x, axis), a)

    def segment_sum(self, a: Element, ids: Array, num_segments: int) -> tuple[Element, ...]:
        return self._zip(lambda part, x: part.segment_sum(x, ids, num_segments), a)

    def contract(self, weight: Array, a: Element, precision: Any = None) -> tuple[Element, ...]:
        return self._zip(lambda part, x: part.contract(weight, x, precision), a)

    def _zip(self, operation: Callable[..., Element], *elements: Element) -> tuple[Element, ...]:
        return tuple(
            operation(part, *args) for part, *args in zip(self.parts, *elements, strict=True)
        )
