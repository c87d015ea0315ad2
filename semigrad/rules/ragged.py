"""`ragged_dot_general`: products of groups of consecutive rows, of sizes known at run time.

With batch b, groups g and contracted k it computes

    out[b, m, n] = sum_k lhs[b, m, k] rhs[g, b, k, n]  for g the group of m,
    out[g, b, m, n] = sum_k lhs[b, m, k] rhs[b, k, n]  over the k of group g, or

where the groups divide the batch, what `dot_general` computes. Sizes are a discrete operand:
there are no edges but those of a group's own rows. A loop over the groups contracts in the
semiring, with "no path" at the rows of other groups.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from semigrad.registry import Site, register_rule
from semigrad.rules.contractions import arrange, dot_general, free_axes, restore
from semigrad.semirings.base import Element


@register_rule("ragged_dot_general", family="contractions")
def _ragged_dot_general(
    site: Site,
    ct: Element,
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    *,
    ragged_dot_dimension_numbers: lax.RaggedDotDimensionNumbers,
    precision: Any = None,
    **_: Any,
) -> list[Element | None]:
    dims = ragged_dot_dimension_numbers.dot_dimension_numbers
    group = list(ragged_dot_dimension_numbers.rhs_group_dimensions)
    (ragged,) = ragged_dot_dimension_numbers.lhs_ragged_dimensions
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dims
    if ragged in lhs_batch:
        return [*dot_general(site, ct, lhs, rhs, dimension_numbers=dims, precision=precision), None]
    lhs_free = free_axes(lhs, lhs_contract, lhs_batch)
    rhs_free = free_axes(rhs, rhs_contract, rhs_batch, group)

    rows = [*lhs_batch, *(lhs_contract if ragged in lhs_contract else lhs_free)]
    inside = _members(group_sizes, [lhs.shape[axis] for axis in rows], rows.index(ragged))
    dtype = site.out_avals[0].dtype
    left = arrange(lhs, lhs_batch, lhs_contract, lhs_free).astype(dtype)
    right = arrange(rhs, [*group, *rhs_batch], rhs_contract, rhs_free).astype(dtype)
    batch, k, m, n = *left.shape, right.shape[2]
    right = right.reshape(*inside.shape[: len(group)], batch, k, n)
    inside = inside.reshape(len(inside), batch, -1)
    shape = (batch, m, n) if group else (len(inside), batch, m, n)
    ct = site.semiring.map(lambda leaf: leaf.reshape(shape), ct)

    product = _Product(site, left, right, inside, precision)
    toward = (
        (product.free_lhs, product.free_rhs)
        if group
        else (product.contracted_lhs, product.contracted_rhs)
    )
    layouts = (
        (lhs_batch, lhs_free, lhs_contract),
        (group, rhs_batch, rhs_free, rhs_contract),
    )
    cts = [
        restore(site, index, toward[index](ct), layouts[index]) if site.active[index] else None
        for index in range(2)
    ]
    return [*cts, None]


def _members(group_sizes: Any, sizes: Sequence[int], ragged: int) -> Any:
    """Returns which rows are of which group, bool [groups, *sizes].

    Args:
      group_sizes: [groups], or for each entry of the axes before the ragged one [..., groups].
      sizes: the sizes of the rows' axes.
      ragged: the one of these axes along which groups lie one after the other.
    """
    ends = jnp.moveaxis(jnp.cumsum(group_sizes, -1), -1, 0)
    starts = ends - jnp.moveaxis(group_sizes, -1, 0)
    before = sizes[:ragged] if group_sizes.ndim > 1 else (1,) * ragged
    after = (1,) * (len(sizes) - ragged - 1)
    starts, ends = (x.reshape(-1, *before, 1, *after) for x in (starts, ends))
    at = jnp.arange(sizes[ragged], dtype=ends.dtype).reshape(*[1] * (ragged + 1), -1, *after)
    return jnp.broadcast_to((starts <= at) & (at < ends), (ends.shape[0], *sizes))


@dataclasses.dataclass(frozen=True)
class _Product:
    """The operands as matrices, and the two directions of the two kinds of product.

    Attributes:
      site: the site.
      left: the lhs [b, k, m].
      right: the rhs [g, b, k, n] where rows m are grouped, [b, k, n] where k is.
      inside: which rows are of which group [g, b, m] or [g, b, k].
      precision: of the product.
    """

    site: Site
    left: Any
    right: Any
    inside: Any
    precision: Any

    def free_lhs(self, ct: Element) -> Element:
        """From [b, m, n] to [b, m, k], by the matrix of each row's group."""

        def of_group(at: Any) -> Element:
            weight, inside = at
            return self._contract(weight, self._where(inside[:, :, None], ct))

        return self._join(of_group, (self.right, self.inside), self.left.mT.shape)

    def free_rhs(self, ct: Element) -> Element:
        """From [b, m, n] to [g, b, n, k], by the rows of each group."""

        def of_group(inside: Any) -> Element:
            return self._contract(self.left, self._turn(self._where(inside[:, :, None], ct)))

        return lax.map(of_group, self.inside)

    def contracted_lhs(self, ct: Element) -> Element:
        """From [g, b, m, n] to [b, m, k], for each k that of its group."""

        def of_group(at: Any) -> Element:
            own_ct, inside = at
            return self._where(inside[:, None, :], self._contract(self.right, own_ct))

        return self._join(of_group, (ct, self.inside), self.left.mT.shape)

    def contracted_rhs(self, ct: Element) -> Element:
        """From [g, b, m, n] to [b, n, k], for each k that of its group."""

        def of_group(at: Any) -> Element:
            own_ct, inside = at
            out = self._contract(self.left, self._turn(own_ct))
            return self._where(inside[:, None, :], out)

        return self._join(of_group, (ct, self.inside), self.right.mT.shape)

    def _contract(self, weight: Any, ct: Element) -> Element:
        return self.site.semiring.contract(weight, ct, self.precision)

    def _where(self, mask: Any, ct: Element) -> Element:
        fill = self.site.semiring.zero((), self.left.dtype)
        return self.site.semiring.map(lambda leaf, none: jnp.where(mask, leaf, none), ct, fill)

    def _turn(self, ct: Element) -> Element:
        return self.site.semiring.map(lambda leaf: leaf.mT, ct)

    def _join(self, of_group: Any, xs: Any, shape: Sequence[int]) -> Element:
        semiring = self.site.semiring
        start = semiring.zero(shape, self.left.dtype)
        return lax.scan(lambda total, at: (semiring.plus(total, of_group(at)), None), start, xs)[0]
