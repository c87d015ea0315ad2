"""Writing into an array: results are copies of the operand's elements or of the updates'.

`scatter-add` adds its updates, so the operand keeps all its edges; `scatter` and
`dynamic_update_slice` overwrite, so the elements written over lose theirs.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.semirings.base import Element

_FAMILY = "scatter"


@register_rule("dynamic_update_slice", family=_FAMILY)
def _dynamic_update_slice(
    site: Site, ct: Element, x: Any, update: Any, *starts: Any
) -> list[Element | None]:
    # A start that is still negative in the equation is clamped, not counted from the end.
    def erase(leaf: Any, zero: Any) -> Any:
        return lax.dynamic_update_slice(leaf, zero, starts, allow_negative_indices=False)

    def read(leaf: Any) -> Any:
        return lax.dynamic_slice(leaf, starts, update.shape, allow_negative_indices=False)

    operand = site.semiring.map(erase, ct, site.zero(1))
    written = site.semiring.map(read, ct)
    return [operand, written] + [None] * len(starts)


@register_rule("scatter-add", family=_FAMILY)
def _scatter_add(
    site: Site, ct: Element, x: Any, indices: Any, updates: Any, **params: Any
) -> list[Element | None]:
    return [ct, None, _read_back(site, ct, x, indices, updates, **params)]


@register_rule("scatter", family=_FAMILY)
def _scatter(
    site: Site, ct: Element, x: Any, indices: Any, updates: Any, **params: Any
) -> list[Element | None]:
    """Finds who wrote each element by scattering the updates' own numbers (1, 2, ...; 0: nobody).

    Where several updates hit one element only the one that was written has an edge.
    """
    semiring = site.semiring
    numbers = 1 + jnp.arange(updates.size, dtype=jnp.int32).reshape(updates.shape)
    dnums, mode = params["dimension_numbers"], params["mode"]
    writers = lax.scatter(
        jnp.zeros(x.shape, jnp.int32),
        indices,
        numbers,
        dnums,
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=mode,
    )
    operand = semiring.map(lambda leaf, fill: jnp.where(writers == 0, leaf, fill), ct, site.fill(0))
    written = _gather_updates(writers, jnp.int32(0), x, indices, updates, dnums, mode) == numbers
    update = _read_back(site, ct, x, indices, updates, **params)
    update = semiring.map(lambda leaf, fill: jnp.where(written, leaf, fill), update, site.fill(2))
    return [operand, None, update]


def _read_back(
    site: Site,
    ct: Element,
    x: Any,
    indices: Any,
    updates: Any,
    *,
    dimension_numbers: lax.ScatterDimensionNumbers,
    mode: Any,
    **_: Any,
) -> Element:
    """Returns the cotangent at the place that each update was sent to, "no path" if outside."""
    return site.semiring.map(
        lambda leaf, fill: _gather_updates(
            leaf, fill, x, indices, updates, dimension_numbers, mode
        ),
        ct,
        site.fill(2),
    )


def _gather_updates(
    source: Any,
    fill: Any,
    x: Any,
    indices: Any,
    updates: Any,
    dnums: lax.ScatterDimensionNumbers,
    mode: Any,
) -> Any:
    """Gathers `source` (of the operand's shape) at the places that the updates were sent to.

    `fill` stands for a place outside, unless the mode clips it or promises that there is none.
    """
    unseen = {*dnums.inserted_window_dims, *dnums.operand_batching_dims}
    windows = iter(dnums.update_window_dims)
    slice_sizes = [1 if axis in unseen else updates.shape[next(windows)] for axis in range(x.ndim)]
    gather_dnums = lax.GatherDimensionNumbers(
        offset_dims=tuple(dnums.update_window_dims),
        collapsed_slice_dims=tuple(dnums.inserted_window_dims),
        start_index_map=tuple(dnums.scatter_dims_to_operand_dims),
        operand_batching_dims=tuple(dnums.operand_batching_dims),
        start_indices_batching_dims=tuple(dnums.scatter_indices_batching_dims),
    )
    if mode in (lax.GatherScatterMode.CLIP, lax.GatherScatterMode.PROMISE_IN_BOUNDS):
        return lax.gather(source, indices, gather_dnums, slice_sizes, mode=mode)
    inside = lax.gather(
        jnp.ones(x.shape, jnp.int32),
        indices,
        gather_dnums,
        slice_sizes,
        mode=lax.GatherScatterMode.FILL_OR_DROP,
        fill_value=0,
    )
    read = lax.gather(source, indices, gather_dnums, slice_sizes, mode=lax.GatherScatterMode.CLIP)
    return jnp.where(inside == 1, read, fill)
