"""Trains a small stock BERT masked LM on the grammar to predict the masked verb.

It sees sentences without attractors first: there the number of any noun is that of the verb, so the
model learns which nouns are plural. Then it sees all of them, where only the subject tells. Without
the first part it has nothing to begin with, and stays at chance.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm
from transformers import (
    BertConfig,
    BertTokenizerFast,
    FlaxBertForMaskedLM,
    PreTrainedTokenizerBase,
)

from experiments.common import grammar
from experiments.common.batching import Batch, make_batches
from experiments.common.encoding import Example, encode

_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# Compiling a training step for one more length takes as long as so many tokens of training batches.
_SHAPE_COST = 100_000


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The model's shape and its training; with the defaults it takes about a minute on two cores.

    Attributes:
        layers: Number of layers.
        hidden: Width of the hidden layers.
        heads: Attention heads of a layer.
        intermediate: Width of the feed-forward layers.
        max_length: Longest sentence in tokens; those of the grammar stay below.
        initializer_range: Deviation of the initial weights. BERT's 0.02 suits a width of 768; at
            this width hardly anything would pass through a layer, and nothing would be learnt.
        first_steps: Steps on sentences without attractors.
        steps: Steps after that, on sentences with 0 to 4 attractors.
        first_sentences: Number of sentences without attractors.
        sentences: Number of sentences with 0 to 4.
        batch_size: Sentences a step.
        learning_rate: The highest; it is reached by a warm-up and left by a cosine decay.
        heldout: Number of sentences of the other split that the accuracy is measured on.
    """

    layers: int = 4
    hidden: int = 64
    heads: int = 4
    intermediate: int = 128
    max_length: int = 64
    initializer_range: float = 0.1
    first_steps: int = 400
    steps: int = 1600
    first_sentences: int = 4000
    sentences: int = 16000
    batch_size: int = 16
    learning_rate: float = 1e-3
    heldout: int = 1000


def make_tokenizer() -> BertTokenizerFast:
    """Returns a BERT tokenizer whose word pieces are the words of the grammar."""
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = pathlib.Path(folder, "vocab.txt")
        vocabulary.write_text("\n".join((*_SPECIAL_TOKENS, *grammar.VOCABULARY)), encoding="utf-8")
        return BertTokenizerFast(vocab_file=str(vocabulary))


def train(
    seed: int, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, progress: bool = True
) -> FlaxBertForMaskedLM:
    """Trains a masked LM; a pure function but for the progress bar.

    Args:
        seed: Of the initial weights, the sentences and their order.
        tokenizer: Of `make_tokenizer`.
        recipe: What to train and how.
        progress: Whether to show a progress bar.

    Returns:
        The model, with float32 parameters.
    """
    attractors = tuple(range(grammar.MAX_ATTRACTORS + 1))
    first = _batches(seed, recipe.first_sentences, (0,), tokenizer, recipe)
    then = _batches(seed, recipe.sentences, attractors, tokenizer, recipe)
    rng = np.random.default_rng(seed)
    order = [first[i] for i in rng.integers(len(first), size=recipe.first_steps)]
    order += [then[i] for i in rng.integers(len(then), size=recipe.steps)]

    model = FlaxBertForMaskedLM(_config(tokenizer, recipe), seed=seed)
    optimizer = _optimizer(recipe.learning_rate, len(order))
    step = _make_step(model, optimizer)
    params, state = model.params, optimizer.init(model.params)
    with tqdm(order, desc="train the masked LM", disable=not progress, unit="step") as bar:
        for number, batch in enumerate(bar):
            params, state, loss = step(
                params, state, batch.input_ids, batch.attention_mask, batch.mask, batch.right
            )
            if number % 50 == 0:  # fetching the loss waits for the step
                bar.set_postfix(loss=f"{float(loss):.2f}")
    model.params = params
    return model


def is_right(model: FlaxBertForMaskedLM, examples: Sequence[Example]) -> np.ndarray:
    """Returns for each example whether the model prefers the right form: bool [examples]."""
    scores_of = jax.jit(lambda params, *inputs: _mask_scores(model, params, *inputs))
    right = np.zeros(len(examples), bool)
    for batch in make_batches(examples, batch_size=100):
        scores = np.asarray(
            scores_of(model.params, batch.input_ids, batch.attention_mask, batch.mask)
        )
        rows = np.arange(len(batch.rows))
        right[list(batch.rows)] = scores[rows, batch.right[rows]] > scores[rows, batch.wrong[rows]]
    return right


def heldout_accuracy(
    model: FlaxBertForMaskedLM, seed: int, tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> tuple[float, dict[str, float]]:
    """Returns the share of right answers on held-out sentences, and by number of attractors."""
    examples, _ = encode(grammar.generate(seed, recipe.heldout), tokenizer, recipe.max_length)
    right = is_right(model, examples)
    attractors = np.array([example.sentence.num_attractors for example in examples])
    by_attractors = {str(n): float(right[attractors == n].mean()) for n in np.unique(attractors)}
    return float(right.mean()), by_attractors


def _batches(
    seed: int,
    num: int,
    attractors: Sequence[int],
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
) -> list[Batch]:
    sentences = grammar.generate(seed, num, attractors, split="train")
    examples, _ = encode(sentences, tokenizer, recipe.max_length)
    return make_batches(examples, recipe.batch_size, _SHAPE_COST)


def _config(tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=recipe.intermediate,
        max_position_embeddings=recipe.max_length,
        initializer_range=recipe.initializer_range,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _optimizer(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, min(100, num_steps // 2), num_steps
    )
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.01))


def _make_step(
    model: FlaxBertForMaskedLM, optimizer: optax.GradientTransformation
) -> Callable[..., tuple[Any, Any, jax.Array]]:
    """Returns the jitted `(params, state, input_ids, attention_mask, mask, right) -> ...`."""

    def loss(params: Any, right: jax.Array, *inputs: jax.Array) -> jax.Array:
        scores = _mask_scores(model, params, *inputs)
        return optax.softmax_cross_entropy_with_integer_labels(scores, right).mean()

    @jax.jit
    def step(
        params: Any,
        state: Any,
        input_ids: jax.Array,
        attention_mask: jax.Array,
        mask: jax.Array,
        right: jax.Array,
    ) -> tuple[Any, Any, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(params, right, input_ids, attention_mask, mask)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    return step


def _mask_scores(
    model: FlaxBertForMaskedLM,
    params: Any,
    input_ids: jax.Array,
    attention_mask: jax.Array,
    mask: jax.Array,
) -> jax.Array:
    """Returns the logits at [MASK]: [batch, vocabulary]."""
    outputs: Any = model(input_ids, attention_mask, params=params)
    return outputs.logits[jnp.arange(len(mask)), mask]
