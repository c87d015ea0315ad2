"""Many small stock BERT classifiers of token sequences, trained at once.

The models of a group have the same shape and each its own initial weights, points and order of
points. One compiled program trains them all, a step of each at a time; whole models go to different
devices. What becomes of a model does not depend on which others are in its group.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, PartitionSpec
from tqdm import tqdm
from transformers import BertConfig, FlaxBertForSequenceClassification

import semigrad as sg
from experiments.common import schedules
from experiments.common.schedules import Recipe

# Steps for which one call of the compiled program has room: a call takes seconds, and the same
# program serves any number of points.
_STEPS_A_CALL = 128
_AXIS = "model"


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The shape of a classifier; the defaults are the paper's in 5.3.

    Attributes:
        length: Tokens of a sequence.
        vocabulary: Number of tokens.
        labels: Number of labels that it tells apart, of which a task may use fewer.
        layers: Number of layers.
        hidden: Width of the hidden layers.
        heads: Attention heads of a layer.
        intermediate: Width of the feed-forward layers.
        dropout: Share of the hidden units that each step of training leaves out.
        attention_dropout: Share of the attention weights that each step of training leaves out.
    """

    length: int = 36
    vocabulary: int = 60
    labels: int = 36
    layers: int = 2
    hidden: int = 64
    heads: int = 4
    intermediate: int = 32
    dropout: float = 0.0
    attention_dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What classifiers say about points.

    Attributes:
        loss: float32 [model, point], the cross-entropy in nats.
        right: bool [model, point], whether the most probable label is the right one.
    """

    loss: np.ndarray
    right: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Share of points that are right: float [model]."""
        return self.right.mean(axis=1)


def make_model(architecture: Architecture) -> FlaxBertForSequenceClassification:
    """Returns the stock model of a shape, without parameters."""
    config = BertConfig(
        vocab_size=architecture.vocabulary,
        num_labels=architecture.labels,
        hidden_size=architecture.hidden,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        intermediate_size=architecture.intermediate,
        max_position_embeddings=architecture.length,
        hidden_dropout_prob=architecture.dropout,
        attention_probs_dropout_prob=architecture.attention_dropout,
    )
    return FlaxBertForSequenceClassification(
        config, input_shape=(1, architecture.length), _do_init=False
    )


def logits(
    model: FlaxBertForSequenceClassification,
    params: Any,
    inputs: jax.Array,
    dropout: jax.Array | None = None,
) -> jax.Array:
    """Returns the logits of sequences, int32 [batch, length]: float32 [batch, labels].

    With a key for `dropout` as in training; without, nothing is left out.
    """
    outputs: Any = model.module.apply(
        {"params": params},
        inputs,
        jnp.ones_like(inputs),
        token_type_ids=jnp.zeros_like(inputs),
        position_ids=jnp.broadcast_to(jnp.arange(inputs.shape[1]), inputs.shape),
        head_mask=None,
        deterministic=dropout is None,
        rngs=None if dropout is None else {"dropout": dropout},
    )
    return outputs.logits


def losses(
    model: FlaxBertForSequenceClassification,
    params: Any,
    inputs: jax.Array,
    labels: jax.Array,
    dropout: jax.Array | None = None,
) -> jax.Array:
    """Returns the cross-entropy of each sequence, in nats: float32 [batch]; see `logits`."""
    scores = logits(model, params, inputs, dropout)
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels)


