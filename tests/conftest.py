"""Set-up of all tests: float64 unless a test is marked `float32`, and warnings are errors."""

import os
from collections.abc import Iterator
from typing import Any

import jax
import pytest
from hypothesis import HealthCheck, settings

# Tests compile thousands of small programs, each run once: the older emitter of fused loops of XLA,
# where it still has that, takes less than half the time that its newer one does.
if jax.__version_info__ < (0, 11):
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false"

settings.register_profile(
    "semigrad",
    deadline=None,  # the first example of a shape compiles
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("semigrad")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="run all cases, of JAX's harnesses and of stock models, not a sample of each",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is for --exhaustive; begins with the files that take longest."""
    if not config.getoption("--exhaustive"):
        items[:] = [item for item in items if item.get_closest_marker("exhaustive") is None]
    items.sort(key=lambda item: item.path.stem not in ("test_stock_models", "test_mixed_precision"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tells what became of the harnesses, where all of them were run."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    rows = [row for r in reports for name, row in r.user_properties if name == "harness"]
    if rows:
        import harnesses

        terminalreporter.write_sep("=", "harnesses")
        terminalreporter.write_line(harnesses.summary(harnesses.Report(*row) for row in rows))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "float32: run with JAX's default, 32-bit types")
    config.addinivalue_line("markers", "exhaustive: run with --exhaustive only")
    config.addinivalue_line("markers", "optimised: compiled as by default, slowly")
    config.addinivalue_line("markers", "variant: differs little from a case that is not one")
    if "error" not in config.getini("filterwarnings"):
        config.addinivalue_line("filterwarnings", "error")


@pytest.fixture(autouse=True)
def precision(request: pytest.FixtureRequest) -> Iterator[None]:
    """Float64 by default; a test of another precision says so by its marker.

    Programs are compiled with few optimisations, which takes less time than they save, but where a
    test asks for what users have.
    """
    wide = request.node.get_closest_marker("float32") is None
    quick = request.node.get_closest_marker("optimised") is None
    jax.config.update("jax_disable_most_optimizations", quick)
    with jax.enable_x64(wide):
        yield
    jax.config.update("jax_disable_most_optimizations", False)
