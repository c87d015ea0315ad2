"""Path entropy of BERT's tokens: as without padding, and at most the log of their number."""

import numpy as np
import pytest

from experiments.common import path_entropy as pe
from experiments.common.batching import Batch, make_batches
from experiments.common.encoding import Example, encode
from experiments.common.models import MaskedLM, load_masked_lm


@pytest.fixture(scope="module")
def masked_lm(tiny_bert) -> MaskedLM:
    return load_masked_lm(str(tiny_bert))


@pytest.fixture(scope="module")
def examples(masked_lm, generated) -> list[Example]:
    return encode(generated, masked_lm.tokenizer)[0]


@pytest.fixture(scope="module")
def batch(examples) -> Batch:
    """Four sentences, padded to the longest of all twelve."""
    return make_batches(examples, batch_size=4)[0]


@pytest.fixture(scope="module")
def found(masked_lm, batch) -> pe.TokenPaths:
    compute = pe.token_paths(masked_lm.model, "logit")
    return pe.of_sentences(compute(masked_lm.model.params, *batch.arrays), batch)


def test_only_a_sentences_own_tokens_have_numbers(found, batch, examples):
    for row, entropy, log_paths in zip(batch.rows, found.entropy, found.log_paths, strict=True):
        tokens = len(examples[row].input_ids)
        assert tokens < len(entropy)
        assert np.isfinite(entropy[:tokens]).all() and np.isnan(entropy[tokens:]).all()
        assert np.isfinite(log_paths[:tokens]).all() and np.isnan(log_paths[tokens:]).all()
        pe.require_finite(examples[row], entropy, log_paths)


def test_a_sentence_alone_and_padded_agree(found, batch, examples, masked_lm):
    row = batch.rows[0]
    (alone,) = make_batches([examples[row]], batch_size=1)
    assert alone.input_ids.shape[1] < batch.input_ids.shape[1]
    compute = pe.token_paths(masked_lm.model, "logit")
    one = pe.of_sentences(compute(masked_lm.model.params, *alone.arrays), alone)
    tokens = len(examples[row].input_ids)
    np.testing.assert_allclose(found.entropy[0, :tokens], one.entropy[0], rtol=1e-5)
    np.testing.assert_allclose(found.log_paths[0, :tokens], one.log_paths[0], rtol=1e-6)
    np.testing.assert_allclose(found.preference[0], one.preference[0], rtol=1e-4)


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
