"""JAX's own catalogue of primitive calls, each made a scalar function to differentiate.

`jax._src.internal_test_util.test_harnesses` lists about 5500 calls, with which JAX tests itself:
every primitive with the shapes, dtypes and parameters that its authors thought of.
"""

import collections
import dataclasses
import functools
import importlib
import itertools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import semigrad as sg

Array = Any
Harness = Any

EQUAL, REFUSED, REJECTED, SKIPPED = "equal", "refused", "rejected by jax.grad", "skipped"

# Groups of which no harness has a gradient: they have no float arguments or results, or JAX has no
# derivative for what they call.
WITHOUT_GRADIENT = frozenset(
    [
        "and", "argmax", "argmin", "conj", "eq", "ge", "gt", "imag", "iota", "iota_2x32_shape",
        "is_finite", "le", "lt", "ne", "nextafter", "or", "population_count", "random_categorical",
        "random_randint", "random_split", "random_uniform", "real", "reduce_and", "reduce_or",
        "reduce_window_mul", "rng_bit_generator", "shift_left", "shift_right_arithmetic",
        "shift_right_logical", "xor",
    ]
)  # fmt: skip

# Harnesses that bind a primitive without a parameter that it has by now.
_STALE: dict[str, Callable[[Harness], Callable[[Array], Array]]] = {
    "mul": lambda _: lax.mul,
    "reduce_max": lambda harness: lambda x: jnp.max(x, harness.params["axes"]),
    "reduce_min": lambda harness: lambda x: jnp.min(x, harness.params["axes"]),
}


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of a harness.

    Attributes:
        group: the harness's group, in most cases the name of a primitive.
        outcome: one of the four above.
        reason: of a refusal the primitive, else why there is nothing to compare.
    """

    group: str
    outcome: str
    reason: str = ""

    @property
    def has_gradient(self) -> bool:
        return self.outcome in (EQUAL, REFUSED)


class Rejected(Exception):
    """`jax.grad` does not differentiate the function."""


@functools.cache
def by_group() -> dict[str, list[Harness]]:
    """The harnesses of each group that JAX runs on a CPU.

    The catalogue parses absl's flags when it is imported, which fails where a flag of another
    module is required; JAX's own flags keep their defaults without that.
    """
    with mock.patch("jax._src.config.parse_flags_with_absl"):
        catalogue = importlib.import_module("jax._src.internal_test_util.test_harnesses")
    groups: dict[str, list[Harness]] = {}
    for harness in catalogue.all_harnesses:
        group = groups.setdefault(harness.group_name, [])
        if harness.filter("cpu"):
            group.append(harness)
    return groups


def of_floats(group: str) -> list[Harness]:
    """The group's harnesses whose dtype is a float: almost all of those that have a gradient."""
    return [harness for harness in by_group().get(group, ()) if _is_float(harness.dtype)]


def sampling_order(group: str) -> Iterator[Harness]:
    """Those of floats in an order that is arbitrary and repeatable, and takes dtypes in turn."""
    by_dtype = collections.defaultdict(list)
    for harness in sorted(of_floats(group), key=lambda h: zlib.crc32(h.fullname.encode())):
        by_dtype[np.dtype(harness.dtype).name].append(harness)
    turns = [by_dtype.pop("float32", []), *by_dtype.values()]
    for turn in itertools.zip_longest(*turns):
        yield from (harness for harness in turn if harness is not None)


def run(harness: Harness) -> Report:
    """Compares `backprop` with `jax.grad`, both compiled.

    Raises:
        AssertionError: they differ.
        Exception: `backprop` fails otherwise than by a refusal that `coverage` lists.
    """
    report = functools.partial(Report, harness.group_name)
    leaves, structure = _arguments(harness)
    if any(_is_complex(jnp.result_type(x)) for x in leaves):
        return report(SKIPPED, "a complex argument")
    argnums = [i for i, x in enumerate(leaves) if hasattr(x, "dtype") and _is_float(x.dtype)]
    if not argnums:
        return report(SKIPPED, "no float argument")

    fun = _STALE[harness.group_name](harness) if harness.group_name in _STALE else harness.dyn_fun

    def call(*xs: Any) -> Any:
        return fun(*structure.unflatten(xs))

    traced = jax.make_jaxpr(call)(*leaves)
    if not any(_is_float(y.dtype) or _is_complex(y.dtype) for y in traced.out_avals):
        return report(SKIPPED, "no float result")

    f = lambda *xs: _scalar(call(*xs))
    try:
        got, want = _compare(f, _accepted(f, argnums, leaves), leaves)
    except Rejected as error:
        return report(REJECTED, str(error))
    except (NotImplementedError, ValueError) as error:
        return report(REFUSED, _refused_primitive(error))
    tolerance = _tolerance(traced)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        g, w = (np.asarray(x, np.float64) for x in (g, w))
        # Weights are about 1; sums of many terms that cancel are as uncertain as the terms are.
        largest = max(1.0, np.max(np.abs(w), initial=0.0, where=np.isfinite(w)))
        np.testing.assert_allclose(g, w, tolerance, tolerance * largest)
    return report(EQUAL)


