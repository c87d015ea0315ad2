"""Figure files: valid, not empty, and the same for the same numbers."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from experiments.common import figures
from experiments.common.branch_flow import BRANCHES
from experiments.common.results import RunFolder
from experiments.common.summary import GROUPS


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    identity = {"experiment": "test", "flags": {}, "versions": {}}
    folder = RunFolder(tmp_path, identity, ["figure.png", "figure.pdf"])
    folder.begin()
    return folder


def summary(groups=tuple(GROUPS)) -> pd.DataFrame:
    rows = [
        (group, layer, branch, 0.1 * place, 0.1 * place - 0.01, 0.1 * place + 0.02, 7)
        for group in groups
        for layer in range(3)
        for place, branch in enumerate(BRANCHES)
    ]
    return pd.DataFrame(rows, columns=["tokens", "layer", "branch", "mean", "low", "high", "n"])


def test_files_are_whole_images(folder):
    figures.save(figures.plot_branches(summary(), "weight (logits)", "title"), folder, "figure")
    image = matplotlib.image.imread(folder.path / "figure.png")
    assert image.shape[0] > 500
    assert np.ptp(image) > 0
    pdf = (folder.path / "figure.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")


def test_the_same_numbers_make_the_same_bytes(folder):
    written = []
    for _ in range(2):
        figures.save(figures.plot_branches(summary(), "weight (logits)", "title"), folder, "figure")
        written.append([(folder.path / f"figure.{kind}").read_bytes() for kind in ("png", "pdf")])
    assert written[0] == written[1]


def test_panels_say_what_they_show():
    figure = figures.plot_branches(summary(), "weight (logits)", "title")
    assert [axis.get_title() for axis in figure.axes] == [
        f"{group}\nn = 7 tokens" for group in GROUPS
    ]
    assert figure.axes[0].get_ylabel() == "weight (logits)"
    assert {axis.get_xlabel() for axis in figure.axes} == {"layer"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(BRANCHES)
    assert any("Forced by the architecture" in text.get_text() for text in figure.texts)


def test_an_interval_that_misses_its_mean_by_rounding_is_drawn():
    rounded = summary().assign(low=lambda table: table["mean"] + 1e-17)
    figures.plot_branches(rounded, "weight (logits)", "title")


def test_a_group_without_tokens_has_an_empty_panel():
    figure = figures.plot_branches(summary(["all tokens"]), "weight (logits)", "title")
    assert figure.axes[1].get_title() == "subject\nno such token"
