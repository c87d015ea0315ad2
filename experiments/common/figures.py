"""Figures as files, on machines without a screen too."""

from collections.abc import Callable
from typing import BinaryIO

import matplotlib

matplotlib.use("Agg")  # before pyplot is imported

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from experiments.common.results import RunFolder


def save(figure: Figure, folder: RunFolder, stem: str) -> None:
    """Writes `stem`.png and `stem`.pdf, the same bytes whenever the figure is the same."""

    def writer(kind: str, undated: dict[str, None]) -> Callable[[BinaryIO], None]:
        return lambda file: figure.savefig(file, format=kind, dpi=200, metadata=undated)

    folder.write(f"{stem}.png", writer("png", {}))
    folder.write(f"{stem}.pdf", writer("pdf", {"CreationDate": None}))
    plt.close(figure)
