"""The synthetic tasks: the paper's examples, and labels, balance and distinctness of what is drawn.

The definitions here are the tables' sentences in plain Python.
"""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.common import synthetic
from experiments.common.drawing import OUTSIDE, SPLITS, Task, draw, interleave

LENGTH, VOCABULARY = 6, 10

# Table 1: a positive and a negative example.
BINARY = [
    (synthetic.contains_token_set(3, 6, 10), [1, 3, 4, 2, 5, 2], [1, 5, 9, 2, 2, 4]),
    (synthetic.contains_1(6, 10), [1, 3, 4, 2, 5, 2], [6, 5, 9, 2, 2, 4]),
    (synthetic.first_token_repeated_immediately(6, 10), [3, 3, 2, 6, 7, 8], [5, 3, 2, 6, 7, 8]),
    (synthetic.first_token_repeated_last(6, 10), [8, 3, 2, 6, 7, 8], [8, 3, 2, 6, 7, 4]),
    (synthetic.adjacent_duplicate(6, 10), [1, 3, 6, 6, 7, 8], [1, 3, 6, 8, 7, 8]),
    (synthetic.first_token_repeated_once(6, 10), [1, 3, 6, 1, 7, 8], [1, 3, 6, 7, 7, 8]),
]
# Table 2, of BinCountOnes with 3 classes.
COUNTED = [
    ([1, 3, 4, 2, 5, 2], 0),
    ([1, 3, 4, 2, 3, 1], 0),
    ([1, 3, 4, 2, 1, 1], 1),
    ([1, 3, 1, 1, 5, 1], 1),
    ([1, 3, 1, 1, 1, 1], 2),
    ([1, 1, 1, 1, 1, 1], 2),
]


@pytest.mark.parametrize(("task", "positive", "negative"), BINARY, ids=lambda case: str(case)[:24])
def test_examples_of_table_1(task, positive, negative):
    assert task.label(np.array([positive, negative])).tolist() == [1, 0]


def test_examples_of_table_2():
    sequences, labels = zip(*COUNTED, strict=True)
    assert synthetic.bin_count_ones(3, 6, 10).label(np.array(sequences)).tolist() == list(labels)


def definition(task: Task, x: list[int]) -> int:
    """The label by the sentence that the paper gives."""
    k = task.parameter or 1
    match task.family:
        case "ContainsTokenSet" | "ContainsTokenSetOOD" | "Contains1":
            return int(set(range(1, k + 1)) <= set(x))
        case "FirstTokenRepeatedImmediately":
            return int(x[0] == x[1])
        case "FirstTokenRepeatedLast":
            return int(x[0] == x[-1])
        case "AdjacentDuplicate":
            return int(any(a == b for a, b in pairwise(x)))
        case "FirstTokenRepeatedOnce":
            again = x.count(x[0]) - 1
            return again if again <= 1 else OUTSIDE
        case "BinCountOnes":
            width = len(x) // k
            bins = [range(c * width + 1, (c + 1) * width + 1) for c in range(k)]
            return next((c for c, counts in enumerate(bins) if x.count(1) in counts), OUTSIDE)
    raise ValueError(task.family)


@st.composite
def tasks(draw_from) -> Task:
    length, vocabulary = draw_from(st.integers(4, 12)), draw_from(st.integers(6, 20))
    family = draw_from(st.sampled_from(sorted(synthetic.FAMILIES)))
    if family == "BinCountOnes":
        divisors = [c for c in range(2, length + 1) if length % c == 0]
        return synthetic.bin_count_ones(draw_from(st.sampled_from(divisors)), length, vocabulary)
    if family.startswith("ContainsTokenSet"):
        size = draw_from(st.integers(2, min(length, vocabulary) - 2))
        return synthetic.FAMILIES[family](size, length, vocabulary)
    return synthetic.FAMILIES[family](length, vocabulary)


