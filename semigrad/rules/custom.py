"""Functions with a derivative of their author's: `custom_jvp` and `custom_vjp`.

The author's rule is obeyed, so that sum-product always equals `jax.grad`. Where the rule is
pointwise, the call has one edge per element, weighted by the author's derivative. Any other call
is replaced in the graph by its tangent program (of a `custom_vjp` or a `linear_call`: its backward
program transposed), whose equations are read like any others.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from semigrad import _compat, graph, interpreter
from semigrad.graph import Constant, Equation, Variable
from semigrad.registry import (
    INTERNAL,
    Site,
    lookup,
    register_inlined,
    register_no_edge,
    register_rule,
)
from semigrad.semirings.base import Element

# Makes the function from operands and the tangents of the followed ones to the results' tangents.
TangentProgram = Callable[[Equation, Sequence[int]], Callable[..., Any]]


def _pointwise(
    site: Site, cts: list[Element | None], *operands: Any, edges: Any, **_: Any
) -> list[Element | None]:
    """One edge per element from operand i to result j where `edges[i][j]`."""
    active = [index for index, is_active in enumerate(site.active) if is_active]
    results, pull = jax.vjp(_of_active(site.bind, operands, active), *(operands[i] for i in active))
    float_cts = [ct for ct, aval in zip(cts, site.out_avals, strict=True) if _float(aval)]
    in_cts: list[Element | None] = [None] * len(operands)
    for number, ct in enumerate(float_cts):
        if ct is None:
            continue
        weights = pull([jnp.full_like(r, float(number == n)) for n, r in enumerate(results)])
        for index, weight in zip(active, weights, strict=True):
            if edges[index][number]:
                through, known = site.semiring.scale(weight, ct), in_cts[index]
                in_cts[index] = through if known is None else site.semiring.plus(known, through)
    return in_cts


@register_rule("tangent", family=INTERNAL, pointwise=True)
def _tangent(site: Site, ct: Element, _: Any) -> list[Element | None]:
    """An operand's tangent; one edge of weight 1 to the operand."""
    return [ct]


@register_rule("attach_tangent", family=INTERNAL, pointwise=True)
def _attach_tangent(site: Site, ct: Element, *_: Any) -> list[Element | None]:
    """A result with its tangent; one edge of weight 1 to the tangent."""
    return [None, ct]


register_no_edge(["primal"], family=INTERNAL, pointwise=True)
register_inlined(
    {
        "call": "call_jaxpr",
        "closed_call": "call_jaxpr",
        "compute_on": "jaxpr",
        "custom_vmap_call": "call",
        "eval_jaxpr": "call_jaxpr",
        "fused_call": "jaxpr",
        "jit": "jaxpr",
        "remat2": "jaxpr",
        "xla_metadata_call": "jaxpr",
    },
    family="calls",
)


def _expand(program: TangentProgram, eqn: Equation, active: set[Variable]) -> Sequence[Equation]:
    """Replaces a call that is not pointwise by its tangent program."""
    followed = [i for i, v in enumerate(eqn.invars) if v in active]
    results = [v for v in eqn.outvars if v.is_float]
    shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]
    jaxpr, _ = _compat.trace(program(eqn, followed), shapes, [shapes[i] for i in followed])

    cut: list[Any] = [v if isinstance(v, Constant) else Variable(v.aval) for v in eqn.invars]
    tangents = [Variable(eqn.invars[i].aval) for i in followed]
    body: list[Equation] = []
    result_tangents = graph.inline(jaxpr, [*cut, *tangents], eqn.scope, eqn.sources, body)
    if _is_pointwise(body, tangents, results):
        reached = {i: _reach(body, t) for i, t in zip(followed, tangents, strict=True)}
        edges = [[t in reached.get(i, ()) for t in result_tangents] for i in range(len(cut))]
        return [dataclasses.replace(eqn, params={**eqn.params, "edges": edges})]

    primals = [Variable(v.aval) for v in eqn.outvars]
    primal_of = dict(zip(eqn.outvars, primals, strict=True))
    return [
        *(
            graph.identity_equation("primal", (v,), own, like=eqn)
            for v, own in zip(eqn.invars, cut, strict=True)
            if isinstance(v, Variable)
        ),
        *(
            Equation("tangent", _zeros, {}, (eqn.invars[i],), (own,), eqn.scope, eqn.sources)
            for i, own in zip(followed, tangents, strict=True)
        ),
        Equation(
            eqn.name,
            eqn.evaluate,
            eqn.params,
            tuple(cut),
            tuple(primals),
            eqn.scope,
            eqn.sources,
        ),
        *body,
        *(
            graph.identity_equation("attach_tangent", (primal_of[v], t), v, like=eqn)
            for v, t in zip(results, result_tangents, strict=True)
        ),
        *(
            graph.identity_equation("primal", (primal_of[v],), v, like=eqn)
            for v in eqn.outvars
            if not v.is_float
        ),
    ]


