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
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import seaborn as sns
from absl import app, flags
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm import tqdm

from experiments.common import (
    association,
    figures,
    perceptron,
    processes,
    report,
    run,
    spread,
    summary,
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

WIDTHS = (4, 8, 16, 32, 64, 128)
_POINTS, _TEST_POINTS = 20_000, 2_000

# What the paper's Figure 6b shows, nats, by width.
_PAPER = {
    "relevant": (2.31, 2.83, 3.75, 4.47, 5.10, 5.79),
    "irrelevant": (2.29, 2.85, 3.61, 4.32, 4.95, 5.61),
}
_MEASURES = {
    "entropy": "entropy of a feature's paths (nats)",
    "ratio": "entropy / log(number of paths)",
}
_TITLES = {
    "jax": "log-sum-exp as in JAX",
    "published": "log-sum-exp as in the paper's code",
}
# Kind of feature, marker, colour.
_STYLE = list(zip(_PAPER, "os", sns.color_palette("colorblind", 2), strict=True))
_QUANTITY = "cross-entropy loss of an example"
_SMOKE_WIDTHS = WIDTHS[:1]


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAG_NAMES, _RESULTS)
    if folder.complete:
        print(as_text(pd.read_csv(folder.path / _SUMMARY)))
        print(f"\n{folder.path} was complete already.")
        return
    folder.require_space(_BYTES)
    folder.begin()
    seeds = 2 if run.SMOKE.value else _NUM_SEEDS.value
    num = 10 * perceptron.BATCH_SIZE if run.SMOKE.value else _POINTS
    widths = _SMOKE_WIDTHS if run.SMOKE.value else WIDTHS
    parts = _parts(folder, widths, [run.SEED.value + seed for seed in range(seeds)], num)
    if not processes.leads():
        return
    table, fitted = tidy(parts, widths), _model_table(parts, widths)
    means = summarise(table, run.SEED.value)
    for name, rows in ((_TABLE, table), (_SUMMARY, means), (_MODELS, fitted)):
        folder.write_table(name, rows)
    title = f"Path entropy of an MLP by its width: mean over {seeds} seeds"
    figures.save(plot(means, title), folder, "figure")
    told = compare(table, means, fitted, num, sum(float(part["seconds"]) for part in parts))
    report.write(told, folder, f"figures/{_EXPERIMENT}.png")
    facts = {"quantity_of_interest": _QUANTITY, "node": "an input feature", "points": num}
    folder.finish({**facts, "findings": report.as_records(told)})
    print(as_text(means))
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


def tidy(parts: Sequence[dict[str, np.ndarray]], widths: Sequence[int]) -> pd.DataFrame:
    """Returns a row for each width, seed, loss, example of the last batch and feature.

    Args:
        parts: For each width, what `perceptron.train_and_measure` returns, by seed.
        widths: Which they are.
    """
    entropy, log_paths = (
        np.stack([part[name] for part in parts]) for name in ("entropy", "log_paths")
    )
    width, seed, loss, example, feature = (index.ravel() for index in np.indices(entropy.shape))
    return pd.DataFrame(
        {
            "width": np.array(widths)[width],
            "seed": seed,
            "log_sum_exp": np.array(list(perceptron.LOSSES))[loss],
            "example": example,
            "feature": feature,
            "kind": np.where(feature == 0, "relevant", "irrelevant"),
            "entropy": entropy.ravel(),
            "log_paths": log_paths.ravel(),
            "ratio": (entropy / log_paths).ravel(),
        }
    )


def _model_table(parts: Sequence[dict[str, np.ndarray]], widths: Sequence[int]) -> pd.DataFrame:
    """Returns a row for each width and seed, with the accuracy on points not trained on."""
    accuracy = np.stack([part["accuracy"] for part in parts])
    width, seed = (index.ravel() for index in np.indices(accuracy.shape))
    return pd.DataFrame(
        {"width": np.array(widths)[width], "seed": seed, "accuracy": accuracy.ravel()}
    )


