"""Whether the entropy of an MLP's gradient paths rises with its width (paper B.1, Figure 6b).

    python -m experiments.entropy_vs_width --output=results/entropy_vs_width

Multilayer perceptrons with one hidden layer learn whether the first of four features is larger than
0.5. For each width and seed: the entropy of the paths from each feature to the loss, and the same
divided by the log of the number of paths.

The loss is computed in two ways, of one gradient and different paths: as JAX does, whose
log-sum-exp takes the maximum off as a constant, and as the paper's code did, which differentiates
through that maximum.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from absl import app, flags
from tqdm import tqdm

from experiments.common import (
    figure6b,
    figures,
    perceptron,
    processes,
    report,
    run,
    spread,
    synthetic,
)
from experiments.common.results import RunFolder, digest

_NUM_SEEDS = flags.DEFINE_integer(
    "num_seeds", 10, "How many models of each width, data of their own each.", lower_bound=2
)
flags.adopt_module_key_flags(run)

_EXPERIMENT = "entropy_vs_width"
_FLAG_NAMES = (_NUM_SEEDS.name,)
_TABLE, _SUMMARY, _MODELS = "table.csv", "summary.csv", "models.csv"
_RESULTS = (_TABLE, _SUMMARY, _MODELS, report.SECTION, "figure.png", "figure.pdf")
_BYTES = 10_000_000

_POINTS, _TEST_POINTS = 20_000, 2_000
_QUANTITY = "cross-entropy loss of an example"
_SMOKE_WIDTHS = figure6b.WIDTHS[:1]


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAG_NAMES, _RESULTS)
    if folder.complete:
        print(figure6b.as_text(pd.read_csv(folder.path / _SUMMARY)))
        print(f"\n{folder.path} was complete already.")
        return
    folder.require_space(_BYTES)
    folder.begin()
    seeds = 2 if run.SMOKE.value else _NUM_SEEDS.value
    num = 10 * perceptron.BATCH_SIZE if run.SMOKE.value else _POINTS
    widths = _SMOKE_WIDTHS if run.SMOKE.value else figure6b.WIDTHS
    parts = _parts(folder, widths, [run.SEED.value + seed for seed in range(seeds)], num)
    if not processes.leads():
        return
    table, fitted = figure6b.tidy(parts, widths), _model_table(parts, widths)
    means = figure6b.summarise(table, run.SEED.value)
    for name, rows in ((_TABLE, table), (_SUMMARY, means), (_MODELS, fitted)):
        folder.write_table(name, rows)
    title = f"Path entropy of an MLP by its width: mean over {seeds} seeds"
    figures.save(figure6b.plot(means, title), folder, "figure")
    told = compare(table, means, fitted, num, sum(float(part["seconds"]) for part in parts))
    report.write(told, folder, f"figures/{_EXPERIMENT}.png")
    facts = {"quantity_of_interest": _QUANTITY, "node": "an input feature", "points": num}
    folder.finish({**facts, "findings": report.as_records(told)})
    print(figure6b.as_text(means))
    print(f"\n{report.as_text(told)}\n\nResults are in {folder.path}.")


def _parts(
    folder: RunFolder, widths: Sequence[int], seeds: Sequence[int], num: int
) -> list[dict[str, np.ndarray]]:
    """Trains and measures the models of each width, or reads what an earlier run kept."""
    data = [synthetic.four_features(seed, num + _TEST_POINTS) for seed in seeds]
    x, y = np.stack([d.inputs for d in data]), np.stack([d.labels for d in data])
    inputs = digest((x, y))
    keys = jax.vmap(jax.random.key)(jnp.array(seeds, jnp.uint32))
    with tqdm(total=len(widths), desc="widths", unit="width") as progress:

        def compute(numbers: Sequence[int]) -> list[spread.Part]:
            (number,) = numbers
            model = perceptron.Perceptron(widths[number])
            of_seeds = jax.jit(jax.vmap(functools.partial(perceptron.train_and_measure, model)))
            found = of_seeds(keys, x[:, :num], y[:, :num], x[:, num:], y[:, num:])
            part = {name: np.asarray(values) for name, values in found.items()}
            if not all(np.isfinite(values).all() for values in part.values()):
                raise FloatingPointError(f"width {widths[number]}: an entropy is not finite")
            progress.update()
            return [part]

        def advance(_: int) -> None:
            progress.update()

        return spread.compute_parts(folder, inputs, widths, compute, advance, at_once=1)


def _model_table(parts: Sequence[dict[str, np.ndarray]], widths: Sequence[int]) -> pd.DataFrame:
    """Returns a row for each width and seed, with the accuracy on points not trained on."""
    accuracy = np.stack([part["accuracy"] for part in parts])
    width, seed = (index.ravel() for index in np.indices(accuracy.shape))
    return pd.DataFrame(
        {"width": np.array(widths)[width], "seed": seed, "accuracy": accuracy.ravel()}
    )


def compare(
    table: pd.DataFrame, means: pd.DataFrame, fitted: pd.DataFrame, num: int, seconds: float
) -> report.Report:
    """Sets what was found beside what the paper says of Figure 6b."""
    accuracy: Any = fitted.groupby("width")["accuracy"].mean()
    models = table["seed"].nunique()
    narrowest: Any = means.query("measure == 'log_paths'").groupby("log_sum_exp")["mean"].first()
    each = {loss: np.exp(narrowest[loss]) / table["width"].min() for loss in narrowest.index}
    return report.Report(
        title="B.1, Figure 6b: path entropy of an MLP by its width",
        command=run.command(_EXPERIMENT, _FLAG_NAMES),
        setup=[
            f"Data: {num:,} points of four features in [0, 1), label: the first is larger than "
            "0.5; data and initial weights differ between seeds.",
            f"Models: 4-h-2 perceptrons, leaky ReLU of slope {perceptron.LEAK}, {models} of each "
            f"width; Adam {perceptron.LEARNING_RATE:g}, batches of {perceptron.BATCH_SIZE}, one "
            f"epoch. Right on {accuracy.min():.1%} (width {accuracy.idxmin()}) to "
            f"{accuracy.max():.1%} of {_TEST_POINTS:,} other points, mean over seeds.",
            f"Quantity of interest: {_QUANTITY}, for each of the {perceptron.BATCH_SIZE} examples "
            "of the last batch. The paper: 3 seeds.",
            f"Time: {seconds:.0f} s, training and compiling included.",
        ],
        findings=figure6b.findings(table, means, run.SEED.value),
        notes=[
            "What the architecture forces: entropy is at most the log of the number of paths, the "
            f"same for every feature: {each['jax']:.0f} paths for each hidden unit with JAX's "
            "log-sum-exp (to each logit, and from that of the right class to the loss besides), "
            f"{each['published']:.0f} with the paper's. A wider model has more.",
            "The paper's numbers are those of its code, whose log-sum-exp differentiates through "
            "the maximum that it takes off. The first number of each row has that graph too; the "
            "second has the graph of JAX's, with the same gradient and fewer paths.",
        ],
    )


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
