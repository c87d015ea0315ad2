"""The gradient graph's skeleton: a function traced to one flat list of equations.

Calls are inlined, so that what reads a graph (the interpreter, names, paths) meets equations
only; those of control flow hold the graphs of their branches or of their loop's step. Scopes of
inlined calls and of bodies are joined to the scope of the call.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from semigrad import _compat, registry


class Variable:
    """One array of the graph; compared by identity."""

    def __init__(self, aval: Any):
        self.aval = aval

    @property
    def is_float(self) -> bool:
        """Whether the variable's elements are nodes, i.e. real floating-point numbers."""
        return jnp.issubdtype(self.aval.dtype, jnp.floating)

    @property
    def is_complex(self) -> bool:
        return jnp.issubdtype(self.aval.dtype, jnp.complexfloating)


@dataclasses.dataclass(frozen=True, eq=False)
class Constant:
    """An operand whose value is known when the graph is made."""

    value: Any

    @property
    def aval(self) -> Any:
        return jax.typeof(self.value)


Atom = Variable | Constant


@dataclasses.dataclass(frozen=True, eq=False)
class Equation:
    """`outvars = primitive(*invars, **params)`, with where it stands in the user's program.

    Attributes:
      name: the primitive's name, by which its rule is found.
      evaluate: computes the list of results from the operands; keywords replace parameters.
      params: the primitive's parameters.
      invars: operands.
      outvars: results.
      scope: JAX's name stack, joined by slashes; "" outside any scope.
      sources: JAX's records of where the equation was written, and the calls around it, inner
        ones first.
      bodies: the functions that control flow runs; empty for any other equation.
    """

    name: str
    evaluate: Callable[..., Sequence[Any]]
    params: dict[str, Any]
    invars: tuple[Atom, ...]
    outvars: tuple[Variable, ...]
    scope: str
    sources: tuple[Any, ...]
    bodies: "tuple[Body, ...]" = ()

    @property
    def line(self) -> str:
        """The user's line that made this equation, or the call that it was inlined from."""
        return next(filter(None, map(_compat.source_line, self.sources)), "unknown line")

    def __str__(self) -> str:
        where = f" in scope '{self.scope}'" if self.scope else ""
        return f"'{self.name}'{where} (at {self.line})"


@dataclasses.dataclass(frozen=True)
class Graph:
    """A traced function: equations in the order of evaluation."""

    inputs: tuple[Variable, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]


@dataclasses.dataclass(frozen=True)
class Body:
    """A function that an equation runs: a branch, or the step of a loop.

    Its inputs are the equation's operands from `first` on, and its outputs the equation's results.
    In a loop of `length` steps, inputs and outputs whose rank is one less than the operand's or
    the result's are one step's slice of it.

    Attributes:
      graph: the function.
      first: the first operand that the function takes.
      length: the number of steps; None for a branch.
      carried: pairs (output, input): the output is the next step's input.
    """

    graph: Graph
    first: int = 0
    length: int | None = None
    carried: tuple[tuple[int, int], ...] = ()

    def inputs_of(self, eqn: Equation) -> "list[tuple[Atom, Variable]]":
        """Returns each operand with the input that it enters by."""
        return list(zip(eqn.invars[self.first :], self.graph.inputs, strict=True))

    def outputs_of(self, eqn: Equation) -> "list[tuple[Atom, Variable]]":
        """Returns each output with the result that it leaves by."""
        return list(zip(self.graph.outputs, eqn.outvars, strict=True))

    def feedback(self) -> "list[tuple[Atom, Variable]]":
        """Returns each output that is carried with the input that the next step reads it by."""
        return [(self.graph.outputs[o], self.graph.inputs[i]) for o, i in self.carried]


def trace(fun: Callable[..., Any], *args: Any, descend: bool = False) -> tuple[Graph, Any]:
    """Traces `fun(*args)` and inlines its calls.

    Args:
      fun: a function of pytrees of arrays.
      *args: the arguments, arrays or `jax.ShapeDtypeStruct`s.
      descend: whether functions with a derivative of their author's are inlined too.

    Returns:
      The graph, whose inputs are the flattened arguments and whose outputs are the flattened
      results, and the pytree of the results' shapes.
    """
    jaxpr, out_shape = _compat.trace(fun, *args)
    return from_jaxpr(jaxpr, descend=descend), out_shape


def from_jaxpr(
    jaxpr: Any, scope: str = "", sources: tuple[Any, ...] = (), descend: bool = False
) -> Graph:
    """Reads a closed jaxpr, called in a scope, as a graph."""
    open_jaxpr, _ = _compat.open_jaxpr(jaxpr)
    inputs = tuple(Variable(v.aval) for v in open_jaxpr.invars)
    equations: list[Equation] = []
    outputs = inline(jaxpr, inputs, scope, sources, equations, descend)
    return Graph(inputs, tuple(equations), outputs)


