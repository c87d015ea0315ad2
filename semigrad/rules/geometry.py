"""Where windows read: the element of the operand under each place of each window.

Windows factorise over axes, so an axis is described alone, by integers known while tracing. A
place of a window that lies on padding or on a hole of a dilated operand reads nothing: it is -1.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from semigrad.semirings.base import Element, Semiring

Indices = np.ndarray


def positions(
    size: int,
    windows: int,
    window: int,
    stride: int = 1,
    low: int = 0,
    base_dilation: int = 1,
    window_dilation: int = 1,
) -> Indices:
    """Returns the index read by each place of each window along one axis, or -1.

    Example: windows of 2 over 3 elements, one of padding at the low end.

      >>> positions(3, windows=2, window=2, stride=2, low=1).tolist()
      [[-1, 0], [1, 2]]

    Args:
      size: the number of the operand's elements.
      windows: the number of windows, which is the size of the result's axis.
      window: the number of places in a window.
      stride: steps from one window to the next.
      low: padding before the first element; negative padding removes elements.
      base_dilation: steps from one element of the operand to the next.
      window_dilation: steps from one place of a window to the next.

    Returns:
      int32 [windows, window].
    """
    starts = np.arange(windows, dtype=np.int32)[:, None] * stride - low
    at = starts + np.arange(window, dtype=np.int32)[None, :] * window_dilation
    inside = (at >= 0) & (at % base_dilation == 0) & (at < size * base_dilation)
    return np.where(inside, at // base_dilation, -1)


def readers(read: Indices, size: int) -> Indices:
    """Returns for each of `size` elements the places that read it, filled up with -1.

    Args:
      read: int32 [n], the element that each place reads, or -1.
      size: the number of elements.

    Returns:
      int32 [size, most], `most` the largest number of places that read one element.
    """
    places = np.flatnonzero(read >= 0)
    places = places[np.argsort(read[places], kind="stable")]
    elements = read[places]
    rank = np.arange(len(places)) - np.searchsorted(elements, elements)
    table = np.full((size, int(rank.max(initial=-1)) + 1), -1, np.int32)
    table[elements, rank] = places
    return table


def read(x: Any, indices: Indices, axis: int, fill: Any) -> Any:
    """Reads an array along an axis; `fill`, a scalar, where the index is -1.

    Indices of several axes put these in the place of the one.
    """
    inside = indices >= 0
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    if np.array_equal(indices.ravel(), np.arange(x.shape[axis])):
        return x.reshape(shape)
    if not inside.any():
        return jnp.full(shape, fill, x.dtype)
    taken = jnp.take(x, np.maximum(indices, 0), axis=axis, mode="clip")
    if inside.all():
        return taken
    mask = inside.reshape((1,) * axis + inside.shape + (1,) * (x.ndim - axis - 1))
    return jnp.where(mask, taken, fill)


def take(semiring: Semiring, a: Element, indices: Indices, axis: int, fill: Element) -> Element:
    """Reads an element along an axis of the node's shape; `fill`, a scalar node, at index -1."""
    return semiring.map(lambda leaf, none: read(leaf, indices, axis, none), a, fill)


def join(semiring: Semiring, a: Element, table: Indices, axis: int, fill: Element) -> Element:
    """Joins by `plus` what each row of a table of indices [size, most] names along an axis."""
    if table.shape[1] == 1:
        return take(semiring, a, table[:, 0], axis, fill)
    return semiring.sum(take(semiring, a, table, axis, fill), axis + 1)


def split(semiring: Semiring, a: Element, axis: int, sizes: Sequence[int]) -> Element:
    """Splits an axis of the node's shape into several."""
    shape = semiring.shape(a)
    parts = [*shape[:axis], *sizes, *shape[axis + 1 :]]
    return semiring.map(lambda leaf: leaf.reshape(parts), a)
