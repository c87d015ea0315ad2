"""Whether the entropy of BERT's gradient paths rises with the length of the sentence (Figure 6a).

    python -m experiments.entropy_vs_length --output=results/entropy_vs_length

For every sentence of the agreement task: the mean over its tokens of the entropy of their gradient
paths, and of the same divided by the log of the number of paths, against its length. Without
further flags it generates the sentences, trains a small stock Flax BERT on others like them, and
analyses it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from absl import app, flags
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common import (
    agreement,
    agreement_entropy,
    association,
    figures,
    processes,
    report,
    run,
    summary,
)
from experiments.common.agreement_entropy import Measured

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
# Column of the sentences -> label of its axis.
_MEASURES = {
    "entropy": "mean entropy of a token's paths (nats)",
    "ratio": "mean of entropy / log(number of paths)",
}
# Bins with fewer sentences are not compared with others.
_FEWEST = 10


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAG_NAMES, _RESULTS)
    if folder.complete:
        print(as_text(pd.read_csv(folder.path / _SUMMARY)))
        print(f"\n{folder.path} was complete already.")
        return
    task = agreement.load_task()
    measured = agreement_entropy.measure(task, folder)
    if not processes.leads():
        return
    sentences = measured.sentences
    means = summarise(sentences, _BIN_WIDTH.value, run.SEED.value)
    folder.write_table(agreement_entropy.TABLE, measured.tokens)
    folder.write_table(agreement_entropy.SENTENCES, sentences)
    folder.write_table(_SUMMARY, means)
    title = f"Path entropy by sentence length: {agreement.model_name(task)}"
    figures.save(plot(sentences, means, title), folder, "figure")
    length, entropy, ratio = (
        np.array(sentences[name], float) for name in ("length", "entropy", "ratio")
    )
    trends = {
        "spearman": association.spearman(length, entropy, run.SEED.value),
        "spearman_ratio": association.spearman(length, ratio, run.SEED.value),
        "curvature": association.curvature(length, entropy, run.SEED.value),
    }
    told = compare(task, measured, means, trends)
    name = _EXPERIMENT if agreement.generated() else f"{_EXPERIMENT}_real"
    report.write(told, folder, f"figures/{name}.png")
    folder.finish({**agreement_entropy.facts(task, measured), "findings": report.as_records(told)})
    print(as_text(means))
    print(f"\n{report.as_text(told)}\n\nResults are in {folder.path}.")


def summarise(sentences: pd.DataFrame, width: int, seed: int) -> pd.DataFrame:
    """Summarises sentences in bins of their length.

    Args:
        sentences: As `agreement_entropy.Measured` has them.
        width: Of the bins, which are (0, width], (width, 2 width], ...
        seed: Of the bootstrap.

    Returns:
        A row for each measure and bin that has a sentence: the bin, the mean length, the number of
        sentences, and of the measure the mean, its 95 % bootstrap interval over sentences, and the
        median.
    """
    return pd.DataFrame(list(_rows(sentences, width, seed)))


def _rows(sentences: pd.DataFrame, width: int, seed: int) -> Iterator[dict[str, object]]:
    bins = np.ceil(np.array(sentences["length"]) / width).astype(int)
    for measure in (*_MEASURES, "log_paths"):
        for number in np.unique(bins):
            rows: Any = sentences[bins == number]
            values = rows[measure].to_numpy()
            low, high = summary.bootstrap_mean(values, np.arange(len(values)), seed)
            yield {
                "measure": measure,
                "longer_than": (number - 1) * width,
                "up_to": number * width,
                "length": rows["length"].mean(),
                "sentences": len(rows),
                "mean": values.mean(),
                "low": low,
                "high": high,
                "median": np.median(values),
            }


def as_text(means: pd.DataFrame) -> str:
    """Lays the summary out for reading."""
    lines = ["length     sentences   entropy (nats)  [95 % interval]       entropy / log(paths)"]
    entropy, ratio = (means.query("measure == @m").to_dict("records") for m in _MEASURES)
    for row, share in zip(entropy, ratio, strict=True):
        place = f"({row['longer_than']}, {row['up_to']}]"
        interval = "-" if np.isnan(row["low"]) else f"[{row['low']:.2f}, {row['high']:.2f}]"
        lines.append(
            f"{place:<9}  {row['sentences']:>9}  {row['mean']:>15.2f}  {interval:<20}"
            f"  {share['mean']:>20.4f}"
        )
    return "\n".join(lines)


def plot(sentences: pd.DataFrame, means: pd.DataFrame, title: str) -> Figure:
    """Draws both measures against the length: a dot a sentence, and the bins' means."""
    figure, axes = plt.subplots(1, len(_MEASURES), figsize=(11, 4.6))
    for axis, (measure, label) in zip(axes, _MEASURES.items(), strict=True):
        _panel(axis, sentences, means.query("measure == @measure"), measure, label)
    figure.suptitle(f"{title}, {len(sentences):,} sentences")
    figure.text(
        0.5, 0.01,
        f"Bars: 95 % bootstrap intervals of the mean over sentences, in bins of "
        f"{_BIN_WIDTH.value} word pieces. Right: what is left when the number of paths, which the "
        "architecture forces to grow, is divided out.",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure


def _panel(
    axis: Axes, sentences: pd.DataFrame, means: pd.DataFrame, measure: str, label: str
) -> None:
    grey, blue = "0.6", sns.color_palette("colorblind")[0]
    # Lengths are whole numbers: set a little apart, dots show how many there are.
    apart = np.random.default_rng(0).uniform(-0.3, 0.3, len(sentences))
    axis.plot(
        sentences["length"] + apart, sentences[measure], ".", color=grey, alpha=0.5, markersize=3,
        label="a sentence", zorder=1,
    )  # fmt: skip
    many = means.query("sentences >= @_FEWEST")
    ends = np.abs(np.array(many[["low", "high"]]).T - np.array(many["mean"]))
    axis.errorbar(
        many["length"], many["mean"], yerr=ends, fmt="o-", color=blue, capsize=3, markersize=5,
        label="mean of a bin",
    )  # fmt: skip
    few = means.query("sentences < @_FEWEST")
    if len(few):
        axis.plot(
            few["length"], few["mean"], "o", color=blue, markerfacecolor="none", markersize=5,
            label=f"fewer than {_FEWEST} sentences",
        )  # fmt: skip
    axis.set_xlabel("sentence length (word pieces)")
    axis.set_ylabel(label)
    axis.legend(frameon=False)
    sns.despine(ax=axis)


def compare(
    task: agreement.Task,
    measured: Measured,
    means: pd.DataFrame,
    trends: dict[str, association.Estimate],
) -> report.Report:
    """Sets what was found beside what the paper says of Figure 6a."""
    bins = means.query("measure == 'entropy' and sentences >= @_FEWEST")
    bins = bins if len(bins) else means.query("measure == 'entropy'")
    first, last = bins.iloc[0], bins.iloc[-1]
    paths = means.query("measure == 'log_paths'").set_index("up_to")["mean"]
    rho, bend, shares = (trends[name] for name in ("spearman", "curvature", "spearman_ratio"))
    steps = np.diff(bins["mean"])
    bent = "concave" if bend.high < 0 else "convex" if bend.low > 0 else "neither for certain"
    findings = [
        report.Finding(
            "mean token entropy of the shortest and the longest sentences, nats",
            "269 at 10 word pieces, 277.5 at 69",
            f"{first['mean']:.1f} at {first['length']:.0f}, "
            f"{last['mean']:.1f} at {last['length']:.0f}",
            why="absolute entropies depend on the model's depth and width, and on what counts as "
            "a node; compare direction and shape",
        ),
        report.Finding(
            "entropy rises with length: Spearman's rho [95 % interval]",
            "rises",
            f"{rho.value:.3f} [{rho.low:.3f}, {rho.high:.3f}], n = {rho.n:,}",
            holds=rho.low > 0,
        ),
        report.Finding(
            "mean entropy rises from each length bin to the next",
            "rises",
            f"in {(steps > 0).sum()} of {len(steps)} steps",
            holds=bool((steps > 0).all()),
        ),
        report.Finding(
            "the rise is concave: second derivative of the best parabola, nats per word piece^2",
            "concave",
            f"{bent}: {bend.value:.4f} [{bend.low:.4f}, {bend.high:.4f}]",
            holds=bend.high < 0,
        ),
        report.Finding(
            "the same divided by log(number of paths): Spearman's rho with length",
            "",
            f"{shares.value:.3f} [{shares.low:.3f}, {shares.high:.3f}]",
        ),
    ]
    rise, forced = last["mean"] - first["mean"], paths[last["up_to"]] - paths[first["up_to"]]
    notes = [
        "What the architecture forces: a longer sentence has more paths, because each layer leads "
        "from each token to all others, and entropy is at most the log of their number. From the "
        f"shortest to the longest bin the log grows by {forced:.1f} nats and the entropy by "
        f"{rise:.1f}; the log of a power of the length is itself concave.",
        f"Bins of fewer than {_FEWEST} sentences are drawn, not compared.",
    ]
    where = "generated" if agreement.generated() else "real"
    return report.Report(
        title=f"B.1, Figure 6a: path entropy by sentence length, {where} sentences",
        command=run.command(_EXPERIMENT, _FLAG_NAMES),
        setup=agreement_entropy.setup(task, measured),
        findings=findings,
        notes=notes,
    )


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
