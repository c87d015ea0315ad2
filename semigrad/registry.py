"""The rule table: how a semiring cotangent passes each primitive backwards.

A rule has the signature `rule(site, ct, *operands, **params)`:

  * `site` is the `Site` of the equation: the semiring, which operands matter, the avals;
  * `ct` is the semiring cotangent of the result; of a primitive with several results, a list
    with `None` for each result that no path leaves;
  * `operands` are the equation's operand values and `params` its parameters.

It returns one cotangent per operand: an element of the semiring with the operand's shape, or
`None` where there is no edge. What it returns for an operand that is not active is dropped.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from semigrad import _compat
from semigrad.semirings.base import Element, Semiring

Rule = Callable[..., Sequence[Element | None]]


@dataclasses.dataclass(frozen=True)
class Site:
    """What a rule knows of the equation that it is applied to.

    Attributes:
      semiring: the algebra.
      bind: evaluates the primitive on operand values, as `Primitive.bind` does; keywords replace
        parameters of the equation.
      active: for each operand, whether a cotangent is wanted.
      in_avals: shapes and dtypes of the operands.
      out_avals: shapes and dtypes of the results.
      bodies: of control flow: the programs of its branches or of its loop's step.
      residuals: what the entry's `forward` left for the rule.
      where: what prints as the primitive, its scope and the user's line, for messages.
    """

    semiring: Semiring
    bind: Callable[..., Any]
    active: tuple[bool, ...]
    in_avals: tuple[Any, ...]
    out_avals: tuple[Any, ...]
    bodies: tuple[Any, ...] = ()
    residuals: Any = None
    where: Any = "this primitive"

    def zero(self, operand: int) -> Element:
        """Returns "no path" in the shape of an operand."""
        aval = self.in_avals[operand]
        return self.semiring.zero(aval.shape, aval.dtype)

    def refusal(self, reason: str) -> NotImplementedError:
        """Returns the error that refuses this equation, with the reason and the way out."""
        return NotImplementedError(f"cannot follow paths through {self.where}: {reason}")

    def fill(self, operand: int) -> Element:
        """Returns "no path" as a scalar node of an operand's dtype, to fill arrays with."""
        return self.semiring.zero((), self.in_avals[operand].dtype)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of the rule table.

    Attributes:
      family: the file of `semigrad/rules/` that handles the primitive, or "user".
      rule: the rule; None where the primitive is refused or has no edges.
      multiple_results: whether the rule takes a list of cotangents.
      pointwise: whether element i of each result depends on elements i of the operands only.
      body: the parameter that holds the jaxpr of a call.
      inlined: whether the graph reads that jaxpr in place of the call, so that no rule is needed.
      bodies: of control flow: reads a JAX equation's jaxprs, each with the keywords of
        `graph.Body` that tell how it is run.
      forward: runs an equation with bodies so that the rule finds in `site.residuals` what it
        needs: from the equation, its bodies and operands to results and residuals.
      expand: writes an equation on a path in terms of others, given the active variables.
      limit: of a primitive that is handled, when it is refused all the same.
      refusal: why the primitive is refused and what to do instead; None if it is handled.
      error: the type of the error that refuses it.
    """

    family: str
    rule: Rule | None = None
    multiple_results: bool = False
    pointwise: bool = False
    body: str | None = None
    inlined: bool = False
    bodies: Callable[[Any], Sequence[tuple[Any, dict[str, Any]]]] | None = None
    forward: Callable[..., tuple[Sequence[Any], Any]] | None = None
    expand: Callable[..., Sequence[Any]] | None = None
    limit: str | None = None
    refusal: str | None = None
    error: type[Exception] = NotImplementedError

    @property
    def has_edges(self) -> bool:
        """Whether the local Jacobian has any entry."""
        return self.rule is not None or self.refusal is not None or self.inlined

    def is_inlined(self, descend: bool) -> bool:
        """Whether the graph reads the call's jaxpr, given whether custom rules are left aside."""
        return self.inlined or (descend and self.body is not None)


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How every primitive is treated; prints as a table.

    Attributes:
      handled: {primitive: family} of those with a rule, of those that have no edges, and of
        calls whose body is read in their place.
      limits: {primitive: when it is refused all the same}, of some that are handled.
      refused: {primitive: the reason and the way out}.
      unknown: primitives that JAX can differentiate and semigrad does not know.
    """

    handled: dict[str, str]
    limits: dict[str, str]
    refused: dict[str, str]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        rows = {
            **{name: f"handled ({family})" for name, family in self.handled.items()},
            **{n: f"handled ({self.handled[n]}), {limit}" for n, limit in self.limits.items()},
            **{name: f"refused: {reason}" for name, reason in self.refused.items()},
            **dict.fromkeys(self.unknown, "unknown"),
        }
        width = max(map(len, rows))
        return "\n".join(f"{name.ljust(width)}  {rows[name]}" for name in sorted(rows))


# The family of equations that are semigrad's own and no primitives of JAX.
INTERNAL = "internal"

_table: dict[str, Entry] = {}


def register_rule(
    primitive: Any,
    *,
    family: str = "user",
    multiple_results: bool = False,
    pointwise: bool = False,
    **how: Any,
) -> Callable[[Rule], Rule]:
    """Registers the decorated function as the rule of a primitive, or of a jitted function.

    Example:
      >>> @sg.register_rule(my_primitive)  # doctest: +SKIP
      ... def my_rule(site, ct, x, **params):
      ...     _, weight = jax.jvp(site.bind, (x,), (jnp.ones_like(x),))
      ...     return [site.semiring.scale(weight, ct)]

    Args:
      primitive: a JAX primitive or its name; or "jit(gelu)" for all calls of a function of the
        name `gelu` that is under `jax.jit`, which then are one equation each, in place of those
        of its body.
      family: the rule's family, shown by `coverage`.
      multiple_results: whether the rule takes a list of cotangents, one for each result.
      pointwise: whether element i of each result depends on elements i of the operands only.
      **how: other fields of `Entry`.

    Returns:
      A decorator that returns the rule unchanged.

    Raises:
      ValueError: the primitive has a rule already.
    """
    name = _name(primitive)

    def register(rule: Rule) -> Rule:
        _add(name, Entry(family, rule, multiple_results, pointwise, **how))
        return rule

    return register


def register_no_edge(names: Iterable[str], *, family: str, pointwise: bool = False) -> None:
    """Declares primitives whose derivative is zero everywhere: no edge leaves their operands."""
    for name in names:
        _add(name, Entry(family, pointwise=pointwise))


def register_inlined(bodies: Mapping[str, str], *, family: str) -> None:
    """Declares calls whose jaxpr, in the given parameter, the graph reads in their place."""
    for name, body in bodies.items():
        _add(name, Entry(family, body=body, inlined=True))


def refuse(
    names: Iterable[str],
    reason: str,
    *,
    family: str = "refused",
    error: type[Exception] = NotImplementedError,
) -> None:
    """Declares primitives that are refused on an active path, with the reason and a way out."""
    for name in names:
        _add(name, Entry(family, refusal=reason, error=error))


def lookup(name: str) -> Entry:
    """Returns the table's entry for a primitive; one that refuses it if there is none."""
    return _table.get(name) or Entry(
        "unknown",
        refusal=(
            "semigrad has no rule for it. Give it one with `semigrad.register_rule`, or keep the "
            "values that reach it out of the differentiated path with `jax.lax.stop_gradient`."
        ),
    )


def name_of(eqn: Any) -> str:
    """Returns the name by which the rule of a JAX equation is found: the primitive's.

    A call of a jitted function that has a rule of its own is found by "jit(name)".
    """
    name = eqn.primitive.name
    call = f"{name}({eqn.params.get('name')})"
    return call if call in _table else name


def coverage() -> Coverage:
    """Tells how every primitive that JAX can differentiate, or that has a rule, is treated."""
    entries = {name: lookup(name) for name in _compat.differentiable_primitives()} | _table
    entries = {n: e for n, e in sorted(entries.items()) if e.family != INTERNAL}
    return Coverage(
        handled={n: e.family for n, e in entries.items() if e.refusal is None},
        limits={n: e.limit for n, e in entries.items() if e.limit},
        refused={n: e.refusal for n, e in entries.items() if e.refusal and n in _table},
        unknown=tuple(n for n in entries if n not in _table),
    )


def _name(primitive: Any) -> str:
    return primitive if isinstance(primitive, str) else primitive.name


def _add(name: str, entry: Entry) -> None:
    if name in _table:
        raise ValueError(
            f"primitive '{name}' already has a rule, in family '{_table[name].family}': "
            "a second one would silently change results."
        )
    _table[name] = entry
