"""Cases of the family 'models'."""

import math

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax

from cases.case import Array, exactly, make, real, weigh


def _layer_norm(x: Array, g: Array, b: Array) -> Array:
    mean = jnp.mean(x, axis=-1, keepdims=True)
    var = jnp.mean(jnp.square(x), axis=-1, keepdims=True) - jnp.square(mean)
    return (x - mean) * lax.rsqrt(var + 1e-5) * g[None, :] + b[None, :]


def _attention(h: Array, wq: Array, wk: Array, wv: Array) -> Array:
    scores = (h @ wq) @ (h @ wk).T / math.sqrt(2.0)
    mixed = jax.nn.softmax(scores, axis=-1) @ (h @ wv) + h
    return mixed[0, 1]


def _mlp(x: Array, w1: Array, b1: Array, w2: Array) -> Array:
    hidden = jax.nn.relu(x @ w1 + b1[None, :])
    return jnp.sum(jnp.tanh(hidden @ w2)[:, 0]) / 2.0


def _squarings(x: Array) -> Array:
    for _ in range(4):
        x = x * x
    return x


MODELS = [
    make("models/squarings", _squarings, exactly(-1.1)),
    make("models/residual_chain", lambda x: jnp.sum(_residual(_residual(_residual(x)))), real(2)),
    make(
        "models/layer_norm",
        lambda x, g, b: weigh(_layer_norm(x, g, b)),
        real(2, 3),
        real(3),
        real(3),
    ),
    make("models/attention_plus_skip", _attention, real(3, 2), real(2, 2), real(2, 2), real(2, 2)),
    make("models/mlp", _mlp, real(2, 3), real(3, 5), real(5), real(5, 2)),
    make("models/log_probability", lambda x: jnp.log(jnp.exp(x) / jnp.sum(jnp.exp(x)))[0], real(3)),
]


def _residual(x: Array) -> Array:
    return x + jnp.tanh(x) * x
