"""The k best paths: signs, ties, infinities, and a contraction that forms no product."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import assert_trees_close
from jax.test_util import check_grads

import semigrad as sg

Array = Any
NONE = -np.inf


def test_a_negative_weight_turns_the_order_round() -> None:
    """The best paths through it are those that were worst: so both ends are kept."""
    f = lambda x: -2.0 * jnp.dot(jnp.array([5.0, 3.0, -1.0, -4.0]), x * x[0])
    got = sg.backprop(f, sg.TopK(2))(jnp.ones(4))
    np.testing.assert_array_equal(got.values[0], [8.0, 2.0])
    np.testing.assert_array_equal(got.lowest[0], [-10.0, -10.0])


def test_paths_of_equal_weight_are_listed_one_by_one() -> None:
    f = lambda x: jnp.sum(x + x + 2.0 * x + jnp.ones((3, 3)) @ x)
    got = sg.backprop(f, sg.TopK(8))(jnp.ones(3))
    want = np.tile([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, NONE, NONE], (3, 1))
    np.testing.assert_array_equal(got.values, want)
    np.testing.assert_array_equal(got.lowest, [[1.0, 1.0, 1.0, 1.0, 1.0, 2.0, -NONE, -NONE]] * 3)


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of either sign, many of them equal, some 0."""
    return np.round(rng.normal(size=shape) * 2) / 2


def _elements(rng: np.random.Generator, shape: tuple[int, ...], k: int) -> sg.TopPaths:
    """Lists of what reaches the nodes, from none to more than k paths."""
    every = _random(rng, (*shape, 2 * k))
    absent = rng.integers(0, 2 * k + 1, shape)[..., None] > np.arange(2 * k)
    falling = np.sort(np.where(absent, NONE, every), -1)[..., ::-1][..., :k]
    rising = np.sort(np.where(absent, -NONE, every), -1)[..., :k]
    return sg.TopPaths(jnp.asarray(falling), jnp.asarray(rising))


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("shape", [(1, 2, 1, 3), (2, 3, 7, 4), (3, 1, 2, 1), (1, 2, 11, 3)])
def test_contraction_is_that_of_the_base_class(shape: tuple[int, ...], k: int) -> None:
    """Which follows from `plus` and `times`; also mapped, over either operand.

    The last shape's loop takes several steps at once, and pads what they do not divide.
    """
    b, m, n, width = shape
    rng = np.random.default_rng(0)
    semiring = sg.TopK(k)
    weight, element = jnp.asarray(_random(rng, (b, width, n))), _elements(rng, (b, m, n), k)
    want = sg.Semiring.contract(semiring, weight, element)
    assert_trees_close(jax.jit(semiring.contract)(weight, element), want)
    weights = jnp.stack([weight, -weight])
    mapped = jax.jit(jax.vmap(semiring.contract, (0, None)))(weights, element)
    assert_trees_close(jax.tree.map(lambda x: x[0], mapped), want)
    elements = jax.tree.map(lambda x: jnp.stack([x[..., ::-1, :], x]), element)
    mapped = jax.jit(jax.vmap(semiring.contract, (None, 0)))(weight, elements)
    assert_trees_close(jax.tree.map(lambda x: x[1], mapped), want)


def test_infinite_weights_rank_first_and_are_ended_by_zero() -> None:
    """0 * inf is a path of weight 0, in a contraction as elsewhere; no NaN is made."""
    infinite = jnp.array([[np.inf, 1.0], [0.0, -np.inf]])
    f = lambda x, w: jnp.dot(w, infinite @ x + x)
    for w, values in (
        ([1.0, 1.0], [[np.inf, 1.0, 0.0], [1.0, 1.0, NONE]]),
        ([0.0, 2.0], [[0.0, 0.0, 0.0], [2.0, 0.0, NONE]]),
        ([-1.0, 0.0], [[0.0, -1.0, NONE], [0.0, 0.0, -1.0]]),
    ):
        got = jax.jit(sg.backprop(f, sg.TopK(3)))(jnp.ones(2), jnp.array(w))
        np.testing.assert_array_equal(got.values, values)


def test_nan_leaves_nothing_to_rank() -> None:
    """All of a node's list is NaN, and no other node's."""
    weight = jnp.array([[1.0, np.nan, 2.0], [3.0, 4.0, 5.0]])
    f = lambda x: jnp.sum(weight @ x + x[:1])
    got = jax.jit(sg.backprop(f, sg.TopK(2)))(jnp.ones(3))
    for leaf in got:
        np.testing.assert_array_equal(np.isnan(leaf), [[False] * 2, [True] * 2, [False] * 2])


@pytest.mark.parametrize("k", [1, 3])
def test_derivative_of_a_contraction(k: int) -> None:
    """That of the products listed, against finite differences and, through ties, in sum."""
    rng = np.random.default_rng(2)
    semiring = sg.TopK(k)
    weight = jnp.asarray(rng.normal(size=(2, 4, 5)))
    element = semiring.sum(semiring.lift(jnp.asarray(rng.normal(size=(2, 3, 5, 4)))), -1)
    contract = lambda w, a: semiring.contract(w, a)
    check_grads(contract, (weight, element), order=1, modes=("fwd", "rev"), rtol=1e-5)

    equal = jnp.ones((1, 1, 10 * k))
    best = lambda w: jnp.sum(semiring.contract(w, semiring.one((1, 1, 10 * k), float)).values)
    np.testing.assert_array_equal(jax.grad(best)(equal)[0, 0], [1.0] * k + [0.0] * (9 * k))


def test_the_product_is_not_formed() -> None:
    m, n, width, k = 8, 512, 512, 2
    semiring = sg.TopK(k)
    element = jax.eval_shape(lambda: semiring.one((1, m, n), jnp.float64))
    weight = jax.ShapeDtypeStruct((1, width, n), jnp.float64)
    compiled = jax.jit(semiring.contract).lower(weight, element).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < m * n * width * 8 / 2


@pytest.mark.float32
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_elements_have_the_models_dtype(dtype: str) -> None:
    x = jnp.asarray([[0.5, -1.0], [2.0, 1.0]], dtype)
    got = jax.jit(sg.backprop(lambda x: jnp.sum(jnp.tanh(x @ x)), sg.TopK(2)))(x)
    best = jax.jit(sg.backprop(lambda x: jnp.sum(jnp.tanh(x @ x)), sg.MaxProduct()))(x)
    assert got.values.dtype == got.lowest.dtype == x.dtype
    np.testing.assert_array_equal(got.values[..., 0], best.max)
    np.testing.assert_array_equal(got.lowest[..., 0], best.min)


@pytest.mark.parametrize("k", [0, -1, 2.0, True, None, "3"])
def test_k_is_a_positive_integer(k: Any) -> None:
    with pytest.raises(ValueError, match=r"k must be a positive integer, got"):
        sg.TopK(k)
