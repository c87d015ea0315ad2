"""The paths of an MLP, enumerated, and the binary of Figure 6b."""

import itertools
import json

import jax
import numpy as np
import pandas as pd
import pytest
from absl import flags
from absl.testing import flagsaver

from experiments import entropy_vs_width as binary
from experiments.common import perceptron

WIDTH = 3


def enumerated(params, x, label: int, loss: str) -> list[np.ndarray]:
    """The weights of all paths from each feature to the loss, by the chain rule on paper."""
    (w1, b1), (w2, b2) = (
        (np.asarray(params["params"][name]["kernel"], float), params["params"][name]["bias"])
        for name in ("Dense_0", "Dense_1")
    )
    hidden = x @ w1 + b1
    slope = np.where(hidden > 0, 1, 0.01)
    logits = (hidden * slope) @ w2 + b2
    p = np.exp(logits) / np.exp(logits).sum()
    # From each logit: through its exponential, and if it is the label's, straight.
    after = [[p[k], *([-1.0] if k == label else [])] for k in range(2)]
    if loss == "published":
        # Through the maximum: added again, and taken off each logit.
        after[int(np.argmax(logits))] += [1.0, -p[0], -p[1]]
    pairs = list(itertools.product(range(WIDTH), range(2)))
    return [
        np.array([w1[i, j] * slope[j] * w2[j, k] * end for j, k in pairs for end in after[k]])
        for i in range(4)
    ]


@pytest.mark.parametrize("loss", perceptron.LOSSES)
def test_entropy_is_that_of_the_enumerated_paths(loss):
    model = perceptron.Perceptron(WIDTH)
    x = np.random.default_rng(0).random((2, 4), np.float32)
    params = model.init(jax.random.key(1), x[0])
    labels = np.array([0, 1], np.int32)
    entropy, log_paths = jax.jit(lambda *args: perceptron.feature_paths(model, loss, *args))(
        params, x, labels
    )
    for example in range(2):
        for feature, weights in enumerate(enumerated(params, x[example], labels[example], loss)):
            p = np.abs(weights) / np.abs(weights).sum()
            assert entropy[example, feature] == pytest.approx(-(p * np.log(p)).sum(), rel=1e-4)
            assert log_paths[example, feature] == pytest.approx(np.log(len(weights)), rel=1e-5)


def test_the_binary_writes_every_feature_of_every_example(tmp_path):
    with flagsaver.flagsaver():
        flags.FLAGS([binary.__file__, f"--output={tmp_path}", "--smoke", f"--cache_dir={tmp_path}"])
        binary.main([binary.__file__])
    table, summary = (pd.read_csv(tmp_path / name) for name in ("table.csv", "summary.csv"))
    assert len(table) == 2 * 2 * 32 * 4  # seeds, losses, examples, features
    assert set(table[table.feature == 0].kind) == {"relevant"}
    for row in summary.query("measure == 'ratio'").to_dict("records"):
        cell = table.query("width == @row['width'] and kind == @row['kind']")
        cell = cell[cell.log_sum_exp == row["log_sum_exp"]]
        assert row["mean"] == pytest.approx((cell.entropy / cell.log_paths).mean())
        assert row["models"] == 2
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["status"] == "complete"
    papers = [finding["paper"] for finding in record["findings"][:2]]
    assert papers == ["2.31", "2.29"]
    assert "(figures/entropy_vs_width.png)" in (tmp_path / "section.md").read_text()
