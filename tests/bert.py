"""Tiny stock Flax BERTs with random weights, as the tests use them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = Any

MODULE = "FlaxBertForMaskedLMModule"
MASK = 1  # the position whose prediction is looked at


@functools.lru_cache
def model(
    layers: int = 2, hidden: int = 4, tokens: int = 3, dtype: str = "float32", seed: int = 0
) -> Any:
    """A FlaxBertForMaskedLM; with attention and weights far from uniform."""
    from transformers import BertConfig, FlaxBertForMaskedLM

    config = BertConfig(
        vocab_size=11,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=3 * hidden,
        max_position_embeddings=max(tokens, 7),
        initializer_range=0.5 / np.sqrt(hidden / 4),
    )
    return FlaxBertForMaskedLM(config, seed=seed, input_shape=(1, tokens), dtype=jnp.dtype(dtype))


IDS = np.array([[2, 4, 7]], np.int32)


def logit_difference(bert: Any, params: Any, ids: Array, mask: Array | None = None) -> Array:
    """The quantity of interest: the logit of word 5 minus that of word 6 at MASK."""
    logits = bert(ids, attention_mask=mask, params=params).logits[0, MASK]
    return logits[5] - logits[6]


def perturbed(
    bert: Any, params: Any, ids: Array, deltas: dict[str, Array], at: str = "output"
) -> Array:
    """The same with `deltas` added to the outputs (or first inputs) of modules, by name.

    Flax's own interception: a second way to the derivatives at intermediate values.
    """
    from flax import linen as nn

    def intercept(call: Callable[..., Any], args: Sequence[Any], kwargs: Any, context: Any) -> Any:
        name = "/".join((MODULE, *context.module.path))
        if name not in deltas or context.method_name != "__call__":
            return call(*args, **kwargs)
        if at == "input":
            return call(args[0] + deltas[name], *args[1:], **kwargs)
        out = call(*args, **kwargs)
        if isinstance(out, tuple):
            return (out[0] + deltas[name], *out[1:])
        return out + deltas[name]

    with nn.intercept_methods(intercept):
        return logit_difference(bert, params, ids)


def widened(params: Any) -> Any:
    """The same parameters in float64."""
    return jax.tree.map(lambda p: jnp.asarray(p, jnp.float64), params)
