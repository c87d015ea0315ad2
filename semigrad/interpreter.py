"""Forward and reverse walk over a graph. Knows no primitive and no algebra.

The reverse walk is backpropagation with the semiring's operations (Du et al. 2023, Algorithm 2):
each equation's rule turns the cotangents of its results into cotangents of its operands, and
cotangents that meet at one variable are joined by `plus`. "No path" is None until an array is
needed.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from semigrad import registry
from semigrad.graph import Atom, Constant, Equation, Graph, Variable, ancestors, descendants
from semigrad.rules import custom
from semigrad.semirings.base import Element, Semiring

Values = dict[Variable, Any]


@dataclasses.dataclass(frozen=True)
class Program:
    """A graph with the paths to follow in it.

    Attributes:
      graph: the equations, those of custom rules expanded where they must be.
      sources: the variables whose semiring derivative is wanted.
      active: the variables that lie on a path from a source to the output.
    """

    graph: Graph
    sources: tuple[Variable, ...]
    active: frozenset[Variable]

    @property
    def output(self) -> Atom:
        return self.graph.outputs[0]


def plan(graph: Graph, sources: Sequence[Variable]) -> Program:
    """Finds the paths from `sources` to the first output, and refuses what cannot be followed.

    Raises:
      NotImplementedError: an equation on a path has no rule, or is refused.
      ValueError: an equation on a path is one that JAX refuses with this type.
    """
    expanded = custom.expand(graph, _active(graph, sources))
    active = _active(expanded, sources)
    for eqn in expanded.equations:
        if any(v in active for v in eqn.outvars):
            _check(eqn, active)
    return Program(expanded, tuple(sources), frozenset(active))


def evaluate(program: Program, inputs: Iterable[Any]) -> Values:
    """Runs the forward pass; returns the value of every variable."""
    values: Values = dict(zip(program.graph.inputs, inputs, strict=True))
    for eqn in program.graph.equations:
        results = eqn.evaluate(*(read(values, v) for v in eqn.invars))
        values.update(zip(eqn.outvars, results, strict=True))
    return values


def sweep(
    program: Program,
    values: Values,
    semiring: Semiring,
    keep: Collection[Variable] | None = None,
) -> dict[Variable, Element]:
    """Runs the reverse pass from the scalar output.

    Args:
      program: what to follow.
      values: the value of every variable, from `evaluate`.
      semiring: the algebra.
      keep: the variables whose derivative is wanted; the sources if None.

    Returns:
      The semiring derivative of the output with respect to each wanted variable that a path
      leaves.
    """
    post = _PostCondition(semiring)
    cotangents: dict[Variable, Element] = {}
    results: dict[Variable, Element] = {}

    def write(variable: Atom, ct: Element | None) -> None:
        if ct is None or variable not in program.active:
            return
        known = cotangents.get(variable)  # pyright: ignore[reportArgumentType]
        cotangents[variable] = ct if known is None else semiring.plus(known, ct)  # pyright: ignore

    def pop(variable: Variable) -> Element | None:
        ct = cotangents.pop(variable, None)
        if ct is not None and variable in wanted:
            results[variable] = ct
        return ct

    wanted = set(program.sources if keep is None else keep)
    output = program.output
    write(output, semiring.one((), output.aval.dtype))
    for eqn in reversed(program.graph.equations):
        cts = [pop(v) for v in eqn.outvars]
        if all(ct is None for ct in cts):
            continue
        site = make_site(eqn, semiring, program.active)
        with _in_scope(eqn):
            in_cts = apply_rule(eqn, site, cts, [read(values, v) for v in eqn.invars])
        for variable, ct in zip(eqn.invars, in_cts, strict=True):
            if ct is not None:
                post.check(eqn, variable, ct)
            write(variable, ct)
    for variable in program.sources:
        pop(variable)
    return results


def apply_rule(
    eqn: Equation, site: registry.Site, cts: Sequence[Element | None], operands: Sequence[Any]
) -> Sequence[Element | None]:
    """Applies an equation's rule; returns one cotangent or None per operand."""
    entry = registry.lookup(eqn.name)
    assert entry.rule is not None, f"{eqn.name} was not checked"
    ct = list(cts) if entry.multiple_results else cts[0]
    in_cts = entry.rule(site, ct, *operands, **eqn.params)
    if len(in_cts) != len(eqn.invars):
        raise TypeError(
            f"the rule of {eqn} returned {len(in_cts)} cotangents for {len(eqn.invars)} operands: "
            "a rule returns one cotangent or None per operand."
        )
    return [ct if is_active else None for ct, is_active in zip(in_cts, site.active, strict=True)]


