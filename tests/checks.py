"""What an element must be, read off the oracle's list of paths, and how to compare."""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import oracles
import pytest
from cases import BY_NAME, REPRESENTATIVE, Case
from oracles import Statistics

import semigrad as sg

Expected = Callable[[Statistics], Any]

# Every semiring by name, with what the oracle says its element must be.
SEMIRINGS: dict[str, tuple[sg.Semiring, Expected]] = {
    "sum": (sg.SumProduct(), lambda s: s.sum),
    "max": (sg.MaxProduct(), lambda s: sg.Extremes(s.max, s.min)),
    "absmax": (sg.AbsMaxProduct(), lambda s: s.absmax),
    "entropy": (sg.Entropy(), lambda s: sg.PathEntropy(s.log_mass, s.entropy)),
    "logsum": (sg.LogSumProduct(), lambda s: s.log_sum(1.0)),
    "logsum_1.7": (sg.LogSumProduct(1.7), lambda s: s.log_sum(1.7)),
    "logsum_0": (sg.LogSumProduct(0.0), lambda s: s.log_count),
    "count": (sg.Count(), lambda s: s.log_count),
    "signed": (sg.Signed(), lambda s: sg.SignedMass(s.log_signed(1), s.log_signed(-1))),
    "top": (sg.TopK(3), lambda s: sg.TopPaths(s.top(3), -s.negated.top(3))),
}


def product(names: Sequence[str]) -> sg.Product:
    """Several of `SEMIRINGS` in one sweep."""
    return sg.Product(*(SEMIRINGS[name][0] for name in names))


def expected(names: Sequence[str], statistics: Statistics) -> tuple[Any, ...]:
    """The element of `product(names)` by the oracle."""
    return tuple(SEMIRINGS[name][1](statistics) for name in names)


def sampled(cases: Sequence[Case], sample: Collection[Case] | None = None) -> list[Any]:
    """The cases as parameters of a test, those outside the sample left to --exhaustive.

    A run that must be short leaves variants out too, by `-m "not variant"`.

    Args:
        cases: All of them.
        sample: Those that are always run; every second one if None.
    """
    return [
        pytest.param(
            case,
            id=case.name,
            marks=([] if case in always else [pytest.mark.exhaustive])
            + ([] if case in REPRESENTATIVE else [pytest.mark.variant]),
        )
        for always in [cases[::2] if sample is None else sample]
        for case in cases
    ]


@functools.lru_cache
def oracle(name: str, sample: int) -> dict[int, Statistics]:
    """The statistics of a case of the table at one of its samples, in float64."""
    case = BY_NAME[name]
    return oracles.statistics(case.f, *case.arguments(sample), argnums=case.argnums)


@contextlib.contextmanager
def strict(case: Case) -> Iterator[None]:
    """Refuses implicit promotion of ranks and dtypes, where the case itself does without."""
    with contextlib.ExitStack() as stack:
        if case.strict:
            stack.enter_context(jax.numpy_rank_promotion("raise"))
            stack.enter_context(jax.numpy_dtype_promotion("strict"))
        yield


def assert_trees_close(got: Any, want: Any, rtol: float = 1e-9, atol: float = 1e-11) -> None:
    """Leaf by leaf close; shapes equal; infinities and NaN in the same places."""
    assert jax.tree.structure(got) == jax.tree.structure(want)
    labelled = jax.tree_util.tree_flatten_with_path(got)[0]
    for (path, leaf), wanted in zip(labelled, jax.tree.leaves(want), strict=True):
        assert np.shape(leaf) == np.shape(wanted), jax.tree_util.keystr(path)
        np.testing.assert_allclose(
            np.asarray(leaf, np.float64),
            np.asarray(wanted, np.float64),
            rtol=rtol,
            atol=max(atol, rtol),
            err_msg=jax.tree_util.keystr(path),
        )


def stack_trees(trees: Sequence[Any]) -> Any:
    """Stacks equal pytrees of arrays along a new leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def primitives_of(closed: Any) -> set[str]:
    """The names of the primitives of a jaxpr and of those it calls."""
    found = set()
    for eqn in getattr(closed, "jaxpr", closed).eqns:
        found.add(eqn.primitive.name)
        for value in eqn.params.values():
            if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                found |= primitives_of(value)
    return found