@given(tasks(), st.integers(0, 2**32 - 1), st.data())
def test_labels_are_as_defined_and_draws_balanced_and_distinct(task, seed, data):
    # Sequences of few tokens, so that each label turns up.
    few = st.lists(st.integers(1, 3), min_size=task.length, max_size=task.length)
    x = data.draw(few)
    assert task.label(np.array([x])).tolist() == [definition(task, x)]

    sizes = (40, 11, 12)
    splits = draw(task, seed, sizes)
    assert tuple(splits) == SPLITS
    everything = [tuple(x) for points in splits.values() for x in points.inputs.tolist()]
    assert len(set(everything)) == len(everything) == sum(sizes)
    for points, size in zip(splits.values(), sizes, strict=True):
        assert points.inputs.shape == (size, task.length)
        assert points.inputs.min() >= 1
        assert points.inputs.max() < task.vocabulary
        labels = points.labels.tolist()
        assert labels == [definition(task, x) for x in points.inputs.tolist()]
        if task.family != "BinCountOnes":  # the highest label has few different sequences
            counts = Counter(labels)
            assert max(counts.values()) - min(counts[label] for label in (0, 1)) <= 1
            assert set(labels[:2]) == set(labels[2:4]) == {0, 1}


@settings(max_examples=10)
@given(st.integers(0, 100))
def test_counts_are_balanced_but_for_the_one_sequence_of_ones_only(seed):
    splits = draw(synthetic.bin_count_ones(12, 12, 30), seed, (240, 24, 24))
    together = np.concatenate([points.labels for points in splits.values()])
    counts = np.bincount(together, minlength=12)
    assert counts[11] == 1  # [1, 1, ..., 1], in training; sequences of other labels take its place
    assert counts[:11].max() - counts[:11].min() <= 3
    assert splits["train"].labels.tolist().count(11) == 1


def test_draws_depend_on_the_seed_alone():
    task = synthetic.adjacent_duplicate(10, 20)
    one, same, other = (draw(task, seed, (9, 3, 3))["train"].inputs for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_all_but_one_token_is_in_no_training_split():
    splits = draw(synthetic.contains_token_set_ood(4, 8, 12), 0, (400, 120, 120))
    present = {
        name: Counter(len({1, 2, 3, 4} & set(x)) for x in points.inputs.tolist())
        for name, points in splits.items()
    }
    counts = present["train"]
    assert counts[4] == sum(counts[n] for n in (0, 1, 2)) == 200
    assert {counts[n] for n in (0, 1, 2)} == {66, 67}
    assert present["validation"] == {4: 60, 0: 15, 1: 15, 2: 15, 3: 15}


def test_what_is_planted_is_at_any_place():
    points = draw(synthetic.first_token_repeated_once(8, 30), 0, (4000, 0, 0))["train"]
    again = points.inputs[points.labels == 1]
    places = (again[:, 1:] == again[:, :1]).sum(axis=0)
    # 2000 / 7 = 286 at each of the seven, with a standard deviation of 16.
    assert (abs(places - 2000 / 7) < 80).all()


def test_more_than_there_are_is_an_error():
    # 4 * 3 of the 4 * 4 sequences of two tokens out of four do not repeat the first.
    task = synthetic.first_token_repeated_once(2, 5)
    assert len(draw(task, 0, (10, 3, 3))["test"].labels) == 3
    with pytest.raises(ValueError, match="FirstTokenRepeatedOnce: there are fewer than 4"):
        draw(task, 0, (10, 3, 4))


def test_beginnings_of_an_interleaved_order_are_balanced():
    labels = np.repeat([0, 1, 2], [5, 9, 1])
    order = interleave(labels, np.random.default_rng(0))
    assert sorted(order) == list(range(15))
    counts = [np.bincount(labels[order[:n]], minlength=3).tolist() for n in (3, 5, 11)]
    assert counts == [[1, 1, 1], [2, 2, 1], [5, 5, 1]]


def test_four_features_are_labelled_by_the_first():
    points = synthetic.four_features(3, 2000)
    assert points.inputs.shape == (2000, 4)
    assert points.inputs.min() >= 0
    assert points.inputs.max() < 1
    assert points.labels.tolist() == [int(x[0] > 0.5) for x in points.inputs.tolist()]
    assert abs(points.inputs.mean(axis=0) - 0.5).max() < 0.05
