"""Data movement: each element of a result is a copy of one element of one operand.

Every edge has weight 1, so a cotangent is routed by the inverse map: elements that no result
reads get "no path", elements that several results read join them by `plus`.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from semigrad.registry import INTERNAL, Site, register_rule
from semigrad.semirings.base import Element

_FAMILY = "routing"
_FILL = lax.GatherScatterMode.FILL_OR_DROP


def _copy(site: Site, ct: Element, *_: Any, **__: Any) -> list[Element | None]:
    return [ct] + [None] * (len(site.active) - 1)


_COPIES = [
    "copy", "copy_p", "layout_constraint", "name", "pvary", "reduce_precision", "reshard",
    "sharding_constraint", "with_memory_space_constraint",
]  # fmt: skip

for _name in _COPIES:
    register_rule(_name, family=_FAMILY, pointwise=True)(_copy)

# One operand's use of a value, told apart to find a path.
register_rule("use", family=INTERNAL, pointwise=True)(_copy)


@register_rule("probe", family=INTERNAL, pointwise=True)
def _probe(site: Site, ct: Element, *_: Any) -> list[Element | None]:
    """A value with a probe at it: the probe's derivative is the value's."""
    return [ct, ct]


@register_rule("convert_element_type", family=_FAMILY, pointwise=True)
def _convert(site: Site, ct: Element, _: Any, **__: Any) -> list[Element | None]:
    """Weight 1; a cotangent takes the dtype that elements of the operand's dtype have."""
    like = site.fill(0)
    return [site.semiring.map(lambda x, fill: x.astype(fill.dtype), ct, like)]


def _copy_each(site: Site, cts: list[Element | None], *_: Any, **__: Any) -> list[Element | None]:
    return cts


for _name in ["device_put", "optimization_barrier", "shard_alike"]:
    register_rule(_name, family=_FAMILY, multiple_results=True)(_copy_each)


@register_rule("reshape", family=_FAMILY)
def _reshape(
    site: Site, ct: Element, x: Any, *_: Any, dimensions: Any, **__: Any
) -> list[Element | None]:
    """With `dimensions` the operand is transposed first."""
    order = range(x.ndim) if dimensions is None else dimensions
    shape = [x.shape[axis] for axis in order]
    back = np.argsort(order).tolist()
    return [site.semiring.map(lambda leaf: lax.transpose(leaf.reshape(shape), back), ct)]


@register_rule("squeeze", family=_FAMILY)
def _squeeze(site: Site, ct: Element, x: Any, **_: Any) -> list[Element | None]:
    return [site.semiring.map(lambda leaf: leaf.reshape(x.shape), ct)]


@register_rule("transpose", family=_FAMILY)
def _transpose(site: Site, ct: Element, _: Any, *, permutation: Any) -> list[Element | None]:
    inverse = tuple(int(axis) for axis in np.argsort(permutation))
    return [site.semiring.map(lambda leaf: lax.transpose(leaf, inverse), ct)]


@register_rule("rev", family=_FAMILY)
def _rev(site: Site, ct: Element, _: Any, *, dimensions: Any) -> list[Element | None]:
    return [site.semiring.map(lambda leaf: lax.rev(leaf, dimensions), ct)]


@register_rule("broadcast_in_dim", family=_FAMILY)
def _broadcast_in_dim(
    site: Site, ct: Element, x: Any, *dynamic: Any, shape: Any, broadcast_dimensions: Any, **_: Any
) -> list[Element | None]:
    in_shape = jnp.shape(x)
    own = {
        axis: size for axis, size in zip(broadcast_dimensions, in_shape, strict=True) if size != 1
    }
    # Also an axis of size 1 is joined: `sum` along it removes it.
    joined = tuple(axis for axis in range(len(shape)) if axis not in own)
    out = site.semiring.map(
        lambda leaf: leaf.reshape(in_shape), site.semiring.sum(ct, joined) if joined else ct
    )
    return [out] + [None] * len(dynamic)


@register_rule("tile", family=_FAMILY)
def _tile(site: Site, ct: Element, x: Any, *, reps: Any) -> list[Element | None]:
    split = [size for pair in zip(reps, x.shape, strict=True) for size in pair]
    tiles = site.semiring.map(lambda leaf: leaf.reshape(split), ct)
    return [site.semiring.sum(tiles, tuple(range(0, 2 * x.ndim, 2)))]


