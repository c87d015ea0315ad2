"""The entropy of the gradient paths from each embedded token to a classifier's loss."""

from collections.abc import Callable
from typing import Any

import jax
from transformers import FlaxBertForSequenceClassification

import semigrad as sg
from experiments.common.classifiers import losses, over_models

# The token's own embedding, before those of position and type are added and all is normalised.
NODE = "*/embeddings/word_embeddings"
QUANTITY = "cross-entropy loss of the example, in nats"


def token_entropy(
    model: FlaxBertForSequenceClassification, batch_size: int
) -> Callable[[Any, jax.Array, jax.Array], jax.Array]:
    """Returns the jitted computation of a group of models.

    A node is one hidden unit at one position, so a token that is there twice is two.

    Args:
        model: A stock classifier. Its parameters are an argument of what is returned.
        batch_size: Points of each model at a time.

    Returns:
        `(params, inputs, labels) -> entropy`, of params as `Classifiers` makes them, int32 [model,
        point, length] and int32 [model, point]; entropy is float32 [model, point, length], in
        nats: of all paths from a position's hidden units (Eq. 3) to the loss of its point, in
        proportion to their magnitudes (Eq. 6).
    """
    semiring = sg.Entropy()

    def loss(params: Any, inputs: jax.Array, label: jax.Array) -> jax.Array:
        return losses(model, params, inputs[None], label[None])[0]

    def of_model(_: jax.Array, params: Any, inputs: jax.Array, labels: jax.Array) -> jax.Array:
        def of_point(point: tuple[jax.Array, jax.Array]) -> jax.Array:
            elements = sg.intermediates(loss, semiring, at=NODE)(params, *point)
            (element,) = elements.values()
            return semiring.sum(element, axis=-1).entropy[0]

        return jax.lax.map(of_point, (inputs, labels), batch_size=batch_size)

    of_group = over_models(of_model)
    return lambda params, inputs, labels: of_group(0, params, inputs, labels)
