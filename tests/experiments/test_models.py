"""Models load in float32 or fail with a way out; training is deterministic, its cache whole."""

import dataclasses
import pathlib
import re
from typing import Any

import jax
import numpy as np
import pytest
from transformers import BertConfig, FlaxBertForMaskedLM, FlaxBertModel

from experiments.common import grammar, models, training
from experiments.common.batching import make_batches
from experiments.common.encoding import encode
from experiments.common.errors import ModelError
from experiments.common.training import Recipe

_TINY = Recipe(
    layers=1,
    hidden=8,
    heads=2,
    intermediate=8,
    first_steps=3,
    steps=5,
    first_sentences=40,
    sentences=40,
    batch_size=8,
    heldout=40,
)


def _assert_same_params(left: FlaxBertForMaskedLM, right: FlaxBertForMaskedLM) -> None:
    jax.tree.map(np.testing.assert_array_equal, left.params, right.params)


def test_training_is_deterministic_and_cached(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = models.train_masked_lm(0, tmp_path / "a", progress=False, recipe=_TINY)
    second = models.train_masked_lm(0, tmp_path / "b", progress=False, recipe=_TINY)
    _assert_same_params(first.model, second.model)
    assert first.accuracy == second.accuracy
    assert first.accuracy is not None and 0 <= first.accuracy <= 1

    def train(*_: object) -> None:
        raise AssertionError("trained again what is in the cache")

    monkeypatch.setattr(training, "train", train)
    cached = models.train_masked_lm(0, tmp_path / "a", progress=False, recipe=_TINY)
    _assert_same_params(first.model, cached.model)
    assert (cached.name, cached.accuracy) == (first.name, first.accuracy)
    for seed, recipe in ((1, _TINY), (0, dataclasses.replace(_TINY, steps=6))):
        with pytest.raises(AssertionError, match="trained again"):
            models.train_masked_lm(seed, tmp_path / "a", progress=False, recipe=recipe)


def test_interrupted_training_leaves_no_half_model(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "heldout_accuracy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        models.train_masked_lm(0, tmp_path, progress=False, recipe=_TINY)
    assert list(tmp_path.iterdir()) == []


def test_training_lowers_the_loss() -> None:
    recipe = dataclasses.replace(_TINY, first_steps=60, steps=0, learning_rate=1e-2)
    tokenizer = training.make_tokenizer()
    examples, _ = encode(grammar.generate(0, 40, (0,)), tokenizer)
    (batch,) = make_batches(examples, len(examples), shape_cost=10**6)
    trained = training.train(0, tokenizer, recipe, progress=False)

    def log_prob_of_right(params: Any) -> float:
        logits = trained(batch.input_ids, batch.attention_mask, params=params).logits
        rows = np.arange(len(examples))
        return float(jax.nn.log_softmax(logits)[rows, batch.mask, batch.right].mean())

    blank = FlaxBertForMaskedLM(trained.config, seed=0).params
    assert log_prob_of_right(trained.params) > log_prob_of_right(blank) + 1


def test_loads_float16_as_float32(tiny_bert: pathlib.Path, tmp_path: pathlib.Path) -> None:
    original = models.load_masked_lm(tiny_bert)
    half = original.model.to_fp16(original.model.params)
    original.model.save_pretrained(tmp_path, params=half)
    original.tokenizer.save_pretrained(tmp_path)
    loaded = models.load_masked_lm(tmp_path)
    assert {p.dtype for p in jax.tree.leaves(loaded.model.params)} == {np.dtype("float32")}
    jax.tree.map(
        lambda h, p: np.testing.assert_array_equal(np.asarray(h, np.float32), p),
        half,
        loaded.model.params,
    )
    assert loaded.name == str(tmp_path)
    assert loaded.accuracy is None


def test_unknown_model_says_what_was_tried(tmp_path: pathlib.Path) -> None:
    missing = tmp_path / "missing"
    message = f"{re.escape(repr(str(missing)))}.*from_pretrained.*local folder.*hub and a network"
    with pytest.raises(ModelError, match=message):
        models.load_masked_lm(missing)


def test_model_without_its_head_is_refused(tiny_bert: pathlib.Path, tmp_path: pathlib.Path) -> None:
    whole = models.load_masked_lm(tiny_bert)
    config: Any = whole.model.config
    FlaxBertModel(config).save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lacks .* parameters, cls/predictions/"):
        models.load_masked_lm(tmp_path)


def test_tokenizer_that_does_not_fit_is_refused(
    tiny_bert: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    whole = models.load_masked_lm(tiny_bert)
    config = BertConfig.from_dict({**whole.model.config.to_dict(), "vocab_size": 7})
    FlaxBertForMaskedLM(config).save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="at most 7 word pieces is needed"):
        models.load_masked_lm(tmp_path)
