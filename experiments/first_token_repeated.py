"""Does the top gradient path go where a small BERT must look (paper 5.1, Figure 2)?

    python -m experiments.first_token_repeated --output=results/first_token_repeated

One-layer models are trained to tell whether the first token of a sequence is there again. For each
validation point and token: the max-product of the logit of the right label, split over skip
connection, keys, queries and values.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from absl import app, flags
from tqdm import tqdm

from experiments.common import (
    ablation,
    branch_flow,
    classifiers,
    drawing,
    figure2,
    figures,
    processes,
    repeated_figure,
    report,
    run,
    schedules,
    spread,
    synthetic,
    top_path_flags,
    until_right,
)
from experiments.common.errors import ModelError
from experiments.common.results import RunFolder, digest

_MODELS = flags.DEFINE_integer(
    "models", 10, "How many models to train, each with a seed of its own.", lower_bound=1
)
_MIN_EPOCHS = flags.DEFINE_integer(
    "min_epochs", 42, "Passes over the points at least, also if all are right.", lower_bound=1
)
_EPOCHS = flags.DEFINE_integer(
    "epochs", 200, "Passes over the points at most, if not all are right before.", lower_bound=1
)
_DROPOUT = flags.DEFINE_float(
    "dropout", 0.1, "Share of hidden units that training leaves out.",
    lower_bound=0.0, upper_bound=0.9,
)  # fmt: skip
_ATTENTION_DROPOUT = flags.DEFINE_float(
    "attention_dropout", 0.1, "Share of attention weights that training leaves out.",
    lower_bound=0.0, upper_bound=0.9,
)  # fmt: skip
_POINTS = flags.DEFINE_integer("points", 1000, "Validation points to look at.", lower_bound=2)

# --help shows the shared flags too.
flags.adopt_module_key_flags(run)
flags.adopt_module_key_flags(top_path_flags)

_OWN_FLAGS = (_MODELS, _MIN_EPOCHS, _EPOCHS, _DROPOUT, _ATTENTION_DROPOUT, _POINTS)
_EXPERIMENT = "first_token_repeated"
_FLAGS = (
    *top_path_flags.FLAG_NAMES,
    *(flag.name for flag in _OWN_FLAGS),
)
_TABLE, _SUMMARY, _MODEL_TABLE, _CUTS = "table.csv", "summary.csv", "models.csv", "ablation.csv"
_RESULTS = (
    _TABLE, _SUMMARY, _MODEL_TABLE, _CUTS, "figure.png", "figure.pdf", report.SECTION,
)  # fmt: skip
_QUANTITY = "logit of the right label"
_ARCHITECTURE = classifiers.Architecture(
    length=10, vocabulary=20, labels=2, layers=1, hidden=16, heads=2, intermediate=32
)
_SIZES, _SMOKE_SIZES = (7000, 1000, 2000), (64, 32, 2)
_BYTES_PER_ROW = 80
# Whatever the number of trained models, untrained ones have other seeds.
_RANDOM_SEEDS = 1_000_000


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAGS, _RESULTS)
    if folder.complete:
        print(pd.read_csv(folder.path / _SUMMARY).to_string(index=False))
        print(f"\n{folder.path} was complete already.")
        return
    counts = (
        (2, 1, 20)
        if run.SMOKE.value
        else (_MODELS.value, top_path_flags.CONTROLS.value, _POINTS.value)
    )
    num_models, num_controls, num_points = counts
    rows = (num_models + num_controls) * num_points * _ARCHITECTURE.length * 4
    folder.require_space(rows * _BYTES_PER_ROW)
    task = synthetic.first_token_repeated_once(_ARCHITECTURE.length, _ARCHITECTURE.vocabulary)
    sizes = _SMOKE_SIZES if run.SMOKE.value else _SIZES
    points = drawing.draw(task, run.SEED.value, sizes)
    folder.begin()
    recipe = schedules.Recipe(epochs=2 if run.SMOKE.value else _EPOCHS.value)
    programs = classifiers.Classifiers(_architecture(), recipe)
    seeds = [run.SEED.value + number for number in range(num_models)]
    trained = until_right.train(programs, points, seeds, _MIN_EPOCHS.value, folder)
    kept = np.arange(num_models) if run.SMOKE.value else np.flatnonzero(trained.accuracy == 1)
    if not len(kept):
        raise ModelError(
            f"none of {num_models} models got every validation point right in {recipe.epochs} "
            f"epochs, the best {trained.accuracy.max():.1%} of them; give more --epochs"
        )
    others = [run.SEED.value + _RANDOM_SEEDS + number for number in range(num_controls)]
    random = programs.init(others) if num_controls else None
    validation = points["validation"]
    some = drawing.Points(validation.inputs[:num_points], validation.labels[:num_points])
    found = _look(programs.model, trained.params, random, kept, some, folder)
    if processes.leads():
        _report(trained, kept, some, found, folder)


def _architecture() -> classifiers.Architecture:
    dropout, of_attention = _DROPOUT.value, _ATTENTION_DROPOUT.value
    return dataclasses.replace(_ARCHITECTURE, dropout=dropout, attention_dropout=of_attention)


def _look(
    model: Any,
    params: Any,
    random: Any,
    kept: np.ndarray,
    points: drawing.Points,
    folder: RunFolder,
) -> list[tuple[str, int, dict[str, np.ndarray]]]:
    """Computes each model's flow and the effects of cuts, or reads them from parts.

    Returns:
        For each model what its weights are, its number, and its arrays: `flow`
        [point, position, branch], and `effects` [point, type, branch] of cuts for a token of each
        type (0 where there is none).
    """

    def quantity(params: Any, inputs: jax.Array, label: jax.Array) -> jax.Array:
        return classifiers.logits(model, params, inputs[None])[0, label]

    names = branch_flow.layer_inputs(model)
    top_paths = branch_flow.top_by_branch(quantity, names, top_path_flags.MAX_PRODUCT.value)
    cuts = ablation.effects_of_cuts(quantity, num_layers=1)

    def of_point(params: Any, inputs: jax.Array, label: jax.Array, places: jax.Array) -> Any:
        flow = branch_flow.oplus(top_paths(params, inputs, label))[0]
        tokens = jnp.ones(len(inputs))
        effects = jax.vmap(lambda place: cuts(place, tokens, params, inputs, label)[0])(places)
        return {"flow": flow, "effects": effects}

    on_devices = spread.over_devices(
        lambda points, own: jax.vmap(functools.partial(of_point, own))(*points)
    )
    shared = (points.inputs, points.labels, figure2.places_of_types(points.inputs, run.SEED.value))
    work = [("trained", int(number), params) for number in kept]
    if random is not None:
        work += [("random", n, random) for n in range(len(jax.tree.leaves(random)[0]))]
    each = [jax.tree.map(lambda leaf, n=n: np.asarray(leaf[n]), group) for _, n, group in work]
    with tqdm(total=len(work), desc="top paths", unit="model") as progress:

        def compute(numbers: Sequence[int]) -> list[spread.Part]:
            parts = on_devices(spread.replicate(shared), [each[number] for number in numbers])
            for number, part in zip(numbers, parts, strict=True):
                if not np.isfinite(part["flow"]).all():
                    weights, which, _ = work[number]
                    raise FloatingPointError(
                        f"{weights} model {which}: the weight of a top gradient path is not finite"
                    )
                progress.update()
            return parts

        def advance(_: int) -> None:
            progress.update()

        inputs = digest((each, shared))
        parts = spread.compute_parts(folder, inputs, each, compute, advance, first=1)
    return [(*which[:2], part) for which, part in zip(work, parts, strict=True)]


def _report(
    trained: until_right.Trained,
    kept: np.ndarray,
    points: drawing.Points,
    found: Sequence[tuple[str, int, dict[str, np.ndarray]]],
    folder: RunFolder,
) -> None:
    """Writes the tables, the figure, the section and the record, and prints the summary."""
    tables = []
    for weights, number, arrays in found:
        table = figure2.tidy(points.inputs, points.labels, arrays["flow"])
        table.insert(0, "model", number)
        table.insert(0, "weights", weights)
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    folder.write_table(_TABLE, table)
    summary = figure2.summarise(table, run.SEED.value)
    folder.write_table(_SUMMARY, summary)
    numbers = np.arange(len(trained.accuracy))
    columns = {"model": numbers, "seed": run.SEED.value + numbers, "epochs": trained.epochs}
    columns |= {"validation_accuracy": trained.accuracy, "kept": np.isin(numbers, kept)}
    folder.write_table(_MODEL_TABLE, pd.DataFrame(columns))
    cut_table = figure2.cuts(points.inputs, found, run.SEED.value)
    folder.write_table(_CUTS, cut_table)
    cuts = ablation.summarise(cut_table, run.SEED.value)
    how = top_path_flags.title_suffix()
    if any(flag.value != flag.default for flag in (_DROPOUT, _ATTENTION_DROPOUT)):
        how += f", dropout {_dropouts()}"
    comparable = top_path_flags.MAX_PRODUCT.value == "published"
    title = f"Top gradient path by branch{how}: FirstTokenRepeatedOnce, {len(kept)} models"
    figures.save(
        repeated_figure.plot(summary, figure2.by_model(table), cuts, title, comparable),
        folder,
        "figure",
    )
    said = report.Report(
        title=f"5.1, Figure 2: where the top path goes in FirstTokenRepeatedOnce{how}",
        command=run.command(_EXPERIMENT, _FLAGS),
        setup=_setup(trained, kept, points, found),
        findings=[
            report.Finding(
                "validation accuracy of each model",
                "100 %",
                ", ".join(f"{accuracy:.1%}" for accuracy in trained.accuracy),
                bool((trained.accuracy == 1).all()),
            ),
            *figure2.findings(table, summary, run.SEED.value),
            *ablation.findings(cuts, "logits"),
        ],
        notes=_notes(),
    )
    report.write(said, folder, f"figures/{folder.path.name}.png")
    folder.finish(
        {
            "quantity_of_interest": _QUANTITY,
            "max_product": top_path_flags.method(),
            "architecture": dataclasses.asdict(_architecture()),
            "models": {"trained": len(trained.accuracy), "kept": len(kept)},
            "findings": report.as_records(said),
        }
    )
    print(summary.to_string(index=False))
    print(f"\n{report.as_text(said)}")
    print(f"\nResults are in {folder.path}.")


def _setup(
    trained: until_right.Trained,
    kept: np.ndarray,
    points: drawing.Points,
    found: Sequence[tuple[str, int, dict[str, np.ndarray]]],
) -> list[str]:
    shape = _ARCHITECTURE
    controls = sum(weights == "random" for weights, _, _ in found)
    sizes = _SMOKE_SIZES if run.SMOKE.value else _SIZES
    return [
        f"Task: FirstTokenRepeatedOnce, length {shape.length}, vocabulary {shape.vocabulary}, half "
        f"of the points True; {sizes[0]:,} training, {sizes[1]:,} validation and {sizes[2]:,} test "
        f"points, of which {len(points.labels):,} validation points are looked at "
        f"({int(points.labels.sum()):,} with a repeat).",
        f"Models: {len(trained.accuracy)} stock FlaxBertForSequenceClassification, 1 layer, hidden "
        f"size {shape.hidden}, {shape.heads} heads, intermediate {shape.intermediate}, each "
        f"with its own seed; Adam at 1e-3, dropout {_dropouts()}, batches of 32, for "
        f"{_MIN_EPOCHS.value} epochs and on until every validation point is right, at most "
        f"{_EPOCHS.value}, which took {trained.epochs.min()} to {trained.epochs.max()} epochs. "
        f"{len(kept)} got there and are looked at.",
        f"Quantity of interest: {_QUANTITY}.",
        f"A token's number: {top_path_flags.method()}, by the branch through which "
        'it enters the layer, from its hidden units by "oplus"; in logits per unit of layer input; '
        "0 where no path is positive. Intervals are over models (95 %, bootstrap).",
        f"Controls: random weights from the model's own initialiser, draws: {controls}.",
        f"Time: {trained.seconds / 60:.1f} minutes to train all models together, "
        f"{sum(arrays['seconds'] for *_, arrays in found) / 60:.1f} to look at them, on "
        f"{os.cpu_count()} cores, compiling included.",
    ]


def _dropouts() -> str:
    return f"{_DROPOUT.value} (of hidden units) and {_ATTENTION_DROPOUT.value} (of attention)"


def _notes() -> list[str]:
    return [
        "The architecture forces that skip and query are 0 for every token but the first: there is "
        "one layer, and the pooler reads position 0 only. What is found for the others is key "
        "against value.",
        "A claim that holds with random weights as well is the architecture's, not the training's.",
        "Cutting a branch of a token: what that branch reads of it is replaced by the mean over "
        "the sequence's tokens. Magnitudes of the change are compared in pairs within a token; "
        "one token of each type and point.",
        "The paper's model was trained with dropout, by its name in the paper's code 0.2; those "
        f"here with {_dropouts()}; BERT's own is 0.1 of both.",
        *top_path_flags.differences_from_paper(),
    ]


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
