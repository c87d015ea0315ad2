"""Forward and reverse walk over a graph. Knows no primitive and no algebra.

The reverse walk is backpropagation with the semiring's operations (Du et al. 2023, Algorithm 2):
each equation's rule turns the cotangents of its results into cotangents of its operands, and
cotangents that meet at one variable are joined by `plus`. "No path" is None until an array is
needed.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from semigrad import registry
from semigrad.graph import Atom, Constant, Equation, Graph, Variable, ancestors, descendants
from semigrad.semirings.base import Element, Semiring

# The value of each variable, and the residuals of each equation that has bodies.
Values = dict[Variable | Equation, Any]


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

    def bodies_of(self, eqn: Equation) -> "tuple[Program, ...]":
        """Returns the programs of an equation's branches or of its loop's step."""
        return tuple(Program(b.graph, b.graph.inputs, self.active) for b in eqn.bodies)


def plan(graph: Graph, sources: Sequence[Variable]) -> Program:
    """Finds the paths from `sources` to the first output, and refuses what cannot be followed.

    Raises:
      NotImplementedError: an equation on a path has no rule, or is refused.
      ValueError: an equation on a path is one that JAX refuses with this type.
    """
    expanded = _expand(graph, _active(graph, sources))
    active = _active(expanded, sources)
    _check(expanded, active)
    return Program(expanded, tuple(sources), frozenset(active))


def evaluate(program: Program, inputs: Iterable[Any]) -> Values:
    """Runs the forward pass; returns the value of every variable."""
    values: Values = dict(zip(program.graph.inputs, inputs, strict=True))
    for eqn in program.graph.equations:
        operands = [read(values, v) for v in eqn.invars]
        forward = registry.lookup(eqn.name).forward
        if forward and any(v in program.active for v in eqn.outvars):
            results, values[eqn] = forward(eqn, program.bodies_of(eqn), operands)
        else:
            results = eqn.evaluate(*operands)
        values.update(zip(eqn.outvars, results, strict=True))
    return values


def sweep(
    program: Program,
    values: Values,
    semiring: Semiring,
    keep: Collection[Variable] | None = None,
    cotangents_of: Iterable[tuple[Atom, Element]] | None = None,
) -> dict[Variable, Element]:
    """Runs the reverse pass from the scalar output.

    Args:
      program: what to follow.
      values: the value of every variable, from `evaluate`.
      semiring: the algebra.
      keep: the variables whose derivative is wanted; the sources if None.
      cotangents_of: where the pass starts instead: outputs and their cotangents.

    Returns:
      The semiring derivative of the output with respect to each wanted variable that a path
      leaves.
    """
    post = _PostCondition(semiring)
    shared = _SharedRules(semiring)
    cotangents: dict[Variable, Element] = {}
    results: dict[Variable, Element] = {}

    def write(variable: Atom, ct: Element | None) -> None:
        if ct is None or variable not in program.active:
            return
        known = cotangents.get(variable)  # pyright: ignore[reportArgumentType]
        cotangents[variable] = ct if known is None else shared.plus(known, ct)  # pyright: ignore

    def pop(variable: Variable) -> Element | None:
        ct = cotangents.pop(variable, None)
        if ct is not None and variable in wanted:
            results[variable] = ct
        return ct

    wanted = set(program.sources if keep is None else keep)
    if cotangents_of is None:
        output = program.graph.outputs[0]
        cotangents_of = [(output, semiring.one((), output.aval.dtype))]
    for output, ct in cotangents_of:
        write(output, ct)
    for eqn in reversed(program.graph.equations):
        cts = [pop(v) for v in eqn.outvars]
        if all(ct is None for ct in cts):
            continue
        site = make_site(eqn, semiring, program, values.get(eqn))
        with _in_scope(eqn):
            in_cts = shared.apply(eqn, site, cts, [read(values, v) for v in eqn.invars])
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


def make_site(
    eqn: Equation, semiring: Semiring, program: Program, residuals: Any = None
) -> registry.Site:
    """Describes an equation to its rule."""
    multiple_results = registry.lookup(eqn.name).multiple_results

    def bind(*operands: Any, **changed: Any) -> Any:
        results = eqn.evaluate(*operands, **changed)
        return results if multiple_results else results[0]

    return registry.Site(
        semiring=semiring,
        bind=bind,
        active=tuple(v in program.active for v in eqn.invars),
        in_avals=tuple(v.aval for v in eqn.invars),
        out_avals=tuple(v.aval for v in eqn.outvars),
        bodies=program.bodies_of(eqn),
        residuals=residuals,
        where=eqn,
    )


def read(values: Mapping[Any, Any], atom: Atom) -> Any:
    """Returns the value of an operand."""
    return atom.value if isinstance(atom, Constant) else values[atom]


def _active(graph: Graph, sources: Sequence[Variable]) -> set[Variable]:
    """Returns the variables on a path from a source to the first output."""
    reached = descendants(graph.equations, sources, cuts=has_no_edges)
    return reached & ancestors(graph.equations, graph.outputs[:1], cuts=has_no_edges)


def has_no_edges(eqn: Equation) -> bool:
    """Whether the equation's local Jacobian is empty."""
    return not registry.lookup(eqn.name).has_edges


