"""Cases of the family 'windows'."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from cases.case import Array, exactly, make, real, weigh


def _pool(operation: Any, start: float, x: Array, window: Sequence[int], **options: Any) -> Array:
    options = {"window_strides": (1,) * len(window), "padding": "VALID"} | options
    return lax.reduce_window(x, start, operation, tuple(window), **options)


def _sum(x: Array, *window: int, **options: Any) -> Array:
    return _pool(lax.add, 0.0, x, window, **options)


def _max(x: Array, *window: int, **options: Any) -> Array:
    return _pool(lax.max, -jnp.inf, x, window, **options)


def _min(x: Array, *window: int, **options: Any) -> Array:
    return _pool(lax.min, jnp.inf, x, window, **options)


def _pulled(x: Array, y: Array) -> Array:
    """What max pooling's own backward pass does to a cotangent."""
    return jax.vjp(lambda z: _max(z, 2, 2, padding="SAME"), x)[1](y)[0]


def _pushed(x: Array, t: Array) -> Array:
    """What max pooling's own forward pass does to a tangent."""
    return jax.jvp(lambda z: _max(z, 3, window_strides=(2,), padding="SAME"), (x,), (t,))[1]


_TIES = [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 2.0, 0.0], [-1.0, 2.0, 2.0, 0.0]]

WINDOWS = [
    make(
        "windows/sum_overlapping",
        lambda x: weigh(_sum(x, 2, 3)),
        real(3, 5),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_everything",
        lambda x: weigh(
            _sum(
                x * x,
                2,
                2,
                window_strides=(2, 1),
                padding=[(1, 2), (0, 1)],
                base_dilation=(2, 1),
                window_dilation=(3, 2),
            )
        ),
        real(5, 3),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_negative_padding",
        lambda x: weigh(_sum(x, 2, padding=[(-1, -2)])),
        real(7),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_strides_skip",
        lambda x: weigh(_sum(x, 2, window_strides=(3,)) * 2.0),
        real(7),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_whole",
        lambda x: weigh(_sum(x, 1, 3)),
        real(2, 3),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_window_1",
        lambda x: weigh(_sum(x, 1, 1, window_strides=(1, 2))),
        real(1, 3),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_empty",
        lambda x: jnp.sum(_sum(x, 3, 1)) + x[0, 0],
        real(2, 3),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_only_padding",
        lambda x, y: weigh(_sum(x, 1, padding=[(0, 2)])) + y * _sum(x[:0], 2, padding=[(1, 1)])[0],
        real(3),
        real(),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/sum_scalar",
        lambda x: _sum(x) * x,
        real(),
        covers=("reduce_window_sum",),
    ),
    make(
        "windows/max_overlapping",
        lambda x: weigh(_max(x, 2, 2)),
        real(3, 5),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/max_disjoint",
        lambda x: weigh(_max(x * x, 2, 2, window_strides=(2, 2))),
        real(2, 5),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/max_same",
        lambda x: weigh(_max(x, 1, 3, 1, window_strides=(1, 2, 1), padding="SAME")),
        real(2, 5, 2),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/max_dilated",
        lambda x: weigh(
            _max(x, 3, 2, window_strides=(2, 1), padding=[(1, 1), (0, 0)], base_dilation=(2, 3))
        ),
        real(3, 2),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/max_ties",
        lambda x: weigh(_max(x, 2, 2)),
        exactly(_TIES),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/max_ties_with_padding",
        lambda x: weigh(_max(x, 2, 3, padding="SAME")),
        exactly(_TIES),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/max_of_max",
        lambda x: weigh(_max(_max(x, 2), 2)),
        real(5),
        covers=("reduce_window_max",),
    ),
    make(
        "windows/min",
        lambda x: weigh(_min(x, 2, 2, window_strides=(1, 2), padding=[(0, 1), (1, 1)])),
        real(3, 2),
        covers=("reduce_window_min",),
    ),
    make(
        "windows/min_ties",
        lambda x: weigh(_min(x, 2, 2)),
        exactly(_TIES),
        covers=("reduce_window_min",),
    ),
    make(
        "windows/select_and_scatter_add",
        lambda x, y: weigh(_pulled(x, y)),
        real(2, 3),
        real(2, 3),
        covers=("select_and_scatter_add",),
    ),
    make(
        "windows/select_and_scatter_add_ties",
        lambda x, y: weigh(_pulled(x, y)),
        exactly([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]),
        real(2, 3),
        covers=("select_and_scatter_add",),
    ),
    make(
        "windows/select_and_gather_add",
        lambda x, t: weigh(_pushed(x, t)),
        real(5),
        real(5),
        covers=("select_and_gather_add",),
    ),
    make(
        "windows/select_and_gather_add_ties",
        lambda x, t: weigh(_pushed(x, t) * x[::2]),
        exactly([1.0, 1.0, 0.0, 2.0, 2.0]),
        real(5),
        covers=("select_and_gather_add",),
    ),
]