def summary(reports: Iterable[Report]) -> str:
    """The totals, and why the harnesses were not compared that were not."""
    reports = list(reports)
    totals = collections.Counter(r.outcome for r in reports)
    counts = ", ".join(f"{totals[outcome]} {outcome}" for outcome in sorted(totals))
    lines = [f"{len(reports)} harnesses: {counts}"]
    for outcome in (REFUSED, REJECTED, SKIPPED):
        rows = collections.Counter(
            f"{r.group}: {r.reason}" if outcome == REJECTED else r.reason
            for r in reports
            if r.outcome == outcome
        )
        lines += [f"{outcome}:", *(f"  {n:4} {reason[:150]}" for reason, n in sorted(rows.items()))]
    return "\n".join(lines)


def _arguments(harness: Harness) -> tuple[list[Any], Any]:
    """The leaves of the dynamic arguments and their structure; the same at each call."""
    rng = np.random.RandomState(zlib.crc32(harness.fullname.encode()))
    return jax.tree.flatten(list(harness.dyn_args_maker(rng)))


def _accepted(f: Callable[..., Array], argnums: Sequence[int], args: Sequence[Any]) -> list[int]:
    """The arguments in which `jax.grad` differentiates: all, or those that it takes alone."""

    def rejection(chosen: Sequence[int]) -> str | None:
        try:
            jax.eval_shape(jax.grad(f, chosen), *args)
        except (TypeError, ValueError, NotImplementedError) as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return None

    reason = rejection(argnums)
    if reason is None:
        return list(argnums)
    alone = [i for i in argnums if len(argnums) > 1 and rejection([i]) is None]
    if not alone:
        raise Rejected(reason)
    return alone


def _compare(f: Callable[..., Array], argnums: Sequence[int], args: Sequence[Any]) -> Any:
    """Both gradients, in one program: a harness's time is its compile."""
    ours = sg.backprop(f, sg.SumProduct(), argnums)
    return jax.jit(lambda *xs: (ours(*xs), jax.grad(f, argnums)(*xs)))(*args)


def _scalar(outputs: Any) -> Array:
    """The float results, summed with generic weights of both signs; of a complex one its parts."""
    total = jnp.zeros((), jnp.float32)
    for number, y in enumerate(jax.tree.leaves(outputs)):
        parts = (jnp.real(y), jnp.imag(y)) if _is_complex(y.dtype) else (y,)
        for part in parts:
            if _is_float(part.dtype):
                total = total + _weigh(part, number).astype(total.dtype)
    return total


def _weigh(y: Array, number: int) -> Array:
    index = np.arange(math.prod(y.shape)) + 17 * number
    weights = 0.7 * (-1.0) ** (index // 2) + 0.31 * np.sin(3.0 * index)
    return jnp.sum(y * jnp.asarray(weights.reshape(y.shape), y.dtype))


def _refused_primitive(error: Exception) -> str:
    """The primitive that is refused, as `coverage` says; any other error is raised again."""
    message = str(error)
    found = re.match(r"cannot follow paths through '([\w-]+)'", message)
    coverage = sg.coverage()
    if found and coverage.refused.get(found[1], "no reason") in message:
        return found[1]
    if found and found[1] in coverage.limits:
        return f"{found[1]}, {coverage.limits[found[1]]}"
    if found and "it computes complex numbers" in message:
        return "complex numbers"
    raise error


def _tolerance(jaxpr: Any) -> float:
    """How far apart two sums of the same terms may be, by the coarsest float of the function."""
    bits = [23]
    for eqn in jaxpr.eqns:
        floats = [v.aval.dtype for v in (*eqn.invars, *eqn.outvars) if _is_float(v.aval.dtype)]
        bits += [jnp.finfo(dtype).nmant for dtype in floats]
        if eqn.primitive.name == "reduce_precision":
            bits.append(eqn.params["mantissa_bits"])
    return max(2e-5, 4 * 2.0 ** -min(bits))


def _is_float(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating)


def _is_complex(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.complexfloating)
