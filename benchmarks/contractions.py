"""Times semiring contractions against XLA's matrix product: shapes that backpropagation meets.

    python -m benchmarks.contractions --output=FOLDER

out[b, m, k] = plus over n of times(lift(weight[b, k, n]), a[b, m, n]). Prints, and writes to the
folder, a table and a JSON file.
"""

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax import lax

import semigrad as sg
from benchmarks import measure, report
from benchmarks.machine import machine
from semigrad.kernels import maximum_native

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the results.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 200, "Runs of each program, at most.", lower_bound=3)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Running time of a shape, at most.", lower_bound=0.0)

_BASELINE = "matrix product"

# b, m, n, k, by where they come from.
SHAPES: dict[str, tuple[int, int, int, int]] = {
    "BERT 512, projection, 32 tokens": (1, 32, 512, 512),
    "BERT 512, projection, 8 x 32 tokens": (1, 256, 512, 512),
    "BERT 512, into the wide layer": (1, 32, 512, 2048),
    "BERT 512, out of the wide layer": (1, 32, 2048, 512),
    "BERT 512, attention, 8 heads": (8, 32, 32, 64),
    "BERT 512, attention, 8 x 8 heads": (64, 32, 32, 64),
    "BERT 512, one row of the head": (1, 1, 2, 512),
    "BERT-base, projection, 128 tokens": (1, 128, 768, 768),
    "MLP 1024, 32 rows": (1, 32, 1024, 1024),
    "MLP 1024, one row": (1, 1, 1024, 1024),
    "LSTM 256, one step, 8 rows": (1, 8, 1024, 256),
}


def _contraction(semiring: sg.Semiring) -> Callable[..., Any]:
    return lambda weight, elements: semiring.contract(weight, elements[_name(semiring)])


def _name(semiring: sg.Semiring) -> str:
    return type(semiring).__name__


def _product(weight: jax.Array, elements: dict[str, Any]) -> jax.Array:
    """The product as `jax.grad` has it: without a batch axis if that would be of size 1."""
    a = elements["SumProduct"]
    if weight.shape[0] == 1:
        return lax.dot_general(a[0], weight[0], (((1,), (1,)), ((), ())))
    return lax.dot_general(a, weight, (((2,), (2,)), ((0,), (0,))))


def _programs() -> dict[str, Callable[..., Any]]:
    programs = {
        _BASELINE: _product,
        "LogSumProduct": _contraction(sg.LogSumProduct()),
        "Entropy": _contraction(sg.Entropy()),
        "Count": _contraction(sg.Count()),
        "Signed": _contraction(sg.Signed()),
        "TopK(4)": _contraction(sg.TopK(4)),
        "AbsMaxProduct (XLA)": _contraction(sg.AbsMaxProduct(kernel="xla")),
        "MaxProduct (XLA)": _contraction(sg.MaxProduct(kernel="xla")),
    }
    if maximum_native.is_available() and jax.default_backend() == "cpu":
        programs["AbsMaxProduct (native)"] = _contraction(sg.AbsMaxProduct(kernel="native"))
        programs["MaxProduct (native)"] = _contraction(sg.MaxProduct(kernel="native"))
    return programs


def _arguments(b: int, m: int, n: int, k: int) -> tuple[jax.Array, dict[str, Any]]:
    """Returns random weights, and for each semiring what random numbers lift to."""
    rng = np.random.default_rng(0)
    weight, a = (
        jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((b, k, n), (b, m, n))
    )
    semirings = (
        sg.SumProduct(), sg.LogSumProduct(), sg.Entropy(), sg.Count(), sg.Signed(), sg.TopK(4),
        sg.AbsMaxProduct(), sg.MaxProduct(),
    )  # fmt: skip
    return weight, {_name(semiring): semiring.lift(a) for semiring in semirings}


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"not a flag: {' '.join(argv[1:])}")
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"machine": machine(), "tasks": []}
    for name, (b, m, n, k) in SHAPES.items():
        found = measure.measure(_programs(), _arguments(b, m, n, k), _ROUNDS.value, _SECONDS.value)
        title = f"{name}: b {b}, m {m}, n {n}, k {k}"
        record["tasks"].append(report.rows(title, found, _BASELINE))
        print(report.table(record["tasks"][-1]), flush=True)
        (folder / "contractions.json").write_text(json.dumps(record, indent=2))
        (folder / "contractions.md").write_text(report.ratios(record))
    print(f"\nWritten to {folder}.")


if __name__ == "__main__":
    app.run(main)
