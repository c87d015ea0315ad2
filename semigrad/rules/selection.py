"""Sorting and choosing: each element of a result is a copy of one element of one operand.

Which one is a discrete value, as the indices of a `gather` are (JAX's own derivative is that
gather): a sort routes along its permutation, `top_k` along its indices, and every edge has
weight 1. Elements that were not chosen have no path.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.semirings.base import Element

_FAMILY = "selection"


@register_rule("sort", family=_FAMILY, multiple_results=True)
def _sort(
    site: Site, cts: list[Element | None], *operands: Any, dimension: int, **_: Any
) -> list[Element | None]:
    """Sorts positions along with the operands, and again by where they went: the inverse."""
    positions: Any = lax.broadcasted_iota(jnp.int32, operands[0].shape, dimension)
    came_from = site.bind(*operands, positions)[-1]
    went_to = lax.sort((came_from, positions), dimension=dimension, num_keys=1)[1]

    def unsort(leaf: Any) -> Any:
        return jnp.take_along_axis(leaf, went_to, dimension)

    return [None if ct is None else site.semiring.map(unsort, ct) for ct in cts]


def _choose(site: Site, cts: list[Element | None], x: Any, axis: int) -> list[Element | None]:
    """Notes for each element the place that it was chosen for, if any, and reads from there."""
    _, indices = site.bind(x)
    nowhere = indices.shape[axis]
    places = lax.broadcasted_iota(jnp.int32, indices.shape, axis % x.ndim)
    went_to = jnp.full(x.shape, nowhere, jnp.int32)
    went_to = jnp.put_along_axis(went_to, indices, places, axis, inplace=False)

    def read(leaf: Any, fill: Any) -> Any:
        padding = [(0, int(a == axis % x.ndim), 0) for a in range(x.ndim)]
        return jnp.take_along_axis(lax.pad(leaf, fill, padding), went_to, axis)

    return [site.semiring.map(read, cts[0], site.fill(0))]


@register_rule("top_k", family=_FAMILY, multiple_results=True)
def _top_k(
    site: Site, cts: list[Element | None], x: Any, *, axis: int, **_: Any
) -> list[Element | None]:
    return _choose(site, cts, x, axis)


@register_rule("approx_top_k", family=_FAMILY, multiple_results=True)
def _approx_top_k(
    site: Site, cts: list[Element | None], x: Any, *, reduction_dimension: int, **_: Any
) -> list[Element | None]:
    return _choose(site, cts, x, reduction_dimension)
