"""What the paper's code computed: against its rules written out in NumPy, array by array."""

import jax
import jax.numpy as jnp
import numpy as np
from transformers import BertConfig
from transformers.models.bert.modeling_flax_bert import FlaxBertIntermediate

import semigrad as sg
from experiments.common.published import (
    PublishedMaxProduct,
    in_order,
    with_one_edge_activations,
)

_RNG = np.random.default_rng(3)
X, W, U, V, C = (
    _RNG.normal(size=shape).astype(np.float32) for shape in [(3, 4), (4, 4), (4,), (4,), (1, 4)]
)


def net(x: jax.Array) -> jax.Array:
    """Two layers with a skip connection, a mean that is taken off, and a gate that broadcasts."""
    y = jnp.tanh(x @ W) + x
    mean = jnp.mean(y, axis=0, keepdims=True)
    scaled = (y - mean) * jnp.exp(mean * C)
    return scaled[0] @ U - scaled[2] @ V


class Ends:
    """An array's two gradients in the paper's code: -inf and +inf until an operation reports."""

    def __init__(self, shape: tuple[int, ...]):
        self.high, self.low = np.full(shape, -np.inf), np.full(shape, np.inf)

    def report(self, high: np.ndarray, low: np.ndarray) -> None:
        """Puts the ends of one operation in order, then takes maximum and minimum."""
        self.high = np.maximum(self.high, np.maximum(high, low))
        self.low = np.minimum(self.low, np.minimum(high, low))


def by_their_rules() -> Ends:
    hidden = np.tanh(X @ W)
    y = hidden + X
    mean = y.mean(axis=0, keepdims=True)
    gate = np.exp(mean * C)
    x_, hidden_, before_, y_, mean_, gate_, centred_, scaled_ = (
        Ends(shape) for shape in [(3, 4)] * 4 + [(1, 4)] * 2 + [(3, 4)] * 2
    )

    def through(source: Ends, target: Ends, backward) -> None:
        target.report(backward(source.high), backward(source.low))

    for row, weight in [(0, U), (2, -V)]:
        selected = np.zeros((3, 4))
        selected[row] = weight
        scaled_.report(selected, selected)
    through(scaled_, centred_, lambda g: g * gate)
    through(scaled_, gate_, lambda g: (g * (y - mean)).sum(axis=0, keepdims=True))
    through(gate_, mean_, lambda g: g * gate * C)
    through(centred_, y_, lambda g: g)
    through(centred_, mean_, lambda g: -g.sum(axis=0, keepdims=True))
    through(mean_, y_, lambda g: np.repeat(g / 3, 3, axis=0))
    through(y_, hidden_, lambda g: g)
    through(y_, x_, lambda g: g)
    through(hidden_, before_, lambda g: g * (1 - hidden**2))
    through(before_, x_, lambda g: g @ W.T)
    return x_


def test_equals_their_rules_array_by_array():
    found = in_order(jax.jit(sg.backprop(net, PublishedMaxProduct()))(X))
    expected = by_their_rules()
    np.testing.assert_allclose(found.max, expected.high, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found.min, expected.low, rtol=2e-5, atol=1e-6)
    exact = jax.jit(sg.backprop(net, sg.MaxProduct()))(X)
    assert not np.allclose(found.max, exact.max, rtol=0.1)


def test_where_nothing_branches_both_ends_are_the_gradient():
    def chain(x):
        return jnp.tanh(jnp.sin(x @ W) @ U) @ jnp.array([1.0, -2.0, 0.5])

    found = sg.backprop(chain, PublishedMaxProduct())(X)
    for end in found:
        np.testing.assert_allclose(end, jax.grad(chain)(X), rtol=1e-5, atol=1e-6)


def test_an_activation_becomes_one_edge_of_the_same_derivative():
    layer = FlaxBertIntermediate(BertConfig(hidden_size=4, intermediate_size=5))
    params = layer.init(jax.random.key(0), X)

    def quantity(x):
        return layer.apply(params, 20 * x).sum()

    one_edge = with_one_edge_activations(quantity)
    np.testing.assert_array_equal(one_edge(X), quantity(X))
    np.testing.assert_allclose(jax.grad(one_edge)(X), jax.grad(quantity)(X), rtol=1e-5)
    paths = [np.exp(jax.jit(sg.backprop(f, sg.Count()))(X)) for f in (quantity, one_edge)]
    np.testing.assert_allclose(paths[1], 5, rtol=1e-5)
    np.testing.assert_allclose(paths[0], 2 * paths[1], rtol=1e-5)