def _expand(graph: Graph, active: set[Variable]) -> Graph:
    """Writes the equations on a path in terms of others where the rule table says so."""
    equations: list[Equation] = []
    for eqn in graph.equations:
        expand = registry.lookup(eqn.name).expand
        if not any(v in active for v in eqn.outvars):
            equations.append(eqn)
        elif expand:
            equations.extend(expand(eqn, active))
        else:
            bodies = tuple(
                dataclasses.replace(body, graph=_expand(body.graph, active)) for body in eqn.bodies
            )
            equations.append(dataclasses.replace(eqn, bodies=bodies))
    return Graph(graph.inputs, tuple(equations), graph.outputs)


def _check(graph: Graph, active: set[Variable]) -> None:
    """Refuses what no path can be followed through."""
    for eqn in graph.equations:
        if not any(v in active for v in eqn.outvars):
            continue
        entry = registry.lookup(eqn.name)
        if entry.refusal is not None:
            raise entry.error(f"cannot follow paths through {eqn}: {entry.refusal}")
        if any(v.is_complex for v in (*eqn.outvars, *_variables(eqn)) if v in active):
            raise NotImplementedError(
                f"cannot follow paths through {eqn}: it computes complex numbers, and the weight "
                "of a path is real. Write the model over real and imaginary parts; make a jitted "
                "function around it, from real to real numbers, one equation "
                "(`semigrad.local_jacobian`); or keep the complex part out of the differentiated "
                "path with `jax.lax.stop_gradient`."
            )
        for body in eqn.bodies:
            _check(body.graph, active)


def _variables(eqn: Equation) -> list[Variable]:
    return [v for v in eqn.invars if isinstance(v, Variable)]


def _in_scope(eqn: Equation) -> Any:
    """Names the reverse pass's operations after the equation that they belong to."""
    return jax.named_scope(f"backprop/{eqn.scope}" if eqn.scope else "backprop")


class _SharedRules:
    """Traces a rule once for all equations of a sweep that differ in their operands' values only.

    A model of many equal layers so costs the tracing and lowering of one.
    """

    def __init__(self, semiring: Semiring) -> None:
        # Under `jit` what is computed is traced, be it of constants; else it would be compiled.
        self._is_staged = isinstance(lax.neg(np.float32(0)), Tracer)
        self._plus = jax.jit(semiring.plus) if self._is_staged else semiring.plus
        self._traced: dict[Any, Callable[..., Sequence[Element | None]]] = {}

    def plus(self, a: Element, b: Element) -> Element:
        return self._plus(a, b)

    def apply(
        self, eqn: Equation, site: registry.Site, cts: Sequence[Any], operands: Sequence[Any]
    ) -> Sequence[Element | None]:
        """Applies an equation's rule as `apply_rule` does."""
        values = [x for x, v in zip(operands, eqn.invars, strict=True) if not _is_known(v)]
        leaves, structure = jax.tree.flatten((list(cts), values))
        if eqn.bodies or not self._is_staged:
            return apply_rule(eqn, site, cts, operands)
        params = tuple(sorted(eqn.params.items(), key=lambda item: item[0]))
        fixed = tuple(_identity(v.value) if _is_known(v) else None for v in eqn.invars)
        types = tuple(jax.typeof(leaf) for leaf in leaves)
        key = (eqn.name, params, fixed, site.active, structure, types)
        try:
            known = self._traced.get(key)
        except TypeError:  # a parameter has no hash
            return apply_rule(eqn, site, cts, operands)

        def rule(cts: Sequence[Any], values: Sequence[Any]) -> Sequence[Element | None]:
            others = iter(values)
            full = [v.value if _is_known(v) else next(others) for v in eqn.invars]
            return apply_rule(eqn, site, cts, full)

        if known is None:
            known = self._traced[key] = jax.jit(rule)
        return known(list(cts), values)


def _is_known(atom: Atom) -> TypeGuard[Constant]:
    return isinstance(atom, Constant) and not isinstance(atom.value, Tracer)


def _identity(value: Any) -> Any:
    """Returns what two constants share if they are the same: type and bits, or the array itself."""
    aval = jax.typeof(value)
    if aval.shape or not isinstance(aval.dtype, np.dtype):
        return id(value)
    return aval, np.asarray(value).tobytes()


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
