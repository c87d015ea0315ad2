"""The binary: what it writes, that it resumes, and what its entropies are of."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from absl import flags
from absl.testing import flagsaver

import semigrad as sg
from experiments import entropy_vs_mdl
from experiments.common import online_coding, task_grid
from experiments.common.classifiers import Classifiers, losses
from experiments.common.token_entropy import NODE, token_entropy

SAME_BYTES = ["blocks.csv", "examples.csv", "run.json", "section.md", "summary.csv", "table.csv"]
RESULTS = sorted([*SAME_BYTES, "figure.pdf", "figure.png"])


def run(*arguments: str) -> None:
    """Runs the binary within this process."""
    with flagsaver.flagsaver():
        flags.FLAGS([entropy_vs_mdl.__file__, "--smoke", "--models_at_once=2", *arguments])
        entropy_vs_mdl.main([entropy_vs_mdl.__file__])


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> pathlib.Path:
    """The folder of a run that was stopped on the way, and computed only what was missing then."""
    folder = tmp_path_factory.mktemp("done")
    arguments = [f"--output={folder}", f"--cache_dir={folder / 'cache'}"]
    original, computed = task_grid._train_block, []

    def interrupted(*given):
        if len(computed) == 17:  # within the second group
            raise KeyboardInterrupt
        return counted(*given)

    def counted(*given):
        computed.append(given)
        return original(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(task_grid, "_train_block", interrupted)
        with pytest.raises(SystemExit, match="stopped; --resume goes on from here"):
            run(*arguments)
        assert not (folder / "table.csv").exists()
        patched.setattr(task_grid, "_train_block", counted)
        run(*arguments, "--resume")
    assert len(computed) == 2 * len(online_coding.training_sizes(40))
    return folder


def test_results_are_there_and_say_the_same(done):
    assert sorted(entry.name for entry in done.iterdir() if entry.is_file()) == RESULTS
    table, blocks, examples = (
        pd.read_csv(done / name) for name in ("table.csv", "blocks.csv", "examples.csv")
    )
    assert table["task"].tolist() == ["Contains1", "BinCountOnes(2)", "ContainsTokenSetOOD(2)"]
    by_task = examples.groupby("task")
    first = online_coding.training_sizes(40)[0]
    for row in table.to_dict("records"):
        points = by_task.get_group(row["task"])
        assert len(points) == 12
        assert row["accuracy"] == pytest.approx(points["right"].mean())
        assert row["entropy_sum_nats"] == pytest.approx(points["entropy_sum_nats"].mean())
        coded = blocks[blocks["task"] == row["task"]]
        assert np.sum(coded["points"]) == 40 - first
        total = first * np.log2(6) + coded["bits"].sum()
        assert row["code_length_bits"] == pytest.approx(total)
    record = json.loads((done / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["runs"]["all"] == 3
    assert record["quantity_of_interest"].startswith("cross-entropy")


def test_entropy_is_of_paths_from_the_embedding_of_each_position():
    classifiers = Classifiers(task_grid.SMOKE.architecture, task_grid.RECIPE)
    params = classifiers.init([1, 2])
    ids, label = np.array([3, 1, 4, 1, 5, 9], np.int32), jnp.array(2, jnp.int32)
    one = jax.tree.map(lambda leaf: leaf[1], params)

    def loss(params, ids):
        return losses(classifiers.model, params, ids[None], label[None])[0]

    both = sg.Product(sg.SumProduct(), sg.Entropy())
    (at_node,) = jax.jit(sg.intermediates(loss, both, at=NODE))(one, ids).values()
    gradient, (log_mass, entropy) = jax.device_get(at_node)

    # What is at the positions of a token adds up to the gradient of its row of the table.
    rows = np.zeros((10, gradient.shape[-1]))
    np.add.at(rows, ids, gradient[0])
    of_table = jax.jit(jax.grad(loss))(one, ids)["bert"]["embeddings"]["word_embeddings"][
        "embedding"
    ]
    np.testing.assert_allclose(rows, of_table, rtol=1e-4, atol=1e-7)

    # The paths of a position are those of its units: H = sum of p_i (H_i - log p_i).
    log_p = log_mass[0] - np.log(np.exp(log_mass[0].astype(float)).sum(axis=-1, keepdims=True))
    expected = (np.exp(log_p) * (entropy[0] - log_p)).sum(axis=-1)
    # As many models and points as the binary has with --smoke, so that the program is there.
    points = np.tile(ids[::-1], (2, 12, 1)), np.full((2, 12), label)
    points[0][1, 7] = ids
    of_group = token_entropy(classifiers.model, task_grid._ENTROPY_BATCH)
    computed = of_group(params, *map(jnp.asarray, points))
    np.testing.assert_allclose(computed[1, 7], expected, rtol=1e-4)
