"""Sum-product is `jax.grad` on JAX's own catalogue of primitive calls, or is refused by name.

By default a sample of each group of harnesses is run; `--exhaustive` runs them all and prints
what became of them.
"""

from collections.abc import Iterator
from typing import Any

import harnesses
import jax
import pytest
from harnesses import Report

_CHUNK = 100

pytestmark = pytest.mark.float32


@pytest.fixture(autouse=True)
def quick_compiles(precision: None) -> Iterator[None]:
    """A program runs once: what optimising it takes is not made up for."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield


def pytest_generate_tests(metafunc: Any) -> None:
    groups = harnesses.by_group()
    if "chunk" in metafunc.fixturenames:
        run_all = metafunc.config.getoption("--exhaustive")
        chunks = [
            (group, start)
            for group, members in groups.items()
            for start in range(0, len(members) if run_all else 0, _CHUNK)
        ]
        metafunc.parametrize("chunk", chunks, ids=[f"{group}-{start}" for group, start in chunks])
    elif "group" in metafunc.fixturenames:
        metafunc.parametrize("group", groups)


def test_the_catalogue_is_read() -> None:
    groups = harnesses.by_group()
    assert len(groups) > 120
    assert sum(len(harnesses.of_floats(group)) for group in groups) > 2000
    assert groups.keys() >= harnesses.WITHOUT_GRADIENT


def test_sample(group: str) -> None:
    """Runs harnesses of the group until enough of them have a gradient."""
    members = len(harnesses.of_floats(group))
    wanted = 1 + (members > 3) + 2 * (members > 100)
    found = 0
    for harness in harnesses.sampling_order(group):
        found += harnesses.run(harness).has_gradient
        if found == wanted:
            break
    assert found or group in harnesses.WITHOUT_GRADIENT


def test_all(chunk: tuple[str, int], record_property: Any) -> None:
    group, start = chunk
    failures = []
    for harness in harnesses.by_group()[group][start : start + _CHUNK]:
        try:
            report = harnesses.run(harness)
        except Exception as error:
            report = Report(group, "failed", f"{type(error).__name__}: {error}"[:1000])
            failures.append((harness.fullname, report.reason))
        record_property("harness", (report.group, report.outcome, report.reason))
    jax.clear_caches()
    assert not failures
