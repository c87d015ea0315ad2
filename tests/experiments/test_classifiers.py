"""Small BERT classifiers in groups: the same as alone, trained as a plain loop trains them."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transformers import FlaxBertForSequenceClassification

from experiments.common import schedules, synthetic
from experiments.common.classifiers import (
    Architecture,
    Classifiers,
)
from experiments.common.drawing import draw
from experiments.common.schedules import Recipe

ARCHITECTURE = Architecture(
    length=5,
    vocabulary=8,
    labels=3,
    layers=1,
    hidden=8,
    heads=2,
    intermediate=8,
    dropout=0.3,
    attention_dropout=0.2,
)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=1e-2, weight_decay=0.1)
SIZES = [20, 20, 9]
SEEDS = [3, 5, 3]
NUMBER = 2  # the model with fewer points than the others


@pytest.fixture(scope="module")
def classifiers() -> Classifiers:
    return Classifiers(ARCHITECTURE, RECIPE)


@pytest.fixture(scope="module")
def points() -> tuple[np.ndarray, np.ndarray]:
    """Points of three data sets: int32 [3, 20, 5] and labels [3, 20]."""
    tasks = (synthetic.contains_1(5, 8), synthetic.first_token_repeated_last(5, 8))
    drawn = [draw(tasks[seed % 2], seed, (20, 0, 0))["train"] for seed in range(3)]
    return np.stack([p.inputs for p in drawn]), np.stack([p.labels for p in drawn])


@pytest.fixture(scope="module")
def initial(classifiers) -> Any:
    return classifiers.init(SEEDS)


@pytest.fixture(scope="module")
def stock(classifiers) -> FlaxBertForSequenceClassification:
    return FlaxBertForSequenceClassification(
        classifiers.model.config, seed=SEEDS[NUMBER], input_shape=(1, 5)
    )


@pytest.fixture(scope="module")
def group(classifiers, initial, points) -> Any:
    """Parameters of three models that were trained together, one of them on fewer points."""
    return classifiers.train(initial, *points, SEEDS, SIZES)


def one_of(params: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], params)


def assert_close(params: Any, others: Any) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), params, others
    )


def test_initial_parameters_are_the_stock_model_s(initial, stock):
    assert_close(one_of(initial, NUMBER), stock.params)


def test_a_model_does_not_depend_on_the_others_of_its_group(classifiers, points, initial, group):
    order = np.array([2, 0, 0])
    others = [[values[number] for number in order] for values in (SEEDS, SIZES)]
    params = jax.tree.map(lambda leaf: leaf[order], initial)
    trained = classifiers.train(params, *(x[order] for x in points), *others)
    for place, number in enumerate(order):
        assert_close(one_of(trained, place), one_of(group, number))


def test_training_is_a_plain_loop_over_the_stock_model(points, stock, group):
    """So a model of a group is what it would be alone."""
    inputs, labels = (x[NUMBER] for x in points)

    @jax.jit
    def step(params, state, x, y, used, key):
        def mean_loss(params):
            logits = stock(x, params=params, dropout_rng=key, train=True).logits
            scores = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
            return -jnp.average(scores[:, 0], weights=used)

        updates, state = optimizer.update(jax.grad(mean_loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    optimizer = optax.adamw(1e-2, weight_decay=0.1)
    params, state = stock.params, optimizer.init(stock.params)
    index, weight = schedules.steps(SIZES[NUMBER], SEEDS[NUMBER], RECIPE)
    keys = schedules.dropout_keys(SEEDS[NUMBER], len(index))
    for rows, used, key in zip(index, weight, keys, strict=True):
        params, state = step(params, state, inputs[rows], labels[rows], used, key)
    assert_close(one_of(group, NUMBER), params)


def test_every_epoch_takes_each_point_once_in_a_new_order():
    index, weight = schedules.steps(20, 1, RECIPE)
    assert index.shape == weight.shape == (9, 8)
    epochs = [
        index[rows : rows + 3][weight[rows : rows + 3] == 1].tolist() for rows in range(0, 9, 3)
    ]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert weight.sum() == 60


def test_evaluation_in_parts_is_of_each_model(classifiers, points, stock, group):
    evaluation = classifiers.evaluate(group, *points, batch_size=8)
    for number in range(3):
        inputs, labels = (x[number] for x in points)
        scores = np.asarray(stock(inputs, params=one_of(group, number)).logits, np.float64)
        probability = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected = -np.log(probability[np.arange(20), labels])
        np.testing.assert_allclose(evaluation.loss[number], expected, rtol=1e-4, atol=1e-6)
        right = scores.argmax(axis=1) == labels
        assert evaluation.right[number].tolist() == right.tolist()
        assert evaluation.accuracy[number] == right.mean()


def test_training_stops_after_the_epoch_that_suffices(classifiers, points, initial):
    seen = []

    def stop(epoch: int, params: Any) -> bool:
        seen.append((epoch, params))
        return epoch == 2

    trained = classifiers.train(initial, *points, SEEDS, SIZES, stop=stop)
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert_close(trained, seen[1][1])
    shorter = dataclasses.replace(RECIPE, epochs=2)
    # The order of the points of an epoch does not depend on how many epochs there are.
    assert (schedules.steps(20, 3, shorter)[0] == schedules.steps(20, 3, RECIPE)[0][:6]).all()
