"""Functions of two matrices that read parts of what they compute."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases.case import weigh
from jax import lax

Array = Any

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(3, 2))
W = _RNG.normal(size=(2, 5))


def _norm(h: Array) -> Array:
    centred = h - jnp.mean(h, -1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + 0.1)


def two_logits(x: Array, w: Array, i: Any = 1, a: Any = 3, b: Any = 0) -> Array:
    logits = _norm(x + jnp.tanh(x)) @ w + w[0]
    return logits[i, a] - logits[i, b]


def attended(x: Array, w: Array, i: Any = 1) -> Array:
    """One row's query, but every row's keys and values."""
    heads = (x @ w[:, :4]).reshape(3, 2, 2).transpose(1, 0, 2)
    weights = jax.nn.softmax(heads @ heads.mT)
    return weigh(jnp.where(x > 0, x, 2.0 * x)[i]) * (weights @ heads).transpose(1, 0, 2)[i, 1, 0]


def several(x: Array, w: Array) -> Array:
    """Boxes that overlap, a box of a box, and the transpose of one."""
    y = jnp.sin(x @ w)
    corner = lax.slice(y, (1, 1), (3, 4))
    return corner[1, 0] * y[2, 1] + jnp.sum(corner.T[2] * y[0, 4])


def read_whole(x: Array, w: Array) -> Array:
    """The slice's source is read by somebody else too, and so is not narrowed."""
    y = jnp.sin(x @ w)
    return y[0, 1] * jnp.sum(y[:, 2]) + jnp.max(y)


def clamped(x: Array, w: Array, i: Any = 9) -> Array:
    """Starts outside are moved inside, also of a slice of a slice."""
    y = jnp.exp(x @ w)
    part = lax.dynamic_slice(y, (i, -7), (2, 3))
    return weigh(lax.dynamic_slice(part, (0, i), (1, 2)))


def chosen_by_value(x: Array, w: Array) -> Array:
    """Where the slice starts depends on the array that is sliced."""
    y = jnp.tanh(x @ w)
    return y[jnp.argmax(y[:, 0]), 1] * x[0, 0]


def literal_and_scalar(x: Array, w: Array) -> Array:
    y = jnp.broadcast_to(x[0, 0], (4, 3)) * jnp.ones((4, 3)) + jnp.where(True, w[0, 0], 0.0)
    return (y * 2.0 - x[1, 1])[1, 2]


FUNCTIONS = [
    two_logits,
    attended,
    several,
    read_whole,
    clamped,
    chosen_by_value,
    literal_and_scalar,
]