def _zeros(x: Any) -> list[Any]:
    return [jnp.zeros_like(x)]


def _jvp_program(eqn: Equation, followed: Sequence[int]) -> Callable[..., Any]:
    def program(operands: Sequence[Any], tangents: Sequence[Any]) -> Any:
        fun = _of_active(eqn.evaluate, operands, followed)
        return jax.jvp(fun, [operands[i] for i in followed], list(tangents))[1]

    return program


def _vjp_program(eqn: Equation, followed: Sequence[int]) -> Callable[..., Any]:
    def program(operands: Sequence[Any], tangents: Sequence[Any]) -> Any:
        fun = _of_active(eqn.evaluate, operands, followed)
        results, pull = jax.vjp(fun, *(operands[i] for i in followed))
        return _apply_transpose(eqn, pull, results, tangents)

    return program


def _linear_call_program(eqn: Equation, followed: Sequence[int]) -> Callable[..., Any]:
    """The author's transpose, read as a function: its own transpose would be the call again."""

    def program(operands: Sequence[Any], tangents: Sequence[Any]) -> Any:
        fun = _of_active(eqn.evaluate, operands, followed)
        results, pull = jax.vjp(fun, *(operands[i] for i in followed))
        body, _ = graph.trace(pull, results, descend=True)
        inlined = interpreter.plan(body, ())

        def apply(cts: Sequence[Any]) -> tuple[Any, ...]:
            values = interpreter.evaluate(inlined, cts)
            return tuple(interpreter.read(values, v) for v in body.outputs)

        return _apply_transpose(eqn, apply, results, tangents)

    return program


def _apply_transpose(
    eqn: Equation, pull: Callable[..., Any], results: Any, tangents: Sequence[Any]
) -> Any:
    """Applies the transpose of a backward function to tangents of its results."""
    try:
        return jax.linear_transpose(pull, results)(tuple(tangents))[0]
    except (NotImplementedError, TypeError, AssertionError) as error:
        raise NotImplementedError(
            f"cannot follow paths through {eqn}: the backward function of this custom_vjp is not "
            "linear in the cotangent (it clips it, say), so its paths have no weights. Take the "
            "function out of the model, or give it a linear rule."
        ) from error


def _of_active(
    fun: Callable[..., Sequence[Any]], operands: Sequence[Any], followed: Sequence[int]
) -> Callable[..., list[Any]]:
    """Returns the function of the followed operands to the floating-point results."""

    def of_active(*own: Any) -> list[Any]:
        full = list(operands)
        for index, x in zip(followed, own, strict=True):
            full[index] = x
        return [r for r in fun(*full) if _float(r)]

    return of_active


def _float(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _reach(body: Iterable[Equation], *tangents: Variable) -> set[Variable]:
    """Returns the variables of a tangent program that depend on some of its tangents."""
    return graph.descendants(body, tangents, cuts=lambda eqn: not lookup(eqn.name).has_edges)


def _is_pointwise(
    body: Iterable[Equation], tangents: Sequence[Variable], results: Sequence[Variable]
) -> bool:
    """Whether element i of every result depends on elements i of the tangents only."""
    dependent = _reach(body, *tangents)
    shape = results[0].aval.shape
    return all(v.aval.shape == shape for v in (*dependent, *results)) and all(
        lookup(eqn.name).pointwise for eqn in body if any(v in dependent for v in eqn.invars)
    )


_NOT_LINEAR = "refused where its backward function is not linear in the cotangent"

for _name, _program, _body, _limit in (
    ("custom_jvp_call", _jvp_program, "call_jaxpr", None),
    ("custom_vjp_call", _vjp_program, "call_jaxpr", _NOT_LINEAR),
    ("linear_call", _linear_call_program, "callee", None),
):
    register_rule(
        _name,
        family="calls",
        multiple_results=True,
        body=_body,
        expand=functools.partial(_expand, _program),
        limit=_limit,
    )(_pointwise)
