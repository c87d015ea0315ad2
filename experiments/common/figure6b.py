"""The paper's Figure 6b: path entropy by the width of an MLP; its numbers beside those found.

A table of entropies, a summary, the figure, and the paper's claim as a question to them.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common import association, perceptron, report, summary
from experiments.common.figures import plt, whiskers

WIDTHS = (4, 8, 16, 32, 64, 128)
# What the paper's Figure 6b shows, nats, by width.
PAPER = {
    "relevant": (2.31, 2.83, 3.75, 4.47, 5.10, 5.79),
    "irrelevant": (2.29, 2.85, 3.61, 4.32, 4.95, 5.61),
}
_MEASURES = {
    "entropy": "entropy of a feature's paths (nats)",
    "ratio": "entropy / log(number of paths)",
}
_TITLES = {
    "jax": "log-sum-exp as in JAX",
    "published": "log-sum-exp as in the paper's code",
}
# Kind of feature, marker, colour.
_STYLE = list(zip(PAPER, "os", sns.color_palette("colorblind", 2), strict=True))


def tidy(parts: Sequence[dict[str, np.ndarray]], widths: Sequence[int]) -> pd.DataFrame:
    """Returns a row for each width, seed, loss, example of the last batch and feature.

    Args:
        parts: For each width, what `perceptron.train_and_measure` returns, by seed.
        widths: Which they are.
    """
    entropy, log_paths = (
        np.stack([part[name] for part in parts]) for name in ("entropy", "log_paths")
    )
    width, seed, loss, example, feature = (index.ravel() for index in np.indices(entropy.shape))
    return pd.DataFrame(
        {
            "width": np.array(widths)[width],
            "seed": seed,
            "log_sum_exp": np.array(list(perceptron.LOSSES))[loss],
            "example": example,
            "feature": feature,
            "kind": np.where(feature == 0, "relevant", "irrelevant"),
            "entropy": entropy.ravel(),
            "log_paths": log_paths.ravel(),
            "ratio": (entropy / log_paths).ravel(),
        }
    )


def summarise(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Summarises a table of `tidy`.

    Args:
        table: What to summarise.
        seed: Of the bootstrap.

    Returns:
        A row for each measure, loss, kind of feature and width: the mean, its 95 % bootstrap
        interval over models (whole models are redrawn), and the median.
    """
    return pd.DataFrame(list(_cells(table, seed)))


def _cells(table: pd.DataFrame, seed: int) -> Iterator[dict[str, object]]:
    cells = table.groupby(["log_sum_exp", "kind", "width"])
    for measure in (*_MEASURES, "log_paths"):
        for loss, kind, width in itertools.product(
            perceptron.LOSSES, PAPER, table["width"].unique()
        ):
            rows: Any = cells.get_group((loss, kind, width))
            values = rows[measure].to_numpy(float)
            low, high = summary.bootstrap_mean(values, rows["seed"].to_numpy(), seed)
            yield {
                "measure": measure,
                "log_sum_exp": loss,
                "kind": kind,
                "width": width,
                "mean": values.mean(),
                "low": low,
                "high": high,
                "median": np.median(values),
                "models": rows["seed"].nunique(),
            }


def as_text(means: pd.DataFrame) -> str:
    """Lays the summary out for reading."""
    lines = [
        "log-sum-exp  feature     width  entropy (nats)  [95 % interval]  entropy / log(paths)"
    ]
    rows = means.query("measure == 'entropy'").to_dict("records")
    ratios = means.query("measure == 'ratio'")["mean"]
    for row, ratio in zip(rows, ratios, strict=True):
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
        lines.append(
            f"{row['log_sum_exp']:<11}  {row['kind']:<10}  {row['width']:>5}  {row['mean']:>14.2f}"
            f"  {interval:<15}  {ratio:>20.3f}"
        )
    return "\n".join(lines)


