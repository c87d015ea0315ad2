"""Convolution, with either or both operands on a path.

With operands lhs[g, n, s, i] and rhs[g, o, k, i] and result out[g, n, y, o] (groups g, spatial
positions s and y, offsets k in the kernel) the edge from lhs[g, n, s, i] to out[g, n, y, o] weighs
rhs[g, o, k, i] where window y reads s at offset k, and the other way about. At one offset that is
a matrix product: a loop contracts in the semiring an offset at a time, so that the windows are
never laid out; where they do not overlap one contraction takes all offsets. What a window reads of
padding, or of a hole of a dilated operand, is no edge.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.rules import geometry
from semigrad.semirings.base import Element, Semiring


@register_rule("conv_general_dilated", family="contractions")
def _conv_general_dilated(
    site: Site,
    ct: Element,
    lhs: Any,
    rhs: Any,
    *,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    dimension_numbers: lax.ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    precision: Any = None,
    **_: Any,
) -> list[Element | None]:
    if 0 in (lhs.size, rhs.size, site.out_avals[0].size):
        return [None, None]
    groups = feature_group_count * batch_group_count
    layouts = (
        _Layout(dimension_numbers.lhs_spec, batch_group_count, feature_group_count),
        _Layout(dimension_numbers.rhs_spec, groups, 1),
        _Layout(dimension_numbers.out_spec, 1, groups),
    )
    ct = site.semiring.map(layouts[2].canonical, ct)
    lhs, rhs = layouts[0].canonical(lhs), layouts[1].canonical(rhs)
    sizes = zip(lhs.shape[2:-1], site.semiring.shape(ct)[2:-1], rhs.shape[2:-1], strict=True)
    axes = [
        _Axis(*size, *rest)
        for size, *rest in zip(
            sizes, window_strides, [low for low, _ in padding], lhs_dilation, rhs_dilation,
            strict=True,
        )
    ]  # fmt: skip
    dtype = site.out_avals[0].dtype
    conv = _Convolution(site, axes, lhs.astype(dtype), rhs.astype(dtype), precision)
    cts = [
        toward(conv, ct) if active else None
        for toward, active in zip((_toward_lhs, _toward_rhs), site.active, strict=True)
    ]
    return [
        None
        if out is None
        else site.semiring.map(
            lambda leaf, fill, layout=layout: layout.original(leaf).astype(fill.dtype),
            out,
            site.fill(index),
        )
        for index, (out, layout) in enumerate(zip(cts, layouts[:2], strict=True))
    ]


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How an array's axes become [groups, batch, *spatial, features].

    Attributes:
      spec: the axes of batch, of features, and the spatial ones.
      batch_groups, feature_groups: in how many groups these two are split; one of them is 1.
    """

    spec: Sequence[int]
    batch_groups: int
    feature_groups: int

    @property
    def _order(self) -> list[int]:
        batch, feature, *spatial = self.spec
        return [batch, *spatial, feature]

    def canonical(self, x: Any) -> Any:
        x = lax.transpose(x, self._order)
        batch, *spatial, features = x.shape
        batch, features = batch // self.batch_groups, features // self.feature_groups
        x = x.reshape(self.batch_groups, batch, *spatial, self.feature_groups, features)
        return jnp.moveaxis(x, -2, 1).reshape(-1, batch, *spatial, features)

    def original(self, x: Any) -> Any:
        _, batch, *spatial, features = x.shape
        x = x.reshape(self.batch_groups, self.feature_groups, batch, *spatial, features)
        x = jnp.moveaxis(x, 1, -2)
        x = x.reshape(self.batch_groups * batch, *spatial, self.feature_groups * features)
        return lax.transpose(x, np.argsort(self._order).tolist())


@dataclasses.dataclass(frozen=True)
class _Axis:
    """A spatial axis. Window y reads at offset k element n if n base = y stride + k dilation - low.

    Attributes:
      size, windows, window: how many elements, windows, and offsets in a window there are.
      stride, low, base, dilation: of the windows, padding before, of the elements, of the offsets.
    """

    size: int
    windows: int
    window: int
    stride: int
    low: int
    base: int
    dilation: int

    @property
    def positions(self) -> np.ndarray:
        """The element n, or -1, read by each window at each offset [windows, window]."""
        return geometry.positions(*dataclasses.astuple(self))

    @property
    def readers(self) -> np.ndarray:
        """The windows and offsets, numbered together, that read each element [size, most]."""
        return geometry.readers(self.positions.ravel(), self.size)

    @property
    def span(self) -> int:
        """How far the elements reach."""
        return (self.size - 1) * self.base + 1

    @property
    def windows_span(self) -> int:
        """How far the windows reach at one offset."""
        return (self.windows - 1) * self.stride + 1

    @property
    def reading(self) -> tuple[int, int, int]:
        """The padding of the elements with which no window reads outside."""
        reach = self.windows_span + (self.window - 1) * self.dilation
        return self.low, reach - self.low - self.span, self.base - 1

    @property
    def placing(self) -> tuple[int, int, int]:
        """The padding of the windows with which every element is found at each offset."""
        before = max(0, (self.window - 1) * self.dilation - self.low)
        return before, max(0, self.low + self.span - self.windows_span), self.stride - 1


