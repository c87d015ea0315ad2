"""Times semigrad against `jax.grad`: `python -m benchmarks.run --output=FOLDER`.

Prints, and writes to the folder, a table and a JSON file of everything that was measured.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from benchmarks import measure, report
from benchmarks.machine import machine
from benchmarks.tasks import TASKS
from benchmarks.transforms import TRANSFORMS

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the results.", required=True)
_TASKS = flags.DEFINE_multi_enum("task", list(TASKS), list(TASKS), "What is timed.")
_ROUNDS = flags.DEFINE_integer("rounds", 30, "Runs of each program, at most.", lower_bound=3)
_SECONDS = flags.DEFINE_float("seconds", 60.0, "Running time of a task, at most.", lower_bound=0.0)
_COMPILATIONS = flags.DEFINE_integer(
    "compilations", 1, "Compilations of each program.", lower_bound=1
)
_NAMES = flags.DEFINE_multi_enum(
    "transform", list(TRANSFORMS), list(TRANSFORMS), f"What is timed beside {report.BASELINE}."
)


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
        found = measure.measure(
            programs, task.arguments, _ROUNDS.value, _SECONDS.value, _COMPILATIONS.value
        )
        record["tasks"].append(report.rows(task.name, found))
        print(report.table(record["tasks"][-1]), flush=True)
        (folder / "benchmarks.json").write_text(json.dumps(record, indent=2))
        (folder / "benchmarks.md").write_text(report.document(record))
    print(f"\nWritten to {folder}.")


if __name__ == "__main__":
    app.run(main)
