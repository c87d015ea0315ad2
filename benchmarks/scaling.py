"""How cost grows with tokens, layers and batch: `python -m benchmarks.scaling --output=FOLDER`.

Times a stock BERT of which one of the three is changed at a time. Prints, and writes to the folder,
a table of exponents, a JSON file, and a figure of the run times.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from absl import app, flags
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from benchmarks import measure, report
from benchmarks.machine import machine
from benchmarks.tasks import bert
from benchmarks.transforms import TRANSFORMS

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the results.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 30, "Runs of each program, at most.", lower_bound=3)
_SECONDS = flags.DEFINE_float("seconds", 8.0, "Running time of a point, at most.", lower_bound=0.0)
_NAMES = flags.DEFINE_multi_enum(
    "transform",
    [name for name in TRANSFORMS if name not in ("jax.value_and_grad", "Count", "top_path")],
    list(TRANSFORMS),
    f"What is timed beside {report.BASELINE}.",
)

HIDDEN = 256
# Where the others stay while one is changed.
BASE = {"tokens": 32, "layers": 2, "batch": 1}
SWEEPS = {
    "tokens": (8, 16, 32, 64, 128, 256),
    "layers": (1, 2, 4, 8),
    "batch": (1, 2, 4, 8, 16, 32),
}
_MARKERS = "osD^vP*X<>"


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Returns the power of the size that the time grows with, over the upper half of the sizes."""
    start = (len(sizes) - 1) // 2
    return float(np.polyfit(np.log(sizes[start:]), np.log(seconds[start:]), 1)[0])


def _measure(names: Sequence[str]) -> list[dict[str, Any]]:
    """Returns a record for each sweep, size and program."""
    found: dict[tuple[int, ...], dict[str, measure.Measurement]] = {}
    rows = []
    for axis, sizes in SWEEPS.items():
        for size in sizes:
            at = BASE | {axis: size}
            point = tuple(at.values())
            if point not in found:
                task = bert(at["layers"], HIDDEN, at["tokens"], at["batch"])
                programs = {name: task.mapped(TRANSFORMS[name]) for name in names}
                found[point] = measure.measure(
                    programs, task.arguments, _ROUNDS.value, _SECONDS.value
                )
                print(report.table(report.rows(task.name, found[point])), flush=True)
            rows += [
                {
                    "axis": axis,
                    "size": size,
                    "program": name,
                    "run_s": m.median,
                    "run_quartiles_s": m.spread,
                    "compile_s": m.compile_s,
                    "memory_bytes": m.memory,
                }
                for name, m in found[point].items()
            ]
    return rows


def _series(rows: Sequence[dict[str, Any]], axis: str, program: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["axis"] == axis and row["program"] == program]


def exponents(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """Returns the exponents of all programs, as a Markdown table."""
    head = ["", *(f"{axis} ({sizes[0]} to {sizes[-1]})" for axis, sizes in SWEEPS.items())]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * len(SWEEPS) + "|"]
    for name in names:
        cells = [name]
        for axis in SWEEPS:
            series = _series(rows, axis, name)
            power = exponent([row["size"] for row in series], [row["run_s"] for row in series])
            cells.append(f"{power:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str) -> Figure:
    """Draws run time against tokens, layers and batch, a line for each program."""
    colours = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    figure, axes = plt.subplots(1, len(SWEEPS), figsize=(12, 5), sharey=True)
    for panel, axis in zip(axes, SWEEPS, strict=True):
        for name, marker in zip(names, _MARKERS, strict=False):
            _draw(panel, _series(rows, axis, name), colours[name], marker, name)
        panel.set(xscale="log", yscale="log", xlabel=axis, xticks=SWEEPS[axis])
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_locator(NullLocator())
        sns.despine(ax=panel)
    axes[0].set_ylabel("run time, ms")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, ncols=4, loc="upper center", frameon=False, bbox_to_anchor=(0.5, 0.95)
    )
    figure.suptitle(title, y=0.99)
    figure.tight_layout(rect=(0, 0, 1, 0.86))
    return figure


def _draw(
    panel: Axes, series: Sequence[dict[str, Any]], colour: Any, marker: str, name: str
) -> None:
    milliseconds = 1e3 * np.array([row["run_s"] for row in series])
    quartiles = 1e3 * np.array([row["run_quartiles_s"] for row in series]).T
    panel.errorbar(
        [row["size"] for row in series],
        milliseconds,
        yerr=np.clip([milliseconds - quartiles[0], quartiles[1] - milliseconds], 0, None),
        color=colour,
        marker=marker,
        markersize=5,
        capsize=2,
        label=name,
    )


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"not a flag: {' '.join(argv[1:])}")
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys([report.BASELINE, *_NAMES.value]))
    rows = _measure(names)
    (folder / "scaling.json").write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2))
    table = exponents(rows, names)
    (folder / "scaling.md").write_text(table)
    at = ", ".join(f"{name} {value}" for name, value in BASE.items())
    title = f"BERT of width {HIDDEN}: medians and quartiles of run times around {at}"
    figure = plot(rows, names, title)
    figure.savefig(folder / "scaling.png", dpi=150)
    plt.close(figure)
    print(f"\nRun time grows with this power of each:\n\n{table}\nWritten to {folder}.")


if __name__ == "__main__":
    app.run(main)