@dataclasses.dataclass(frozen=True)
class _Convolution:
    """What the two directions share; the operands have the layout above and the result's dtype."""

    site: Site
    axes: Sequence[_Axis]
    lhs: Any
    rhs: Any
    precision: Any

    @property
    def offsets(self) -> np.ndarray:
        """All offsets in the kernel, int32 [k, spatial axes]."""
        grid = np.indices([axis.window for axis in self.axes], np.int32)
        return grid.reshape(len(self.axes), math.prod(grid.shape[1:])).T

    @property
    def overlaps(self) -> bool:
        """Whether some element is read more than once."""
        return any(axis.readers.shape[1] > 1 for axis in self.axes)

    @property
    def fill(self) -> Element:
        """The scalar node that no path leaves, of the result's dtype."""
        return self.site.semiring.zero((), self.site.out_avals[0].dtype)


def _toward_lhs(conv: _Convolution, ct: Element) -> Element:
    """Joins over offsets: the windows' cotangents by the kernel there, each put where it reads."""
    semiring = conv.site.semiring
    groups, batch, *windows, features = semiring.shape(ct)
    kernel, inputs = conv.rhs.shape[2:-1], conv.rhs.shape[-1]
    weights = conv.rhs.reshape(groups, features, math.prod(kernel), inputs)

    if not conv.overlaps:
        rows = semiring.map(lambda leaf: leaf.reshape(groups, -1, features), ct)
        weight = weights.reshape(groups, features, -1).mT
        out = semiring.contract(weight, rows, conv.precision)
        shape = [groups, batch, *windows, *kernel, inputs]
        return _gather(conv, semiring.map(lambda leaf: leaf.reshape(shape), out))

    # XLA does not vectorise what it fuses with a padding, least of all logarithms: so windows are
    # put where they read before the contraction, unless it would have many more rows to contract.
    first = math.prod(axis.size for axis in conv.axes) <= 2 * math.prod(windows)

    def place(a: Element, offset: Any) -> Element:
        return semiring.map(lambda leaf, none: _place(conv, leaf, none, offset), a, conv.fill)

    def step(total: Element, at: tuple[Any, Any]) -> tuple[Element, None]:
        offset, weight = at
        reading = place(ct, offset) if first else ct
        shape = semiring.shape(reading)
        rows = semiring.map(lambda leaf: leaf.reshape(groups, -1, features), reading)
        out = semiring.contract(weight, rows, conv.precision)
        out = semiring.map(lambda leaf: leaf.reshape(*shape[:-1], inputs), out)
        return semiring.plus(total, out if first else place(out, offset)), None

    start = semiring.zero(conv.lhs.shape, conv.lhs.dtype)
    return _loop(step, start, (conv.offsets, jnp.transpose(weights, (2, 0, 3, 1))))[0]


def _toward_rhs(conv: _Convolution, ct: Element) -> Element:
    """Contracts for each offset the windows' cotangents with what they read there."""
    semiring = conv.site.semiring
    groups, batch, *windows, features = semiring.shape(ct)
    kernel, inputs = conv.rhs.shape[2:-1], conv.rhs.shape[-1]
    rows = semiring.map(lambda leaf: leaf.reshape(groups, -1, features).mT, ct)
    shape = [groups, features, *kernel, inputs]
    inside = [axis.positions >= 0 for axis in conv.axes]
    in_bounds = all(axis.all() for axis in inside)

    if in_bounds and not conv.overlaps:
        weight = _patches(conv).reshape(groups, batch * math.prod(windows), -1).mT
        out = semiring.contract(weight, rows, conv.precision)
        return semiring.map(lambda leaf: leaf.reshape(shape), out)

    padded = _pad(conv.lhs, 0, [axis.reading for axis in conv.axes])
    masks = None
    if not (in_bounds or _zero_is_no_path(semiring, conv.lhs.dtype)):
        masks = [axis.T[k] for axis, k in zip(inside, conv.offsets.T, strict=True)]

    def step(_: None, at: tuple[Any, Any]) -> tuple[None, Element]:
        offset, reads = at
        starts = [k * axis.dilation for k, axis in zip(offset, conv.axes, strict=True)]
        spans, strides = [x.windows_span for x in conv.axes], [x.stride for x in conv.axes]
        weight = _cut(padded, starts, spans, strides).reshape(groups, -1, inputs).mT
        if reads is None:
            return None, semiring.contract(weight, rows, conv.precision)
        mask = jnp.broadcast_to(_outer_and(reads), (batch, *windows)).reshape(1, 1, -1)
        reading = semiring.map(lambda leaf, none: jnp.where(mask, leaf, none), rows, conv.fill)
        return None, semiring.contract(weight, reading, conv.precision)

    _, out = _loop(step, None, (conv.offsets, masks))
    return semiring.map(lambda leaf: jnp.moveaxis(leaf, 0, 2).reshape(shape), out)