class Classifiers:
    """The compiled programs that make, train and evaluate groups of classifiers of one shape.

    Parameters of a group are one pytree, each leaf with a leading axis for the models.

    Attributes:
        model: The stock model, without parameters.
        recipe: How it is trained.
    """

    def __init__(self, architecture: Architecture, recipe: Recipe):
        """Prepares the programs; each is compiled when it is first called."""
        self.model = make_model(architecture)
        self.recipe = recipe
        self._length = architecture.length
        self._drops = max(architecture.dropout, architecture.attention_dropout) > 0
        self._optimizer = optax.adamw(
            recipe.learning_rate, eps=recipe.epsilon, weight_decay=recipe.weight_decay
        )
        self._init = jax.jit(jax.vmap(self._init_one))
        self._advance = over_models(self._advance_one)
        self._evaluate = over_models(self._evaluate_one)

    def init(self, seeds: Sequence[int]) -> Any:
        """Returns the initial parameters of a group, of a seed for each model."""
        return self._init(jnp.asarray(seeds, jnp.uint32))

    def train(
        self,
        params: Any,
        inputs: np.ndarray,
        labels: np.ndarray,
        seeds: Sequence[int],
        sizes: Sequence[int] | None = None,
        *,
        epochs: int | None = None,
        stop: Callable[[int, Any], bool] | None = None,
        progress: tqdm | None = None,
    ) -> Any:
        """Trains a group.

        Args:
            params: Where to start from, as `init` gives it.
            inputs: int32 [model, point, length], the points of each model.
            labels: int32 [model, point].
            seeds: For each model the seed of the order of its points, and of dropout.
            sizes: For each model, how many of its first points it is trained on; None for all.
                A group takes as many steps as its model with the most points.
            epochs: Passes over the points; None for the recipe's.
            stop: Called with the number of epochs done and the parameters after each epoch (of the
                model with the most points); True ends the training of all. None never does.
            progress: A bar to advance by the steps taken, all models together.

        Returns:
            The parameters after training.
        """
        count, points = labels.shape
        recipe = dataclasses.replace(self.recipe, epochs=epochs or self.recipe.epochs)
        own = [
            schedules.steps(size, seed, recipe)
            for size, seed in zip(sizes or [points] * count, seeds, strict=True)
        ]
        index, weight = (schedules.padded(tables) for tables in zip(*own, strict=True))
        total = index.shape[1]
        keys = np.stack([schedules.dropout_keys(seed, total) for seed in seeds])
        epoch = total // recipe.epochs
        state = jax.vmap(self._optimizer.init)(params)
        given = jnp.asarray(inputs), jnp.asarray(labels)
        ends = np.arange(epoch, total + 1, epoch) if stop else [total]
        done = 0
        for number, end in enumerate(ends, start=1):
            while done < end:
                num = min(_STEPS_A_CALL, int(end) - done)
                room = ((0, 0), (0, _STEPS_A_CALL - num), (0, 0))
                every = (index, weight, keys)
                tables = (np.pad(table[:, done : done + num], room) for table in every)
                params, state = self._advance(num, params, state, *given, *tables)
                done += num
                if progress is not None:
                    jax.block_until_ready(params)
                    progress.update(num * count)
            if stop and stop(number, params):
                break
        return params

    def evaluate(
        self, params: Any, inputs: np.ndarray, labels: np.ndarray, batch_size: int = 360
    ) -> Evaluation:
        """Evaluates a group.

        Args:
            params: Of the models.
            inputs: int32 [model, point, length].
            labels: int32 [model, point].
            batch_size: Points of each model at a time.
        """
        parts = []
        for start in range(0, labels.shape[1], batch_size):
            some = inputs[:, start : start + batch_size], labels[:, start : start + batch_size]
            missing = batch_size - some[1].shape[1]
            # Filled up, so that the program is compiled for one shape.
            some = (np.pad(x, ((0, 0), (0, missing)) + ((0, 0),) * (x.ndim - 2)) for x in some)
            loss, right = jax.device_get(self._evaluate(0, params, *some))
            parts.append((loss[:, : batch_size - missing], right[:, : batch_size - missing]))
        return Evaluation(*(np.concatenate(part, axis=1) for part in zip(*parts, strict=True)))

    def _init_one(self, seed: jax.Array) -> Any:
        return self.model.init_weights(jax.random.PRNGKey(seed), (1, self._length))

    def _advance_one(
        self,
        num: jax.Array,
        params: Any,
        state: Any,
        inputs: jax.Array,
        labels: jax.Array,
        index: jax.Array,
        weight: jax.Array,
        keys: jax.Array,
    ) -> tuple[Any, Any]:
        """Takes the first `num` steps of the tables.

        index and weight are [step, batch], keys uint32 [step, 2].
        """

        def loss(params: Any, rows: jax.Array, weight: jax.Array, key: jax.Array) -> jax.Array:
            dropout = key if self._drops else None
            each = losses(self.model, params, inputs[rows], labels[rows], dropout)
            return jnp.sum(each * weight) / jnp.maximum(jnp.sum(weight), 1)

        # Equals jax.grad, and does not compute the last layer where the pooler does not read it.
        gradient = sg.backprop(loss, sg.SumProduct())

        def step(number: jax.Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            params, state = carry
            updates, new_state = self._optimizer.update(
                gradient(params, index[number], weight[number], keys[number]), state, params
            )
            new = optax.apply_updates(params, updates), new_state
            is_step = jnp.any(weight[number] > 0)
            return jax.tree.map(lambda a, b: jnp.where(is_step, a, b), new, carry)

        return jax.lax.fori_loop(0, num, step, (params, state))

    def _evaluate_one(
        self, _: jax.Array, params: Any, inputs: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        scores = logits(self.model, params, inputs)
        loss = optax.softmax_cross_entropy_with_integer_labels(scores, labels)
        return loss, jnp.argmax(scores, axis=-1) == labels


def over_models(of_one: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the jitted computation of a group from that of one model.

    Args:
        of_one: Its first argument is shared by the models, of the others each has its own.

    Returns:
        The same with a leading axis of models in all but the first; they are divided among the
        devices as far as their number allows.
    """

    @functools.cache
    def on(num_devices: int) -> Callable[..., Any]:
        mesh = Mesh(np.array(jax.local_devices()[:num_devices]), (_AXIS,))

        def together(shared: Any, *own: Any) -> Any:
            return jax.vmap(functools.partial(of_one, shared))(*own)

        def divided(shared: Any, *own: Any) -> Any:
            each = PartitionSpec(_AXIS)
            specs = (PartitionSpec(), *(each for _ in own))
            split = jax.shard_map(
                together, mesh=mesh, in_specs=specs, out_specs=each, check_vma=False
            )
            return split(shared, *own)

        return jax.jit(divided)

    def call(shared: Any, *own: Any) -> Any:
        models = jax.tree.leaves(own)[0].shape[0]
        return on(int(np.gcd(models, jax.local_device_count())))(shared, *own)

    return call