def plot(means: pd.DataFrame, title: str) -> Figure:
    """Draws entropy against width for both losses, with the paper's numbers, and the ratio."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.8))
    axes[1].sharey(axes[0])
    panels = [("entropy", "jax"), ("entropy", "published"), ("ratio", "jax")]
    for axis, (measure, loss) in zip(axes, panels, strict=True):
        of_loss: Any = means[means["log_sum_exp"] == loss]
        _panel(axis, of_loss[of_loss["measure"] == measure], _MEASURES[measure])
        axis.set_title(_TITLES[loss], size=10)
        if measure == "entropy":
            most = of_loss.query("measure == 'log_paths' and kind == 'relevant'")
            axis.plot(
                most["width"],
                most["mean"],
                ":",
                color="0.4",
                label="the most: log(number of paths)",
            )
    for kind, marker, colour in _STYLE:
        axes[1].plot(
            WIDTHS, PAPER[kind], marker, color=colour, markerfacecolor="none", linestyle="none",
            markersize=10, label=f"{kind}, the paper's",
        )  # fmt: skip
    for axis in axes:
        axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    figure.text(
        0.5, 0.01,
        "Bars: 95 % bootstrap intervals over models. Irrelevant: mean over the other three "
        f"features. Of the {perceptron.BATCH_SIZE} examples of the last batch.",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure


def _panel(axis: Axes, means: pd.DataFrame, label: str) -> None:
    for (kind, marker, colour), shift in zip(_STYLE, (0.97, 1.03), strict=True):
        rows: Any = means[means["kind"] == kind]
        axis.errorbar(
            rows["width"] * shift, rows["mean"], yerr=whiskers(rows), fmt=f"{marker}-",
            color=colour, capsize=3, markersize=4, label=f"{kind} feature",
        )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    axis.set_xlabel("hidden width (units)")
    axis.set_ylabel(label)
    sns.despine(ax=axis)


def findings(table: pd.DataFrame, means: pd.DataFrame, seed: int) -> list[report.Finding]:
    """Sets what was found beside what the paper says.

    Args:
        table: As `tidy` makes it.
        means: As `summarise` makes it.
        seed: Of the bootstrap.
    """
    return [*_beside_the_paper(means), *_trends(table, means, seed)]


def _beside_the_paper(means: pd.DataFrame) -> Iterator[report.Finding]:
    """Sets each width's entropies beside the paper's."""
    for kind, papers in PAPER.items():
        entropy = means.query("measure == 'entropy' and kind == @kind")
        by_width = {loss: rows.set_index("width") for loss, rows in entropy.groupby("log_sum_exp")}
        for width, paper in zip(WIDTHS, papers, strict=True):
            if width in by_width["jax"].index:
                yield report.Finding(
                    f"{kind} feature, width {width}, nats",
                    f"{paper:.2f}",
                    f"{_interval(by_width['published'].loc[width])}; with JAX's log-sum-exp "
                    f"{_interval(by_width['jax'].loc[width])}",
                )


def _trends(table: pd.DataFrame, means: pd.DataFrame, seed: int) -> Iterator[report.Finding]:
    """Says whether entropy rises with width, and what of it is left over log(paths)."""
    for loss, kind in itertools.product(perceptron.LOSSES, PAPER):
        rows = means.query("measure == 'entropy' and kind == @kind and log_sum_exp == @loss")
        apart = np.array(rows["low"])[1:] > np.array(rows["high"])[:-1]
        yield report.Finding(
            f"{kind} feature, {_TITLES[loss]}: rises from each width to the next",
            "rises",
            f"in {apart.sum()} of {len(apart)} steps, intervals apart",
            holds=bool(apart.all()) if apart.size else None,
        )
    if len(np.unique(table["width"])) < 2:
        return
    of_jax = table.query("log_sum_exp == 'jax'")
    by_model: Any = of_jax.groupby(["width", "seed"])["ratio"].mean()
    widths = by_model.index.get_level_values("width").to_numpy()
    share = association.spearman(widths, by_model.to_numpy(), seed)
    yield report.Finding(
        "entropy / log(number of paths), log-sum-exp as in JAX: Spearman's rho with width",
        "",
        f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]",
    )


def _interval(row: Any) -> str:
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