def _zero_is_no_path(semiring: Semiring, dtype: Any) -> bool:
    """Whether an edge of weight 0 makes no path, so that padding needs no mask.

    Not known where the semiring has a traced parameter.
    """
    with jax.ensure_compile_time_eval():
        lifted = jax.tree.leaves(semiring.lift(jnp.zeros((), dtype)))
        zeros = jax.tree.leaves(semiring.zero((), dtype))
    try:
        return all(np.array_equal(a, b) for a, b in zip(lifted, zeros, strict=True))
    except jax.errors.TracerArrayConversionError:
        return False


def _loop(step: Callable[..., Any], start: Any, xs: Any) -> Any:
    """`lax.scan`, without a loop if there is a single step."""
    if len(xs[0]) > 1:
        return lax.scan(step, start, jax.tree.map(jnp.asarray, xs))
    carry, y = step(start, jax.tree.map(lambda x: x[0], xs))
    return carry, jax.tree.map(lambda leaf: leaf[None], y)


def _pad(x: Any, fill: Any, spatial: Sequence[tuple[int, int, int]]) -> Any:
    config = [(0, 0, 0), (0, 0, 0), *spatial, (0, 0, 0)]
    return lax.pad(x, jnp.asarray(fill, x.dtype), config)


def _cut(x: Any, starts: Sequence[Any], sizes: Sequence[int], strides: Sequence[int]) -> Any:
    """Reads along the spatial axes `sizes` elements from `starts`, each of `strides` one."""
    corner = [jnp.asarray(start, jnp.int32) for start in (0, 0, *starts, 0)]
    x = lax.dynamic_slice(x, corner, [*x.shape[:2], *sizes, x.shape[-1]])
    return lax.slice(x, [0] * x.ndim, x.shape, [1, 1, *strides, 1])


def _outer_and(masks: Sequence[Any]) -> Any:
    """Combines a mask per axis to one of all axes."""
    out = jnp.asarray(True)
    for mask in masks:
        out = out[..., None] & mask.reshape((1,) * out.ndim + mask.shape)
    return out


def _place(conv: _Convolution, x: Any, none: Any, offset: Any) -> Any:
    """Puts each window [g, n, *windows, i] where it reads at one offset [g, n, *elements, i]."""
    x = _pad(x, none, [axis.placing for axis in conv.axes])
    starts = [
        axis.placing[0] + axis.low - k * axis.dilation
        for k, axis in zip(offset, conv.axes, strict=True)
    ]
    return _cut(x, starts, [axis.span for axis in conv.axes], [axis.base for axis in conv.axes])


def _gather(conv: _Convolution, ct: Element) -> Element:
    """Puts windows that do not overlap where they read, from [g, n, *windows, *kernel, i]."""
    semiring, spatial = conv.site.semiring, len(conv.axes)
    pairs = [axis for index in range(spatial) for axis in (2 + index, 2 + spatial + index)]
    sizes = [axis.windows * axis.window for axis in conv.axes]

    def interleave(leaf: Any) -> Any:
        leaf = lax.transpose(leaf, [0, 1, *pairs, leaf.ndim - 1])
        return leaf.reshape(*leaf.shape[:2], *sizes, leaf.shape[-1])

    ct = semiring.map(interleave, ct)
    for index, axis in enumerate(conv.axes):
        ct = geometry.join(semiring, ct, axis.readers, 2 + index, conv.fill)
    return ct


def _patches(conv: _Convolution) -> Any:
    """Lays out what the windows read of the lhs, [g, n, *windows, *kernel, i]."""
    x = conv.lhs
    for index, axis in enumerate(conv.axes):
        x = geometry.read(x, axis.positions, 2 + 2 * index, 0)
    windows, kernel = (range(first, x.ndim - 1, 2) for first in (2, 3))
    return lax.transpose(x, [0, 1, *windows, *kernel, x.ndim - 1])
