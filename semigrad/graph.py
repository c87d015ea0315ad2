"""The gradient graph's skeleton: a function traced to one flat list of equations.

Calls are inlined, so that what reads a graph (the interpreter, names, paths) meets equations
only. Scopes of inlined calls are joined to the scope of the call.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from semigrad import _compat

# Calls whose body is read in place of the call.
INLINED = {
    "jit": "jaxpr",
    "remat2": "jaxpr",
    "eval_jaxpr": "call_jaxpr",
    "closed_call": "call_jaxpr",
    "call": "call_jaxpr",
}


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
    """

    name: str
    evaluate: Callable[..., Sequence[Any]]
    params: dict[str, Any]
    invars: tuple[Atom, ...]
    outvars: tuple[Variable, ...]
    scope: str
    sources: tuple[Any, ...]

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


def trace(fun: Callable[..., Any], *args: Any) -> tuple[Graph, Any]:
    """Traces `fun(*args)` and inlines its calls.

    Args:
      fun: a function of pytrees of arrays.
      *args: the arguments, arrays or `jax.ShapeDtypeStruct`s.

    Returns:
      The graph, whose inputs are the flattened arguments and whose outputs are the flattened
      results, and the pytree of the results' shapes.
    """
    jaxpr, out_shape = _compat.trace(fun, *args)
    return from_jaxpr(jaxpr), out_shape


def from_jaxpr(jaxpr: Any) -> Graph:
    """Reads a closed jaxpr as a graph."""
    open_jaxpr, _ = _compat.open_jaxpr(jaxpr)
    inputs = tuple(Variable(v.aval) for v in open_jaxpr.invars)
    equations: list[Equation] = []
    outputs = inline(jaxpr, inputs, "", (), equations)
    return Graph(inputs, tuple(equations), outputs)


def inline(
    jaxpr: Any,
    operands: Sequence[Atom],
    scope: str,
    sources: tuple[Any, ...],
    equations: list[Equation],
) -> tuple[Atom, ...]:
    """Appends a jaxpr's equations to a list.

    Args:
      jaxpr: open or closed.
      operands: what it is applied to.
      scope: the scope of the call.
      sources: where the call was written, and the calls around it.
      equations: the list to append to.

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
        if eqn.primitive.name in INLINED:
            body = eqn.params[INLINED[eqn.primitive.name]]
            results = inline(body, invars, inner_scope, inner_sources, equations)
        else:
            results = tuple(Variable(v.aval) for v in eqn.outvars)
            equations.append(_equation(eqn, invars, results, inner_scope, inner_sources))
        env.update(zip(eqn.outvars, results, strict=True))
    return tuple(map(read, open_jaxpr.outvars))


def _equation(
    eqn: Any,
    invars: tuple[Atom, ...],
    outvars: tuple[Variable, ...],
    scope: str,
    sources: tuple[Any, ...],
) -> Equation:
    primitive, params = eqn.primitive, eqn.params

    def evaluate(*operands: Any, **changed: Any) -> Sequence[Any]:
        with _compat.in_scope(sources[0]):
            results = _compat.bind(primitive, operands, params | changed)
        return results if primitive.multiple_results else [results]

    return Equation(primitive.name, evaluate, params, invars, outvars, scope, sources)


def join_scopes(*scopes: str) -> str:
    """Joins name stacks, leaving out empty ones."""
    return "/".join(filter(None, scopes))


def identity_equation(
    name: str, invars: tuple[Atom, ...], outvar: Variable, like: Equation, scope: str | None = None
) -> Equation:
    """Makes an equation that hands its first operand on; it stands where `like` stands."""
    return Equation(
        name=name,
        evaluate=lambda *operands: [operands[0]],
        params={},
        invars=invars,
        outvars=(outvar,),
        scope=like.scope if scope is None else scope,
        sources=like.sources,
    )


def descendants(
    equations: Iterable[Equation], sources: Iterable[Variable], cuts: Callable[[Equation], bool]
) -> set[Variable]:
    """Returns the float variables that a path from `sources` reaches, sources included.

    Args:
      equations: in the order of evaluation.
      sources: where paths start.
      cuts: whether an equation has no edges at all.
    """
    reached: set[Atom] = set(sources)
    for eqn in equations:
        if any(v in reached for v in eqn.invars if isinstance(v, Variable)) and not cuts(eqn):
            reached.update(v for v in eqn.outvars if v.is_float or v.is_complex)
    return reached  # pyright: ignore[reportReturnType]


def ancestors(equations: Sequence[Equation], targets: Iterable[Atom]) -> set[Variable]:
    """Returns the variables that `targets` are computed from, targets included."""
    needed = {v for v in targets if isinstance(v, Variable)}
    for eqn in reversed(equations):
        if any(v in needed for v in eqn.outvars):
            needed.update(v for v in eqn.invars if isinstance(v, Variable))
    return needed
