"""Batches: every sentence once, few shapes, the least cost."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from experiments.common.batching import make_batches, padded_lengths
from experiments.common.encoding import Example
from experiments.common.sentences import Sentence


def example(length: int) -> Example:
    words = ("word",) * (length - 3) + ("[MASK]",)
    sentence = Sentence(words, length - 3, "is", "are", None, None, 0, "test")
    return Example(
        sentence=sentence,
        input_ids=np.arange(1, length + 1, dtype=np.int32),
        tokens=("[CLS]", *words, "[SEP]"),
        mask=length - 2,
        right=100 + length,
        wrong=200 + length,
        subject=None,
        attractors=(),
    )


def cost(lengths: list[int], chosen: tuple[int, ...], shape_cost: int) -> int:
    return shape_cost * len(chosen) + sum(
        min(size for size in chosen if size >= length) for length in lengths
    )


@given(st.lists(st.integers(3, 12), min_size=1, max_size=8), st.integers(0, 30))
def test_padded_lengths_cost_the_least_of_all_choices(lengths, shape_cost):
    sizes = sorted(set(lengths))
    choices = [
        (*some, sizes[-1])
        for count in range(len(sizes))
        for some in itertools.combinations(sizes[:-1], count)
    ]
    least = min(cost(lengths, choice, shape_cost) for choice in choices)
    assert cost(lengths, tuple(padded_lengths(lengths, shape_cost)), shape_cost) == least


@given(st.lists(st.integers(4, 12), min_size=1, max_size=20), st.integers(1, 5))
def test_batches_hold_every_sentence_once_and_whole(lengths, batch_size):
    examples = [example(length) for length in lengths]
    batches = make_batches(examples, batch_size, shape_cost=10)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(examples)))
    for batch in batches:
        assert len(batch.input_ids) == len(batch.mask) == batch_size
        for place, row in enumerate(batch.rows):
            length = lengths[row]
            expected = np.pad(examples[row].input_ids, (0, batch.input_ids.shape[1] - length))
            np.testing.assert_array_equal(batch.input_ids[place], expected)
            np.testing.assert_array_equal(batch.attention_mask[place], expected > 0)
            assert batch.mask[place] == length - 2
            assert batch.right[place] == 100 + length
            assert batch.wrong[place] == 200 + length


def test_a_last_batch_is_filled_to_the_shape_of_the_others():
    batches = make_batches([example(5)] * 5, batch_size=2)
    assert [batch.rows for batch in batches] == [(0, 1), (2, 3), (4,)]
    assert {batch.input_ids.shape for batch in batches} == {(2, 5)}
