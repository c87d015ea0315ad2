"""How cost grows with tokens, layers, batch and k: `python -m benchmarks.scaling --output=FOLDER`.

Times a stock BERT of which one of the first three is changed at a time, and the k best paths of
one. Prints, and writes to the folder, a table of exponents, a JSON file, and a figure of the run
times.
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

import semigrad as sg
from benchmarks import measure, report
from benchmarks.machine import machine
from benchmarks.tasks import bert
from benchmarks.transforms import TRANSFORMS, Transform, statistic

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the results.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 30, "Runs of each program, at most.", lower_bound=3)
_SECONDS = flags.DEFINE_float("seconds", 8.0, "Running time of a point, at most.", lower_bound=0.0)
_NAMES = flags.DEFINE_multi_enum(
    "transform",
    [
        *("SumProduct", "LogSumProduct", "Entropy", "AbsMaxProduct (XLA)", "MaxProduct (XLA)"),
        *(name for name in TRANSFORMS if "native" in name),
    ],
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
    "k": (1, 2, 4, 8),
}
_TOP = "TopK(k)"
_MARKERS = "osD^vP*X<>"


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Returns the power of the size that the time grows with, over the upper half of the sizes."""
    start = (len(sizes) - 1) // 2
    return float(np.polyfit(np.log(sizes[start:]), np.log(seconds[start:]), 1)[0])


def _programs(axis: str, size: int, names: Sequence[str]) -> dict[str, Transform]:
    """Returns what is timed at a point of a sweep: along k, what has a k."""
    if axis == "k":
        return {report.BASELINE: TRANSFORMS[report.BASELINE], _TOP: statistic(sg.TopK(size))}
    return {name: TRANSFORMS[name] for name in names}


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
                programs = _programs(axis, size, names)
                mapped = {name: task.mapped(transform) for name, transform in programs.items()}
                found[point] = measure.measure(
                    mapped, task.arguments, _ROUNDS.value, _SECONDS.value
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
    for name in (*names, _TOP):
        cells = [name]
        for axis in SWEEPS:
            series = _series(rows, axis, name)
            sizes, seconds = ([row[key] for row in series] for key in ("size", "run_s"))
            cells.append(f"{exponent(sizes, seconds):.2f}" if series else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str) -> Figure:
    """Draws run time against tokens, layers, batch and k, a line for each program."""
    names = (*names, _TOP)
    colours = sns.color_palette("colorblind", len(names))
    figure, axes = plt.subplots(1, len(SWEEPS), figsize=(14, 5), sharey=True)
    for panel, axis in zip(axes, SWEEPS, strict=True):
        for name, colour, marker in zip(names, colours, _MARKERS, strict=False):
            if series := _series(rows, axis, name):
                _draw(panel, series, colour, marker, name)
        panel.set(xscale="log", yscale="log", xlabel=axis, xticks=SWEEPS[axis])
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_locator(NullLocator())
        sns.despine(ax=panel)
    axes[0].set_ylabel("run time, ms")
    lines = {}
    for panel in axes:
        handles, labels = panel.get_legend_handles_labels()
        lines |= dict(zip(labels, handles, strict=True))
    figure.legend(
        lines.values(),
        lines,
        ncols=5,
        loc="upper center",
        frameon=False,
        bbox_to_anchor=(0.5, 0.95),
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
