"""Reductions along axes and cumulative sums.

A reduction's element feeds one result, so one `jax.vjp` with ones gives all local derivatives;
those of a sum are 1.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.semirings.base import Element

_FAMILY = "reductions"


@register_rule("reduce_sum", family=_FAMILY)
def _reduce_sum(site: Site, ct: Element, x: Any, *, axes: Any, **_: Any) -> list[Element | None]:
    return [_expand(site, ct, x.shape, axes)]


def _weighted(site: Site, ct: Element, x: Any, *, axes: Any, **_: Any) -> list[Element | None]:
    result, pull = jax.vjp(site.bind, x)
    (weight,) = pull(jnp.ones_like(result))
    return [site.semiring.scale(weight, _expand(site, ct, x.shape, axes))]


for _name in ["reduce_max", "reduce_min", "reduce_prod"]:
    register_rule(_name, family=_FAMILY)(_weighted)


def _expand(site: Site, ct: Element, shape: tuple[int, ...], axes: Any) -> Element:
    """Hands each result's cotangent to all elements that it was reduced from."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    return site.semiring.map(lambda leaf: lax.broadcast_in_dim(leaf, shape, kept), ct)


@register_rule("cumsum", family=_FAMILY)
def _cumsum(site: Site, ct: Element, x: Any, *, axis: int, reverse: bool) -> list[Element | None]:
    """Joins the cotangents of all later results: a cumulative `plus` from the other end."""
    if x.shape[axis] == 0:
        return [ct]

    def plus(a: Element, b: Element) -> Element:
        return site.semiring.plus(a, b)

    return [lax.associative_scan(plus, ct, reverse=not reverse, axis=axis)]