@register_rule("slice", family=_FAMILY)
def _slice(
    site: Site, ct: Element, x: Any, *, start_indices: Any, limit_indices: Any, strides: Any
) -> list[Element | None]:
    strides = strides or (1,) * x.ndim
    sizes = [
        max(0, -(-(e - s) // d))
        for s, e, d in zip(start_indices, limit_indices, strides, strict=True)
    ]
    config = [
        (start, n - start - ((size - 1) * stride + 1 if size else 0), stride - 1)
        for start, n, size, stride in zip(start_indices, x.shape, sizes, strides, strict=True)
    ]
    return [site.semiring.map(lambda leaf, fill: lax.pad(leaf, fill, config), ct, site.fill(0))]


@register_rule("dynamic_slice", family=_FAMILY)
def _dynamic_slice(site: Site, ct: Element, x: Any, *starts: Any, **_: Any) -> list[Element | None]:
    def place(zero: Any, leaf: Any) -> Any:
        # A start that is still negative in the equation is clamped, not counted from the end.
        return lax.dynamic_update_slice(zero, leaf, starts, allow_negative_indices=False)

    return [site.semiring.map(place, site.zero(0), ct)] + [None] * len(starts)


@register_rule("pad", family=_FAMILY)
def _pad(site: Site, ct: Element, x: Any, _: Any, *, padding_config: Any) -> list[Element | None]:
    crop = [(-low, -high, 0) for low, high, _ in padding_config]
    strides = [interior + 1 for _, _, interior in padding_config]

    def unpad(leaf: Any, fill: Any) -> Any:
        leaf = lax.pad(leaf, fill, crop)
        return lax.slice(leaf, [0] * leaf.ndim, leaf.shape, strides)

    operand = site.semiring.map(unpad, ct, site.fill(0)) if site.active[0] else None
    if not site.active[1]:
        return [operand, None]
    is_padding = lax.pad(jnp.zeros(x.shape, bool), True, padding_config)
    padding = site.semiring.map(
        lambda leaf, fill: jnp.where(is_padding, leaf, fill), ct, site.fill(1)
    )
    return [operand, site.semiring.sum(padding)]


@register_rule("concatenate", family=_FAMILY)
def _concatenate(site: Site, ct: Element, *xs: Any, dimension: int) -> list[Element | None]:
    return _cut(site, ct, [jnp.shape(x)[dimension] for x in xs], dimension)


@register_rule("stack", family=_FAMILY)
def _stack(site: Site, ct: Element, *xs: Any, axis: int) -> list[Element | None]:
    parts = _cut(site, ct, [1] * len(xs), axis)
    return [
        None if part is None else site.semiring.map(lambda x: lax.squeeze(x, [axis]), part)
        for part in parts
    ]


def _cut(site: Site, ct: Element, sizes: list[int], axis: int) -> list[Element | None]:
    ends = np.cumsum(sizes).tolist()
    return [
        site.semiring.map(
            lambda leaf, s=end - size, e=end: lax.slice_in_dim(leaf, s, e, axis=axis), ct
        )
        if active
        else None
        for size, end, active in zip(sizes, ends, site.active, strict=True)
    ]


@register_rule("split", family=_FAMILY, multiple_results=True)
def _split(
    site: Site, cts: list[Element | None], _: Any, *, axis: int, **__: Any
) -> list[Element | None]:
    parts = _instantiate(site, cts)
    return [site.semiring.map(lambda *leaves: lax.concatenate(leaves, axis), *parts)]


@register_rule("unstack", family=_FAMILY, multiple_results=True)
def _unstack(
    site: Site, cts: list[Element | None], _: Any, *, axis: int, **__: Any
) -> list[Element | None]:
    parts = _instantiate(site, cts)
    return [site.semiring.map(lambda *leaves: jnp.stack(leaves, axis), *parts)]


def _instantiate(site: Site, cts: list[Element | None]) -> list[Element]:
    """Replaces None by "no path" in the result's shape."""
    return [
        site.semiring.zero(aval.shape, aval.dtype) if ct is None else ct
        for ct, aval in zip(cts, site.out_avals, strict=True)
    ]


@register_rule("select_n", family=_FAMILY, pointwise=True)
def _select_n(site: Site, ct: Element, which: Any, *cases: Any) -> list[Element | None]:
    which = jnp.asarray(which)

    def chosen(index: int) -> Element:
        mask = which == jnp.asarray(index).astype(which.dtype)
        return site.semiring.map(
            lambda leaf, fill: jnp.where(mask, leaf, fill), ct, site.fill(index + 1)
        )

    return [None] + [
        chosen(index) if active else None for index, active in enumerate(site.active[1:])
    ]


@register_rule("gather", family=_FAMILY)
def _gather(
    site: Site,
    ct: Element,
    x: Any,
    indices: Any,
    *,
    dimension_numbers: lax.GatherDimensionNumbers,
    slice_sizes: tuple[int, ...],
    **params: Any,
) -> list[Element | None]:
    """Joins the rows read from each position of the operand.

    Axes that are read whole are not indexed: the positions read are found by gathering the
    operand's own flat indices over the other axes only. An index outside of the operand that was
    promised to be inside has no edge, as for `jax.grad`.
    """
    semiring = site.semiring
    unseen = {*dimension_numbers.collapsed_slice_dims, *dimension_numbers.operand_batching_dims}
    kept = [axis for axis in range(x.ndim) if axis not in unseen]
    whole = [axis for axis in kept if slice_sizes[axis] == x.shape[axis]]
    part = [axis for axis in range(x.ndim) if axis not in whole]
    whole_out = [dimension_numbers.offset_dims[kept.index(axis)] for axis in whole]

    ids_shape = [1 if axis in whole else size for axis, size in enumerate(x.shape)]
    positions = jnp.arange(math.prod(ids_shape), dtype=jnp.int32).reshape(ids_shape)
    ids = lax.gather(
        positions,
        indices,
        dimension_numbers,
        [1 if axis in whole else size for axis, size in enumerate(slice_sizes)],
        mode=_FILL if params["mode"] == lax.GatherScatterMode.PROMISE_IN_BOUNDS else params["mode"],
        unique_indices=params["unique_indices"],
        indices_are_sorted=params["indices_are_sorted"],
        fill_value=-1,
    )

    order = [axis for axis in range(len(semiring.shape(ct))) if axis not in whole_out] + whole_out
    whole_shape = [x.shape[axis] for axis in whole]
    rows = semiring.map(
        lambda leaf: lax.transpose(leaf, order).reshape([ids.size, *whole_shape]), ct
    )
    joined = semiring.segment_sum(rows, ids.reshape(-1), positions.size)
    back = np.argsort(part + whole).tolist()
    part_shape = [x.shape[axis] for axis in part]
    out = semiring.map(
        lambda leaf: lax.transpose(leaf.reshape(part_shape + whole_shape), back), joined
    )
    return [out, None]
