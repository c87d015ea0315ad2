"""The transformation: semiring backpropagation of a function, used like `jax.grad`."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from semigrad import checks, graph, interpreter, names
from semigrad.narrow import narrow
from semigrad.semirings.base import Element, Semiring

Function = Callable[..., Any]


def backprop(
    f: Function,
    semiring: Semiring,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    custom: checks.Custom = "rule",
) -> Function:
    """Returns a function that computes the semiring derivative of `f` (Du et al. 2023, Eq. 2).

    For each scalar element v of the chosen arguments: the `plus` over all paths from v to f's
    output of the `times` over the path's edges of `lift(local derivative)`, computed in one
    reverse sweep. With `SumProduct` it is `jax.grad(f, argnums, has_aux)`.

    Example:
      >>> import jax.numpy as jnp, semigrad as sg
      >>> f = lambda x: jnp.sum(jnp.tanh(x) * x)
      >>> sg.backprop(f, sg.MaxProduct())(jnp.array([0.5, -2.0])).max.round(3).tolist()
      [0.462, -0.141]

    Args:
      f: a function whose result is a floating-point scalar (with `has_aux`, a pair of such a
        scalar and anything). Evaluated by JAX's tracing: pure, of arrays.
      semiring: the algebra, e.g. `sg.Entropy()`.
      argnums: which positional arguments to differentiate in; an integer or several. These
        are pytrees of floating-point arrays.
      has_aux: whether `f` returns a pair, whose second part is passed on.
      custom: what the paths through a `custom_jvp` or `custom_vjp` function are: "rule", those of
        its author's derivative, or "descend", those of its body. With "descend" sum-product need
        not equal `jax.grad`.

    Returns:
      A function of f's arguments. Its result has the structure of `jax.grad`'s: that of the
      argument (a tuple of them if `argnums` is a sequence), each array leaf an element of the
      semiring for nodes of the leaf's shape. With `has_aux`, a pair of that and the auxiliary
      data.

    Raises:
      TypeError: f's output is not a real scalar, a chosen argument is not floating point, or
        `argnums` is larger than the number of positional arguments allows.
      ValueError: a `while_loop` or a callback is on a path, or `argnums` is out of range
        otherwise, or `custom` is none of the two.
      NotImplementedError: a primitive on a path has no rule or is refused.
    """
    value_and = value_and_backprop(f, semiring, argnums, has_aux, custom=custom)

    @functools.wraps(f)
    def backprop_f(*args: Any, **kwargs: Any) -> Any:
        value, elements = value_and(*args, **kwargs)
        return (elements, value[1]) if has_aux else elements

    return backprop_f


def value_and_backprop(
    f: Function,
    semiring: Semiring,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    custom: checks.Custom = "rule",
) -> Function:
    """Returns a function that computes both f's value and its semiring derivative.

    Like `backprop`, but the result is a pair of `f(*args, **kwargs)` (with `has_aux`, of the
    pair of value and auxiliary data) and the elements.
    """
    checks.check_semiring(semiring)
    checks.check_custom(custom)

    @functools.wraps(f)
    def value_and_backprop_f(*args: Any, **kwargs: Any) -> Any:
        traced = trace_arguments(f, args, kwargs, argnums, has_aux, custom)
        traced = dataclasses.replace(traced, graph=narrow(traced.graph).graph)
        program = interpreter.plan(traced.graph, traced.graph.inputs)
        values = interpreter.evaluate(program, traced.inputs)
        found = interpreter.sweep(program, values, semiring)
        elements = [
            found[v] if v in found else semiring.zero(v.aval.shape, v.aval.dtype)
            for v in traced.graph.inputs
        ]
        return traced.result(values), jax.tree.unflatten(traced.structure, elements)

    return value_and_backprop_f


def nodes(f: Function, *, custom: checks.Custom = "rule") -> Callable[..., names.NodeTable]:
    """Returns a function that lists the named intermediate values of `f` at its arguments.

    Names are JAX's name stack: Flax modules, `jax.named_scope` and `checkpoint_name` fill it in.
    With `custom="descend"`, those inside functions with a derivative of their author's are listed
    too.

    Returns:
      A function of f's arguments that returns a `NodeTable`, a sequence of `Node` (name, shape,
      dtype, consumers) that prints as a table. Nothing is computed.
    """

    checks.check_custom(custom)

    @functools.wraps(f)
    def nodes_f(*args: Any, **kwargs: Any) -> names.NodeTable:
        traced, _ = graph.trace(lambda: f(*args, **kwargs), descend=custom == "descend")
        return names.table(traced)

    return nodes_f


def intermediates(
    f: Function, semiring: Semiring, at: str | Sequence[str], *, custom: checks.Custom = "rule"
) -> Function:
    """Returns a function that computes the semiring derivative at named values inside `f`.

    Args:
      f: a function whose result is a floating-point scalar; arguments of any dtype.
      semiring: the algebra.
      at: shell-style patterns of names as `nodes` lists them; `*` also matches slashes.
      custom: as in `backprop`.

    Returns:
      A function of f's arguments that returns {name: element}, in the order of evaluation (under
      `jit` sorted, as JAX's dicts are); an element's shape is the value's, in a loop with a
      leading axis for the steps. In a branch that is not taken there is no path.

    Raises:
      ValueError: a pattern matches no value; near names are listed.
      TypeError, ValueError, NotImplementedError: as `backprop`.
    """
    checks.check_semiring(semiring)
    checks.check_custom(custom)

    @functools.wraps(f)
    def intermediates_f(*args: Any, **kwargs: Any) -> dict[str, Element]:
        found = _at_named_values(f, args, kwargs, semiring, at, custom, by_consumer=False)
        return {
            name: semiring.zero(probe.aval.shape, probe.aval.dtype) if element is None else element
            for name, parts in found.items()
            for probe, element in parts.values()
        }

    return intermediates_f


def branches(
    f: Function, semiring: Semiring, at: str | Sequence[str], *, custom: checks.Custom = "rule"
) -> Function:
    """Returns a function that splits the derivative at named values by who consumes the value.

    Args:
      f: a function whose result is a floating-point scalar; arguments of any dtype.
      semiring: the algebra.
      at: shell-style patterns of names as `nodes` lists them; `*` also matches slashes.
      custom: as in `backprop`.

    Returns:
      A function of f's arguments that returns {name: {consumer scope: element}}, both in the
      order of evaluation (under `jit` sorted, as JAX's dicts are). An element covers the paths
      that leave the value through equations of that scope; the `plus` of all is what
      `intermediates` gives. A consumer through which no path can lead, because it has no edges or
      its result is not used, is left out.

    Raises:
      ValueError: a pattern matches no value; near names are listed.
      TypeError, ValueError, NotImplementedError: as `backprop`.
    """
    checks.check_semiring(semiring)
    checks.check_custom(custom)

    @functools.wraps(f)
    def branches_f(*args: Any, **kwargs: Any) -> dict[str, dict[str, Element]]:
        found = _at_named_values(f, args, kwargs, semiring, at, custom, by_consumer=True)
        return {
            name: {scope: element for scope, (_, element) in parts.items() if element is not None}
            for name, parts in found.items()
        }

    return branches_f


@dataclasses.dataclass(frozen=True)
class TracedCall:
    """A call of a function, traced in its differentiated arguments.

    Attributes:
      graph: the function as a graph of the flattened differentiated arguments.
      inputs: their values.
      structure: the pytree of the differentiated arguments, as `jax.grad` returns it.
      out_structure: the pytree of f's result.
      paths: for each input, how to name it: "args[0]['kernel']".
    """

    graph: graph.Graph
    inputs: tuple[Any, ...]
    structure: Any
    out_structure: Any
    paths: tuple[str, ...]

    def result(self, values: interpreter.Values) -> Any:
        """Returns f's own result from the values of the forward pass."""
        flat = [
            jnp.asarray(v.value, v.aval.dtype) if isinstance(v, graph.Constant) else values[v]
            for v in self.graph.outputs
        ]
        return jax.tree.unflatten(self.out_structure, flat)


def trace_arguments(
    f: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Any,
    has_aux: bool,
    custom: checks.Custom,
) -> TracedCall:
    """Traces `f` in the arguments of `argnums`, checked as `jax.grad` checks them."""
    positions = checks.positions(argnums, len(args))
    chosen = [args[i] for i in positions]
    for position, argument in zip(positions, chosen, strict=True):
        checks.check_argument(position, argument)

    def of_chosen(own: list[Any]) -> Any:
        full = list(args)
        for position, argument in zip(positions, own, strict=True):
            full[position] = argument
        return f(*full, **kwargs)

    traced, out_shape = graph.trace(of_chosen, chosen, descend=custom == "descend")
    checks.check_output(out_shape, has_aux)
    result = tuple(chosen) if isinstance(argnums, Sequence) else chosen[0]
    labelled = jax.tree_util.tree_flatten_with_path(chosen)[0]
    return TracedCall(
        graph=traced,
        inputs=tuple(jnp.asarray(leaf) for _, leaf in labelled),
        structure=jax.tree.structure(result),
        out_structure=jax.tree.structure(out_shape),
        paths=tuple(
            f"args[{positions[path[0].idx]}]{jax.tree_util.keystr(path[1:])}"  # pyright: ignore
            for path, _ in labelled
        ),
    )


def _at_named_values(
    f: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    semiring: Semiring,
    at: str | Sequence[str],
    custom: checks.Custom,
    by_consumer: bool,
) -> dict[str, dict[str, tuple[graph.Variable, Element | None]]]:
    """Returns {name: {consumer scope: (its probe, the derivative there)}}, None for no path."""
    traced, out_shape = graph.trace(lambda: f(*args, **kwargs), descend=custom == "descend")
    checks.check_output(out_shape, has_aux=False)
    probed, probes = names.lead_in_probes(traced, names.select(traced, at), by_consumer)
    probed = narrow(probed).graph
    program = interpreter.plan(probed, probed.inputs)
    zeros = [jnp.zeros(v.aval.shape, v.aval.dtype) for v in probed.inputs]
    found = interpreter.sweep(program, interpreter.evaluate(program, zeros), semiring)
    return {
        name: {scope: (probe, found.get(probe)) for scope, probe in parts.items()}
        for name, parts in probes.items()
    }
