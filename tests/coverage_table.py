"""Writes docs/coverage.md: `python tests/coverage_table.py > docs/coverage.md`."""

import collections
import contextlib
import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator

import harnesses
import jax
import jax.experimental
from cases import CASES

import semigrad as sg
from semigrad import _compat, registry

_HEAD = """\
# Which primitives are handled, and where that is tested

Written by `python tests/coverage_table.py > docs/coverage.md`, not by hand; a test compares.

Here are all primitives that JAX {version}, its experimental parts included, has a differentiation
rule for, and those that semigrad knows besides: {handled} are handled, {refused} refused, none is
unknown. *Cases* are the functions of `tests/cases` that are there for the primitive: every path is
listed and every semiring compared with the list. *Harnesses* are JAX's own calls of it with float
dtypes, on which sum-product is compared with `jax.grad` (all of them with `--exhaustive`).
Primitives in brackets have no differentiation rule in this JAX.

## Handled
"""

# Groups of harnesses that are not named after their primitive.
_GROUPS = {"reduce_window_sum": "reduce_window_add"}


def import_experimental() -> None:
    """Imports what is in jax.experimental, so that JAX's tables hold its primitives."""
    for module in pkgutil.iter_modules(jax.experimental.__path__, "jax.experimental."):
        with warnings.catch_warnings(), contextlib.suppress(ImportError):
            warnings.simplefilter("ignore")
            importlib.import_module(module.name)


def treatment(name: str) -> str:
    """How a handled primitive is treated."""
    entry = registry.lookup(name)
    if entry.inlined:
        return "its body is read in its place"
    how = "rule" if entry.rule else "no edge"
    return f"{how}; {entry.limit}" if entry.limit else how


def lines() -> Iterator[str]:
    """The lines of the document."""
    coverage = sg.coverage()
    if coverage.unknown:
        raise SystemExit(f"neither handled nor refused: {', '.join(coverage.unknown)}")
    yield _HEAD.format(
        version=jax.__version__, handled=len(coverage.handled), refused=len(coverage.refused)
    )
    known = set(_compat.differentiable_primitives())
    cases = collections.defaultdict(list)
    for case in CASES:
        for name in case.covers:
            cases[name].append(case.name)

    def shown(name: str) -> str:
        return f"`{name}`" if name in known else f"(`{name}`)"

    yield "| primitive | family | treatment | cases | such as | harnesses |"
    yield "|---|---|---|---|---|---|"
    for name, family in sorted(coverage.handled.items(), key=lambda item: (item[1], item[0])):
        own = cases[name]
        example = f"`{own[0]}`" if own else ""
        columns = (shown(name), family, treatment(name), len(own) or "", example, _harnesses(name))
        yield "| " + " | ".join(map(str, columns)) + " |"

    yield "\n## Refused\n"
    yield "| family | primitives | why, and the way out | harnesses |"
    yield "|---|---|---|---|"
    reasons = collections.defaultdict(list)
    for name, reason in coverage.refused.items():
        reasons[registry.lookup(name).family, reason].append(name)
    for (family, reason), names in sorted(reasons.items()):
        count = sum(int(_harnesses(name) or 0) for name in names) or ""
        yield f"| {family} | {', '.join(map(shown, names))} | {reason} | {count} |"


def _harnesses(name: str) -> int | str:
    group = _GROUPS.get(name, name.replace("-", "_"))
    return len(harnesses.of_floats(group)) or ""


if __name__ == "__main__":
    import_experimental()
    sys.stdout.write("\n".join(lines()) + "\n")
