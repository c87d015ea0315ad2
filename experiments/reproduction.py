"""Gathers what the experiments found into one document, beside the paper's numbers.

    python -m experiments.reproduction --runs=results --output=docs

Every run under --runs becomes a section of `reproduction.md`, in the paper's order, with its figure
in `figures/`. Nothing is written unless every run there is complete.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from absl import app, flags

from experiments.common import report, run
from experiments.common.results import RECORD, RunError

_RUNS = flags.DEFINE_string("runs", "results", "Folder of the runs' folders.")
flags.declare_key_flag("output")

DOCUMENT = "reproduction.md"
# In the paper's order.
EXPERIMENTS = (
    "first_token_repeated",
    "sva_top_path",
    "entropy_vs_mdl",
    "entropy_vs_length",
    "entropy_vs_width",
    "sva_entropy",
)
_FIGURE = "figure.png"
_ADDRESS = re.compile(r"^!\[.*\]\((figures/[\w-]+\.png)\)$", re.MULTILINE)

_HEAD = """\
# The paper's experiments, made again

Du et al. (2023), *Generalizing Backpropagation for Gradient-Based Interpretability*: each
experiment of the paper, what it published and what came out here. Made by

```sh
python -m experiments.reproduction --runs=results --output=docs
```

from the folders of the runs, whose commands stand in each section; what the binaries do and write
is in [experiments/README.md](../experiments/README.md).

In the tables, "holds" says whether a claim of the paper was found here too, as the run computed it;
"-" stands beside numbers that are shown next to the paper's and are no claim. Models, data and the
graph that paths are counted in differ from the paper's as each section says, so absolute numbers
differ; directions and orderings are what is to be compared. Brackets and bars are 95 % bootstrap
intervals.
"""


@dataclasses.dataclass(frozen=True)
class _Run:
    """A complete run: its folder, record, section, and the address of its figure."""

    path: pathlib.Path
    record: Mapping[str, Any]
    section: str
    address: str

    @property
    def title(self) -> str:
        return self.section.splitlines()[0].removeprefix("## ")


def gather() -> None:
    """Writes the document that the flags describe."""
    output = pathlib.Path(flags.FLAGS.output)
    runs = read_runs(pathlib.Path(_RUNS.value))
    files = {found.address: (found.path / _FIGURE).read_bytes() for found in runs}
    files[DOCUMENT] = document(runs).encode()
    _write(output, files)
    print(f"{output / DOCUMENT}: {len(runs)} runs")


def read_runs(folder: pathlib.Path) -> list[_Run]:
    """Reads the runs in a folder's sub-folders, in the paper's order.

    Raises:
        RunError: There is none, or one is not complete, not of a known experiment, made with
            --smoke, lacks its section or figure, or has its figure's address from another.
    """
    records = sorted(folder.glob(f"*/{RECORD}"))
    if not records:
        raise RunError(f"no folder of a run is in --runs={folder}")
    runs = [_read_run(record.parent) for record in records]
    by_address: dict[str, _Run] = {}
    for found in runs:
        other = by_address.setdefault(found.address, found)
        if other is not found:
            raise RunError(f"{found.path} and {other.path} both have {found.address}")
    return sorted(runs, key=_place)


def _place(found: _Run) -> tuple[int, pathlib.Path]:
    return EXPERIMENTS.index(found.record["experiment"]), found.path


def _read_run(path: pathlib.Path) -> _Run:
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path / RECORD} cannot be read") from error
    if record.get("status") != "complete":
        raise RunError(f"{path} is not complete: its binary goes on with it, given --resume")
    if record["experiment"] not in EXPERIMENTS:
        raise RunError(f"{path} is of an experiment not known here: {record['experiment']}")
    if record["flags"].get("smoke"):
        raise RunError(f"{path} was made with --smoke, which shows nothing")
    for name in (report.SECTION, _FIGURE):
        if not (path / name).is_file():
            raise RunError(f"{path} lacks {name}: make the run again")
    section = (path / report.SECTION).read_text(encoding="utf-8")
    addresses = _ADDRESS.findall(section)
    if len(addresses) != 1:
        raise RunError(f"{path / report.SECTION} has {len(addresses)} figures, not one")
    return _Run(path, record, section, addresses[0])


def document(runs: Sequence[_Run]) -> str:
    """Returns the whole document: introduction, versions, overview, and the runs' sections."""
    by_versions: dict[str, list[str]] = {}
    for found in runs:
        versions = ", ".join(f"{name} {value}" for name, value in found.record["versions"].items())
        by_versions.setdefault(versions, []).append(found.title)
    if len(by_versions) == 1:
        told = [f"Made with {next(iter(by_versions))}."]
    else:
        told = [f"- Made with {v}: {'; '.join(titles)}." for v, titles in by_versions.items()]
    sections = (found.section for found in runs)
    return "\n".join([_HEAD, *told, "", *_overview(runs), "", *sections]).rstrip() + "\n"


def _overview(runs: Sequence[_Run]) -> list[str]:
    """Counts by run the paper's claims that hold, and names those that do not."""
    lines = [
        "## At a glance",
        "",
        "| run | claims that hold | claims that do not |",
        "|---|---:|---|",
    ]
    for found in runs:
        findings = found.record.get("findings", [])
        claims = [f for f in findings if f["paper"] and f["holds"] is not None]
        failing = [f["what"] for f in claims if not f["holds"]]
        holding = f"{len(claims) - len(failing)} of {len(claims)}"
        lines.append(f"| {found.title} | {holding} | {'; '.join(failing) or '-'} |")
    return lines


def _write(output: pathlib.Path, files: Mapping[str, bytes]) -> None:
    """Writes all files, or none where one cannot be: each is on the disk before any is renamed."""
    staged: dict[pathlib.Path, pathlib.Path] = {}
    with contextlib.ExitStack() as cleanup:
        for name, content in files.items():
            target = output / name
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.tmp")
            cleanup.callback(temporary.unlink, missing_ok=True)
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            staged[temporary] = target
        for temporary, target in staged.items():
            os.replace(temporary, target)


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main("reproduction", gather, argv)


if __name__ == "__main__":
    app.run(main)
