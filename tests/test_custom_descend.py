"""`custom="descend"`: the paths of the bodies of functions with a derivative of their author's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import assert_trees_close
from jax import lax

import semigrad as sg

Array = Any
X = np.array([0.4, -1.1, 0.8])


@jax.custom_vjp
def straight_through(x: Array) -> Array:
    """Says that its derivative is 2; its body has x^2 and a sum."""
    with jax.named_scope("inside"):
        return x * x + jnp.sum(x)


straight_through.defvjp(lambda x: (straight_through(x), None), lambda _, ct: (2.0 * ct,))


def plain(x: Array) -> Array:
    with jax.named_scope("inside"):
        return x * x + jnp.sum(x)


def loss(call: Any) -> Any:
    return lambda x: jnp.sum(call(x) * jnp.asarray([1.0, -2.0, 0.5]))


SEMIRING = sg.Product(sg.SumProduct(), sg.MaxProduct(), sg.Entropy(), sg.Count())


def test_rule_is_the_authors_and_descend_the_bodys() -> None:
    f, body = loss(straight_through), loss(plain)
    np.testing.assert_allclose(sg.backprop(f, sg.SumProduct())(X), [2.0, -4.0, 1.0])
    got = jax.jit(sg.backprop(f, SEMIRING, custom="descend"))(X)
    assert_trees_close(got, sg.backprop(body, SEMIRING)(X))
    value, got = sg.value_and_backprop(f, SEMIRING, custom="descend")(X)
    np.testing.assert_allclose(value, f(X))
    assert_trees_close(got, sg.backprop(body, SEMIRING)(X))


def test_the_same_in_a_loop() -> None:
    looped = lambda call: lambda x: jnp.sum(lax.scan(lambda c, r: (call(c) * r, None), x, x)[0])
    got = sg.backprop(looped(straight_through), SEMIRING, custom="descend")(X)
    assert_trees_close(got, sg.backprop(looped(plain), SEMIRING)(X))


def test_of_custom_jvp_functions() -> None:
    """relu is maximum with 0 inside, where JAX splits the tie."""
    x = np.array([0.0, 1.0, -1.0])
    f = lambda x: jnp.sum(jax.nn.relu(x))
    np.testing.assert_allclose(sg.backprop(f, sg.SumProduct())(x), [0.0, 1.0, 0.0])
    got = sg.backprop(f, sg.SumProduct(), custom="descend")(x)
    np.testing.assert_allclose(got, [0.5, 1.0, 0.0])


def test_names_inside() -> None:
    f, body = loss(straight_through), loss(plain)
    assert "inside" not in [row.name for row in sg.nodes(f)(X)]
    assert [row.name for row in sg.nodes(f, custom="descend")(X)] == ["inside"]
    for transform in (sg.intermediates, sg.branches):
        got = transform(f, SEMIRING, at="inside", custom="descend")(X)
        assert_trees_close(got, transform(body, SEMIRING, at="inside")(X))
        with pytest.raises(ValueError, match="inside"):
            transform(f, SEMIRING, at="inside")(X)


def test_top_path() -> None:
    path = sg.top_path(loss(straight_through), custom="descend")(X)
    want = sg.top_path(loss(plain))(X)
    np.testing.assert_allclose(path.weight, want.weight)
    assert [step.primitive for step in path.steps] == [step.primitive for step in want.steps]
