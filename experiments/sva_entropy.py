"""Whether attractors raise the entropy of BERT's gradient paths (paper B.2, Figure 7).

    python -m experiments.sva_entropy --output=results/sva_entropy

For every sentence of the agreement task: the mean over its tokens of the entropy of their gradient
paths, against its number of attractors, in bins of its length. Without further flags it generates
the sentences, trains a small stock Flax BERT on others like them, and analyses it.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

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
# The paper's Spearman's rho and p in each panel of Figure 7.
_PAPER = {
    (10, 20): (0.18, 0.03),
    (20, 30): (0.13, 0.02),
    (30, 40): (0.01, 0.90),
    (40, 50): (0.11, 0.13),
}
# No correlation is computed of fewer sentences.
_FEWEST = 20
# Fewer have a mean in the figure, but no interval.
_FEW = 10
# What "minimal correlation" is taken to be: the paper's largest rounds to it.
_MINIMAL = 0.2


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
        print(as_text(*(pd.read_csv(folder.path / name) for name in (_SUMMARY, _CORRELATIONS))))
        print(f"\n{folder.path} was complete already.")
        return
    task = agreement.load_task()
    measured = agreement_entropy.measure(task, folder)
    if not processes.leads():
        return
    bins = length_bins()
    means = summarise(measured.sentences, bins, run.SEED.value)
    found = correlations(measured.sentences, bins, run.SEED.value)
    folder.write_table(agreement_entropy.TABLE, measured.tokens)
    folder.write_table(agreement_entropy.SENTENCES, measured.sentences)
    folder.write_table(_SUMMARY, means)
    folder.write_table(_CORRELATIONS, found)
    title = f"Path entropy by number of attractors: {agreement.model_name(task)}"
    figures.save(plot(measured.sentences, means, found, title), folder, "figure")
    told = compare(task, measured, found)
    name = _EXPERIMENT if agreement.generated() else f"{_EXPERIMENT}_real"
    report.write(told, folder, f"figures/{name}.png")
    facts = agreement_entropy.facts(task, measured)
    folder.finish({**facts, "bins": bins, "findings": report.as_records(told)})
    print(as_text(means, found))
    print(f"\n{report.as_text(told)}\n\nResults are in {folder.path}.")


def length_bins() -> list[tuple[int, int]]:
    """Returns the bins that the flags ask for, (longer than, up to)."""
    if _BINS.value is not None:
        ends = [int(end) for end in _BINS.value]
    else:
        ends = list(_GRAMMARS_BINS if agreement.generated() else _PAPERS_BINS)
    return list(itertools.pairwise(ends))


def summarise(sentences: pd.DataFrame, bins: Sequence[tuple[int, int]], seed: int) -> pd.DataFrame:
    """Summarises sentences by length bin and number of attractors.

    Args:
        sentences: As `agreement_entropy.Measured` has them.
        bins: (longer than, up to), in word pieces.
        seed: Of the bootstrap.

    Returns:
        A row for each bin and number of attractors that has a sentence: how many there are, and of
        their mean token entropy the mean, its 95 % bootstrap interval, and the median.
    """
    return pd.DataFrame(list(_cells(sentences, bins, seed)))


def _cells(
    sentences: pd.DataFrame, bins: Sequence[tuple[int, int]], seed: int
) -> Iterator[dict[str, object]]:
    for low_end, high_end in bins:
        for number, rows in _within(sentences, low_end, high_end).groupby("num_attractors"):
            values = rows["entropy"].to_numpy()
            low, high = summary.bootstrap_mean(values, np.arange(len(values)), seed)
            yield {
                "longer_than": low_end,
                "up_to": high_end,
                "num_attractors": number,
                "sentences": len(values),
                "mean": values.mean(),
                "low": low,
                "high": high,
                "median": np.median(values),
            }


def correlations(
    sentences: pd.DataFrame, bins: Sequence[tuple[int, int]], seed: int
) -> pd.DataFrame:
    """Correlates entropy with the number of attractors within each length bin.

    Args:
        sentences: As `agreement_entropy.Measured` has them.
        bins: (longer than, up to), in word pieces.
        seed: Of the bootstrap.

    Returns:
        A row for each bin and each `given`: "" for Spearman's rho itself, "length" for the part of
        it that differences of length within the bin do not explain. `value` is NaN where there are
        too few sentences, or of one number of attractors only.
    """
    rows = []
    for low_end, high_end in bins:
        cell = _within(sentences, low_end, high_end)
        attractors, entropy, length = (
            cell[name].to_numpy() for name in ("num_attractors", "entropy", "length")
        )
        for given in ("", "length"):
            if len(cell) < _FEWEST or len(np.unique(attractors)) < 2:
                found = association.Estimate(np.nan, np.nan, np.nan, np.nan, len(cell))
            elif given:
                found = association.partial_spearman(attractors, entropy, length, seed)
            else:
                found = association.spearman(attractors, entropy, seed)
            bin_ = {"longer_than": low_end, "up_to": high_end, "given": given}
            rows.append({**bin_, **dataclasses.asdict(found)})
    return pd.DataFrame(rows)


def _within(sentences: pd.DataFrame, low_end: int, high_end: int) -> pd.DataFrame:
    return sentences.query("length > @low_end and length <= @high_end")


def as_text(means: pd.DataFrame, found: pd.DataFrame) -> str:
    """Lays summary and correlations out for reading."""
    blocks = []
    for row in found.fillna({"given": ""}).query("given == ''").to_dict("records"):
        low_end, high_end = row["longer_than"], row["up_to"]
        lines = [f"({low_end}, {high_end}] word pieces: {row['n']} sentences, {_rho(row)}"]
        cells = means.query("longer_than == @low_end and up_to == @high_end")
        lines += [
            f"  {cell['num_attractors']} attractors: {cell['mean']:.2f} nats "
            f"{_interval(cell)}, n = {cell['sentences']}"
            for cell in cells.to_dict("records")
        ]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _interval(cell: dict) -> str:
    """Formats an interval, of which a single sentence has none."""
    return "[-]" if np.isnan(cell["low"]) else f"[{cell['low']:.2f}, {cell['high']:.2f}]"


def _rho(row: dict) -> str:
    if np.isnan(row["value"]):
        return "too few for a correlation"
    return f"rho = {row['value']:.2f}, p = {row['p']:.2g}"


def plot(sentences: pd.DataFrame, means: pd.DataFrame, found: pd.DataFrame, title: str) -> Figure:
    """Draws a panel for each length bin: a dot a sentence, and means by number of attractors."""
    panels = found.query("given == ''").to_dict("records")
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.1 * len(panels), 4.4), sharey=True, squeeze=False
    )
    for axis, row in zip(axes[0], panels, strict=True):
        low_end, high_end = row["longer_than"], row["up_to"]
        cells = means.query("longer_than == @low_end and up_to == @high_end")
        _panel(axis, _within(sentences, low_end, high_end), cells)
        axis.set_title(f"({low_end}, {high_end}] word pieces, n = {row['n']}\n{_rho(row)}", size=10)
    axes[0, 0].set_ylabel("mean entropy of a token's paths (nats)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=3, loc="upper right")
    figure.suptitle(f"{title}, {len(sentences):,} sentences", x=0.02, ha="left")
    figure.text(
        0.5, 0.01,
        "Bars: 95 % bootstrap intervals of the mean over sentences. rho: Spearman's, of all "
        "sentences in the panel.",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure


def _panel(axis: Axes, sentences: pd.DataFrame, cells: pd.DataFrame) -> None:
    apart = np.random.default_rng(0).uniform(-0.2, 0.2, len(sentences))
    axis.plot(
        sentences["num_attractors"] + apart, sentences["entropy"], ".", color="0.6", alpha=0.5,
        markersize=3, label="a sentence", zorder=1,
    )  # fmt: skip
    blue = sns.color_palette("colorblind")[0]
    many = cells.query("sentences >= @_FEW")
    ends = np.abs(np.array(many[["low", "high"]]).T - np.array(many["mean"]))
    axis.errorbar(
        many["num_attractors"], many["mean"], yerr=ends, fmt="D", color=blue, capsize=4,
        markersize=5, label="mean",
    )  # fmt: skip
    few = cells.query("sentences < @_FEW")
    axis.plot(
        few["num_attractors"], few["mean"], "D", color=blue, markerfacecolor="none", markersize=5,
        label=f"mean of fewer than {_FEW}",
    )  # fmt: skip
    axis.set_xlabel("number of attractors")
    axis.set_xticks(range(1, 5))
    axis.set_xlim(0.5, 4.5)
    sns.despine(ax=axis)


def compare(
    task: agreement.Task, measured: agreement_entropy.Measured, found: pd.DataFrame
) -> report.Report:
    """Sets what was found beside what the paper says of Figure 7."""
    findings = [_of_bin(row) for row in found.to_dict("records")]
    plain = found.query("given == ''")["value"].dropna()
    largest = plain.abs().max()
    findings.append(
        report.Finding(
            f"minimal correlation in every panel (rho within {_MINIMAL} of 0)",
            "yes: " + ", ".join(f"{rho} in ({a}, {b}]" for (a, b), (rho, _) in _PAPER.items()),
            f"rho within {largest:.2f} of 0 in {len(plain)} of {len(found) // 2} bins"
            if len(plain)
            else "no bin has enough sentences",
            holds=bool(largest < _MINIMAL) if len(plain) else None,
        )
    )
    lengths = measured.sentences["length"]
    bins = list(zip(found["longer_than"], found["up_to"], strict=True))
    inside = ((lengths > min(bins)[0]) & (lengths <= max(bins)[1])).mean()
    notes = [
        "A bin is not one length: within it sentences with more attractors are longer, and longer "
        "ones have more paths. The correlation given length leaves that out (partial rank "
        "correlation).",
        f"The bins hold {inside:.1%} of the sentences. In a bin of fewer than {_FEWEST}, or with "
        "one number of attractors only, no correlation is computed. No p-value is corrected for "
        "the number of panels, in the paper or here.",
    ]
    where = "generated" if agreement.generated() else "real"
    return report.Report(
        title=f"B.2, Figure 7: path entropy by number of attractors, {where} sentences",
        command=run.command(_EXPERIMENT, _FLAG_NAMES),
        setup=agreement_entropy.setup(task, measured),
        findings=findings,
        notes=notes,
    )


def _of_bin(row: dict) -> report.Finding:
    given = " given length" if row["given"] else ""
    paper = _PAPER.get((row["longer_than"], row["up_to"])) if not given else None
    here = f"too few sentences ({row['n']}), or one number of attractors"
    if not np.isnan(row["value"]):
        here = (
            f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}] (p {row['p']:.2g}), "
            f"n = {row['n']}"
        )
    return report.Finding(
        f"Spearman's rho{given}, ({row['longer_than']}, {row['up_to']}] word pieces",
        f"{paper[0]:.2f} (p {paper[1]:.2f})" if paper else "",
        here,
    )


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
