"""Loops of known length and branches: `scan` (hence `fori_loop`, `map`) and `cond`, `switch`.

A loop is its step repeated, a branch is the one that was taken. The forward pass of a loop keeps
what each step was given, and the reverse pass is a loop in the other direction whose step runs
the body forward once more and then backwards: memory grows with the carried values, not with what
the body computes on the way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from semigrad import _compat, interpreter
from semigrad.graph import Constant, Equation
from semigrad.interpreter import Program
from semigrad.kernels import order
from semigrad.registry import INTERNAL, Site, register_rule
from semigrad.semirings.base import Element

_FAMILY = "control flow"


def _layout(whole: Sequence[Any], inner: Sequence[Any]) -> tuple[int, int]:
    """Returns how many values a loop takes (or returns) whole, and how many a slice a step.

    Operands are constants, the first carry, and what is scanned over; results are the last carry
    and what is stacked. Slices have one axis less.
    """
    slices = sum(len(a.shape) != len(b.shape) for a, b in zip(whole, inner, strict=True))
    return len(whole) - slices, slices


def _avals(variables: Sequence[Any]) -> list[Any]:
    return [v.aval for v in variables]


def _scan_body(eqn: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Reads the loop's step."""
    jaxpr = eqn.params["jaxpr"]
    inner, _ = _compat.open_jaxpr(jaxpr)
    carries, _ = _layout(_avals(eqn.outvars), _avals(inner.outvars))
    first = _layout(_avals(eqn.invars), _avals(inner.invars))[0] - carries
    carried = tuple((i, first + i) for i in range(carries))
    return [(jaxpr, {"length": eqn.params["length"], "carried": carried})]


def _scan_forward(
    eqn: Equation, bodies: Sequence[Program], operands: Sequence[Any]
) -> tuple[list[Any], Any]:
    """Runs the loop; keeps the carry that each step was given."""
    (program,), (body,) = bodies, eqn.bodies
    carries = len(body.carried)
    whole, _ = _layout(_avals(eqn.invars), _avals(program.graph.inputs))
    constants, start, scanned = _cut(operands, whole - carries, whole)

    def step(carry: list[Any], at: list[Any]) -> tuple[list[Any], tuple[list[Any], list[Any]]]:
        values = interpreter.evaluate(program, [*constants, *carry, *at])
        results = [
            jnp.asarray(v.value, v.aval.dtype) if isinstance(v, Constant) else values[v]
            for v in program.graph.outputs
        ]
        return results[:carries], (carry, results[carries:])

    how = {name: eqn.params[name] for name in ("length", "reverse", "unroll")}
    last, (given, stacked) = lax.scan(step, start, scanned, **how)
    return [*last, *stacked], given


@register_rule(
    "scan", family=_FAMILY, multiple_results=True, bodies=_scan_body, forward=_scan_forward
)
def _scan(
    site: Site,
    cts: list[Element | None],
    *operands: Any,
    length: int,
    reverse: bool,
    unroll: Any,
    **_: Any,
) -> list[Element | None]:
    """Runs the steps backwards, carrying the cotangents of the carry and of the constants."""
    (program,), semiring, given = site.bodies, site.semiring, site.residuals
    inputs, outputs, active = program.graph.inputs, program.graph.outputs, program.active
    carries = len(given)
    whole = _layout(site.in_avals, _avals(inputs))[0]
    first = whole - carries
    constants, _start, scanned = _cut(operands, first, whole)

    fixed = [i for i in range(first) if inputs[i] in active]
    carried = [i for i in range(carries) if inputs[first + i] in active or outputs[i] in active]
    sliced = [i for i in range(whole, len(inputs)) if inputs[i] in active]
    stacked = [i for i in range(carries, len(outputs)) if cts[i] is not None]

    def or_none(ct: Element | None, variable: Any) -> Element:
        return semiring.zero(variable.aval.shape, variable.aval.dtype) if ct is None else ct

    def step(state: Any, at: Any) -> tuple[Any, list[Element]]:
        (fixed_cts, carry_cts), (carry, here, stacked_cts) = state, at
        values = interpreter.evaluate(program, [*constants, *carry, *here])
        starts = zip([*carried, *stacked], [*carry_cts, *stacked_cts], strict=True)
        with order.at_once():
            found = interpreter.sweep(
                program, values, semiring, cotangents_of=[(outputs[i], ct) for i, ct in starts]
            )
        new = [found.get(inputs[i]) for i in fixed]
        fixed_cts = [
            ct if more is None else semiring.plus(ct, more)
            for ct, more in zip(fixed_cts, new, strict=True)
        ]
        carry_cts = [or_none(found.get(v), v) for v in (inputs[first + i] for i in carried)]
        return (fixed_cts, carry_cts), [or_none(found.get(inputs[i]), inputs[i]) for i in sliced]

    nothing = [or_none(None, inputs[i]) for i in fixed]
    last = [or_none(cts[i], inputs[first + i]) for i in carried]
    (fixed_cts, carry_cts), slice_cts = lax.scan(
        step,
        (nothing, last),
        (given, scanned, [cts[i] for i in stacked]),
        length=length,
        reverse=not reverse,
        unroll=unroll,
    )
    found = zip(
        [*fixed, *(first + i for i in carried), *sliced],
        [*fixed_cts, *carry_cts, *slice_cts],
        strict=True,
    )
    in_cts: list[Element | None] = [None] * len(operands)
    for index, ct in found:
        in_cts[index] = ct
    return in_cts


def _cut(values: Sequence[Any], *ends: int) -> list[list[Any]]:
    """Cuts a sequence at positions."""
    starts = (0, *ends)
    return [list(values[a:b]) for a, b in zip(starts, (*ends, len(values)), strict=True)]


def _branches(eqn: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Reads the branches; the first operand tells which of them is taken."""
    return [(branch, {"first": 1}) for branch in eqn.params["branches"]]


@register_rule("cond", family=_FAMILY, multiple_results=True, bodies=_branches)
def _cond(
    site: Site, cts: list[Element | None], which: Any, *operands: Any, **_: Any
) -> list[Element | None]:
    """Runs the branch that was taken forward once more and then backwards."""
    followed = [i for i, active in enumerate(site.active[1:]) if active]

    def through(program: Program) -> Callable[..., list[Element]]:
        inputs = program.graph.inputs

        def branch(operands: Sequence[Any], cts: list[Element]) -> list[Element]:
            values = interpreter.evaluate(program, operands)
            starts = [
                (output, ct)
                for output, ct in zip(program.graph.outputs, cts, strict=True)
                if ct is not None
            ]
            found = interpreter.sweep(program, values, site.semiring, cotangents_of=starts)
            return [found[v] if (v := inputs[i]) in found else site.zero(i + 1) for i in followed]

        return branch

    found = lax.switch(which, [through(program) for program in site.bodies], operands, cts)
    in_cts: list[Element | None] = [None] * (1 + len(operands))
    for index, ct in zip(followed, found, strict=True):
        in_cts[1 + index] = ct
    return in_cts


@register_rule("branch", family=INTERNAL, pointwise=True)
def _branch(site: Site, ct: Element, _: Any, which: Any, *, number: int) -> list[Element | None]:
    """A value that enters a branch, where branches are written out: no edge if it is not taken."""
    taken = which == number
    return [
        site.semiring.map(lambda leaf, fill: jnp.where(taken, leaf, fill), ct, site.fill(0)),
        None,
    ]
