"""The document of all runs: in the paper's order, whole or not at all."""

import json
import pathlib

import pytest
from absl import flags
from absl.testing import flagsaver

from experiments import reproduction

VERSIONS = {"python": "3.11", "jax": "0.10.2", "device": "cpu"}


def make_run(folder: pathlib.Path, experiment: str, figure: str, **record) -> None:
    folder.mkdir(parents=True)
    identity = {"experiment": experiment, "flags": {"smoke": False}, "versions": VERSIONS}
    (folder / "run.json").write_text(json.dumps({**identity, "status": "complete", **record}))
    (folder / "section.md").write_text(f"## On {figure}\n\n![On {figure}](figures/{figure}.png)\n")
    (folder / "figure.png").write_bytes(figure.encode())


@pytest.fixture
def runs(tmp_path) -> pathlib.Path:
    folder = tmp_path / "runs"
    make_run(folder / "a", "sva_entropy", "last")
    make_run(folder / "b_real", "sva_top_path", "second_real")
    make_run(folder / "b", "sva_top_path", "second")
    make_run(folder / "c", "first_token_repeated", "first")
    (folder / "notes.txt").write_text("not a run")
    return folder


def gather(runs: pathlib.Path, output: pathlib.Path) -> None:
    with flagsaver.flagsaver():
        flags.FLAGS([reproduction.__file__, f"--runs={runs}", f"--output={output}"])
        reproduction.main([reproduction.__file__])


def test_sections_are_in_the_papers_order_with_their_figures(runs, tmp_path):
    output = tmp_path / "docs"
    gather(runs, output)
    text = (output / "reproduction.md").read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    sections = ["## On first", "## On second", "## On second_real", "## On last"]
    assert titles == ["## At a glance", *sections]
    assert "Made with python 3.11, jax 0.10.2, device cpu." in text
    figures = {path.name: path.read_text() for path in (output / "figures").iterdir()}
    assert figures == {f"{n}.png": n for n in ("first", "second", "second_real", "last")}
    assert sorted(path.name for path in output.iterdir()) == ["figures", "reproduction.md"]


def test_overview_counts_the_papers_claims(runs, tmp_path):
    findings = [
        {"what": "it rises", "paper": "yes", "holds": True},
        {"what": "it bends", "paper": "yes", "holds": False},
        {"what": "a number", "paper": "1.2", "holds": None},
        {"what": "not in the paper", "paper": "", "holds": False},
    ]
    make_run(runs / "d", "entropy_vs_mdl", "third", findings=findings)
    gather(runs, tmp_path / "docs")
    text = (tmp_path / "docs/reproduction.md").read_text()
    assert "| On third | 1 of 2 | it bends |\n" in text
    assert "| On last | 0 of 0 | - |\n" in text


def test_differing_versions_are_told_by_section(runs, tmp_path):
    make_run(runs / "d", "entropy_vs_mdl", "third", versions={**VERSIONS, "jax": "0.12"})
    gather(runs, tmp_path / "docs")
    text = (tmp_path / "docs/reproduction.md").read_text()
    assert "- Made with python 3.11, jax 0.12, device cpu: On third.\n" in text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "section.md").unlink(), r"bad lacks section\.md"),
        (lambda run: (run / "figure.png").unlink(), r"bad lacks figure\.png"),
        (lambda run: (run / "section.md").write_text("## No figure\n"), "bad.* has 0 figures"),
        (lambda run: (run / "run.json").write_text("{"), r"bad/run\.json cannot be read"),
        ({"status": "running"}, "bad is not complete"),
        ({"flags": {"smoke": True}}, "bad was made with --smoke"),
        ({"experiment": "tea"}, "bad is of an experiment not known here: tea"),
        ({"figure": "last"}, r"bad and .*a both have figures/last\.png"),
    ],
)
def test_what_is_not_whole_is_named_and_nothing_is_written(runs, tmp_path, damage, message):
    changes = {} if callable(damage) else dict(damage)
    figure = changes.pop("figure", "bad")
    make_run(runs / "bad", changes.pop("experiment", "entropy_vs_width"), figure, **changes)
    if callable(damage):
        damage(runs / "bad")
    with pytest.raises(SystemExit, match=message):
        gather(runs, tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="no folder of a run is in --runs="):
        gather(tmp_path, tmp_path / "docs")
