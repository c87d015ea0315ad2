"""Padded batches of sentences: few shapes to compile, little padding to compute."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from experiments.common.encoding import Example

# Compiling one more shape takes about as long as computing this many tokens (of a 6-layer BERT of
# width 384, on 2 cores).
SHAPE_COST = 6000


@dataclasses.dataclass(frozen=True)
class Batch:
    """Sentences of similar length, padded to one shape.

    Attributes:
        rows: Which examples these are, by index. Array rows beyond `len(rows)` are filler, so that
            a last, smaller batch has the shape of the others.
        input_ids: int32 [batch, length], 0 where padded.
        attention_mask: int32 [batch, length], 1 at the sentence's own tokens.
        mask: int32 [batch], the position of [MASK].
        right: int32 [batch], the id of the right verb form.
        wrong: int32 [batch], the id of the wrong verb form.
    """

    rows: tuple[int, ...]
    input_ids: np.ndarray
    attention_mask: np.ndarray
    mask: np.ndarray
    right: np.ndarray
    wrong: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What `branch_flow.quantity_of_interest` takes of it, in that order."""
        return self.input_ids, self.attention_mask, self.mask, self.right, self.wrong


def padded_lengths(lengths: Sequence[int], shape_cost: int = SHAPE_COST) -> list[int]:
    """Returns the ascending lengths to pad to that cost least in all.

    The cost is the number of tokens, padding included, plus `shape_cost` for every length used.
    Dynamic programming over the distinct lengths finds the least.

    >>> padded_lengths([10, 11, 12, 40], shape_cost=20)
    [12, 40]
    """
    sizes, counts = np.unique(np.asarray(lengths, int), return_counts=True)
    seen = np.concatenate([[0], np.cumsum(counts)])
    best: list[tuple[int, list[int]]] = [(0, [])]
    for end in range(1, len(sizes) + 1):
        longest = int(sizes[end - 1])
        best.append(
            min(
                (cost + int(seen[end] - seen[start]) * longest + shape_cost, [*chosen, longest])
                for start, (cost, chosen) in enumerate(best)
            )
        )
    return best[-1][1]


def make_batches(
    examples: Sequence[Example], batch_size: int, shape_cost: int = SHAPE_COST
) -> list[Batch]:
    """Groups examples of similar length into batches of one size, always in the same order."""
    order = sorted(range(len(examples)), key=lambda row: (len(examples[row].input_ids), row))
    batches = []
    for length in padded_lengths([len(example.input_ids) for example in examples], shape_cost):
        fits = [row for row in order if len(examples[row].input_ids) <= length]
        order = order[len(fits) :]
        for start in range(0, len(fits), batch_size):
            batches.append(_pad(examples, fits[start : start + batch_size], batch_size, length))
    return batches


def _pad(examples: Sequence[Example], rows: list[int], batch_size: int, length: int) -> Batch:
    filled = [examples[row] for row in rows + rows[-1:] * (batch_size - len(rows))]
    input_ids = np.zeros((batch_size, length), np.int32)
    attention_mask = np.zeros((batch_size, length), np.int32)
    for row, example in enumerate(filled):
        input_ids[row, : len(example.input_ids)] = example.input_ids
        attention_mask[row, : len(example.input_ids)] = 1
    return Batch(
        rows=tuple(rows),
        input_ids=input_ids,
        attention_mask=attention_mask,
        mask=np.array([example.mask for example in filled], np.int32),
        right=np.array([example.right for example in filled], np.int32),
        wrong=np.array([example.wrong for example in filled], np.int32),
    )
