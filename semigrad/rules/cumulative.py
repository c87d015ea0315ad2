"""Cumulative reductions: element j along the axis depends on all elements up to j.

Of a sum every weight is 1, so that cotangents are joined by a cumulative `plus` from the other
end. The others are bundles of edges, a triangle along the axis in each lane of the other axes.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.rules import jacobian
from semigrad.semirings.base import Element

_FAMILY = "cumulative"


@register_rule("cumsum", family=_FAMILY)
def _cumsum(site: Site, ct: Element, x: Any, *, axis: int, reverse: bool) -> list[Element | None]:
    if x.shape[axis] == 0:
        return [ct]

    def plus(a: Element, b: Element) -> Element:
        return site.semiring.plus(a, b)

    return [lax.associative_scan(plus, ct, reverse=not reverse, axis=axis)]


def _cumulative(
    site: Site, ct: Element, x: Any, *, axis: int, reverse: bool, **_: Any
) -> list[Element | None]:
    def last(leaf: Any) -> Any:
        return jnp.moveaxis(leaf, axis, -1)

    def back(leaf: Any) -> Any:
        return jnp.moveaxis(leaf, -1, axis)

    semiring = site.semiring
    up_to = np.tri(x.shape[axis], dtype=bool)
    (out,) = jacobian.pull_rows(
        site,
        [semiring.map(last, ct)],
        lambda x: [last(site.bind(back(x)))],
        [last(x)],
        x.ndim - 1,
        [[up_to.T if reverse else up_to]],
    )
    return [semiring.map(back, out)]


for _name in ["cumlogsumexp", "cummax", "cummin", "cumprod"]:
    register_rule(_name, family=_FAMILY)(_cumulative)
