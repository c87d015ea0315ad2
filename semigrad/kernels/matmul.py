"""The real matrix product that contractions of sums are made of."""

from typing import Any

import jax
from jax import lax

Array = jax.Array


def squeeze(weight: Array) -> Array:
    """Returns weights [1, k, n] as [k, n], and any others as they are.

    With a batch axis, of size 1 or squeezed after the lift, XLA stores what it otherwise reads in
    place: a transpose of the weights, and their lift.
    """
    return weight[0] if weight.shape[0] == 1 else weight


def columns(rows: Array) -> Array:
    """Returns a number for each row of `weight` [..., k, 1] as one for each column [b, 1, k]."""
    return rows.mT if rows.ndim == 3 else rows.mT[None]


def matmul(a: Array, weight: Array, precision: Any) -> Array:
    """Returns sum_n a[b, m, n] * weight[b, k, n] in a's dtype; `weight` as `squeeze` gives it."""

    def product(a: Array, axis: int, batch: tuple[int, ...]) -> Array:
        dims = (((axis,), (axis,)), (batch, batch))
        return lax.dot_general(a, weight, dims, precision=precision, preferred_element_type=a.dtype)

    return product(a[0], 1, ())[None] if weight.ndim == 2 else product(a, 2, (0,))
