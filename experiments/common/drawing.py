"""Draws balanced data sets of labelled sequences without duplicates, as pure functions of a seed.

A task of sequences is a label for every sequence and, for each kind of sequence that should be
equally frequent, a way to propose such sequences. What is proposed is kept only if its label is the
wanted one and if it was not drawn before, so that no sequence is in a data set twice.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

SPLITS = ("train", "validation", "test")
OUTSIDE = -1  # the label of a sequence that the task does not speak of

# Fruitless rounds of proposals after which a kind of sequence counts as used up.
_PATIENCE = 8


@dataclasses.dataclass(frozen=True)
class Kind:
    """Sequences of one label that should be as frequent as the label's other kinds.

    Attributes:
        label: Label of the sequences.
        propose: `(rng, number) -> int32 [number, length]`; those of another label are left out.
        in_training: Whether they may be in the training split, or are held out.
    """

    label: int
    propose: Callable[[np.random.Generator, int], np.ndarray]
    in_training: bool = True


@dataclasses.dataclass(frozen=True)
class Task:
    """A classification task of sequences of tokens 1 to vocabulary - 1; 0 is left for padding.

    Attributes:
        family: Its name in the paper.
        parameter: What tells it from others of the family: the size of the token set or the number
            of classes; None where there is only one.
        length: Tokens of a sequence.
        vocabulary: Number of tokens, 0 included.
        classes: Number of labels, 0 to classes - 1.
        label: int [points, length] -> int32 [points], `OUTSIDE` for sequences that the task
            excludes.
        kinds: The kinds of sequences of each label.
    """

    family: str
    parameter: int | None
    length: int
    vocabulary: int
    classes: int
    label: Callable[[np.ndarray], np.ndarray]
    kinds: tuple[Kind, ...]

    @property
    def name(self) -> str:
        """Family and parameter: `BinCountOnes(12)`."""
        return self.family if self.parameter is None else f"{self.family}({self.parameter})"


@dataclasses.dataclass(frozen=True)
class Points:
    """Labelled points of one split.

    Attributes:
        inputs: int32 [points, length] tokens, or float32 [points, features].
        labels: int32 [points].
    """

    inputs: np.ndarray
    labels: np.ndarray


def draw(task: Task, seed: int, sizes: Sequence[int]) -> dict[str, Points]:
    """Draws the splits of a task's data set; a pure function.

    In each split every label is equally frequent, and of a label every kind of sequence, as far as
    there are that many different ones and their numbers divide.

    Args:
        task: What to draw.
        seed: Of the data, whatever the task.
        sizes: Number of points of each of `SPLITS`.

    Returns:
        Each split, its labels in an order of which every beginning is balanced, too: each label
        once in random order, then each once again. No sequence is there twice.

    Raises:
        ValueError: There are not that many different sequences.
    """
    rng = np.random.default_rng([seed, *task.name.encode()])
    seen: set[bytes] = set()
    splits = {}
    for name, size in zip(SPLITS, sizes, strict=True):
        kinds = [kind for kind in task.kinds if kind.in_training or name != "train"]
        inputs = _draw_split(task, kinds, size, rng, seen)
        labels = task.label(inputs)
        order = interleave(labels, rng)
        splits[name] = Points(inputs[order], labels[order])
    return splits


def interleave(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns an order of points of which every beginning is as balanced as can be.

    Args:
        labels: int [points].
        rng: Chooses among the points of a label, and the order of labels.

    Returns:
        int64 [points]: a point of each label, then another of each, and so on.
    """
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, start, counts = np.unique(labels[by_label], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(start, counts)
    return by_label[np.lexsort((rng.random(len(labels)), rank))]


def _draw_split(
    task: Task,
    kinds: Sequence[Kind],
    size: int,
    rng: np.random.Generator,
    seen: set[bytes],
) -> np.ndarray:
    """Draws `size` sequences that are not in `seen`, and adds them to it: int32 [size, length]."""
    drawn: list[np.ndarray] = []
    open_kinds = list(range(len(kinds)))
    missing = _shares(size, kinds, open_kinds, rng)
    while any(missing.values()):
        for number, wanted in missing.items():
            new = _draw_kind(task, kinds[number], wanted, rng, seen)
            drawn += new
            missing[number] = wanted - len(new)
        # What a kind could not give, others of its label give, or all others.
        open_kinds = [number for number in open_kinds if not missing.get(number, 0)]
        short = {number: count for number, count in missing.items() if count}
        missing = {}
        for number, count in short.items():
            same = [n for n in open_kinds if kinds[n].label == kinds[number].label]
            if not open_kinds:
                raise ValueError(
                    f"{task.name}: there are fewer than {size} different sequences of length "
                    f"{task.length} over {task.vocabulary - 1} tokens that are not drawn yet"
                )
            for n, share in _shares(count, kinds, same or open_kinds, rng).items():
                missing[n] = missing.get(n, 0) + share
    return np.array(drawn, np.int32).reshape(size, task.length)


def _shares(
    total: int, kinds: Sequence[Kind], among: Sequence[int], rng: np.random.Generator
) -> dict[int, int]:
    """Divides `total` evenly among labels, then among the kinds of a label: {kind: share}."""
    labels = sorted({kinds[number].label for number in among})
    shares: dict[int, int] = {}
    for label, part in zip(labels, _even(total, len(labels), rng), strict=True):
        of_label = [number for number in among if kinds[number].label == label]
        shares |= dict(zip(of_label, _even(part, len(of_label), rng), strict=True))
    return shares


def _even(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Divides `total` into parts that differ by 1 at most; which are larger is random."""
    more = np.arange(parts) < total % parts
    return [int(share) for share in total // parts + rng.permuted(more)]


def _draw_kind(
    task: Task, kind: Kind, wanted: int, rng: np.random.Generator, seen: set[bytes]
) -> list[np.ndarray]:
    """Draws up to `wanted` new sequences of a kind; fewer if it seems used up."""
    drawn: list[np.ndarray] = []
    fruitless = 0
    while len(drawn) < wanted and fruitless < _PATIENCE:
        proposed = kind.propose(rng, 2 * (wanted - len(drawn)) + 16).astype(np.int32)
        before = len(drawn)
        for row in proposed[task.label(proposed) == kind.label]:
            if len(drawn) < wanted and row.tobytes() not in seen:
                seen.add(row.tobytes())
                drawn.append(row)
        fruitless = fruitless + 1 if len(drawn) == before else 0
    return drawn
