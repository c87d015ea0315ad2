"""Tells the uses of a variable apart: a copy for each operand that uses it.

So an equation's edges out of a node all lie on one operand, and which use a path goes through is
a node of its own.
"""

import dataclasses

from semigrad.graph import Atom, Equation, Graph, Variable, identity_equation
from semigrad.interpreter import Program

# The name of the equations that copy.
COPY = "use"


def split_by_use(program: Program) -> tuple[Graph, dict[Variable, list[Variable]]]:
    """Inserts a copy of each active variable per operand that uses it, if there are several."""
    uses: dict[Atom, int] = {}
    for eqn in program.graph.equations:
        if any(v in program.active for v in eqn.outvars):
            for v in eqn.invars:
                uses[v] = uses.get(v, 0) + (v in program.active)
    copies: dict[Variable, list[Variable]] = {
        v: [] for v, count in uses.items() if count > 1 and isinstance(v, Variable)
    }
    equations: list[Equation] = []
    made: dict[Variable, Equation] = {}
    for eqn in program.graph.equations:
        invars = list(eqn.invars)
        if any(v in program.active for v in eqn.outvars):
            for slot, v in enumerate(eqn.invars):
                if isinstance(v, Variable) and v in copies:
                    invars[slot] = Variable(v.aval)
                    copies[v].append(invars[slot])  # pyright: ignore
                    like = made.get(v, eqn)
                    equations.append(identity_equation(COPY, (v,), invars[slot], like=like))  # pyright: ignore
        equations.append(dataclasses.replace(eqn, invars=tuple(invars)))
        made.update((v, eqn) for v in eqn.outvars)
    return Graph(program.graph.inputs, tuple(equations), program.graph.outputs), copies
