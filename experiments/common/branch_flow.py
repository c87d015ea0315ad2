"""How much of the top gradient path into a BERT layer takes each of the layer's four branches.

The value that enters a layer of a stock Flax BERT has exactly four consumers: the query,
key and value projections, and the skip connection. The max-product semiring-derivative of the
quantity of interest splits over them: for a token, a layer and a hidden unit, a branch's number is
the weight of the most positive gradient path from that unit to the output that enters the layer by
that branch, or 0 where no positive path does. (So padding cannot matter: a path through a padded
position has weight 0.)
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import linen as nn
from transformers import FlaxBertForMaskedLM, FlaxPreTrainedModel
from transformers.models.bert.modeling_flax_bert import FlaxBertOnlyMLMHead

import semigrad as sg
from experiments.common import published
from experiments.common.batching import SHAPE_COST
from experiments.common.encoding import Example

BRANCHES = ("skip", "key", "query", "value")
ROLES = ("subject", "attractor", "mask", "other")
# What is computed, by the name that --max_product knows it by.
METHODS = {
    "exact": "max-product as in Eq. 5: the weight of the most positive path",
    "published": "what the paper's code computed in place of Eq. 5: sums within an operation, "
    "maxima between operations (experiments/common/published.py)",
}
QUANTITIES = {
    "logit": "logit of the right form - logit of the wrong form, at [MASK]",
    "log_prob": "log-probability of the right form - log-probability of the wrong form, at [MASK]",
}

# Scopes in a layer that use what enters it, and the branch that each stands for.
BRANCH_OF_SCOPE = {
    "attention/output": "skip",
    "attention/self/key": "key",
    "attention/self/query": "query",
    "attention/self/value": "value",
}


def layer_inputs(model: FlaxPreTrainedModel) -> list[str]:
    """Returns the scopes that the inputs of layers 0, 1, ... leave, in JAX's name stack."""
    bert = f"{type(model.module).__name__}/bert"
    config: Any = model.config
    above = range(config.num_hidden_layers - 1)
    return [f"{bert}/embeddings", *(f"{bert}/encoder/layer/{layer}/output" for layer in above)]


