"""Bilinear contractions: `dot_general`, with either or both operands on a path.

The edge from lhs[b, m, k] to out[b, m, n] weighs rhs[b, k, n]: the cotangent of one operand is a
contraction of the result's cotangent with the other operand, in the semiring.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.semirings.base import Element


@register_rule("dot_general", family="contractions")
def dot_general(
    site: Site,
    ct: Element,
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any,
    precision: Any = None,
    **_: Any,
) -> list[Element | None]:
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    lhs_free = free_axes(lhs, lhs_contract, lhs_batch)
    rhs_free = free_axes(rhs, rhs_contract, rhs_batch)
    semiring, (batch, m, n) = site.semiring, _sizes(lhs, lhs_batch, lhs_free, rhs, rhs_free)
    ct = semiring.map(lambda leaf: leaf.reshape(batch, m, n), ct)

    def toward(index: int, layout: Sequence[Any], other: Any, other_layout: Any) -> Element:
        weight = arrange(other, *other_layout).astype(site.out_avals[0].dtype)
        own_ct = ct if index == 0 else semiring.map(lambda leaf: leaf.mT, ct)
        return restore(site, index, semiring.contract(weight, own_ct, precision), layout)

    # The contracted axes are listed in one order on both sides: that of the lhs.
    return [
        toward(0, (lhs_batch, lhs_free, lhs_contract), rhs, (rhs_batch, rhs_contract, rhs_free))
        if site.active[0]
        else None,
        toward(1, (rhs_batch, rhs_free, rhs_contract), lhs, (lhs_batch, lhs_contract, lhs_free))
        if site.active[1]
        else None,
    ]


def free_axes(x: Any, *taken: Sequence[int]) -> tuple[int, ...]:
    """Returns the axes of an operand that are not among those taken."""
    used = {axis for axes in taken for axis in axes}
    return tuple(axis for axis in range(jnp.ndim(x)) if axis not in used)


def _sizes(
    lhs: Any, batch: Sequence[int], lhs_free: Sequence[int], rhs: Any, rhs_free: Sequence[int]
) -> tuple[int, int, int]:
    def size(x: Any, axes: Sequence[int]) -> int:
        return math.prod(x.shape[axis] for axis in axes)

    return size(lhs, batch), size(lhs, lhs_free), size(rhs, rhs_free)


def arrange(x: Any, batch: Sequence[int], contract: Sequence[int], free: Sequence[int]) -> Any:
    """Returns the operand as [batch, contracted, free], each group flattened."""
    x = lax.transpose(x, [*batch, *contract, *free])
    sizes = [
        math.prod(x.shape[start:stop])
        for start, stop in (
            (0, len(batch)),
            (len(batch), len(batch) + len(contract)),
            (len(batch) + len(contract), x.ndim),
        )
    ]
    return x.reshape(sizes)


def restore(site: Site, index: int, ct: Element, layout: Sequence[Sequence[int]]) -> Element:
    """Gives a cotangent whose axes are groups of an operand's axes the operand's own shape."""
    order = [axis for axes in layout for axis in axes]
    shape = [site.in_avals[index].shape[axis] for axis in order]
    back = np.argsort(order).tolist()
    return site.semiring.map(
        lambda leaf, fill: lax.transpose(leaf.reshape(shape), back).astype(fill.dtype),
        ct,
        site.fill(index),
    )
