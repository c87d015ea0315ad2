"""Trains small classifiers on until they get every validation point right."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments.common import classifiers, drawing, spread
from experiments.common.results import RunFolder, digest


@dataclasses.dataclass(frozen=True)
class Trained:
    """Models that were trained together.

    Attributes:
        params: Their parameters, one pytree with a leading axis; of each model those after the
            first epoch with all validation points right from `min_epochs` on, or the last.
        epochs: [model], how many epochs that took.
        accuracy: [model], share of validation points that are right.
        seconds: How long the training took, compiling included.
    """

    params: Any
    epochs: np.ndarray
    accuracy: np.ndarray
    seconds: float


def train(
    programs: classifiers.Classifiers,
    points: Mapping[str, drawing.Points],
    seeds: Sequence[int],
    min_epochs: int,
    folder: RunFolder,
) -> Trained:
    """Trains a model of each seed, together, or takes them from the folder's part 0.

    Args:
        programs: What trains them, for its recipe's epochs at most.
        points: The points by split, of which "train" and "validation" are used.
        seeds: Of the models.
        min_epochs: Passes over the points at least, also if all are right.
        folder: Keeps the trained models as its part 0.
    """
    inputs = digest([[split.inputs, split.labels] for split in points.values()])
    initial = programs.init(seeds)
    leaves, structure = jax.tree.flatten(initial)

    def compute(_: Sequence[int]) -> list[spread.Part]:
        trained = _train_anew(programs, initial, points, seeds, min_epochs)
        arrays = {f"leaf_{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(trained.params))}
        return [{"epochs": trained.epochs, "accuracy": trained.accuracy, **arrays}]

    (part,) = spread.compute_parts(folder, inputs, [0], compute, found=lambda number: None)
    params = jax.tree.unflatten(structure, [part[f"leaf_{i}"] for i in range(len(leaves))])
    return Trained(params, part["epochs"], part["accuracy"], float(part["seconds"]))


def _train_anew(
    programs: classifiers.Classifiers,
    initial: Any,
    points: Mapping[str, drawing.Points],
    seeds: Sequence[int],
    min_epochs: int,
) -> Trained:
    count, epochs = len(seeds), programs.recipe.epochs

    def for_each(name: str) -> tuple[np.ndarray, np.ndarray]:
        split = points[name]
        return np.stack([split.inputs] * count), np.stack([split.labels] * count)

    training, validation = for_each("train"), for_each("validation")
    kept = Trained(initial, np.zeros(count, int), np.zeros(count), 0.0)

    def keep(epoch: int, params: Any) -> bool:
        """Keeps the parameters of models whose training goes on; stops once it does for none."""
        nonlocal kept
        is_open = (kept.accuracy < 1) | (kept.epochs < min_epochs)
        accuracy = programs.evaluate(params, *validation).accuracy

        def newer(new: Any, old: Any) -> Any:
            return jnp.where(is_open.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

        kept = Trained(
            jax.tree.map(newer, params, kept.params),
            np.where(is_open, epoch, kept.epochs),
            np.where(is_open, accuracy, kept.accuracy),
            0.0,
        )
        return bool((kept.accuracy == 1).all() and kept.epochs.min() >= min_epochs)

    steps = -(-training[1].shape[1] // programs.recipe.batch_size) * epochs
    with tqdm(total=steps * count, desc="train", unit="step") as progress:
        programs.train(initial, *training, seeds, stop=keep, progress=progress)
    return kept
