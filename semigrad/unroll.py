"""Control flow written out: every step of a loop and every branch as equations of their own.

A gradient path goes through one step of a loop after the other and through the branch that was
taken. What lists a path's edges needs these one by one; what computes derivatives does not.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.graph import Atom, Body, Constant, Equation, Graph, Variable, join_scopes
from semigrad.interpreter import Program

LIMIT = 20_000


def unroll(program: Program) -> Graph:
    """Writes out the loops and branches that lie on a path.

    Returns:
      The graph without them. The scope of a loop's step i ends in `[i]`. Of several branches all
      are computed, and the edges of those that were not taken are cut.

    Raises:
      NotImplementedError: the graph would have more than `LIMIT` equations.
    """
    writer = _Writer(program.active)
    graph = program.graph
    outputs = writer.write(graph, graph.inputs, lambda scope: scope)
    return Graph(graph.inputs, tuple(writer.equations), tuple(outputs))


class _Writer:
    """Appends equations, each with variables of its own, to a list."""

    def __init__(self, active: frozenset[Variable]):
        self.equations: list[Equation] = []
        self._active = active

    def write(
        self, graph: Graph, operands: Sequence[Atom], place: Callable[[str], str]
    ) -> list[Atom]:
        """Writes out a graph applied to operands; returns its results."""
        env: dict[Atom, Atom] = dict(zip(graph.inputs, operands, strict=True))
        for eqn in graph.equations:
            invars = tuple(env.get(v, v) for v in eqn.invars)
            here = dataclasses.replace(eqn, invars=invars, scope=place(eqn.scope))
            if not eqn.bodies or not any(v in self._active for v in eqn.outvars):
                results = self._append(here)
            elif eqn.bodies[0].length is None:
                results = self._branches(here, eqn.scope)
            else:
                results = self._loop(here, eqn.bodies[0], eqn.scope)
            env.update(zip(eqn.outvars, results, strict=True))
        return [env.get(v, v) for v in graph.outputs]

    def _append(self, eqn: Equation) -> Sequence[Variable]:
        if len(self.equations) == LIMIT:
            raise NotImplementedError(
                f"cannot list paths through {eqn}: with its loops written out step by step, as a "
                f"list of edges needs it, the function has more than {LIMIT} equations. Use a "
                "shorter loop, or `semigrad.backprop` with `MaxProduct`, which gives the path's "
                "weight and needs no writing out."
            )
        own = tuple(Variable(v.aval) for v in eqn.outvars)
        self.equations.append(dataclasses.replace(eqn, outvars=own))
        return own

    def _make(
        self,
        name: str,
        evaluate: Callable[..., Any],
        invars: Sequence[Atom],
        outvars: Sequence[Variable],
        like: Equation,
        **params: Any,
    ) -> Sequence[Variable]:
        made = Equation(
            name, evaluate, params, tuple(invars), tuple(outvars), like.scope, like.sources
        )
        return self._append(made)

    def _loop(self, eqn: Equation, body: Body, scope: str) -> list[Atom]:
        assert body.length is not None
        entering = body.inputs_of(eqn)
        slices = {
            i: self._make("unstack", _rows, [whole], [Variable(v.aval)] * body.length, eqn, axis=0)
            for i, (whole, v) in enumerate(entering)
            if _is_sliced(whole, v)
        }
        current = [whole for whole, _ in entering]
        stacked: dict[int, dict[int, Atom]] = {
            i: {} for i, (v, whole) in enumerate(body.outputs_of(eqn)) if _is_sliced(whole, v)
        }
        steps = range(body.length)
        for step in reversed(steps) if eqn.params["reverse"] else steps:
            for i, rows in slices.items():
                current[i] = rows[step]
            outputs = self.write(body.graph, current, _inside(scope, f"{eqn.scope}[{step}]"))
            for i in stacked:
                stacked[i][step] = outputs[i]
            for o, i in body.carried:
                current[i] = outputs[o]
        carry = {o: current[i] for o, i in body.carried}
        return [
            carry[o] if o in carry else self._stacked([stacked[o][i] for i in steps], v, eqn)
            for o, v in enumerate(eqn.outvars)
        ]

    def _stacked(self, rows: Sequence[Atom], whole: Variable, like: Equation) -> Atom:
        shape, dtype = whole.aval.shape, whole.aval.dtype
        if not rows:
            return Constant(jnp.zeros(shape, dtype))

        def stack(*values: Any) -> list[Any]:
            return [
                jnp.stack(
                    [x if isinstance(x, jax.Array) else jnp.asarray(x, dtype) for x in values]
                )
            ]

        return self._make("stack", stack, rows, [whole], like, axis=0)[0]

    def _branches(self, eqn: Equation, scope: str) -> list[Atom]:
        last = len(eqn.bodies) - 1
        (which,) = self._make(
            "clamp",
            lambda index: [jnp.clip(index, 0, last).astype(jnp.int32)],
            eqn.invars[:1],
            [Variable(eqn.invars[0].aval)],
            eqn,
        )
        cases = []
        for number, body in enumerate(eqn.bodies):
            entered = [
                self._make("branch", _first, (v, which), [own], eqn, number=number)[0]
                if own in self._active
                else v
                for v, own in body.inputs_of(eqn)
            ]
            cases.append(self.write(body.graph, entered, _inside(scope, eqn.scope)))

        def select(index: Any, *values: Any) -> list[Any]:
            return [lax.select_n(index, *map(jnp.asarray, values))]

        return [
            self._make("select_n", select, (which, *results), [v], eqn)[0]
            for v, *results in zip(eqn.outvars, *cases, strict=True)
        ]


def _is_sliced(whole: Atom, inner: Atom) -> bool:
    return len(whole.aval.shape) != len(inner.aval.shape)


def _inside(scope: str, place: str) -> Callable[[str], str]:
    """Returns the function that puts what stands under `scope` under `place`."""
    return lambda inner: join_scopes(place, inner[len(scope) :].lstrip("/"))


def _first(x: Any, *_: Any) -> list[Any]:
    return [x]


def _rows(x: Any) -> list[Any]:
    return [x[i] for i in range(x.shape[0])]
