"""Measurements as rows, as a printed table, and as a document."""

from collections.abc import Mapping
from typing import Any

from benchmarks.measure import Measurement

# What the ratios of whole functions are to.
BASELINE = "jax.grad"

_HEAD = ("", "run, ms", "quartiles", "ratio", "compile, s", "ratio", "memory, MiB", "ratio")


def rows(task: str, found: Mapping[str, Measurement], baseline: str = BASELINE) -> dict[str, Any]:
    """Returns what was measured of a task, with ratios to the program named `baseline`."""
    base = found[baseline]
    return {
        "task": task,
        "runs": len(base.run_s),
        "programs": {
            name: {
                "run_s": m.median,
                "run_quartiles_s": m.spread,
                "run_ratio": m.median / base.median,
                "compile_s": m.compile_s,
                "compile_ratio": m.compile_s / base.compile_s,
                "memory_bytes": m.memory,
                "memory_ratio": m.memory / max(1, base.memory),
            }
            for name, m in found.items()
        },
    }


def _cells(record: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{1e3 * p['run_s']:.2f}",
            " - ".join(f"{1e3 * q:.2f}" for q in p["run_quartiles_s"]),
            f"{p['run_ratio']:.2f}",
            f"{p['compile_s']:.2f}",
            f"{p['compile_ratio']:.2f}",
            f"{p['memory_bytes'] / 2**20:.1f}",
            f"{p['memory_ratio']:.2f}",
        )
        for name, p in record["programs"].items()
    ]


def table(record: dict[str, Any]) -> str:
    """Returns a task's table, aligned for a terminal."""
    lines = [_HEAD, *_cells(record)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
    text = [
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        )
        for line in lines
    ]
    return "\n".join([f"\n{record['task']} ({record['runs']} runs each)", *text])


def document(record: dict[str, Any]) -> str:
    """Returns all tables as Markdown."""
    machine = "; ".join(f"{name} {value}" for name, value in record["machine"].items())
    parts = [f"Measured on: {machine}."]
    for task in record["tasks"]:
        parts += [
            f"\n### {task['task']}\n\nMedians of {task['runs']} runs each, in turn.\n",
            "| " + " | ".join(_HEAD) + " |",
            "|---" + "|---:" * (len(_HEAD) - 1) + "|",
            *("| " + " | ".join(cells) + " |" for cells in _cells(task)),
        ]
    return "\n".join(parts) + "\n"


def ratios(record: dict[str, Any]) -> str:
    """Returns the ratios of run time alone as Markdown: a line for each task."""
    machine = "; ".join(f"{name} {value}" for name, value in record["machine"].items())
    names = list(record["tasks"][0]["programs"])
    first = names[0]
    lines = [
        f"Measured on: {machine}.\n",
        "| | " + " | ".join([f"{first}, ms", *names[1:]]) + " |",
        "|---" + "|---:" * len(names) + "|",
    ]
    for task in record["tasks"]:
        programs = task["programs"]
        cells = [f"{1e3 * programs[first]['run_s']:.3f}"]
        cells += [f"{programs[name]['run_ratio']:.2f}" for name in names[1:]]
        lines.append("| " + " | ".join([task["task"], *cells]) + " |")
    return "\n".join(lines) + "\n"
