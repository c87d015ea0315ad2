"""The paper's Figure 7: path entropy by number of attractors; its numbers beside those found.

Sentences are told apart by bins of their length, (longer than, up to) in word pieces.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common import association, report, summary
from experiments.common.figures import draw_means, plt

# The paper's Spearman's rho and p in each panel.
PAPER = {
    (10, 20): (0.18, 0.03),
    (20, 30): (0.13, 0.02),
    (30, 40): (0.01, 0.90),
    (40, 50): (0.11, 0.13),
}
# No correlation is computed of fewer sentences.
FEWEST = 20
# Fewer have a mean in the figure, but no interval.
_FEW = 10
# What "minimal correlation" is taken to be: the paper's largest rounds to it.
_MINIMAL = 0.2


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
            if len(cell) < FEWEST or len(np.unique(attractors)) < 2:
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
    labels = "mean", f"mean of fewer than {_FEW}"
    draw_means(axis, cells, "num_attractors", _FEW, "D", labels)
    axis.set_xlabel("number of attractors")
    axis.set_xticks(range(1, 5))
    axis.set_xlim(0.5, 4.5)
    sns.despine(ax=axis)


def findings(found: pd.DataFrame) -> list[report.Finding]:
    """Sets correlations, as `correlations` gives them, beside the paper's."""
    plain = found.query("given == ''")["value"].dropna()
    largest = plain.abs().max()
    minimal = report.Finding(
        f"minimal correlation in every panel (rho within {_MINIMAL} of 0)",
        "yes: " + ", ".join(f"{rho} in ({a}, {b}]" for (a, b), (rho, _) in PAPER.items()),
        f"rho within {largest:.2f} of 0 in {len(plain)} of {len(found) // 2} bins"
        if len(plain)
        else "no bin has enough sentences",
        holds=bool(largest < _MINIMAL) if len(plain) else None,
    )
    return [*(_of_bin(row) for row in found.to_dict("records")), minimal]


def _of_bin(row: dict) -> report.Finding:
    given = " given length" if row["given"] else ""
    paper = PAPER.get((row["longer_than"], row["up_to"])) if not given else None
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
