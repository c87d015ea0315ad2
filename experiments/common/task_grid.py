"""Trains a classifier for every task and seed on growing parts of its data, and evaluates it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments.common import online_coding, spread, synthetic
from experiments.common.classifiers import Architecture, Classifiers
from experiments.common.drawing import Points, Task, draw
from experiments.common.results import RunFolder, digest
from experiments.common.schedules import Recipe
from experiments.common.token_entropy import token_entropy

_ENTROPY_BATCH = 40


@dataclasses.dataclass(frozen=True)
class Preset:
    """How much of the grid is computed, and how long each model is trained.

    Attributes:
        tasks: Name of a family, and its parameter or None.
        seeds: Models of each task.
        points: Points of each split.
        epochs: Passes over the points that a model is trained on, at most.
        enough_steps: As many epochs are made as it takes for so many steps; None for all.
        fewest_epochs: But never fewer than these.
        architecture: Of the models.
    """

    tasks: tuple[tuple[str, int | None], ...]
    seeds: int
    points: tuple[int, int, int] = (3600, 360, 360)
    epochs: int = 50
    enough_steps: int | None = None
    fewest_epochs: int = 1
    architecture: Architecture = dataclasses.field(default_factory=Architecture)

    def epochs_for(self, points: int, recipe: Recipe) -> int:
        """Returns how many passes a model makes over so many points."""
        if self.enough_steps is None:
            return self.epochs
        wanted = -(-self.enough_steps // -(-points // recipe.batch_size))
        return min(self.epochs, max(self.fewest_epochs, wanted))


_TASKS = (
    ("Contains1", None),
    ("FirstTokenRepeatedImmediately", None),
    ("FirstTokenRepeatedLast", None),
    ("AdjacentDuplicate", None),
    *(("BinCountOnes", classes) for classes in (2, 3, 4, 6, 9, 12, 18, 36)),
    *(("ContainsTokenSet", size) for size in (1, 5, 10, 15, 20, 25, 30, 35)),
    *(("ContainsTokenSetOOD", size) for size in (5, 10, 15, 20, 25, 30, 35)),
)
PRESETS = {
    "full": Preset(_TASKS, seeds=3),
    "quick": Preset(_TASKS, seeds=1, enough_steps=200, fewest_epochs=10),
}
SMOKE = Preset(
    tasks=(("Contains1", None), ("BinCountOnes", 2), ("ContainsTokenSetOOD", 2)),
    seeds=1,
    points=(40, 12, 12),
    epochs=2,
    architecture=Architecture(
        length=6, vocabulary=10, labels=6, layers=1, hidden=8, heads=2, intermediate=8
    ),
)
# Adam as the paper's code has it: AdamW of transformers, whose default is no decay.
RECIPE = Recipe(weight_decay=0.0, epsilon=1e-6)


@dataclasses.dataclass(frozen=True)
class Run:
    """A task and one of its model seeds."""

    task: Task
    seed: int


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        run: Which.
        sizes: Number of points that each model was trained on, ascending.
        block_losses: For each model but the last the cross-entropy of the points of the next
            block, in nats.
        labels: int32 [point], of the validation points.
        loss: float32 [point], the last model's cross-entropy of the validation points, in nats.
        right: bool [point], whether it is right.
        entropy: float32 [point, token], in nats, as `token_entropy` has it.
    """

    run: Run
    sizes: Sequence[int]
    block_losses: Sequence[np.ndarray]
    labels: np.ndarray
    loss: np.ndarray
    right: np.ndarray
    entropy: np.ndarray


def make_tasks(preset: Preset) -> list[Task]:
    """Returns the tasks of a preset."""
    size = preset.architecture.length, preset.architecture.vocabulary
    return [
        synthetic.FAMILIES[family](*(() if parameter is None else (parameter,)), *size)
        for family, parameter in preset.tasks
    ]


