"""Named values of an unmodified model, by JAX's name stack.

A scope names the value that leaves it: one that is produced inside (sub-scopes included) and
used outside or returned. Where several leave, `:1`, `:2`, ... tell the later ones apart.
`jax.ad_checkpoint.checkpoint_name` names a value as well. Inside a loop's step or a branch, the
scopes are those that are opened inside.

The derivative at a named value is that at a probe: an input that is led to where the value is
made and adds nothing to it. In a loop there is a probe for each step.
"""

import dataclasses
import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence

import jax

from semigrad import graph
from semigrad.graph import Equation, Graph, Variable

RETURNED = "<returned>"


@dataclasses.dataclass(frozen=True)
class Node:
    """A named value: one array of nodes of the gradient graph.

    Attributes:
      name: the scope that the value leaves, or its checkpoint name under its scope.
      shape: the value's shape; in a loop, with a leading axis for the steps.
      dtype: the value's dtype, as a string.
      consumers: scopes of the equations that use it, in order; "<returned>" if `f`, or the loop's
        step or branch that it stands in, returns it.
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


@dataclasses.dataclass(frozen=True)
class Named:
    """A named floating-point variable.

    Attributes:
      variable: the variable.
      steps: the lengths of the loops around it, outermost first.
      consumers: scopes of the equations that use it, in order.
    """

    variable: Variable
    steps: tuple[int, ...]
    consumers: tuple[str, ...]


def table(program: Graph) -> NodeTable:
    """Lists the named floating-point values of a graph."""
    rows = named_variables(program).items()
    return NodeTable(
        [
            Node(name, (*n.steps, *n.variable.aval.shape), n.variable.aval.dtype.name, n.consumers)
            for name, n in rows
        ]
    )


def named_variables(program: Graph) -> dict[str, Named]:
    """Returns the named floating-point variables of a graph, in the order of evaluation."""
    numbers: dict[str, int] = {}
    named: dict[str, Named] = {}
    for name, value in _leaving(program, outer="", steps=()):
        number = numbers.setdefault(name, 0)
        numbers[name] += 1
        named[f"{name}:{number}" if number else name] = value
    return named


def _leaving(program: Graph, outer: str, steps: tuple[int, ...]) -> Iterator[tuple[str, Named]]:
    """Yields each value that leaves a scope inside `outer`, by the name of the scope."""
    uses = _uses(program)
    for eqn in program.equations:
        for body in eqn.bodies:
            inner = steps if body.length is None else (*steps, body.length)
            yield from _leaving(body.graph, eqn.scope, inner)
        for variable in filter(lambda v: v.is_float, eqn.outvars):
            named = Named(variable, steps, tuple(_consumers(program, uses, variable)))
            if eqn.name == "name":
                yield graph.join_scopes(eqn.scope, eqn.params["name"]), named
            for scope in _enclosing(eqn.scope, outer):
                if variable in program.outputs or any(
                    not _is_inside(use.scope, scope) for use in uses.get(variable, ())
                ):
                    yield scope, named


def select(program: Graph, at: str | Sequence[str]) -> dict[str, Named]:
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
    return {name: value for name, value in named.items() if name in chosen}


def lead_in_probes(
    program: Graph, chosen: Mapping[str, Named], by_consumer: bool
) -> tuple[Graph, dict[str, dict[str, Variable]]]:
    """Leads a probe to each chosen value, or to each of its uses.

    Args:
      program: the graph of a function without inputs.
      chosen: the values, from `select`.
      by_consumer: whether each scope that uses a value gets a probe of its own.

    Returns:
      The graph, whose inputs are the probes, and {name: {consumer scope: its probe}}; without
      `by_consumer` the one scope is "".
    """
    copies: _Copies = {
        named.variable: {
            scope: Variable(named.variable.aval)
            for scope in (named.consumers if by_consumer else ("",))
        }
        for named in chosen.values()
    }
    led, probes = _lead_in(program, copies)
    probe_of = dict(probes)
    return led, {
        name: {scope: probe_of[copy] for scope, copy in copies[named.variable].items()}
        for name, named in chosen.items()
    }


# For each variable, what replaces it in the equations of each scope ("": of any).
_Copies = dict[Variable, dict[str, Variable]]


def _lead_in(program: Graph, copies: _Copies) -> tuple[Graph, list[tuple[Variable, Variable]]]:
    """Makes the copies in a graph; returns each with the input by which its probe comes in."""

    def used(v: graph.Atom, scope: str) -> graph.Atom:
        own = copies.get(v, {}) if isinstance(v, Variable) else {}
        return own.get(scope, own.get("", v))

    probes: list[tuple[Variable, Variable]] = []
    equations: list[Equation] = []
    for eqn in program.equations:
        eqn = dataclasses.replace(eqn, invars=tuple(used(v, eqn.scope) for v in eqn.invars))
        led, inner_probes = _lead_into_bodies(eqn, copies)
        equations.append(led)
        probes.extend(inner_probes)
        for v in eqn.outvars:
            for copy in copies.get(v, {}).values():
                probe = Variable(v.aval)
                probes.append((copy, probe))
                equations.append(graph.identity_equation("probe", (v, probe), copy, like=eqn))
    inputs = (*program.inputs, *(probe for _, probe in probes))
    outputs = tuple(used(v, RETURNED) for v in program.outputs)
    return Graph(inputs, tuple(equations), outputs), probes


def _lead_into_bodies(
    eqn: Equation, copies: _Copies
) -> tuple[Equation, list[tuple[Variable, Variable]]]:
    """Makes the copies in an equation's bodies; their probes become operands of all of them."""
    inner = [_lead_in(body.graph, copies) for body in eqn.bodies]
    if not any(own for _, own in inner):
        return eqn, []
    probes, entries = [], []
    for body, (_, own) in zip(eqn.bodies, inner, strict=True):
        steps = () if body.length is None else (body.length,)
        for copy, entry in own:
            aval = jax.ShapeDtypeStruct((*steps, *entry.aval.shape), entry.aval.dtype)
            probes.append((copy, Variable(aval)))
            entries.append(entry)

    def with_all(body: graph.Body, led: Graph) -> graph.Body:
        extra = [v if v in led.inputs else Variable(v.aval) for v in entries]
        inputs = (*body.graph.inputs, *extra)
        return dataclasses.replace(body, graph=dataclasses.replace(led, inputs=inputs))

    own, evaluate = len(eqn.invars), eqn.evaluate
    led = dataclasses.replace(
        eqn,
        evaluate=lambda *operands, **changed: evaluate(*operands[:own], **changed),
        invars=(*eqn.invars, *(probe for _, probe in probes)),
        bodies=tuple(with_all(b, led) for b, (led, _) in zip(eqn.bodies, inner, strict=True)),
    )
    return led, probes


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


def _enclosing(scope: str, outer: str) -> list[str]:
    """Returns a scope and the scopes around it that are inside `outer`, outermost first."""
    parts = scope.split("/") if scope else []
    inside = range(len(outer.split("/")) if outer else 0, len(parts))
    return ["/".join(parts[: depth + 1]) for depth in inside]


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
