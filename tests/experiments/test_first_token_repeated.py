"""5.1: what it writes with --smoke, and what its summary, claims and places say."""

import json

import numpy as np
import pandas as pd
import pytest
from absl import flags
from absl.testing import flagsaver

from experiments import first_token_repeated
from experiments.common import figure2, until_right
from experiments.common.branch_flow import BRANCHES

INPUTS = np.array([[3, 1, 3, 2], [5, 1, 2, 4], [7, 7, 1, 1]])


def run(*arguments: str) -> None:
    with flagsaver.flagsaver():
        flags.FLAGS([first_token_repeated.__file__, *arguments])
        first_token_repeated.main([first_token_repeated.__file__])


def test_smoke_stopped_before_it_reports_goes_on_and_writes_everything(
    tmp_path, monkeypatch, capsys
):
    done, arguments = tmp_path / "done", ["--smoke", f"--cache_dir={tmp_path / 'cache'}"]

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(first_token_repeated, "_report", interrupt)
        with pytest.raises(SystemExit, match="--resume goes on"):
            run(f"--output={done}", *arguments)
    # Neither the training nor a model's numbers are computed again.
    monkeypatch.setattr(until_right, "_train_anew", interrupt)
    monkeypatch.setattr(first_token_repeated.jax, "device_get", interrupt)
    run(f"--output={done}", *arguments, "--resume")
    assert "holds" in capsys.readouterr().out
    names = {entry.name for entry in done.iterdir()}
    assert names == {*first_token_repeated._RESULTS, "run.json"}

    table = pd.read_csv(done / "table.csv")
    assert len(table) == (2 + 1) * 20 * 10 * 4
    assert (table.groupby(["weights", "model", "point", "position"])["value"].max() > 0).any()
    forced = table.query("position > 0 and branch in ['skip', 'query']")
    assert not forced["value"].any()
    cuts = pd.read_csv(done / "ablation.csv")
    assert set(cuts.query("tokens != 'first token'")["branch"]) == {"key", "value"}
    assert set(cuts.query("tokens == 'first token'")["branch"]) == set(BRANCHES)
    record = json.loads((done / "run.json").read_text())
    assert record["quantity_of_interest"] == "logit of the right label"
    assert f"(figures/{done.name}.png)" in (done / "section.md").read_text()


def test_types_and_places_of_tokens():
    names = np.array(figure2.TYPES)[figure2.types_of(INPUTS)]
    assert names.tolist() == [
        ["first", "other", "repeated", "other"],
        ["first", "other", "other", "other"],
        ["first", "repeated", "other", "other"],
    ]
    places = figure2.places_of_types(INPUTS, seed=0)
    assert places[:, 0].tolist() == [0, 0, 0]
    assert places[:, 1].tolist() == [2, -1, 1]
    for row, place in enumerate(places[:, 2]):
        assert names[row, place] == "other"


def make_table(cells: dict[tuple[str, str], float], weights="trained", models=4) -> pd.DataFrame:
    """A table in which each type and branch has its value, and models differ by a little."""
    labels = np.array([1, 0, 1])
    types = np.array(figure2.TYPES)[figure2.types_of(INPUTS)]
    flow = np.array([[[cells.get((t, b), 0.0) for b in BRANCHES] for t in row] for row in types])
    tables = []
    for model in range(models):
        table = figure2.tidy(INPUTS, labels, flow * (1 + 0.01 * model))
        tables.append(table.assign(weights=weights, model=model))
    return pd.concat(tables, ignore_index=True)


PAPER = {(t, b): v for t in figure2.TYPES for b, v in figure2.MEANS[t].items()}


def test_the_papers_claims_hold_of_the_papers_numbers():
    found = figure2.claims(make_table(PAPER), seed=0)
    assert [finding.holds for finding in found] == [True] * 6
    assert "0.273 against 0.177 (query of first)" in found[0].here
    assert "in 4 of 4 models." in found[0].why


def test_a_claim_that_is_not_so_does_not_hold():
    table = pd.concat(
        [make_table(PAPER | {("first", "key"): 0.2}), make_table(PAPER, "random", models=2)]
    )
    found = figure2.claims(table, seed=0)
    assert [finding.holds for finding in found] == [True, False, True, False, True, True]
    assert "in 0 of 4 models, with random weights in 2 of 2 draws." in found[1].why


def test_summary_is_over_tokens_with_intervals_over_models():
    table = make_table(PAPER)
    summary = figure2.summarise(table, seed=0).set_index(["tokens", "branch"])
    row = summary.loc[("repeated", "key")]
    assert row["mean"] == pytest.approx(0.269 * 1.015)
    assert 0.269 <= row["low"] < row["mean"] < row["high"] <= 0.269 * 1.03
    assert (row["n"], row["models"]) == (8, 4)
    over_all = (2 * 0.269 + 3 * 0.095 + 7 * 0.009) / 12 * 1.015
    assert summary.loc[("all tokens", "key"), "mean"] == pytest.approx(over_all)
