"""Times semigrad against `jax.grad`: `python -m benchmarks.run --output=FOLDER`.

Prints, and writes to the folder, a table and a JSON file of everything that was measured.
"""

import json
import os
import pathlib
import platform
from collections.abc import Callable, Sequence
from typing import Any

import jax
from absl import app, flags

import semigrad as sg
from benchmarks import measure, report
from benchmarks.tasks import TASKS
from semigrad.kernels import maximum_native

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the results.", required=True)
_TASKS = flags.DEFINE_multi_enum("task", list(TASKS), list(TASKS), "What is timed.")
_ROUNDS = flags.DEFINE_integer("rounds", 30, "Runs of each program, at most.", lower_bound=3)
_SECONDS = flags.DEFINE_float("seconds", 60.0, "Running time of a task, at most.", lower_bound=0.0)

Transform = Callable[[Callable[..., Any]], Callable[..., Any]]


def _statistic(semiring: sg.Semiring) -> Transform:
    return lambda f: sg.backprop(f, semiring)


TRANSFORMS: dict[str, Transform] = {
    report.BASELINE: jax.grad,
    "jax.value_and_grad": jax.value_and_grad,
    "SumProduct": _statistic(sg.SumProduct()),
    "LogSumProduct": _statistic(sg.LogSumProduct()),
    "Entropy": _statistic(sg.Entropy()),
    "Count": _statistic(sg.Count()),
    "AbsMaxProduct (XLA)": _statistic(sg.AbsMaxProduct(kernel="xla")),
    "MaxProduct (XLA)": _statistic(sg.MaxProduct(kernel="xla")),
    "top_path": sg.top_path,
}
if maximum_native.is_available() and jax.default_backend() == "cpu":
    TRANSFORMS["AbsMaxProduct (native)"] = _statistic(sg.AbsMaxProduct(kernel="native"))
    TRANSFORMS["MaxProduct (native)"] = _statistic(sg.MaxProduct(kernel="native"))
_NAMES = flags.DEFINE_multi_enum(
    "transform", list(TRANSFORMS), list(TRANSFORMS), f"What is timed beside {report.BASELINE}."
)


def machine() -> dict[str, Any]:
    """Returns what the figures depend on beside the code."""
    return {
        "device": jax.devices()[0].device_kind,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "matmul precision": jax.config.jax_default_matmul_precision or "default",  # pyright: ignore
        "semigrad": sg.__version__,
    }


def _processor() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"not a flag: {' '.join(argv[1:])}")
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys([report.BASELINE, *_NAMES.value])
    record: dict[str, Any] = {"machine": machine(), "tasks": []}
    for task_name in dict.fromkeys(_TASKS.value):
        task = TASKS[task_name]()
        programs = {name: task.mapped(TRANSFORMS[name]) for name in names}
        found = measure.measure(programs, task.arguments, _ROUNDS.value, _SECONDS.value)
        record["tasks"].append(report.rows(task.name, found))
        print(report.table(record["tasks"][-1]), flush=True)
        (folder / "benchmarks.json").write_text(json.dumps(record, indent=2))
        (folder / "benchmarks.md").write_text(report.document(record))
    print(f"\nWritten to {folder}.")


if __name__ == "__main__":
    app.run(main)
