"""Figure 4: branch flow by layer, its shares beside those of untrained models, and the cuts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.common import figure4
from experiments.common.branch_flow import BRANCHES
from experiments.common.figures import plt, whiskers
from experiments.common.summary import GROUPS

MARKERS = dict(zip(BRANCHES, "osD^", strict=True))
COLOURS = dict(zip(BRANCHES, sns.color_palette("colorblind", len(BRANCHES)), strict=True))
CUTS = {"top": "top path's", "others": "others' mean", "random": "one at random"}
_CUT_STYLES = dict(zip(CUTS, (("P", "black"), ("v", "0.45"), ("x", "0.7")), strict=True))
_DODGE = 0.17

_NOTE = (
    "Bars: 95 % bootstrap intervals over sentences. The first panel above has a scale of its own. "
    "Forced by the architecture: in the last layer only [MASK] feeds the output, so for every other"
    "\ntoken skip and query are exactly 0 there; what is found there is key against value."
)


def plot(
    summary: pd.DataFrame,
    controls: Sequence[pd.DataFrame],
    cuts: pd.DataFrame,
    label: str,
    unit: str,
    title: str,
) -> Figure:
    """Draws a column of two panels for each group of tokens, and one for the cuts.

    Args:
        summary: Of the model, as `summary.summarise` makes it.
        controls: The same of models with random weights.
        cuts: As `ablation.summarise` makes it; may be empty.
        label: What the means are of, and their unit.
        unit: Unit of the quantity of interest.
        title: Title of the whole figure.
    """
    figure, axes = plt.subplots(2, len(GROUPS) + 1, figsize=(15, 7.5))
    # [MASK] outweighs all other tokens, so that they would not be seen on one scale with it.
    axes[0, 1].sharey(axes[0, 2])
    for column, group in enumerate(GROUPS):
        rows, *untrained = (table.query(f"tokens == {group!r}") for table in (summary, *controls))
        _means(axes[0, column], rows, group)
        _shares(axes[1, column], rows, untrained, group)
    axes[0, 0].set_ylabel(label)
    axes[1, 0].set_ylabel("share of the layer's sum")
    _cuts(axes[0, -1], cuts, unit)
    _legend(axes[1, -1], bool(controls), _comparable(summary))
    figure.suptitle(title, y=0.985)
    figure.text(0.5, 0.012, _NOTE, ha="center", fontsize=8)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return figure


def dodge(branch: str) -> float:
    """Returns how far a branch's mark stands from the middle of its place on the axis."""
    return (BRANCHES.index(branch) - (len(BRANCHES) - 1) / 2) * _DODGE


def _means(axis: Axes, rows: pd.DataFrame, group: str) -> None:
    for branch in BRANCHES:
        cell = rows.query("branch == @branch")
        axis.errorbar(
            cell["layer"] + dodge(branch),
            cell["mean"],
            yerr=whiskers(cell),
            fmt=MARKERS[branch],
            color=COLOURS[branch],
            capsize=2,
            markersize=5,
        )
    count = "no such token" if rows.empty else f"n = {rows['n'].iloc[0]:,} tokens"
    axis.set_title(f"{group}\n{count}")
    axis.ticklabel_format(axis="y", scilimits=(-2, 4))
    _by_layer(axis, rows)


def _shares(axis: Axes, rows: pd.DataFrame, controls: Sequence[pd.DataFrame], group: str) -> None:
    for branch in BRANCHES:
        style = {"linestyle": "none", "marker": MARKERS[branch], "color": COLOURS[branch]}
        for table in controls:
            cell = table.query("branch == @branch")
            place = cell["layer"] + dodge(branch)
            axis.plot(place, cell["share"], **style, markersize=8, fillstyle="none", alpha=0.7)
        cell = rows.query("branch == @branch")
        axis.plot(cell["layer"] + dodge(branch), cell["share"], **style, markersize=5)
        if _comparable(rows):
            paper = figure4.shares(np.array([figure4.MEANS[group][b] for b in BRANCHES]).T)
            place = cell["layer"] + dodge(branch)
            height = paper[:, BRANCHES.index(branch)]
            axis.scatter(place, height, s=90, marker="_", color="black", linewidths=1.5, zorder=3)
    axis.set_ylim(-0.04, 1.04)
    _by_layer(axis, rows)


def _comparable(rows: pd.DataFrame) -> bool:
    """Whether the model has as many layers as the paper's."""
    return len(set(rows["layer"])) == len(figure4.MEANS["subject"]["skip"])


def _cuts(axis: Axes, cuts: pd.DataFrame, unit: str) -> None:
    rows = cuts.query("layer != 'all'") if len(cuts) else cuts
    axis.set_title(
        "subject: a branch cut\n" + (f"n = {rows['n'].max():,}" if len(rows) else "none")
    )
    if rows.empty:
        axis.set_axis_off()
        return
    draw_cuts(axis, rows, rows["layer"].to_numpy(float), unit)
    _by_layer(axis, rows)


def draw_cuts(axis: Axes, rows: pd.DataFrame, places: np.ndarray, unit: str) -> None:
    """Draws how much cuts change, with their intervals.

    Args:
        axis: Where to draw.
        rows: Of `ablation.summarise`.
        places: For each row, where it stands on the horizontal axis.
        unit: Unit of the quantity of interest.
    """
    for number, name in enumerate(CUTS):
        marker, colour = _CUT_STYLES[name]
        axis.errorbar(
            places + (number - 1) * _DODGE,
            np.asarray(rows[name], float),
            yerr=whiskers(rows, name, f"{name}_"),
            fmt=marker,
            color=colour,
            capsize=2,
            markersize=5,
            label=CUTS[name],
        )
    axis.set_ylabel(f"mean magnitude of the change ({unit})")
    axis.set_ylim(bottom=0)


def _by_layer(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set_xlabel("layer")
    axis.set_xticks(sorted(rows["layer"].unique()))
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    sns.despine(ax=axis)


def _legend(axis: Axes, has_controls: bool, has_paper: bool) -> None:
    axis.set_axis_off()

    def mark(marker: str, colour: Any, label: str, fill: Any = "full") -> Line2D:
        style = {"marker": marker, "color": colour, "fillstyle": fill, "linestyle": "none"}
        return Line2D([], [], label=label, **style)

    marks = [mark(MARKERS[b], COLOURS[b], b) for b in BRANCHES]
    if has_controls:
        marks.append(mark("o", "0.4", "random weights, by draw", "none"))
    if has_paper:
        marks.append(mark("_", "black", "the paper's numbers"))
    branches = axis.legend(handles=marks, title="branch", loc="upper left", frameon=False)
    axis.add_artist(branches)
    marks = [mark(*_CUT_STYLES[name], label) for name, label in CUTS.items()]
    axis.legend(handles=marks, title="branch that is cut", loc="lower left", frameon=False)
