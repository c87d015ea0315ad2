"""The synthetic tasks of Du et al. (2023): Tables 1 and 2, and the four features of B.1.

`drawing.draw` makes a data set of a task. Where a label needs something planted, the place is
uniform and so is every other token, as far as the label allows.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from experiments.common.drawing import OUTSIDE, Kind, Points, Task


def four_features(seed: int, num: int) -> Points:
    """Draws points of the task of B.1: uniform features, labelled by the first.

    Args:
        seed: Of the data.
        num: Number of points.

    Returns:
        float32 [num, 4] in [0, 1), and whether the first feature is larger than 0.5.
    """
    features = np.random.default_rng(seed).random((num, 4), np.float32)
    return Points(features, (features[:, 0] > 0.5).astype(np.int32))


def contains_token_set(size: int, length: int, vocabulary: int) -> Task:
    """Is every one of the tokens 1 to `size` in the sequence?"""
    wanted = np.arange(1, size + 1)
    return _binary(
        "ContainsTokenSet", size, length, vocabulary,
        _contains(wanted),
        lambda rng, num: _with_tokens(rng, np.tile(wanted, (num, 1)), length, vocabulary),
    )  # fmt: skip


def contains_token_set_ood(size: int, length: int, vocabulary: int) -> Task:
    """`contains_token_set` with sequences of all but one of its tokens in no training split.

    Sequences labelled False have 0 to `size` - 1 of the tokens, each number equally often.
    (Not in the paper's text; its code has it.)
    """
    if size < 2:
        raise ValueError(f"all but one token of a set of {size}: at least 2 are needed")
    tokens = np.arange(1, size + 1)
    others = np.arange(size + 1, vocabulary)

    def propose(present: int) -> Callable[[np.random.Generator, int], np.ndarray]:
        def sequences(rng: np.random.Generator, num: int) -> np.ndarray:
            order = rng.permuted(np.tile(tokens, (num, 1)), axis=1)[:, :present]
            allowed = np.concatenate([order, np.tile(others, (num, 1))], axis=1)
            place = rng.integers(allowed.shape[1], size=(num, length - present))
            rest = np.take_along_axis(allowed, place, axis=1)
            return rng.permuted(np.concatenate([order, rest], axis=1), axis=1)

        return sequences

    kinds = [Kind(1, propose(size))]
    kinds += [Kind(0, propose(present), present < size - 1) for present in range(size)]
    return Task(
        "ContainsTokenSetOOD", size, length, vocabulary, 2, _contains(tokens), tuple(kinds)
    )  # fmt: skip


def contains_1(length: int, vocabulary: int) -> Task:
    """Is there a 1 in the sequence?"""
    one = dataclasses.replace(contains_token_set(1, length, vocabulary), family="Contains1")
    return dataclasses.replace(one, parameter=None)


def first_token_repeated_immediately(length: int, vocabulary: int) -> Task:
    """Are the first two tokens the same?"""

    def propose(rng: np.random.Generator, num: int) -> np.ndarray:
        x = _uniform(rng, num, length, vocabulary)
        x[:, 1] = x[:, 0]
        return x

    return _binary(
        "FirstTokenRepeatedImmediately", None, length, vocabulary,
        lambda x: x[:, 0] == x[:, 1], propose,
    )  # fmt: skip


def first_token_repeated_last(length: int, vocabulary: int) -> Task:
    """Are the first and the last token the same?"""

    def propose(rng: np.random.Generator, num: int) -> np.ndarray:
        x = _uniform(rng, num, length, vocabulary)
        x[:, -1] = x[:, 0]
        return x

    return _binary(
        "FirstTokenRepeatedLast", None, length, vocabulary,
        lambda x: x[:, 0] == x[:, -1], propose,
    )  # fmt: skip


def adjacent_duplicate(length: int, vocabulary: int) -> Task:
    """Are two adjacent tokens the same, anywhere?"""

    def propose(rng: np.random.Generator, num: int) -> np.ndarray:
        x = _uniform(rng, num, length, vocabulary)
        place, rows = rng.integers(length - 1, size=num), np.arange(num)
        x[rows, place + 1] = x[rows, place]
        return x

    return _binary(
        "AdjacentDuplicate", None, length, vocabulary,
        lambda x: (x[:, 1:] == x[:, :-1]).any(axis=1), propose,
    )  # fmt: skip


def first_token_repeated_once(length: int, vocabulary: int) -> Task:
    """Is the first token there again? Sequences that repeat it more than once are left out."""

    def label(x: np.ndarray) -> np.ndarray:
        repeats = (x[:, 1:] == x[:, :1]).sum(axis=1)
        return np.where(repeats > 1, OUTSIDE, repeats).astype(np.int32)

    def others(rng: np.random.Generator, num: int) -> np.ndarray:
        x = _uniform(rng, num, length, vocabulary)
        # Any token but the first: 1 to vocabulary - 2 further on, in the circle of all tokens.
        step = rng.integers(1, vocabulary - 1, size=(num, length - 1))
        x[:, 1:] = (x[:, :1] - 1 + step) % (vocabulary - 1) + 1
        return x

    def repeated(rng: np.random.Generator, num: int) -> np.ndarray:
        x = others(rng, num)
        x[np.arange(num), rng.integers(1, length, size=num)] = x[:, 0]
        return x

    kinds = (Kind(0, others), Kind(1, repeated))
    return Task("FirstTokenRepeatedOnce", None, length, vocabulary, 2, label, kinds)


def bin_count_ones(classes: int, length: int, vocabulary: int) -> Task:
    """How many ones are there, in `classes` bins of equal width? At least one is.

    Of a label, every number of ones is equally frequent. There is only one sequence of nothing but
    ones: it is drawn once at most, and others of its label, or of all labels, take its place.
    """
    if length % classes:
        raise ValueError(f"the length, {length}, must be a multiple of the classes, {classes}")

    def label(x: np.ndarray) -> np.ndarray:
        ones = (x == 1).sum(axis=1)
        return np.where(ones == 0, OUTSIDE, (ones - 1) * classes // length).astype(np.int32)

    def propose(ones: int) -> Callable[[np.random.Generator, int], np.ndarray]:
        def sequences(rng: np.random.Generator, num: int) -> np.ndarray:
            x = rng.integers(2, vocabulary, size=(num, length), dtype=np.int32)
            x[:, :ones] = 1
            return rng.permuted(x, axis=1)

        return sequences

    kinds = [Kind((ones - 1) * classes // length, propose(ones)) for ones in range(1, length + 1)]
    return Task("BinCountOnes", classes, length, vocabulary, classes, label, tuple(kinds))


FAMILIES: Mapping[str, Callable[..., Task]] = {
    "ContainsTokenSet": contains_token_set,
    "ContainsTokenSetOOD": contains_token_set_ood,
    "Contains1": contains_1,
    "FirstTokenRepeatedImmediately": first_token_repeated_immediately,
    "FirstTokenRepeatedLast": first_token_repeated_last,
    "AdjacentDuplicate": adjacent_duplicate,
    "FirstTokenRepeatedOnce": first_token_repeated_once,
    "BinCountOnes": bin_count_ones,
}


def _binary(
    family: str,
    parameter: int | None,
    length: int,
    vocabulary: int,
    is_true: Callable[[np.ndarray], np.ndarray],
    propose: Callable[[np.random.Generator, int], np.ndarray],
) -> Task:
    """Returns a task of two labels: `propose` plants what makes a sequence True."""

    def uniform(rng: np.random.Generator, num: int) -> np.ndarray:
        return _uniform(rng, num, length, vocabulary)

    def label(x: np.ndarray) -> np.ndarray:
        return is_true(x).astype(np.int32)

    kinds = (Kind(0, uniform), Kind(1, propose))
    return Task(family, parameter, length, vocabulary, 2, label, kinds)


def _contains(tokens: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    def label(x: np.ndarray) -> np.ndarray:
        return (x[:, :, None] == tokens).any(axis=1).all(axis=1).astype(np.int32)

    return label


def _uniform(rng: np.random.Generator, num: int, length: int, vocabulary: int) -> np.ndarray:
    return rng.integers(1, vocabulary, size=(num, length), dtype=np.int32)


def _with_tokens(
    rng: np.random.Generator, tokens: np.ndarray, length: int, vocabulary: int
) -> np.ndarray:
    """Puts a sequence's `tokens`, [num, some], at random places; the others are uniform."""
    num, some = tokens.shape
    rest = _uniform(rng, num, length - some, vocabulary)
    return rng.permuted(np.concatenate([tokens, rest], axis=1), axis=1)
