"""What a run found beside what the paper says: for the terminal, and for docs/reproduction.md."""

import dataclasses
import textwrap
from collections.abc import Sequence

from experiments.common.results import RunFolder

# In the folder of a run; `python -m experiments.reproduction` gathers these.
SECTION = "section.md"

_HEAD = ("", "paper", "here", "holds")
_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Finding:
    """A number or a claim of the paper, and what this run found.

    Attributes:
        what: What is compared, with its unit.
        paper: What the paper says; empty where it says nothing.
        here: What came out.
        holds: Whether what came out agrees with the claim; None for a number that is only set
            beside the paper's.
        why: If it does not hold, or is not comparable: why, as far as is known.
    """

    what: str
    paper: str
    here: str
    holds: bool | None = None
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """What one run of one experiment says.

    Attributes:
        title: The experiment and the paper's figure.
        command: What was typed, without paths of the machine.
        setup: Sentences that say what was computed: data, model, quantity of interest, numbers of
            seeds and examples, time.
        findings: The comparisons, in the paper's order.
        notes: What a reader must know beside them: what the architecture forces, controls.
    """

    title: str
    command: str
    setup: Sequence[str]
    findings: Sequence[Finding]
    notes: Sequence[str] = ()


def as_text(report: Report) -> str:
    """Lays the findings out for a terminal: an aligned table, then reasons and notes."""
    rows = [_HEAD, *map(_cells, report.findings)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    remarks = [f"{f.what}: {f.why}" for f in report.findings if f.why]
    wrapped = [
        textwrap.fill(remark, _WIDTH, initial_indent="- ", subsequent_indent="  ")
        for remark in (*remarks, *report.notes)
    ]
    return "\n".join([report.title, "", *lines, *([""] if wrapped else []), *wrapped])


def as_markdown(report: Report, figure: str) -> str:
    """Returns the section of docs/reproduction.md.

    Args:
        report: What to say.
        figure: Address of the figure, relative to the document.
    """
    lines = [f"## {report.title}", "", "```sh", report.command, "```", ""]
    lines += [f"- {sentence}" for sentence in report.setup]
    lines += [
        "",
        f"![{report.title}]({figure})",
        "",
        "| " + " | ".join(_HEAD) + " |",
        "|---" * 4 + "|",
    ]
    lines += ["| " + " | ".join(_cells(finding)) + " |" for finding in report.findings]
    remarks = [f"- **{f.what}**: {f.why}" for f in report.findings if f.why]
    remarks += [f"- {note}" for note in report.notes]
    return "\n".join([*lines, *([""] if remarks else []), *remarks, ""])


def as_records(report: Report) -> list[dict[str, object]]:
    """Returns the findings for the record of the run."""
    return [dataclasses.asdict(finding) for finding in report.findings]


def write(report: Report, folder: RunFolder, figure: str) -> None:
    """Writes the section into the folder of the run.

    Args:
        report: What to say.
        folder: Of the run.
        figure: Address that the figure will have, relative to the document.
    """
    folder.write_text(SECTION, as_markdown(report, figure))


def _cells(finding: Finding) -> tuple[str, ...]:
    holds = {True: "yes", False: "no", None: "-"}[finding.holds]
    return finding.what, finding.paper or "-", finding.here, holds