def make_site(eqn: Equation, semiring: Semiring, active: Iterable[Variable]) -> registry.Site:
    """Describes an equation to its rule."""
    multiple_results = registry.lookup(eqn.name).multiple_results

    def bind(*operands: Any, **changed: Any) -> Any:
        results = eqn.evaluate(*operands, **changed)
        return results if multiple_results else results[0]

    return registry.Site(
        semiring=semiring,
        bind=bind,
        active=tuple(isinstance(v, Variable) and v in active for v in eqn.invars),
        in_avals=tuple(v.aval for v in eqn.invars),
        out_avals=tuple(v.aval for v in eqn.outvars),
        where=str(eqn),
    )


def read(values: Mapping[Variable, Any], atom: Atom) -> Any:
    """Returns the value of an operand."""
    return atom.value if isinstance(atom, Constant) else values[atom]


def _active(graph: Graph, sources: Sequence[Variable]) -> set[Variable]:
    """Returns the variables on a path from a source to the first output."""
    reached = descendants(graph.equations, sources, cuts=has_no_edges)
    live = [eqn for eqn in graph.equations if not has_no_edges(eqn)]
    return reached & ancestors(live, graph.outputs[:1])


def has_no_edges(eqn: Equation) -> bool:
    """Whether the equation's local Jacobian is empty."""
    return not registry.lookup(eqn.name).has_edges


def _check(eqn: Equation, active: set[Variable]) -> None:
    entry = registry.lookup(eqn.name)
    if entry.refusal is not None:
        raise entry.error(f"cannot follow paths through {eqn}: {entry.refusal}")
    if any(v.is_complex for v in (*eqn.outvars, *_variables(eqn)) if v in active):
        raise NotImplementedError(
            f"cannot follow paths through {eqn}: it computes complex numbers, and the weight of a "
            "path is real. Write the model over real and imaginary parts, or keep the complex "
            "part out of the differentiated path with `jax.lax.stop_gradient`."
        )


def _variables(eqn: Equation) -> list[Variable]:
    return [v for v in eqn.invars if isinstance(v, Variable)]


def _in_scope(eqn: Equation) -> Any:
    """Names the reverse pass's operations after the equation that they belong to."""
    return jax.named_scope(f"backprop/{eqn.scope}" if eqn.scope else "backprop")


class _PostCondition:
    """Checks that what a rule wrote has the structure, shape and dtype of its operand."""

    def __init__(self, semiring: Semiring):
        self._semiring = semiring
        self._expected: dict[tuple[Any, Any], Any] = {}

    def check(self, eqn: Equation, operand: Atom, ct: Element) -> None:
        aval = operand.aval
        key = (aval.shape, aval.dtype)
        if key not in self._expected:
            self._expected[key] = _describe(
                jax.eval_shape(lambda: self._semiring.zero(aval.shape, aval.dtype))
            )
        expected, got = self._expected[key], _describe(ct)
        if expected != got:
            raise TypeError(
                f"the rule of {eqn} returned a cotangent {got[1]} ({got[0]}) for an operand of "
                f"shape {aval.shape} and dtype {aval.dtype}, whose elements are {expected[1]} "
                f"({expected[0]})."
            )


def _describe(element: Element) -> tuple[Any, list[tuple[Any, Any]]]:
    leaves, structure = jax.tree.flatten(element)
    return structure, [(jnp.shape(leaf), jnp.dtype(leaf.dtype).name) for leaf in leaves]
