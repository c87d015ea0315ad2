"""Perceptrons with one hidden layer, and the paths from their features to the loss (paper B.1).

The loss is computed in two ways, of one gradient and different paths: as JAX does, whose
log-sum-exp takes the maximum off as a constant, and as the paper's code did, which differentiates
through that maximum.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

import semigrad as sg

BATCH_SIZE = 32
LEARNING_RATE = 1e-3
LEAK = 0.01


def jax_loss(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the cross-entropy of an example, in nats: logits [2], label int32 []."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, label)


def published_loss(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the same with the graph of the paper's code.

    There the maximum that keeps exp in range is a node like any other, which the logits' paths lead
    through too: they cancel in the gradient.
    """
    top = logits.max()
    return jnp.log(jnp.exp(logits - top).sum()) + top - logits[label]


# By name of the log-sum-exp.
LOSSES = {"jax": jax_loss, "published": published_loss}


class Perceptron(nn.Module):
    """4 features, one hidden layer, 2 logits.

    Attributes:
        width: Of the hidden layer.
    """

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = nn.leaky_relu(nn.Dense(self.width)(x), LEAK)
        return nn.Dense(2)(hidden)


def train_and_measure(
    model: nn.Module,
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    test_x: jax.Array,
    test_y: jax.Array,
) -> dict[str, jax.Array]:
    """Trains one model for one epoch and measures the paths of its last batch.

    Args:
        model: The perceptron.
        key: Of its initial weights.
        x: float32 [point, 4], in the order of training.
        y: int32 [point], labels.
        test_x: As x, for the accuracy.
        test_y: As y.

    Returns:
        `entropy` and `log_paths`, [loss, example of the last batch, feature], in nats, with the
        losses in the order of `LOSSES`, and `accuracy`, [], on the test points.
    """
    params = model.init(key, x[0])
    optimizer = optax.adam(LEARNING_RATE)

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits: Any = model.apply(params, x)
        return jax.vmap(jax_loss)(logits, y).mean()

    def step(carry: Any, batch: Any) -> tuple[Any, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, *batch), state, params)
        return (optax.apply_updates(params, updates), state), None

    batches = x.reshape(-1, BATCH_SIZE, x.shape[-1]), y.reshape(-1, BATCH_SIZE)
    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), batches)
    measured = [
        feature_paths(model, loss, params, batches[0][-1], batches[1][-1]) for loss in LOSSES
    ]
    entropy, log_paths = (jnp.stack(values) for values in zip(*measured, strict=True))
    logits: Any = model.apply(params, test_x)
    accuracy = (logits.argmax(-1) == test_y).mean()
    return {"entropy": entropy, "log_paths": log_paths, "accuracy": accuracy}


def feature_paths(
    model: nn.Module, loss: str, params: Any, x: jax.Array, y: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns entropy and log of the number of each feature's paths to a loss.

    Args:
        model: The perceptron.
        loss: A key of `LOSSES`.
        params: Of the model.
        x: float32 [example, 4].
        y: int32 [example], labels.

    Returns:
        Both [example, feature], in nats.
    """

    def example(x: jax.Array, y: jax.Array) -> jax.Array:
        logits: Any = model.apply(params, x)
        return LOSSES[loss](logits, y)

    paths, log_paths = jax.vmap(sg.backprop(example, sg.Product(sg.Entropy(), sg.Count())))(x, y)
    return paths.entropy, log_paths
