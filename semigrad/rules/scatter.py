"""Writing into an array: each element of the operand and of the updates feeds one result element.

`scatter` and `dynamic_update_slice` overwrite, so the elements written over lose their edges; the
others combine what is written with what was there, so the operand keeps all its edges. An update
that falls outside the operand has none.
"""

from collections.abc import Callable
from typing import Any

import jax
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


@register_rule("scatter", family=_FAMILY, limit="refused with a function to apply")
def _scatter(
    site: Site, ct: Element, x: Any, indices: Any, updates: Any, **params: Any
) -> list[Element | None]:
    """Finds who wrote each element by scattering the updates' own numbers (1, 2, ...; 0: nobody).

    Where several updates hit one element only the one that was written has an edge.
    """
    if params["update_jaxpr"] is not None:
        raise site.refusal(
            "it is `.at[...].apply(f)`, which JAX has no derivative for (`jax.grad` refuses it "
            "too). Write `x.at[i].set(f(x[i]))`, or keep it out of the differentiated path with "
            "`jax.lax.stop_gradient`."
        )
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


def _combine(
    site: Site, ct: Element, x: Any, indices: Any, updates: Any, **params: Any
) -> list[Element | None]:
    """As each element feeds one result, one `jax.vjp` with ones gives all weights."""

    def through(index: int, own: Any, fun: Callable[[Any], Any], at_own: Element) -> Element | None:
        if not site.active[index]:
            return None
        result, pull = jax.vjp(fun, own)
        return site.semiring.scale(pull(jnp.ones_like(result))[0], at_own)

    return [
        through(0, x, lambda own: site.bind(own, indices, updates), ct),
        None,
        through(
            2,
            updates,
            lambda own: site.bind(x, indices, own),
            _read_back(site, ct, x, indices, updates, **params),
        ),
    ]


for _name in ["scatter-max", "scatter-min", "scatter-sub"]:
    register_rule(_name, family=_FAMILY)(_combine)


@register_rule(
    "scatter-mul",
    family=_FAMILY,
    limit="refused where its factors are on a path and an index may repeat",
)
def _scatter_mul(
    site: Site, ct: Element, x: Any, indices: Any, updates: Any, **params: Any
) -> list[Element | None]:
    if site.active[2] and not params["unique_indices"]:
        raise site.refusal(
            "the factors are on a path and may meet at one index, and JAX has no derivatives for "
            "that (`jax.grad` refuses it too). If no index repeats, say so: "
            "`.at[...].multiply(..., unique_indices=True)`; or keep the factors out of the "
            "differentiated path with `jax.lax.stop_gradient`."
        )
    return _combine(site, ct, x, indices, updates, **params)


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
