"""Figures as files, on machines without a screen too."""

from collections.abc import Callable
from typing import BinaryIO

import matplotlib

matplotlib.use("Agg")  # before pyplot is imported

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
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


def save(figure: Figure, folder: RunFolder, stem: str) -> None:
    """Writes `stem`.png and `stem`.pdf, the same bytes whenever the figure is the same."""

    def writer(kind: str, undated: dict[str, None]) -> Callable[[BinaryIO], None]:
        return lambda file: figure.savefig(file, format=kind, dpi=200, metadata=undated)

    folder.write(f"{stem}.png", writer("png", {}))
    folder.write(f"{stem}.pdf", writer("pdf", {"CreationDate": None}))
    plt.close(figure)
