"""Whether the entropy of BERT's gradient paths rises with the length of the sentence (Figure 6a).

    python -m experiments.entropy_vs_length --output=results/entropy_vs_length

For every sentence of the agreement task: the mean over its tokens of the entropy of their gradient
paths, and of the same divided by the log of the number of paths, against its length. Without
further flags it generates the sentences, trains a small stock Flax BERT on others like them, and
analyses it.
"""

from collections.abc import Sequence

import pandas as pd
from absl import app, flags

from experiments.common import (
    agreement,
    agreement_entropy,
    figure6a,
    figures,
    processes,
    report,
    run,
)

_BIN_WIDTH = flags.DEFINE_integer(
    "bin_width", 5, "Width of the bins of sentence lengths, in word pieces.", lower_bound=1
)
flags.adopt_module_key_flags(agreement_entropy)
flags.adopt_module_key_flags(run)

_EXPERIMENT = "entropy_vs_length"
_FLAG_NAMES = (*agreement_entropy.FLAG_NAMES, _BIN_WIDTH.name)
_SUMMARY = "summary.csv"
_RESULTS = (
    agreement_entropy.TABLE, agreement_entropy.SENTENCES, _SUMMARY, report.SECTION,
    "figure.png", "figure.pdf",
)  # fmt: skip


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAG_NAMES, _RESULTS)
    if folder.complete:
        print(figure6a.as_text(pd.read_csv(folder.path / _SUMMARY)))
        print(f"\n{folder.path} was complete already.")
        return
    task = agreement.load_task()
    measured = agreement_entropy.measure(task, folder)
    if not processes.leads():
        return
    sentences = measured.sentences
    means = figure6a.summarise(sentences, _BIN_WIDTH.value, run.SEED.value)
    folder.write_table(agreement_entropy.TABLE, measured.tokens)
    folder.write_table(agreement_entropy.SENTENCES, sentences)
    folder.write_table(_SUMMARY, means)
    title = f"Path entropy by sentence length: {agreement.model_name(task)}"
    figures.save(figure6a.plot(sentences, means, _BIN_WIDTH.value, title), folder, "figure")
    told = compare(task, measured, means)
    name = _EXPERIMENT if agreement.generated() else f"{_EXPERIMENT}_real"
    report.write(told, folder, f"figures/{name}.png")
    folder.finish({**agreement_entropy.facts(task, measured), "findings": report.as_records(told)})
    print(figure6a.as_text(means))
    print(f"\n{report.as_text(told)}\n\nResults are in {folder.path}.")


def compare(
    task: agreement.Task, measured: agreement_entropy.Measured, means: pd.DataFrame
) -> report.Report:
    """Sets what was found beside what the paper says of Figure 6a."""
    bins = figure6a.compared(means)
    first, last = bins.iloc[0], bins.iloc[-1]
    paths = means.query("measure == 'log_paths'").set_index("up_to")["mean"]
    rise, forced = last["mean"] - first["mean"], paths[last["up_to"]] - paths[first["up_to"]]
    notes = [
        "What the architecture forces: a longer sentence has more paths, because each layer leads "
        "from each token to all others, and entropy is at most the log of their number. From the "
        f"shortest to the longest bin the log grows by {forced:.1f} nats and the entropy by "
        f"{rise:.1f}; the log of a power of the length is itself concave.",
        f"Bins of fewer than {figure6a.FEWEST} sentences are drawn, not compared.",
    ]
    where = "generated" if agreement.generated() else "real"
    return report.Report(
        title=f"B.1, Figure 6a: path entropy by sentence length, {where} sentences",
        command=run.command(_EXPERIMENT, _FLAG_NAMES),
        setup=agreement_entropy.setup(task, measured),
        findings=figure6a.findings(measured.sentences, means, run.SEED.value),
        notes=notes,
    )


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
