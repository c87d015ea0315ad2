"""Figure 2: branch flow by type of token, in trained and in untrained models, and the cuts."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common import branch_figure, figure2
from experiments.common.branch_figure import COLOURS
from experiments.common.branch_flow import BRANCHES
from experiments.common.figures import plt, whiskers

_NOTE = (
    "Bars: means over models, with 95 % bootstrap intervals over models; dots: each model. Hollow: "
    "with random weights, a mark per draw. {paper}Forced by the architecture: only position 0 feeds"
    "\nthe output, so for every token but the first skip and query are exactly 0; what is found "
    "there is key against value. Right: cuts, intervals over models."
)


def plot(
    summary: pd.DataFrame, by_model: pd.DataFrame, cuts: pd.DataFrame, title: str, paper: bool
) -> Figure:
    """Draws a panel for each type of token, and one for the cuts.

    Args:
        summary: As `figure2.summarise` makes it.
        by_model: As `figure2.by_model` makes it.
        cuts: As `ablation.summarise` makes it.
        title: Title of the whole figure.
        paper: Whether the paper's numbers are comparable, and drawn.
    """
    figure, axes = plt.subplots(1, len(figure2.TYPES) + 1, figsize=(14, 4.8))
    for axis, kind in zip(axes[:-1], figure2.TYPES, strict=True):
        axis.sharey(axes[0])
        rows = summary.query(f"weights == 'trained' and tokens == {kind!r}")
        _panel(axis, rows, by_model.query(f"type == {kind!r}"), kind, paper)
    axes[0].set_ylabel("mean weight of a token's top gradient path\n(logits per unit of input)")
    _cuts(axes[-1], cuts)
    figure.suptitle(title, y=0.985)
    note = _NOTE.format(paper="Black lines: the paper's. " if paper else "")
    figure.text(0.5, 0.015, note, ha="center", fontsize=8)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, models: pd.DataFrame, kind: str, paper: bool) -> None:
    for place, branch in enumerate(BRANCHES):
        row = rows.query("branch == @branch")
        colour = COLOURS[branch]
        bars = whiskers(row)
        axis.bar(place, row["mean"], 0.62, color=colour, alpha=0.45, yerr=bars, capsize=4)
        of_branch = models.query("branch == @branch")
        trained, random = (
            of_branch.query(f"weights == {w!r}")["value"].to_numpy() for w in ("trained", "random")
        )
        marker = {"linestyle": "none", "marker": branch_figure.MARKERS[branch], "color": colour}
        spread = place + np.linspace(-0.12, 0.12, max(len(trained), 1))
        axis.plot(spread[: len(trained)], trained, **marker, markersize=3.5)
        axis.plot(np.full(len(random), place + 0.24), random, **marker, fillstyle="none")
        if paper:
            height = figure2.MEANS[kind][branch]
            axis.hlines(height, place - 0.36, place + 0.36, color="black", linewidth=1.5)
    count = rows["n"].max() // rows["models"].max()
    axis.set_title(
        f"{kind} token{'s' if kind == 'other' else ''}\nn = {count:,} of each model", pad=16
    )
    axis.set_xticks(range(len(BRANCHES)), BRANCHES)
    axis.set_xlabel("branch")
    axis.ticklabel_format(axis="y", scilimits=(-2, 4))
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    sns.despine(ax=axis)


def _cuts(axis: Axes, cuts: pd.DataFrame) -> None:
    rows = cuts.query("layer == 'all'")
    places = np.arange(len(rows), dtype=float)
    branch_figure.draw_cuts(axis, rows, places, "logits")
    axis.set_title("a branch cut\none token of each type and point", pad=16)
    axis.set_xticks(places, [name.removesuffix(" token") for name in rows["tokens"]])
    axis.set_xlabel("token")
    axis.legend(title="branch that is cut", frameon=False, fontsize=8, loc="upper right")
    axis.set_ylim(top=1.3 * axis.get_ylim()[1])
    sns.despine(ax=axis)
