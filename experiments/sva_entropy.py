"""Whether attractors raise the entropy of BERT's gradient paths (paper B.2, Figure 7).

    python -m experiments.sva_entropy --output=results/sva_entropy

For every sentence of the agreement task: the mean over its tokens of the entropy of their gradient
paths, against its number of attractors, in bins of its length. Without further flags it generates
the sentences, trains a small stock Flax BERT on others like them, and analyses it.
"""

import itertools
from collections.abc import Sequence

import pandas as pd
from absl import app, flags

from experiments.common import (
    agreement,
    agreement_entropy,
    figure7,
    figures,
    processes,
    report,
    run,
)

_PAPERS_BINS = (10, 20, 30, 40, 50)
# The grammar's sentences are shorter.
_GRAMMARS_BINS = (10, 15, 20, 25, 30, 40)
_BINS = flags.DEFINE_list(
    "bins",
    None,
    "Ends of the bins of sentence lengths in word pieces, each up to and with its upper end. "
    f"Default: {','.join(map(str, _PAPERS_BINS))} for sentences from a file, as in the paper; "
    f"{','.join(map(str, _GRAMMARS_BINS))} for generated ones, which are shorter.",
)
flags.adopt_module_key_flags(agreement_entropy)
flags.adopt_module_key_flags(run)

_EXPERIMENT = "sva_entropy"
_FLAG_NAMES = (*agreement_entropy.FLAG_NAMES, _BINS.name)
_SUMMARY, _CORRELATIONS = "summary.csv", "correlations.csv"
_RESULTS = (
    agreement_entropy.TABLE, agreement_entropy.SENTENCES, _SUMMARY, _CORRELATIONS, report.SECTION,
    "figure.png", "figure.pdf",
)  # fmt: skip


@flags.validator("bins", message="two or more whole numbers, ascending")
def _ascending(ends: Sequence[str] | None) -> bool:
    if ends is None:
        return True
    numbers = [int(end) for end in ends if end.isdigit()]
    return len(numbers) == len(ends) > 1 and all(a < b for a, b in itertools.pairwise(numbers))


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAG_NAMES, _RESULTS)
    if folder.complete:
        print(
            figure7.as_text(
                *(pd.read_csv(folder.path / name) for name in (_SUMMARY, _CORRELATIONS))
            )
        )
        print(f"\n{folder.path} was complete already.")
        return
    task = agreement.load_task()
    measured = agreement_entropy.measure(task, folder)
    if not processes.leads():
        return
    bins = length_bins()
    means = figure7.summarise(measured.sentences, bins, run.SEED.value)
    found = figure7.correlations(measured.sentences, bins, run.SEED.value)
    folder.write_table(agreement_entropy.TABLE, measured.tokens)
    folder.write_table(agreement_entropy.SENTENCES, measured.sentences)
    folder.write_table(_SUMMARY, means)
    folder.write_table(_CORRELATIONS, found)
    title = f"Path entropy by number of attractors: {agreement.model_name(task)}"
    figures.save(figure7.plot(measured.sentences, means, found, title), folder, "figure")
    told = compare(task, measured, found)
    name = _EXPERIMENT if agreement.generated() else f"{_EXPERIMENT}_real"
    report.write(told, folder, f"figures/{name}.png")
    facts = agreement_entropy.facts(task, measured)
    folder.finish({**facts, "bins": bins, "findings": report.as_records(told)})
    print(figure7.as_text(means, found))
    print(f"\n{report.as_text(told)}\n\nResults are in {folder.path}.")


def length_bins() -> list[tuple[int, int]]:
    """Returns the bins that the flags ask for, (longer than, up to)."""
    if _BINS.value is not None:
        ends = [int(end) for end in _BINS.value]
    else:
        ends = list(_GRAMMARS_BINS if agreement.generated() else _PAPERS_BINS)
    return list(itertools.pairwise(ends))


def compare(
    task: agreement.Task, measured: agreement_entropy.Measured, found: pd.DataFrame
) -> report.Report:
    """Sets what was found beside what the paper says of Figure 7."""
    lengths = measured.sentences["length"]
    bins = list(zip(found["longer_than"], found["up_to"], strict=True))
    inside = ((lengths > min(bins)[0]) & (lengths <= max(bins)[1])).mean()
    notes = [
        "A bin is not one length: within it sentences with more attractors are longer, and longer "
        "ones have more paths. The correlation given length leaves that out (partial rank "
        "correlation).",
        f"The bins hold {inside:.1%} of the sentences. In a bin of fewer than {figure7.FEWEST}, or "
        "with one number of attractors only, no correlation is computed. No p-value is corrected "
        "for the number of panels, in the paper or here.",
    ]
    where = "generated" if agreement.generated() else "real"
    return report.Report(
        title=f"B.2, Figure 7: path entropy by number of attractors, {where} sentences",
        command=run.command(_EXPERIMENT, _FLAG_NAMES),
        setup=agreement_entropy.setup(task, measured),
        findings=figure7.findings(found),
        notes=notes,
    )


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