def quantity_of_interest(model: FlaxBertForMaskedLM, qoi: str) -> Callable[..., jax.Array]:
    """Returns `f(params, input_ids, attention_mask, mask, right, wrong)`, to differentiate.

    It is scalar and of one sentence: `input_ids` and `attention_mask` are int32 [length], the
    positions and ids int32 [].
    """

    def preference(
        params: Any,
        input_ids: jax.Array,
        attention_mask: jax.Array,
        mask: jax.Array,
        right: jax.Array,
        wrong: jax.Array,
    ) -> jax.Array:
        def head_at_mask(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
            of_head = isinstance(context.module, FlaxBertOnlyMLMHead)
            if of_head and context.method_name == "__call__":
                args = (jax.lax.dynamic_slice_in_dim(args[0], mask, 1, axis=1), *args[1:])
            return next_fun(*args, **kwargs)

        input_ids = input_ids[None]
        # The head reads each position by itself, and its vocabulary makes it the largest layer: it
        # is applied to the one position that is looked at.
        with nn.intercept_methods(head_at_mask):
            outputs: Any = model.module.apply(
                {"params": params},
                input_ids,
                attention_mask[None],
                token_type_ids=jnp.zeros_like(input_ids),
                position_ids=jnp.arange(input_ids.shape[1])[None],
                head_mask=None,
            )
        scores = outputs.logits[0, 0]
        if qoi == "log_prob":
            scores = jax.nn.log_softmax(scores)
        return scores[right] - scores[wrong]

    return preference


def oplus(top: jax.Array) -> jax.Array:
    """Gives a token's largest value to the branch that it takes, and 0 to the others.

    Args:
        top: [..., unit, branch], the weight of the top path from each unit through each branch.

    Returns:
        [..., branch].
    """
    branches = top.shape[-1]
    every = top.reshape(*top.shape[:-2], -1)
    winner = jnp.argmax(every, axis=-1, keepdims=True) % branches
    return jnp.where(jnp.arange(branches) == winner, every.max(axis=-1, keepdims=True), 0)


def bucket_sum(top: jax.Array) -> jax.Array:
    """Gives each hidden unit's largest value to the branch that it takes, and sums over the units.

    Args:
        top: [..., unit, branch], as `oplus` takes it.

    Returns:
        [..., branch].
    """
    winner = jnp.argmax(top, axis=-1, keepdims=True)
    taken = jnp.where(jnp.arange(top.shape[-1]) == winner, top.max(axis=-1, keepdims=True), 0)
    return taken.sum(axis=-2)


def shape_cost(model: FlaxBertForMaskedLM) -> int:
    """Returns how many tokens take as long as compiling `branch_flow` for one more shape.

    Both grow with the number of layers, a token's time with the square of their width besides.
    """
    return round(SHAPE_COST * (384 / model.config.hidden_size) ** 2)


AGGREGATES = {"oplus": oplus, "bucket_sum": bucket_sum}


def branch_flow(
    model: FlaxBertForMaskedLM, qoi: str, aggregate: str, max_product: str = "exact"
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Returns the jitted computation of one padded batch.

    Args:
        model: A stock masked LM. Its parameters are an argument of what is returned.
        qoi: A key of `QUANTITIES`.
        aggregate: A key of `AGGREGATES`.
        max_product: A key of `METHODS`.

    Returns:
        `(params, input_ids, attention_mask, mask, right, wrong) -> (flow, preference)`, of
        `Batch`'s arrays; flow is [batch, layer, token, branch] and preference, the quantity of
        interest itself, [batch].
    """
    preference = quantity_of_interest(model, qoi)
    top_paths = top_by_branch(preference, layer_inputs(model), max_product)

    def sentence(*args: Any) -> tuple[jax.Array, jax.Array]:
        return AGGREGATES[aggregate](top_paths(*args)), preference(*args)

    return jax.jit(jax.vmap(sentence, in_axes=(None, 0, 0, 0, 0, 0)))


def top_by_branch(
    quantity: Callable[..., jax.Array], names: Sequence[str], max_product: str
) -> Callable[..., jax.Array]:
    """Returns the weights of the top paths into layers through each branch.

    Args:
        quantity: The scalar to differentiate, of a stock Flax BERT applied to a batch of one.
        names: Scopes that the layers' inputs leave, of `layer_inputs`.
        max_product: A key of `METHODS`.

    Returns:
        A function of the arguments of `quantity` to [layer, token, unit, branch], 0 where no path
        is positive.
    """
    if max_product == "published":
        quantity = published.with_one_edge_activations(quantity)
        branches = sg.branches(quantity, published.PublishedMaxProduct(), at=names)
    else:
        branches = sg.branches(quantity, sg.MaxProduct(), at=names)

    def top(*args: Any) -> jax.Array:
        elements = branches(*args)
        if max_product == "published":
            elements = jax.tree.map(
                published.in_order, elements, is_leaf=lambda x: isinstance(x, sg.Extremes)
            )
        return jnp.stack([_by_branch(elements[name]) for name in names])

    return top


def _by_branch(by_scope: dict[str, sg.Extremes]) -> jax.Array:
    """Stacks a layer input's consumers, [token, unit, branch], with 0 where no path is positive."""
    top = {}
    for scope, element in by_scope.items():
        suffix = next(suffix for suffix in BRANCH_OF_SCOPE if scope.endswith("/" + suffix))
        top[BRANCH_OF_SCOPE[suffix]] = jnp.maximum(element.max[0], 0)
    # A consumer that no path can go through is not there.
    none = jnp.zeros_like(next(iter(top.values())))
    return jnp.stack([top.get(branch, none) for branch in BRANCHES], axis=-1)


def require_finite(example: Example, flow: np.ndarray) -> None:
    """Raises FloatingPointError if a sentence's flow is not finite, so that no mean could be."""
    if not np.isfinite(flow).all():
        raise FloatingPointError(
            f"{example.sentence.source}: the weight of a top gradient path is not finite; either "
            "the model's weights are not, or the product along the path overflows"
        )


def tidy(examples: Sequence[Example], flows: Sequence[np.ndarray]) -> pd.DataFrame:
    """Returns a table with one row for each sentence, token, layer and branch.

    Args:
        examples: The sentences.
        flows: For each sentence [layer, token, branch]; tokens beyond its own are padding.
    """
    layers, _, branches = flows[0].shape
    tokens = [len(example.input_ids) for example in examples]
    each = layers * branches
    position = np.concatenate([np.arange(count) for count in tokens])
    return pd.DataFrame(
        {
            "sentence": np.repeat(np.arange(len(examples)), np.array(tokens) * each),
            "position": np.repeat(position, each),
            "token": np.repeat([token for e in examples for token in e.tokens], each),
            "role": np.repeat([role for e in examples for role in roles(e)], each),
            "layer": np.tile(np.repeat(np.arange(layers), branches), sum(tokens)),
            "branch": np.tile(BRANCHES, sum(tokens) * layers),
            "value": np.concatenate(
                [
                    flow[:, :count].swapaxes(0, 1).ravel()
                    for flow, count in zip(flows, tokens, strict=True)
                ]
            ),
        }
    )


def roles(example: Example) -> list[str]:
    """Returns the role of each token: one of `ROLES`."""
    role = ["other"] * len(example.tokens)
    for position in example.attractors:
        role[position] = "attractor"
    if example.subject is not None:
        role[example.subject] = "subject"
    role[example.mask] = "mask"
    return role
