"""Tables and correlations of difficulty and entropy, and the findings drawn from them."""

import numpy as np
import pandas as pd
import pytest

from experiments.common import synthetic
from experiments.common.difficulty import correlate, curvature, example_table, summarise, tidy
from experiments.common.figure5 import make_report
from experiments.common.task_grid import PRESETS, Outcome, Run


def outcome(accuracy: float, entropy: float, loss: float, seed: int = 0, classes: int = 2):
    """A run on ten points of six tokens, whose one coded block has two points."""
    return Outcome(
        run=Run(synthetic.bin_count_ones(classes, 36, 60), seed),
        sizes=[2, 4],
        block_losses=[np.array([loss, 3 * loss], np.float32)],
        labels=np.zeros(10, np.int32),
        loss=np.zeros(10, np.float32),
        right=np.arange(10) < 10 * accuracy,
        entropy=np.full((10, 6), entropy, np.float32),
    )


def test_a_row_has_code_lengths_entropies_and_whether_it_is_kept():
    table = tidy([outcome(0.9, 5.0, np.log(2)), outcome(1.0, 7.0, np.log(4), seed=1)], labels=36)
    dropped, kept = table.to_dict("records")
    assert (dropped["kept"], kept["kept"]) == (False, True)
    assert kept["task"] == "BinCountOnes(2)"
    assert kept["code_length_bits"] == pytest.approx(2 * np.log2(36) + 2 + 6, rel=1e-6)
    assert kept["published_nats"] == pytest.approx(2 * np.log(36) + 2 * np.log(4), rel=1e-6)
    assert kept["entropy_sum_nats"] == 42
    assert kept["entropy_token_nats"] == 7
    (row,) = summarise(table).to_dict("records")
    assert (row["runs"], row["kept"], row["entropy_sum_nats"]) == (2, 1, 42)


def test_an_example_has_the_sum_and_mean_of_its_tokens():
    table = example_table([outcome(0.5, 4.0, 1.0)])
    assert len(table) == 10
    assert set(table["entropy_sum_nats"]) == {24}
    assert set(table["entropy_token_nats"]) == {4}
    assert np.count_nonzero(table["right"]) == 5


def rows(lengths: list[float], entropies: list[float], classes: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": [f"BinCountOnes({number})" for number in classes],
            "family": "BinCountOnes",
            "classes": classes,
            "code_length_bits": lengths,
            "published_nats": lengths,
            "entropy_sum_nats": entropies,
            "accuracy": 1.0,
            "kept": True,
        }
    )


def test_correlation_is_of_ranks_with_an_interval_over_tasks():
    falling = correlate(rows([1, 10, 100, 1000, 1e4], [9, 8, 7, 6, 5], [2, 3, 4, 6, 9]), seed=0)
    assert (falling.rho, falling.low, falling.high) == pytest.approx((-1, -1, -1))
    # Whatever its seeds, a task is drawn as a whole: two tasks are too few to say anything.
    few = correlate(rows([1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 3, 3]), seed=0)
    assert np.isnan(few.rho)
    assert (few.runs, few.tasks) == (4, 2)
    mixed = correlate(rows([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], [2, 3, 4, 6, 9]), seed=0)
    assert mixed.rho == pytest.approx(0.8)
    assert mixed.low < 0.8 < mixed.high


@pytest.mark.parametrize(
    ("entropies", "as_claimed", "valley"),
    [
        ([5, 4.1, 3, 2.2, 1], True, False),
        ([9, 4, 1, 4, 9], True, True),
        ([2, 1, 3, 1, 2], True, False),
        ([1, 2.1, 3, 4.2, 5], False, False),
    ],
)
def test_findings_are_computed(entropies, as_claimed, valley):
    table = rows([1, 2, 3, 4, 5], entropies, [2, 3, 4, 6, 9])
    findings = make_report(table, PRESETS["quick"], "quick", 0).findings
    holds = {finding.what.split(",")[0]: finding.holds for finding in findings}
    assert holds["entropy does not rise with code length"] is as_claimed
    falls_and_rises = "BinCountOnes: entropy falls"
    assert holds[falls_and_rises] is valley
    assert holds["BinCountOnes: code length grows with the classes"] is True


def test_curvature_and_vertex_of_a_noisy_parabola():
    x = np.linspace(0, 4, 30)
    y = 3 * (x - 1.5) ** 2 + 0.1 * np.random.default_rng(0).standard_normal(30)
    square, low, high, vertex = curvature(x, y)
    assert low < 3 < high
    assert high - low < 0.2
    assert square == pytest.approx((low + high) / 2)
    assert vertex == pytest.approx(1.5, abs=0.05)
