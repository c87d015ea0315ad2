"""Reductions along axes: a reduction's element feeds one element of a result.

So one `jax.vjp` with ones gives all local derivatives; those of a sum are 1.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from semigrad import graph
from semigrad.registry import Site, lookup, register_rule
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


@register_rule(
    "reduce",
    family=_FAMILY,
    multiple_results=True,
    limit="refused where its initial values are on a path or an operand holds integers",
)
def _reduce(
    site: Site, cts: list[Element | None], *values: Any, jaxpr: Any, dimensions: Any, **_: Any
) -> list[Element | None]:
    """Reduces several operands together; the reducer tells which of them each result reads."""
    semiring, count = site.semiring, len(cts)
    _check_differentiable(site, count)
    results = [index for index, ct in enumerate(cts) if ct is not None]

    def of_operands(*operands: Any) -> list[Any]:
        outs = site.bind(*operands, *values[count:])
        return [outs[index] for index in results]

    outs, pull = jax.vjp(of_operands, *values[:count])
    reads = _reads(jaxpr, count)
    in_cts: list[Element | None] = [None] * len(values)
    for number, result in enumerate(results):
        weights = pull([jnp.full_like(out, float(number == n)) for n, out in enumerate(outs)])
        ct = _expand(site, cts[result], values[0].shape, dimensions)
        for index, weight in enumerate(weights):
            if site.active[index] and index in reads[result]:
                through, known = semiring.scale(weight, ct), in_cts[index]
                in_cts[index] = through if known is None else semiring.plus(known, through)
    return in_cts


def _check_differentiable(site: Site, count: int) -> None:
    """Refuses what JAX has no derivatives for."""
    if any(site.active[count:]):
        raise site.refusal(
            "its initial values are on a path, and JAX has no derivatives for those (`jax.grad` "
            "refuses it too). Start from a constant and "
            "join the initial values to the result, or keep them out of the differentiated path "
            "with `jax.lax.stop_gradient`."
        )
    if not all(jnp.issubdtype(aval.dtype, jnp.floating) for aval in site.in_avals[:count]):
        raise site.refusal(
            "one of its operands holds integers, and JAX has no derivatives for such a reduction "
            "(`jax.grad` fails too). Find the indices with `jnp.argmax` and index with them, or "
            "keep it out of the differentiated path with `jax.lax.stop_gradient`."
        )


def _reads(reducer: Any, count: int) -> Sequence[set[int]]:
    """Tells for each result of a reducer of pairs the operands that it depends on, in the end."""
    body = graph.from_jaxpr(reducer)
    reads: list[set[int]] = [{index} for index in range(count)]
    for _ in range(count):
        for index in range(count):
            reached = graph.descendants(
                body.equations,
                [body.inputs[index], body.inputs[count + index]],
                cuts=lambda eqn: not lookup(eqn.name).has_edges,
            )
            for result, out in enumerate(body.outputs):
                if out in reached:
                    reads[result] |= reads[index]
    return reads
