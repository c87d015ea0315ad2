"""A sweep traces a rule once for equal equations, and never for equations that only look equal."""

import collections
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Literal

import semigrad as sg
from semigrad import interpreter


def _layers(x: jax.Array, count: int) -> jax.Array:
    w = jnp.eye(3) * 2.0
    for _ in range(count):
        x = jnp.tanh(x @ w) * 0.5
    return jnp.sum(x)


def test_a_layer_more_traces_no_rule_more(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = collections.Counter()
    apply_rule = interpreter.apply_rule
    monkeypatch.setattr(
        interpreter, "apply_rule", lambda *a: applied.update([a[0].name]) or apply_rule(*a)
    )
    for count in (2, 6):
        applied.clear()
        f = jax.jit(sg.backprop(lambda x, n=count: _layers(x, n), sg.Entropy()))
        f.lower(jnp.ones((2, 3)))
        assert applied["dot_general"] == 1
        assert applied["tanh"] == 1


@pytest.mark.parametrize("transform", [jax.jit, lambda f: f])
def test_equations_that_differ_in_constants_only(transform: object) -> None:
    """Numbers, signs of zeros, arrays, and constants that are traced themselves."""
    table = np.array([1.0, -2.0, 4.0])

    def f(x: jax.Array, factor: jax.Array) -> jax.Array:
        inner = lambda y: jnp.sum(
            y * 3.0 + y * -5.0 + y * table + y * -table + y * factor + y * (2 * factor)
            + jnp.arctan2(y * 0.0, -1.0) + jnp.arctan2(y * -0.0, -1.0)
        )  # fmt: skip
        return sg.backprop(inner, sg.MaxProduct())(x).max + sg.backprop(inner, sg.SumProduct())(x)

    def want(x: jax.Array, factor: jax.Array) -> np.ndarray:
        weights = [np.full(3, 3.0), np.full(3, -5.0), table, -table, factor, 2 * factor, 0 * table]
        weights = np.stack([np.broadcast_to(w, 3) for w in weights])
        return weights.max(0) + weights.sum(0)

    x = jnp.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(transform(f)(x, jnp.float64(7.0)), want(x, 7.0))  # pyright: ignore
    mapped = transform(jax.vmap(f, (None, 0)))(x, jnp.array([7.0, -3.0]))  # pyright: ignore
    np.testing.assert_allclose(mapped[1], want(x, -3.0))


def test_a_sign_of_zero_is_a_difference() -> None:
    f = lambda x: jnp.sum(x * 0.0) + jnp.sum(x * -0.0)
    branches = jax.jit(lambda x: sg.backprop(f, sg.MaxProduct())(x))(jnp.ones(2))
    np.testing.assert_array_equal(branches.max, 0)
    assert interpreter._identity(0.0) != interpreter._identity(-0.0)
    assert interpreter._identity(np.float32(1)) != interpreter._identity(np.float64(1))


@pytest.mark.parametrize("semiring", [sg.Entropy(), sg.LogSumProduct(), sg.MaxProduct("xla")])
def test_lifts_of_weights_that_a_loop_shares_depend_on_no_step(semiring: sg.Semiring) -> None:
    """So that XLA can compute them before the loop."""

    def f(x: jax.Array, w: jax.Array) -> jax.Array:
        step = lambda h, _: (jnp.tanh(w @ h), None)
        return jnp.sum(jax.lax.scan(step, x, length=3)[0])

    size = 37
    traced = jax.make_jaxpr(sg.backprop(f, semiring))(jnp.ones(size), jnp.ones((size, size)))
    *_, reverse = (eqn for eqn in traced.eqns if eqn.primitive.name == "scan")
    body, shared = reverse.params["jaxpr"].jaxpr, reverse.params["num_consts"]
    lifts = _computed_from(body, body.invars[:shared], [True] * shared)
    assert any(lift.aval.size >= size**2 for lift in lifts)


def _computed_from(jaxpr: Any, inputs: Sequence[Any], known: Sequence[bool]) -> list[Any]:
    """What is lifted, here and in calls, from the known inputs alone."""
    found = {v for v, is_known in zip(inputs, known, strict=True) if is_known}
    lifts = []
    for eqn in jaxpr.eqns:
        of = [isinstance(v, Literal) or v in found for v in eqn.invars]
        if eqn.primitive.name in ("jit", "custom_jvp_call"):
            inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr")).jaxpr
            lifts += _computed_from(inner, inner.invars, of)
        if all(of):
            found |= set(eqn.outvars)
            lifts += eqn.outvars if eqn.primitive.name in ("mul", "min") else []
    return lifts
