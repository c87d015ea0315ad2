"""What is only sliced is computed in the slice: the same paths, and no array of the whole."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from checks import assert_trees_close, expected, product
from sliced import FUNCTIONS, W, X, read_whole, two_logits

import semigrad as sg
from semigrad import graph
from semigrad.narrow import narrow

Array = Any
NAMES = ("sum", "max", "entropy", "count")


def _sizes(f: Callable[..., Array], *args: Any) -> list[int]:
    traced, _ = graph.trace(f, *args)
    made = [v for eqn in narrow(traced).graph.equations for v in eqn.outvars]
    return [math.prod(v.aval.shape) for v in made]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_the_paths_are_the_same(f: Callable[..., Array]) -> None:
    semiring = product(NAMES)
    value, got = jax.jit(sg.value_and_backprop(f, semiring, (0, 1)))(X, W)
    statistics = oracles.statistics(f, jnp.asarray(X), jnp.asarray(W), argnums=(0, 1))
    np.testing.assert_allclose(value, f(X, W))
    assert_trees_close(got, tuple(expected(NAMES, statistics[i]) for i in (0, 1)))


@pytest.mark.parametrize("at", [(2, 0, 4), (-1, -2, 0), (0, 1, 1)])
def test_traced_positions_under_jit_of_vmap(at: tuple[int, int, int]) -> None:
    semiring = product(NAMES)
    f = jax.jit(jax.vmap(sg.backprop(two_logits, semiring, (0, 1)), (None, None, 0, 0, 0)))
    got = f(X, W, *(np.array([i, 0]) for i in at))
    fixed = lambda x, w: two_logits(x, w, *at)
    statistics = oracles.statistics(fixed, jnp.asarray(X), jnp.asarray(W), argnums=(0, 1))
    got = jax.tree.map(lambda leaf: leaf[0], got)
    assert_trees_close(got, tuple(expected(NAMES, statistics[i]) for i in (0, 1)))


def test_no_array_of_all_logits_is_made() -> None:
    x, w = jnp.ones((7, 2)), jnp.ones((2, 1000))
    indices = [jnp.int32(1)] * 3
    assert max(_sizes(two_logits, x, w, *indices)) == 2
    assert max(_sizes(lambda x, w: two_logits(x, w, 1, 3, 0), x, w)) == 2


def test_equal_positions_are_read_once() -> None:
    """The rows of both logits are one row, up to the product with the vocabulary."""
    x, w = jnp.ones((7, 2)), jnp.ones((2, 1000))
    traced, _ = graph.trace(two_logits, x, w, jnp.int32(1), jnp.int32(3), jnp.int32(0))
    rows = [
        e for e in narrow(traced).graph.equations if e.name == "div" and e.outvars[0].aval.shape
    ]
    assert [e.outvars[0].aval.shape for e in rows] == [(1, 1), (1, 1), (1, 2)]


def test_what_is_read_whole_stays_whole() -> None:
    traced, _ = graph.trace(read_whole, X, W)
    sines = [e for e in narrow(traced).graph.equations if e.name == "sin"]
    assert [e.outvars[0].aval.shape for e in sines] == [(3, 5)]


def test_what_has_effects_is_kept() -> None:
    seen = []

    def f(x: Array) -> Array:
        jax.debug.callback(lambda y: seen.append(float(y)), x[0] * 2.0)
        return jnp.sum(x[:2])

    sg.backprop(f, sg.SumProduct())(jnp.arange(1.0, 9.0))
    jax.effects_barrier()
    assert seen == [2.0]


def test_auxiliary_data_is_whole() -> None:
    def f(x: Array, w: Array) -> tuple[Array, Array]:
        y = x @ w
        return y[0, 0], y

    got, aux = sg.backprop(f, sg.SumProduct(), has_aux=True)(X, W)
    np.testing.assert_allclose(aux, X @ W)
    np.testing.assert_allclose(got, jax.grad(lambda x: f(x, W)[0])(X))


def test_named_values_are_whole() -> None:
    """A value that is asked for is looked at in all its elements."""

    def f(x: Array) -> Array:
        with jax.named_scope("logits"):
            y = x @ W
        return y[1, 2]

    got = sg.intermediates(f, sg.MaxProduct(), at="logits")(jnp.asarray(X))["logits"]
    assert got.max.shape == (3, 5)
    assert np.isneginf(np.delete(np.ravel(got.max), 7)).all()
    assert got.max[1, 2] == 1