def summarise(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Summarises a table of `tidy`.

    Args:
        table: What to summarise.
        seed: Of the bootstrap.

    Returns:
        A row for each measure, loss, kind of feature and width: the mean, its 95 % bootstrap
        interval over models (whole models are redrawn), and the median.
    """
    return pd.DataFrame(list(_cells(table, seed)))


def _cells(table: pd.DataFrame, seed: int) -> Iterator[dict[str, object]]:
    cells = table.groupby(["log_sum_exp", "kind", "width"])
    for measure in (*_MEASURES, "log_paths"):
        for loss, kind, width in itertools.product(
            perceptron.LOSSES, _PAPER, table["width"].unique()
        ):
            rows: Any = cells.get_group((loss, kind, width))
            values = rows[measure].to_numpy(float)
            low, high = summary.bootstrap_mean(values, rows["seed"].to_numpy(), seed)
            yield {
                "measure": measure,
                "log_sum_exp": loss,
                "kind": kind,
                "width": width,
                "mean": values.mean(),
                "low": low,
                "high": high,
                "median": np.median(values),
                "models": rows["seed"].nunique(),
            }


def as_text(means: pd.DataFrame) -> str:
    """Lays the summary out for reading."""
    lines = [
        "log-sum-exp  feature     width  entropy (nats)  [95 % interval]  entropy / log(paths)"
    ]
    rows = means.query("measure == 'entropy'").to_dict("records")
    ratios = means.query("measure == 'ratio'")["mean"]
    for row, ratio in zip(rows, ratios, strict=True):
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
        lines.append(
            f"{row['log_sum_exp']:<11}  {row['kind']:<10}  {row['width']:>5}  {row['mean']:>14.2f}"
            f"  {interval:<15}  {ratio:>20.3f}"
        )
    return "\n".join(lines)


def plot(means: pd.DataFrame, title: str) -> Figure:
    """Draws entropy against width for both losses, with the paper's numbers, and the ratio."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.8))
    axes[1].sharey(axes[0])
    panels = [("entropy", "jax"), ("entropy", "published"), ("ratio", "jax")]
    for axis, (measure, loss) in zip(axes, panels, strict=True):
        of_loss: Any = means[means["log_sum_exp"] == loss]
        _panel(axis, of_loss[of_loss["measure"] == measure], _MEASURES[measure])
        axis.set_title(_TITLES[loss], size=10)
        if measure == "entropy":
            most = of_loss.query("measure == 'log_paths' and kind == 'relevant'")
            axis.plot(
                most["width"],
                most["mean"],
                ":",
                color="0.4",
                label="the most: log(number of paths)",
            )
    for kind, marker, colour in _STYLE:
        axes[1].plot(
            WIDTHS, _PAPER[kind], marker, color=colour, markerfacecolor="none", linestyle="none",
            markersize=10, label=f"{kind}, the paper's",
        )  # fmt: skip
    for axis in axes:
        axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    figure.text(
        0.5, 0.01,
        "Bars: 95 % bootstrap intervals over models. Irrelevant: mean over the other three "
        f"features. Of the {perceptron.BATCH_SIZE} examples of the last batch.",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure


def _panel(axis: Axes, means: pd.DataFrame, label: str) -> None:
    for (kind, marker, colour), shift in zip(_STYLE, (0.97, 1.03), strict=True):
        rows: Any = means[means["kind"] == kind]
        ends = np.abs(np.array(rows[["low", "high"]]).T - np.array(rows["mean"]))
        axis.errorbar(
            rows["width"] * shift, rows["mean"], yerr=ends, fmt=f"{marker}-", color=colour,
            capsize=3, markersize=4, label=f"{kind} feature",
        )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    axis.set_xlabel("hidden width (units)")
    axis.set_ylabel(label)
    sns.despine(ax=axis)


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
        findings=[*_beside_the_paper(means), *_trends(table, means, run.SEED.value)],
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


def _beside_the_paper(means: pd.DataFrame) -> Iterator[report.Finding]:
    """Sets each width's entropies beside the paper's."""
    for kind, papers in _PAPER.items():
        entropy = means.query("measure == 'entropy' and kind == @kind")
        by_width = {loss: rows.set_index("width") for loss, rows in entropy.groupby("log_sum_exp")}
        for width, paper in zip(WIDTHS, papers, strict=True):
            if width in by_width["jax"].index:
                yield report.Finding(
                    f"{kind} feature, width {width}, nats",
                    f"{paper:.2f}",
                    f"{_interval(by_width['published'].loc[width])}; with JAX's log-sum-exp "
                    f"{_interval(by_width['jax'].loc[width])}",
                )


def _trends(table: pd.DataFrame, means: pd.DataFrame, seed: int) -> Iterator[report.Finding]:
    """Says whether entropy rises with width, and what of it is left over log(paths)."""
    for loss, kind in itertools.product(perceptron.LOSSES, _PAPER):
        rows = means.query("measure == 'entropy' and kind == @kind and log_sum_exp == @loss")
        apart = np.array(rows["low"])[1:] > np.array(rows["high"])[:-1]
        yield report.Finding(
            f"{kind} feature, {_TITLES[loss]}: rises from each width to the next",
            "rises",
            f"in {apart.sum()} of {len(apart)} steps, intervals apart",
            holds=bool(apart.all()) if apart.size else None,
        )
    if len(np.unique(table["width"])) < 2:
        return
    of_jax = table.query("log_sum_exp == 'jax'")
    by_model: Any = of_jax.groupby(["width", "seed"])["ratio"].mean()
    widths = by_model.index.get_level_values("width").to_numpy()
    share = association.spearman(widths, by_model.to_numpy(), seed)
    yield report.Finding(
        "entropy / log(number of paths), log-sum-exp as in JAX: Spearman's rho with width",
        "",
        f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]",
    )


def _interval(row: Any) -> str:
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
