"""Figures as files, on machines without a screen too."""

from collections.abc import Callable
from typing import BinaryIO

import matplotlib

matplotlib.use("Agg")  # before pyplot is imported

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.results import RunFolder


def whiskers(rows: pd.DataFrame, mean: str = "mean", of: str = "") -> np.ndarray:
    """Returns the lengths of the two halves of error bars: [2, row].

    Clipped, since rounding can put the mean of equal values outside of their interval.

    Args:
        rows: What the bars are of.
        mean: Column of the middles.
        of: What the columns of the ends, `low` and `high`, have before their names.
    """
    low, middle, high = (
        np.asarray(rows[column], float) for column in (f"{of}low", mean, f"{of}high")
    )
    return np.clip([middle - low, high - middle], 0, None)


def draw_means(
    axis: Axes, cells: pd.DataFrame, place: str, fewest: int, fmt: str, labels: tuple[str, str]
) -> None:
    """Draws the means of cells with their intervals, hollow and without one where few are in it.

    Args:
        axis: Where to draw.
        cells: Columns `mean`, `low`, `high`, `sentences`, and the place.
        place: Column with where a cell stands on the horizontal axis.
        fewest: Of how many sentences a mean has an interval.
        fmt: Marker and line, as Matplotlib has it.
        labels: Of cells with at least so many sentences, and of those with fewer.
    """
    blue = sns.color_palette("colorblind")[0]
    many, few = cells.query("sentences >= @fewest"), cells.query("sentences < @fewest")
    axis.errorbar(
        many[place], many["mean"], yerr=whiskers(many), fmt=fmt, color=blue, capsize=4,
        markersize=5, label=labels[0],
    )  # fmt: skip
    axis.plot(
        few[place], few["mean"], fmt[0], color=blue, markerfacecolor="none", markersize=5,
        label=labels[1],
    )  # fmt: skip


def save(figure: Figure, folder: RunFolder, stem: str) -> None:
    """Writes `stem`.png and `stem`.pdf, the same bytes whenever the figure is the same."""

    def writer(kind: str, undated: dict[str, None]) -> Callable[[BinaryIO], None]:
        return lambda file: figure.savefig(file, format=kind, dpi=200, metadata=undated)

    folder.write(f"{stem}.png", writer("png", {}))
    folder.write(f"{stem}.pdf", writer("pdf", {"CreationDate": None}))
    plt.close(figure)
