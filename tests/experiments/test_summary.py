"""The summary: means, medians, shares, and intervals over sentences."""

import numpy as np
import pandas as pd
import pytest

from experiments.common.branch_flow import BRANCHES
from experiments.common.summary import as_text, bootstrap_mean, summarise

ROLES = ["subject", "attractor", "attractor", "mask", "other"]


@pytest.fixture
def table() -> pd.DataFrame:
    """Ten sentences of five tokens, two layers; skip twice as large as key, query and value 0."""
    rows = []
    rng = np.random.default_rng(0)
    for sentence in range(10):
        for position, role in enumerate(ROLES):
            for layer in range(2):
                value = rng.uniform(1, 2)
                values = {"skip": 2 * value, "key": value, "query": 0.0, "value": 0.0}
                rows += [
                    (sentence, position, role, layer, branch, values[branch]) for branch in BRANCHES
                ]
    columns = ["sentence", "position", "role", "layer", "branch", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_summary_is_over_the_tokens_of_each_group(table):
    summary = summarise(table, seed=0).set_index(["tokens", "layer", "branch"])
    assert len(summary) == 3 * 2 * len(BRANCHES)
    for group, role in [("subject", "subject"), ("attractors", "attractor"), ("all tokens", None)]:
        chosen = table[(table.layer == 1) & (table.branch == "key")]
        chosen = chosen if role is None else chosen[chosen.role == role]
        row = summary.loc[(group, 1, "key")]
        assert row["mean"] == pytest.approx(chosen.value.mean())
        assert row["median"] == pytest.approx(chosen.value.median())
        assert row["n"] == len(chosen)
        assert row["sentences"] == 10
        assert row["share"] == pytest.approx(1 / 3)
        assert row["low"] < row["mean"] < row["high"]


def test_a_group_without_tokens_has_no_rows(table):
    summary = summarise(table[table.role != "attractor"], seed=0)
    assert set(summary.tokens) == {"all tokens", "subject"}
    assert "attractors: none" in as_text(summary)


def test_a_layer_of_zeros_has_no_shares(table):
    summary = summarise(table.assign(value=0.0), seed=0)
    assert summary.share.isna().all()
    assert "nan" not in as_text(summary)


def test_interval_covers_the_mean_of_dependent_tokens():
    """Tokens of a sentence are equal here: 50 sentences of 20 tokens are 50 observations."""
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        values = np.repeat(rng.normal(size=50), 20)
        low, high = bootstrap_mean(values, np.repeat(np.arange(50), 20), seed, resamples=300)
        covered += low < 0 < high
    assert 88 <= covered <= 99


def test_interval_of_constant_values_is_a_point():
    assert bootstrap_mean(np.full(6, 2.0), np.array([0, 0, 1, 1, 2, 2]), seed=0) == (2.0, 2.0)


def test_one_sentence_has_no_interval():
    assert np.isnan(bootstrap_mean(np.ones(3), np.zeros(3), seed=0)).all()


def test_text_is_aligned(table):
    lines = as_text(summarise(table, seed=0)).splitlines()
    body = [line for line in lines if line.strip() and "n =" not in line]
    assert len({len(line) for line in body}) == 1
