"""The paper's Figure 6a: path entropy by sentence length; its claims beside what was found.

Sentences are those of `agreement_entropy.Measured`; lengths are in word pieces.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common import association, report, summary
from experiments.common.figures import draw_means, plt

# Column of the sentences -> label of its axis.
_MEASURES = {
    "entropy": "mean entropy of a token's paths (nats)",
    "ratio": "mean of entropy / log(number of paths)",
}
# Bins with fewer sentences are not compared with others.
FEWEST = 10


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


def plot(sentences: pd.DataFrame, means: pd.DataFrame, width: int, title: str) -> Figure:
    """Draws both measures against the length: a dot a sentence, and the bins' means."""
    figure, axes = plt.subplots(1, len(_MEASURES), figsize=(11, 4.6))
    for axis, (measure, label) in zip(axes, _MEASURES.items(), strict=True):
        _panel(axis, sentences, means.query("measure == @measure"), measure, label)
    figure.suptitle(f"{title}, {len(sentences):,} sentences")
    figure.text(
        0.5, 0.01,
        f"Bars: 95 % bootstrap intervals of the mean over sentences, in bins of "
        f"{width} word pieces. Right: what is left when the number of paths, which the "
        "architecture forces to grow, is divided out.",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure


def _panel(
    axis: Axes, sentences: pd.DataFrame, means: pd.DataFrame, measure: str, label: str
) -> None:
    # Lengths are whole numbers: set a little apart, dots show how many there are.
    apart = np.random.default_rng(0).uniform(-0.3, 0.3, len(sentences))
    axis.plot(
        sentences["length"] + apart, sentences[measure], ".", color="0.6", alpha=0.5, markersize=3,
        label="a sentence", zorder=1,
    )  # fmt: skip
    labels = "mean of a bin", f"mean of fewer than {FEWEST}"
    draw_means(axis, means, "length", FEWEST, "o-", labels)
    axis.set_xlabel("sentence length (word pieces)")
    axis.set_ylabel(label)
    axis.legend(frameon=False)
    sns.despine(ax=axis)


def findings(sentences: pd.DataFrame, means: pd.DataFrame, seed: int) -> list[report.Finding]:
    """Sets what was found beside what the paper says.

    Args:
        sentences: As `agreement_entropy.Measured` has them.
        means: As `summarise` makes it.
        seed: Of the bootstrap.
    """
    length, entropy, ratio = (
        np.array(sentences[name], float) for name in ("length", "entropy", "ratio")
    )
    rho = association.spearman(length, entropy, seed)
    shares = association.spearman(length, ratio, seed)
    bend = association.curvature(length, entropy, seed)
    bins = compared(means)
    first, last = bins.iloc[0], bins.iloc[-1]
    steps = np.diff(bins["mean"])
    bent = "concave" if bend.high < 0 else "convex" if bend.low > 0 else "neither for certain"
    return [
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


def compared(means: pd.DataFrame) -> pd.DataFrame:
    """Returns the entropies of the bins with enough sentences, or of all if none has."""
    entropy = means.query("measure == 'entropy'")
    bins = entropy.query("sentences >= @FEWEST")
    return bins if len(bins) else entropy
