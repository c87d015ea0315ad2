"""Named values inside loops and branches: an axis for the steps, no path in what is not taken."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from checks import assert_trees_close, expected, product
from jax import lax

import semigrad as sg

Array = Any
NAMES = ("sum", "max", "entropy", "count")
X = np.array([0.4, -1.1, 0.8])


def recurrent(x: Array) -> Array:
    """A gated loop; "cell" has two consumers in a step and one in the next."""

    def step(carry: Array, row: Array) -> tuple[Array, Array]:
        with jax.named_scope("cell"):
            h = jnp.tanh(carry * row)
        with jax.named_scope("gate"):
            g = h * x
        with jax.named_scope("out"):
            y = jnp.sum(g * h)
        return h, y

    with jax.named_scope("loop"):
        last, ys = lax.scan(step, x, x[:2])
    return jnp.sum(last) + ys[0] * ys[1]


def backward(x: Array) -> Array:
    def step(carry: Array, row: Array) -> tuple[Array, None]:
        with jax.named_scope("cell"):
            return jnp.sin(carry) * row, None

    return lax.scan(step, x[0], x, reverse=True)[0]


def nested(x: Array) -> Array:
    def outer(carry: Array, row: Array) -> tuple[Array, None]:
        def inner(c: Array, _: None) -> tuple[Array, None]:
            with jax.named_scope("deep"):
                return jnp.sin(c) * row, None

        return lax.scan(inner, carry, None, length=2)[0], None

    return lax.scan(outer, x[0], x)[0]


def branching(x: Array) -> Array:
    def low(y: Array) -> Array:
        with jax.named_scope("low"):
            return jnp.sin(y) * y

    def high(y: Array) -> Array:
        with jax.named_scope("high"):
            return jnp.exp(y)

    with jax.named_scope("fork"):
        return jnp.sum(lax.cond(x[0] < 0.5, low, high, x) * x)


def _ids(f: Any, primitive: str, scope: str) -> tuple[oracles.Graph, Any]:
    graph = oracles.trace(f, X)
    return graph, oracles.find_each(graph, lambda e: e.primitive == primitive and e.scope == scope)


def test_nodes() -> None:
    rows = {row.name: row for row in sg.nodes(recurrent)(X)}
    assert list(rows) == ["loop/cell", "loop/gate", "loop/out", "loop", "loop:1"]
    assert rows["loop/cell"].shape == (2, 3)
    assert rows["loop/out"].shape == (2,)
    assert rows["loop"].shape == (3,)
    assert rows["loop/cell"].consumers == ("loop/gate", "loop/out", "<returned>")
    assert {row.name: row.shape for row in sg.nodes(nested)(X)} == {"deep": (3, 2)}
    assert {row.name for row in sg.nodes(branching)(X)} == {"fork/low", "fork/high", "fork"}


@pytest.mark.parametrize(
    ("f", "name", "primitive"),
    [
        (recurrent, "loop/cell", "tanh"),
        (recurrent, "loop/gate", "mul"),
        (recurrent, "loop/out", "reduce_sum"),
        (branching, "fork/low", "mul"),
    ],
)
def test_intermediates_are_the_paths_from_each_step(f: Any, name: str, primitive: str) -> None:
    got = jax.jit(sg.intermediates(f, product(NAMES), at=name))(X)
    graph, ids = _ids(f, primitive, name)
    ids = ids if f is recurrent else ids[0]
    assert_trees_close(got, {name: expected(NAMES, oracles.statistics_from(graph, ids))})


def test_steps_are_in_the_order_of_the_rows() -> None:
    """A reverse loop begins with the last row, whose derivative comes last."""
    got = sg.intermediates(backward, product(NAMES), at="cell")(X)["cell"]
    graph, ids = _ids(backward, "mul", "cell")
    assert_trees_close(got, expected(NAMES, oracles.statistics_from(graph, ids[::-1])))


def test_nested_loops_have_an_axis_each() -> None:
    got = sg.intermediates(nested, product(NAMES), at="deep")(X)["deep"]
    graph, ids = _ids(nested, "mul", "deep")
    assert_trees_close(got, expected(NAMES, oracles.statistics_from(graph, ids.reshape(3, 2))))


def test_branches_are_the_paths_by_first_consumer() -> None:
    got = sg.branches(recurrent, product(NAMES), at="loop/cell")(X)["loop/cell"]
    graph, ids = _ids(recurrent, "tanh", "loop/cell")
    assert list(got) == ["loop/gate", "loop/out", "<returned>"]
    for consumer in ("loop/gate", "loop/out"):
        listed = oracles.statistics_from(graph, ids, consumer)
        assert_trees_close(got[consumer], expected(NAMES, listed))
    semiring = product(NAMES)
    joined = semiring.zero((2, 3), jnp.float64)
    for element in got.values():
        joined = semiring.plus(joined, element)
    assert_trees_close(joined, expected(NAMES, oracles.statistics_from(graph, ids)))


def test_a_branch_that_is_not_taken_has_no_path() -> None:
    semiring = product(NAMES)
    got = sg.intermediates(branching, semiring, at="fork/high")(X)["fork/high"]
    assert_trees_close(got, semiring.zero((3,), jnp.float64))
    taken = sg.intermediates(branching, semiring, at="fork/high")(X + 1.0)["fork/high"]
    np.testing.assert_allclose(taken[0], X + 1.0)


def test_under_jit_of_vmap() -> None:
    xs = np.stack([X, X + 0.7])
    for f, at in ((recurrent, "*"), (nested, "deep"), (branching, "fork/*")):
        transformed = sg.branches(f, product(NAMES), at=at)
        batched = jax.jit(jax.vmap(transformed))(xs)
        for row, x in enumerate(xs):
            one = jax.tree.map(lambda leaf, r=row: leaf[r], batched)
            assert_trees_close(one, jax.jit(transformed)(x))


def test_a_named_value_that_does_not_reach_the_output() -> None:
    def f(x: Array) -> Array:
        def step(carry: Array, row: Array) -> tuple[Array, Array]:
            with jax.named_scope("side"):
                y = jnp.sin(row)
            return carry * row, y

        return lax.scan(step, x[0], x)[0]

    got = sg.intermediates(f, sg.MaxProduct(), at="side")(X)["side"]
    assert_trees_close(got, sg.MaxProduct().zero((3,), jnp.float64))
    assert sg.branches(f, sg.MaxProduct(), at="side")(X) == {"side": {}}
