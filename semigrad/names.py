"""Named values of an unmodified model, by JAX's name stack.

A scope names the value that leaves it: one that is produced inside (sub-scopes included) and
used outside or returned. Where several leave, `:1`, `:2`, ... tell the later ones apart.
`jax.ad_checkpoint.checkpoint_name` names a value as well.
"""

import dataclasses
import difflib
import fnmatch
from collections.abc import Iterator, Sequence

from semigrad import graph
from semigrad.graph import Equation, Graph, Variable

RETURNED = "<returned>"


@dataclasses.dataclass(frozen=True)
class Node:
    """A named value: one array of nodes of the gradient graph.

    Attributes:
      name: the scope that the value leaves, or its checkpoint name under its scope.
      shape: the value's shape.
      dtype: the value's dtype, as a string.
      consumers: scopes of the equations that use it, in order; "<returned>" if `f` returns it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    consumers: tuple[str, ...]


class NodeTable(Sequence[Node]):
    """The named values of a function, in the order of evaluation; prints as a table."""

    def __init__(self, rows: Sequence[Node]):
        self._rows = tuple(rows)

    def __getitem__(self, index):
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._rows)

    def __str__(self) -> str:
        head = ("name", "shape", "dtype", "used by")
        cells = [
            (row.name, str(row.shape), row.dtype, ", ".join(row.consumers)) for row in self._rows
        ]
        widths = [max(len(line[i]) for line in (head, *cells)) for i in range(3)]
        return "\n".join(
            "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[3]]).rstrip()
            for line in (head, *cells)
        )

    __repr__ = __str__


def table(program: Graph) -> NodeTable:
    """Lists the named floating-point values of a graph."""
    uses = _uses(program)
    return NodeTable(
        [
            Node(name, tuple(v.aval.shape), v.aval.dtype.name, tuple(_consumers(program, uses, v)))
            for name, v in named_variables(program).items()
        ]
    )


def named_variables(program: Graph) -> dict[str, Variable]:
    """Returns the named floating-point variables of a graph, in the order of evaluation."""
    uses = _uses(program)
    returned = {v for v in program.outputs if isinstance(v, Variable)}
    leaving: dict[str, list[Variable]] = {}
    for eqn in program.equations:
        for variable in filter(lambda v: v.is_float, eqn.outvars):
            if eqn.name == "name":
                label = graph.join_scopes(eqn.scope, eqn.params["name"])
                leaving.setdefault(label, []).append(variable)
            for scope in _enclosing(eqn.scope):
                if variable in returned or any(
                    not _is_inside(use.scope, scope) for use in uses.get(variable, ())
                ):
                    leaving.setdefault(scope, []).append(variable)
    named = {
        name if number == 0 else f"{name}:{number}": variable
        for name, variables in leaving.items()
        for number, variable in enumerate(variables)
    }
    order = {v: position for position, eqn in enumerate(program.equations) for v in eqn.outvars}
    return dict(sorted(named.items(), key=lambda item: order[item[1]]))


def select(program: Graph, at: str | Sequence[str]) -> dict[str, Variable]:
    """Returns the named variables that shell-style patterns match (`*` also matches slashes).

    Raises:
      ValueError: a pattern matches nothing; near names are listed.
    """
    named = named_variables(program)
    patterns = [at] if isinstance(at, str) else list(at)
    matches = {p: [name for name in named if fnmatch.fnmatchcase(name, p)] for p in patterns}
    for pattern, found in matches.items():
        if not found:
            raise ValueError(_nothing_matches(pattern, list(named)))
    chosen = {name for found in matches.values() for name in found}
    return {name: variable for name, variable in named.items() if name in chosen}


def split_by_consumer(
    program: Graph, chosen: dict[str, Variable]
) -> tuple[Graph, dict[str, dict[str, Variable]]]:
    """Inserts a copy of each chosen value per consumer scope, so that each use can be told apart.

    Returns:
      The graph with copies, and {name: {consumer scope: its copy}}.
    """
    uses = _uses(program)
    branches: dict[Variable, dict[str, Variable]] = {
        v: {scope: Variable(v.aval) for scope in _consumers(program, uses, v)}
        for v in chosen.values()
    }
    equations: list[Equation] = []
    for eqn in program.equations:
        invars = tuple(
            branches[v][eqn.scope] if v in branches else v  # pyright: ignore
            for v in eqn.invars
        )
        equations.append(dataclasses.replace(eqn, invars=invars))
        for v in eqn.outvars:
            equations.extend(
                graph.identity_equation("copy", (v,), copy, like=eqn, scope=scope)
                for scope, copy in branches.get(v, {}).items()
            )
    outputs = tuple(
        branches[v][RETURNED] if v in branches else v  # pyright: ignore
        for v in program.outputs
    )
    split = Graph(program.inputs, tuple(equations), outputs)
    return split, {name: branches[v] for name, v in chosen.items()}


def _uses(program: Graph) -> dict[Variable, list[Equation]]:
    uses: dict[Variable, list[Equation]] = {}
    for eqn in program.equations:
        for v in dict.fromkeys(eqn.invars):
            if isinstance(v, Variable):
                uses.setdefault(v, []).append(eqn)
    return uses


def _consumers(
    program: Graph, uses: dict[Variable, list[Equation]], variable: Variable
) -> list[str]:
    scopes = [eqn.scope for eqn in uses.get(variable, ())]
    if variable in program.outputs:
        scopes.append(RETURNED)
    return list(dict.fromkeys(scopes))


def _enclosing(scope: str) -> list[str]:
    """Returns a scope and the scopes around it, outermost first."""
    parts = scope.split("/") if scope else []
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _is_inside(scope: str, outer: str) -> bool:
    return scope == outer or scope.startswith(outer + "/")


def _nothing_matches(pattern: str, names: list[str]) -> str:
    if not names:
        return (
            f"no named value matches {pattern!r}: the function names no values. Name some with "
            "`jax.named_scope` or `jax.ad_checkpoint.checkpoint_name`."
        )
    near = difflib.get_close_matches(pattern, names, n=5, cutoff=0.0)
    listed = "\n".join(f"  {name}" for name in near)
    return (
        f"no named value matches {pattern!r}. Near names:\n{listed}\n"
        "`semigrad.nodes(f)(*args)` lists all of them."
    )