def compute(preset: Preset, seed: int, group: int, folder: RunFolder) -> list[Outcome]:
    """Trains and evaluates the grid, or reads what is done from the parts of the folder.

    Args:
        preset: What to compute.
        seed: Of the data, the models and the order of points.
        group: Number of models that are trained at once. A part of the work is one such group on
            one number of points.
        folder: Of the run.

    Returns:
        The outcome of each task and seed.
    """
    runs = [Run(task, model) for model in range(preset.seeds) for task in make_tasks(preset)]
    data = {task.name: draw(task, seed, preset.points) for task in make_tasks(preset)}
    sizes = online_coding.training_sizes(preset.points[0])
    classifiers = Classifiers(preset.architecture, RECIPE)
    entropy_of = token_entropy(classifiers.model, _ENTROPY_BATCH)
    drawn = [
        (points.inputs, points.labels) for splits in data.values() for points in splits.values()
    ]
    inputs = digest([dataclasses.asdict(preset), dataclasses.asdict(RECIPE), seed, group, drawn])
    groups = [runs[start : start + group] for start in range(0, len(runs), group)]
    steps = sum(len(_steps(preset, size)) for size in sizes) * group * len(groups)
    places = [(number, block) for number in range(len(groups)) for block in range(len(sizes))]
    with tqdm(total=steps, desc="train", unit="step", smoothing=0.05) as progress:

        def compute_one(places_of: Sequence[int]) -> list[spread.Part]:
            ((number, block),) = (places[place] for place in places_of)
            members = groups[number]
            filled = members + members[-1:] * (group - len(members))
            return [
                _train_block(classifiers, entropy_of, preset, filled, data, seed, block, progress)
            ]

        def advance(place: int) -> None:
            progress.update(len(_steps(preset, sizes[places[place][1]])) * group)

        parts = spread.compute_parts(folder, inputs, places, compute_one, advance, at_once=1)
    return [
        outcome
        for number, members in enumerate(groups)
        for outcome in _outcomes(members, sizes, parts[number * len(sizes) :][: len(sizes)], data)
    ]


def _steps(preset: Preset, size: int) -> range:
    return range(preset.epochs_for(size, RECIPE) * -(-size // RECIPE.batch_size))


def _train_block(
    classifiers: Classifiers,
    entropy_of: Callable[..., jax.Array],
    preset: Preset,
    runs: Sequence[Run],
    data: dict[str, dict[str, Points]],
    seed: int,
    block: int,
    progress: tqdm,
) -> dict[str, np.ndarray]:
    """Trains a group on the first points, and evaluates it on the next block.

    Returns:
        "loss" [model, point] of the next block; if there is none, of the validation points, with
        "right" and "entropy".
    """
    sizes = online_coding.training_sizes(preset.points[0])
    size = sizes[block]
    seeds = [
        int(np.random.SeedSequence([seed, run.seed, block]).generate_state(1)[0]) for run in runs
    ]
    inputs, labels = _stack([data[run.task.name]["train"] for run in runs])
    params = classifiers.train(
        classifiers.init(seeds), inputs, labels, seeds, [size] * len(runs),
        epochs=preset.epochs_for(size, RECIPE), progress=progress,
    )  # fmt: skip
    if block + 1 < len(sizes):
        following = slice(size, sizes[block + 1])
        evaluation = classifiers.evaluate(params, inputs[:, following], labels[:, following])
        return {"loss": evaluation.loss}
    inputs, labels = _stack([data[run.task.name]["validation"] for run in runs])
    evaluation = classifiers.evaluate(params, inputs, labels)
    entropy = np.asarray(entropy_of(params, jnp.asarray(inputs), jnp.asarray(labels)))
    if not np.isfinite(entropy).all():
        raise FloatingPointError("the entropy of a model's gradient paths is not finite")
    return {"loss": evaluation.loss, "right": evaluation.right, "entropy": entropy}


def _stack(points: Sequence[Points]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([p.inputs for p in points]), np.stack([p.labels for p in points])


def _outcomes(
    runs: Sequence[Run],
    sizes: Sequence[int],
    parts: Sequence[dict[str, np.ndarray]],
    data: dict[str, dict[str, Points]],
) -> Iterator[Outcome]:
    last: Any = parts[-1]
    for number, run in enumerate(runs):
        yield Outcome(
            run=run,
            sizes=sizes,
            block_losses=[part["loss"][number] for part in parts[:-1]],
            labels=data[run.task.name]["validation"].labels,
            **{name: last[name][number] for name in ("loss", "right", "entropy")},
        )
