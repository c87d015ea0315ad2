"""How many bits the labels of a data set take, given its inputs: prequential (online) coding.

The labels are sent in blocks, each coded by a fresh model that was trained on all blocks before;
the first by a uniform code. What that takes in all is the minimum description length of the labels
under the model (Voita and Titov 2020; Lovering et al. 2021).
"""

from collections.abc import Sequence

import numpy as np

# Percent of the points in each block, as the paper's code has them; the last takes what is left.
_SHARES = (1 / 18, 1 / 18, 1 / 9, 1 / 9, 2 / 9, 4 / 9, 1, 2, 2, 4, 8, 16, 16, 50)


def training_sizes(points: int) -> list[int]:
    """Returns how many of the first points each model is trained on, ascending to all of them.

    >>> training_sizes(3600)
    [2, 4, 8, 12, 20, 36, 72, 144, 216, 360, 648, 1224, 1800, 3600]
    """
    # Rounded first, or 3600 points would have a block of 2.0000000001, and so of 3.
    blocks = np.ceil(np.round(points * np.array(_SHARES[:-1]) / 100, 9)).astype(int)
    sizes = np.cumsum(blocks)
    return [int(size) for size in sizes if size < points] + [points]


def bits(losses: Sequence[np.ndarray], first: int, labels: int) -> float:
    """Returns the length of the code in bits: every block's summed loss counts.

    Args:
        losses: For each block but the first the cross-entropy of its points, in nats.
        first: Number of points in the first block.
        labels: Number of labels that the model tells apart.
    """
    nats = first * np.log(labels) + sum(float(loss.sum(dtype=float)) for loss in losses)
    return float(nats / np.log(2))


def published(losses: Sequence[np.ndarray], first: int, labels: int) -> float:
    """Returns what the paper's code adds up, in nats: of every block but the first, its mean loss.

    It is no code length, since a block of 1800 points counts as much as one of 2.

    Args:
        losses: As in `bits`.
        first: As in `bits`.
        labels: As in `bits`.
    """
    return float(first * np.log(labels) + sum(float(loss.mean(dtype=float)) for loss in losses))
