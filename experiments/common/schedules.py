"""Which points each step of a training takes, and with which keys it drops units out."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How classifiers are trained: Adam, the learning rate constant.

    Attributes:
        epochs: Passes over the points.
        batch_size: Points of a step; an epoch's last step takes what is left.
        learning_rate: Of Adam.
        weight_decay: Of AdamW, each step `learning_rate` times this.
        epsilon: Of Adam.
    """

    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    epsilon: float = 1e-8


def steps(size: int, seed: int, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Returns which points each step of a training takes.

    Args:
        size: Number of points.
        seed: Of their order, a new one in each epoch.
        recipe: Of the training.

    Returns:
        int32 [step, batch_size], indices of points, and float32 [step, batch_size], their weights:
        1, or 0 where an epoch's last step has no more points.
    """
    rng = np.random.default_rng(seed)
    room = -size % recipe.batch_size
    index = rng.permuted(np.tile(np.arange(size, dtype=np.int32), (recipe.epochs, 1)), axis=1)
    shape = (-1, recipe.batch_size)
    weight = np.pad(np.ones_like(index, np.float32), ((0, 0), (0, room)))
    return np.pad(index, ((0, 0), (0, room))).reshape(shape), weight.reshape(shape)


def dropout_keys(seed: int, steps: int) -> np.ndarray:
    """Returns a key for each step: uint32 [step, 2]."""
    return np.random.default_rng([seed, 1]).integers(2**32, size=(steps, 2), dtype=np.uint32)


def padded(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks tables of different numbers of steps, with steps of nothing at their ends."""
    most = max(len(table) for table in tables)
    return np.stack([np.pad(table, ((0, most - len(table)), (0, 0))) for table in tables])
