"""Where `jax.grad`, or `jax.vmap` of it, gives up: the paths are there all the same."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from cases.calls import batched, linear_call
from cases.case import weigh
from checks import SEMIRINGS, assert_trees_close, expected, product
from jax import lax

import semigrad as sg

Array = Any
_SIZES = np.array([2, 0, 1], np.int32)


def _max(x: Array, window: int, **options: Any) -> Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (window,), (1,), **options)


def _ragged(
    x: Array, y: Array, contract: Any, batch: Any, ragged: int, group: Any = (), sizes: Any = _SIZES
) -> Array:
    numbers = lax.RaggedDotDimensionNumbers((contract, batch), [ragged], group)
    return lax.ragged_dot_general(x, y, jnp.asarray(sizes), numbers)


_CASES: dict[str, tuple[Callable[..., Array], list[tuple[int, ...]]]] = {
    "max pooling, dilated windows": (
        lambda x: weigh(_max(x, 2, padding=((1, 0),), window_dilation=(2,))),
        [(5,)],
    ),
    "max pooling, negative padding": (
        lambda x: weigh(_max(x, 2, padding=((-1, -2),))),
        [(7,)],
    ),
    "ragged contraction": (
        lambda x, y: weigh(_ragged(x, y, ((1,), (0,)), ((), ()), 1)),
        [(2, 5), (5, 2)],
    ),
    "ragged contraction, one of two axes and a batch": (
        lambda x, y: weigh(_ragged(x, y, ((1, 3), (2, 0)), ((0,), (1,)), 1)),
        [(2, 5, 2, 2), (2, 2, 5, 2)],
    ),
    "ragged batch": (
        lambda x, y: weigh(_ragged(x, y, ((2,), (1,)), ((0,), (0,)), 0)),
        [(3, 2, 2), (3, 2, 2)],
    ),
}


@pytest.mark.parametrize("name", _CASES)
def test_paths_where_jax_grad_gives_up(name: str) -> None:
    f, shapes = _CASES[name]
    args = _arguments(shapes)
    with pytest.raises((NotImplementedError, TypeError)):
        jax.grad(f)(*args)
    _check(f, args)


def test_ragged_product_with_a_batch_and_two_free_axes() -> None:
    """`jax.vmap` of it fails inside JAX, so it cannot stand in the table."""
    sizes = np.array([[[1, 1], [0, 2]], [[3, 0], [0, 0]]], np.int32)
    f = lambda x, y: weigh(_ragged(x, y, ((0,), (3,)), ((1,), (2,)), 3, (1,), sizes) ** 2)
    args = _arguments([(2, 2, 2, 3), (3, 2, 2, 2)])
    got = jax.jit(sg.backprop(f, sg.SumProduct(), (0, 1)))(*args)
    assert_trees_close(got, jax.jit(jax.grad(f, (0, 1)))(*args))
    _check(f, args)


def test_linear_call() -> None:
    """Neither JAX nor its derivative batches it."""
    f = lambda x, s: weigh(linear_call(x, lax.stop_gradient(s)) * s)
    args = _arguments([(3,), (3,)])
    got = jax.jit(sg.backprop(f, sg.SumProduct(), (0, 1)))(*args)
    assert_trees_close(got, jax.jit(jax.grad(f, (0, 1)))(*args))
    _check(f, args)


def test_custom_vmap() -> None:
    """JAX differentiates it forward only."""
    f = lambda x: weigh(batched(x) * x)
    (x,) = _arguments([(3,)])
    plain = lambda x: weigh(jnp.sin(x) * x * x)
    semiring = product(tuple(SEMIRINGS))
    got = jax.jit(sg.backprop(f, semiring))(x)
    assert_trees_close(got, jax.jit(sg.backprop(plain, semiring))(x))
    rows = jax.vmap(sg.backprop(f, semiring))(jnp.stack([x, 2 * x]))
    assert_trees_close(jax.tree.map(lambda leaf: leaf[0], rows), got)


def _arguments(shapes: list[tuple[int, ...]]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def _check(f: Callable[..., Array], args: list[Array]) -> None:
    argnums = tuple(range(len(args)))
    names = tuple(SEMIRINGS)
    got = jax.jit(sg.backprop(f, product(names), argnums))(*args)
    statistics = oracles.statistics(f, *args, argnums=argnums)
    assert_trees_close(got, tuple(expected(names, statistics[i]) for i in argnums))