def inline(
    jaxpr: Any,
    operands: Sequence[Atom],
    scope: str,
    sources: tuple[Any, ...],
    equations: list[Equation],
    descend: bool = False,
) -> tuple[Atom, ...]:
    """Appends a jaxpr's equations to a list.

    Args:
      jaxpr: open or closed.
      operands: what it is applied to.
      scope: the scope of the call.
      sources: where the call was written, and the calls around it.
      equations: the list to append to.
      descend: whether functions with a derivative of their author's are inlined too.

    Returns:
      The jaxpr's results.
    """
    open_jaxpr, consts = _compat.open_jaxpr(jaxpr)
    env: dict[Any, Atom] = dict(zip(open_jaxpr.invars, operands, strict=True))
    env.update(zip(open_jaxpr.constvars, map(Constant, consts), strict=True))

    def read(atom: Any) -> Atom:
        return Constant(atom.val) if isinstance(atom, _compat.Literal) else env[atom]

    for eqn in open_jaxpr.eqns:
        invars = tuple(map(read, eqn.invars))
        inner_scope = join_scopes(scope, str(eqn.source_info.name_stack))
        inner_sources = (eqn.source_info, *sources)
        name = registry.name_of(eqn)
        entry = registry.lookup(name)
        if entry.is_inlined(descend):
            body = eqn.params[entry.body]
            results = inline(body, invars, inner_scope, inner_sources, equations, descend)
        else:
            results = tuple(Variable(v.aval) for v in eqn.outvars)
            bodies = tuple(
                Body(from_jaxpr(body, inner_scope, inner_sources, descend), **shape)
                for body, shape in (entry.bodies(eqn) if entry.bodies else ())
            )
            equations.append(
                Equation(
                    name,
                    _evaluate(eqn),
                    eqn.params,
                    invars,
                    results,
                    inner_scope,
                    inner_sources,
                    bodies,
                )
            )
        env.update(zip(eqn.outvars, results, strict=True))
    return tuple(map(read, open_jaxpr.outvars))


def _evaluate(eqn: Any) -> Callable[..., Sequence[Any]]:
    primitive, params, source = eqn.primitive, eqn.params, eqn.source_info

    def evaluate(*operands: Any, **changed: Any) -> Sequence[Any]:
        with _compat.in_scope(source):
            results = _compat.bind(primitive, operands, params | changed)
        return results if primitive.multiple_results else [results]

    return evaluate


def join_scopes(*scopes: str) -> str:
    """Joins name stacks, leaving out empty ones."""
    return "/".join(filter(None, scopes))


def identity_equation(
    name: str, invars: tuple[Atom, ...], outvar: Variable, like: Equation
) -> Equation:
    """Makes an equation that hands its first operand on; it stands where `like` stands."""
    return Equation(
        name=name,
        evaluate=lambda *operands: [operands[0]],
        params={},
        invars=invars,
        outvars=(outvar,),
        scope=like.scope,
        sources=like.sources,
    )


Cuts = Callable[[Equation], bool]


def descendants(
    equations: Iterable[Equation], sources: Iterable[Variable], cuts: Cuts
) -> set[Variable]:
    """Returns the variables, those of bodies too, that a path from `sources` reaches.

    Args:
      equations: in the order of evaluation.
      sources: where paths start; included.
      cuts: whether an equation has no edges at all.
    """
    reached: set[Atom] = set(sources)
    _descend(equations, reached, cuts)
    return reached  # pyright: ignore[reportReturnType]


def _descend(equations: Iterable[Equation], reached: set[Atom], cuts: Cuts) -> None:
    for eqn in equations:
        if eqn.bodies:
            for body in eqn.bodies:
                _hand_on(body.inputs_of(eqn), reached)
                _descend(body.graph.equations, reached, cuts)
                while _hand_on(body.feedback(), reached):
                    _descend(body.graph.equations, reached, cuts)
                _hand_on(body.outputs_of(eqn), reached)
        elif any(v in reached for v in eqn.invars) and not cuts(eqn):
            reached.update(v for v in eqn.outvars if v.is_float or v.is_complex)


def ancestors(equations: Sequence[Equation], targets: Iterable[Atom], cuts: Cuts) -> set[Variable]:
    """Returns the variables, those of bodies too, from which a path leads to `targets`.

    Args:
      equations: in the order of evaluation.
      targets: where paths end; included.
      cuts: whether an equation has no edges at all.
    """
    needed: set[Atom] = {v for v in targets if isinstance(v, Variable)}
    _ascend(equations, needed, cuts)
    return needed  # pyright: ignore[reportReturnType]


def _ascend(equations: Sequence[Equation], needed: set[Atom], cuts: Cuts) -> None:
    for eqn in reversed(equations):
        if eqn.bodies:
            for body in eqn.bodies:
                _hand_on(_turned(body.outputs_of(eqn)), needed)
                _ascend(body.graph.equations, needed, cuts)
                while _hand_on(_turned(body.feedback()), needed):
                    _ascend(body.graph.equations, needed, cuts)
                _hand_on(_turned(body.inputs_of(eqn)), needed)
        elif any(v in needed for v in eqn.outvars) and not cuts(eqn):
            needed.update(v for v in eqn.invars if isinstance(v, Variable))


def _hand_on(pairs: Iterable[tuple[Atom, Atom]], members: set[Atom]) -> bool:
    """Takes in the second of each pair whose first is a member; returns whether any was new."""
    new = {b for a, b in pairs if a in members and b not in members and isinstance(b, Variable)}
    members |= new
    return bool(new)


def _turned(pairs: Iterable[tuple[Atom, Atom]]) -> list[tuple[Atom, Atom]]:
    return [(b, a) for a, b in pairs]
