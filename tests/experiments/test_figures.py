"""Figure files: valid, not empty, and the same for the same numbers."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from experiments.common import branch_figure, figures
from experiments.common.branch_flow import BRANCHES
from experiments.common.results import RunFolder
from experiments.common.summary import GROUPS


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    identity = {"experiment": "test", "flags": {}, "versions": {}}
    folder = RunFolder(tmp_path, identity, ["figure.png", "figure.pdf"])
    folder.begin()
    return folder


def summary(groups=tuple(GROUPS), layers=6) -> pd.DataFrame:
    rows = [
        (group, layer, branch, 0.1 * place, 0.1 * place - 0.01, 0.1 * place + 0.02, place / 6, 7)
        for group in groups
        for layer in range(layers)
        for place, branch in enumerate(BRANCHES)
    ]
    columns = ["tokens", "layer", "branch", "mean", "low", "high", "share", "n"]
    return pd.DataFrame(rows, columns=columns)


def cuts() -> pd.DataFrame:
    rows = [
        {"tokens": "subject", "layer": layer, "n": 7}
        | {f"{name}{end}": 1.0 for name in branch_figure.CUTS for end in ("", "_low", "_high")}
        for layer in (0, 1, "all")
    ]
    return pd.DataFrame(rows)


def draw(means=None, controls=(), of_cuts=None):
    means = summary() if means is None else means
    of_cuts = cuts() if of_cuts is None else of_cuts
    return branch_figure.plot(means, controls, of_cuts, "weight (logits)", "logits", "title")


def test_files_are_whole_images_and_the_same_for_the_same_numbers(folder):
    written = []
    for _ in range(2):
        figures.save(draw(), folder, "figure")
        written.append([(folder.path / f"figure.{kind}").read_bytes() for kind in ("png", "pdf")])
    assert written[0] == written[1]
    image = matplotlib.image.imread(folder.path / "figure.png")
    assert image.shape[0] > 500
    assert np.ptp(image) > 0
    pdf = written[0][1]
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")


def test_panels_say_what_they_show():
    figure = draw(controls=[summary()])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == [f"{group}\nn = 7 tokens" for group in GROUPS]
    assert titles[3] == "subject: a branch cut\nn = 7"
    assert figure.axes[0].get_ylabel() == "weight (logits)"
    assert figure.axes[3].get_ylabel() == "mean magnitude of the change (logits)"
    assert {axis.get_xlabel() for axis in figure.axes[:7]} == {"layer"}
    assert any("Forced by the architecture" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(("layers", "paper"), [(6, True), (3, False)])
def test_legend_names_what_is_drawn(layers, paper):
    means = summary(layers=layers)
    axis = draw(means, controls=[means]).axes[-1]
    shown = {text.get_text() for text in axis.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert {*BRANCHES, *branch_figure.CUTS.values(), "random weights, by draw"} <= shown
    assert ("the paper's numbers" in shown) == paper


def test_an_interval_that_misses_its_mean_by_rounding_is_drawn():
    draw(summary().assign(low=lambda table: table["mean"] + 1e-17))


def test_what_is_not_there_leaves_its_panel_empty():
    figure = draw(summary(["all tokens"]), of_cuts=pd.DataFrame())
    assert figure.axes[1].get_title() == "subject\nno such token"
    assert figure.axes[3].get_title() == "subject: a branch cut\nnone"
