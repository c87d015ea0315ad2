"""Path entropy of BERT's tokens: as without padding, and at most the log of their number."""

import numpy as np
import pytest

from experiments.common import path_entropy as pe
from experiments.common.batching import Batch, make_batches
from experiments.common.encoding import Example, encode
from experiments.common.models import MaskedLM, load_masked_lm


@pytest.fixture(scope="module")
def masked_lm(tinier_bert) -> MaskedLM:
    return load_masked_lm(str(tinier_bert))


@pytest.fixture(scope="module")
def examples(masked_lm, generated) -> list[Example]:
    return encode(generated, masked_lm.tokenizer)[0]


@pytest.fixture(scope="module")
def batch(examples) -> Batch:
    """Four sentences, padded to the longest of all twelve."""
    return make_batches(examples, batch_size=4)[0]


@pytest.fixture(scope="module")
def compute(masked_lm):
    return pe.token_paths(masked_lm.model, "logit")


@pytest.fixture(scope="module")
def found(compute, masked_lm, batch) -> pe.TokenPaths:
    return pe.of_sentences(compute(masked_lm.model.params, *batch.arrays), batch)


def test_only_a_sentences_own_tokens_have_numbers(found, batch, examples):
    for row, entropy, log_paths in zip(batch.rows, found.entropy, found.log_paths, strict=True):
        tokens = len(examples[row].input_ids)
        assert tokens < len(entropy)
        assert np.isfinite(entropy[:tokens]).all() and np.isnan(entropy[tokens:]).all()
        assert np.isfinite(log_paths[:tokens]).all() and np.isnan(log_paths[tokens:]).all()
        pe.require_finite(examples[row], entropy, log_paths)


def test_what_pads_a_sentence_does_not_matter(found, compute, batch, masked_lm):
    """Not its tokens: no path of non-zero weight leads through a padded position."""
    padded = batch.attention_mask == 0
    assert padded.any()
    ids = np.where(padded, 7, batch.input_ids)
    other = compute(masked_lm.model.params, ids, *batch.arrays[1:])
    for leaf, same in zip(pe.of_sentences(other, batch), found, strict=True):
        np.testing.assert_allclose(leaf, same, rtol=1e-6)
    assert np.isneginf(other.log_paths[padded]).all() and not np.any(other.entropy[padded])


def test_entropy_is_at_most_the_log_of_the_number_of_paths(found):
    ratio = found.entropy / found.log_paths
    assert np.nanmax(ratio) < 1
    assert np.nanmin(ratio) > 0.3


def test_the_number_of_paths_is_of_the_length_and_of_being_masked(found, batch):
    """[MASK] alone is read in the last layer; all other tokens are alike to the structure."""
    for row, log_paths in enumerate(found.log_paths):
        others = np.delete(log_paths, batch.mask[row])
        others = others[~np.isnan(others)]
        np.testing.assert_allclose(others, others[0], rtol=1e-3)
        assert log_paths[batch.mask[row]] > others.max()
    lengths = batch.attention_mask.sum(1)
    shortest, longest = np.argmin(lengths), np.argmax(lengths)
    assert np.nanmin(found.log_paths[shortest]) < np.nanmin(found.log_paths[longest])


def test_numbers_that_are_not_finite_are_an_error(examples):
    example = examples[0]
    numbers = np.ones(len(example.input_ids))
    with pytest.raises(FloatingPointError, match="grammar:1: the entropy"):
        pe.require_finite(example, numbers, np.where(np.arange(len(numbers)) == 2, -np.inf, 1.0))
