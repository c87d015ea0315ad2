"""Figures: one mark per branch with its interval, by layer."""

from collections.abc import Callable
from typing import BinaryIO

import matplotlib

matplotlib.use(
    "Agg"
)  # before pyplot is imported: figures go to files, on machines without a screen too

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.branch_flow import BRANCHES
from experiments.common.results import RunFolder
from experiments.common.summary import GROUPS

_MARKERS = dict(zip(BRANCHES, "osD^", strict=True))
_COLOURS = dict(zip(BRANCHES, sns.color_palette("colorblind", len(BRANCHES)), strict=True))
_DODGE = 0.14

_NOTE = (
    "Bars: 95 % bootstrap intervals over sentences. The first panel has a scale of its own.\n"
    "Forced by the architecture: in the last layer only [MASK] feeds the output, so for every "
    "other token skip and query are exactly 0 there;\nwhat is found there is key against value."
)


def plot_branches(summary: pd.DataFrame, label: str, title: str) -> Figure:
    """Draws a panel for each group of tokens: mean branch flow against the layer.

    Args:
        summary: As `summary.summarise` makes it.
        label: What the means are of, and their unit.
        title: Title of the whole figure.
    """
    figure, axes = plt.subplots(1, len(GROUPS), figsize=(12, 5))
    # [MASK] outweighs all other tokens, so that they would not be seen on one scale with it.
    axes[1].sharey(axes[2])
    for axis, group in zip(axes, GROUPS, strict=True):
        _panel(axis, summary.query("tokens == @group"), group)
    axes[0].set_ylabel(label)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, title="branch", ncols=len(BRANCHES), loc="upper center", frameon=False,
        bbox_to_anchor=(0.5, 0.95),
    )  # fmt: skip
    figure.suptitle(title, y=0.99)
    figure.text(0.5, 0.01, _NOTE, ha="center", fontsize=8)
    figure.tight_layout(rect=(0, 0.09, 1, 0.92))
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, group: str) -> None:
    for place, branch in enumerate(BRANCHES):
        cell = rows[rows["branch"] == branch]
        shift = (place - (len(BRANCHES) - 1) / 2) * _DODGE
        axis.errorbar(
            cell["layer"] + shift,
            cell["mean"],
            # Clipped, since rounding can put the mean of equal values outside of their interval.
            yerr=np.clip([cell["mean"] - cell["low"], cell["high"] - cell["mean"]], 0, None),
            fmt=_MARKERS[branch],
            color=_COLOURS[branch],
            capsize=2,
            markersize=5,
            label=branch,
        )
    count = "no such token" if rows.empty else f"n = {rows['n'].iloc[0]:,} tokens"
    axis.set_title(f"{group}\n{count}")
    axis.set_xlabel("layer")
    axis.ticklabel_format(axis="y", scilimits=(-2, 4))
    axis.set_xticks(sorted(rows["layer"].unique()))
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    sns.despine(ax=axis)


def save(figure: Figure, folder: RunFolder, stem: str) -> None:
    """Writes `stem`.png and `stem`.pdf, the same bytes whenever the figure is the same."""

    def writer(kind: str, undated: dict[str, None]) -> Callable[[BinaryIO], None]:
        return lambda file: figure.savefig(file, format=kind, dpi=200, metadata=undated)

    folder.write(f"{stem}.png", writer("png", {}))
    folder.write(f"{stem}.pdf", writer("pdf", {"CreationDate": None}))
    plt.close(figure)
