"""Jacobians are read a chunk of rows at a time; what comes out does not depend on the chunk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import BY_NAME
from checks import SEMIRINGS, assert_trees_close, expected, oracle, product
from jax import lax

import semigrad as sg
from semigrad.rules import jacobian


@pytest.mark.parametrize("entries", [1, 20])
@pytest.mark.parametrize(
    "name", ["cumulative/max", "linear algebra/cholesky_lanes", "linear algebra/inverse"]
)
def test_chunks(name: str, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobian, "CHUNK_ENTRIES", entries)
    case, names = BY_NAME[name], list(SEMIRINGS)
    got = jax.jit(sg.backprop(case.f, product(names), case.argnums))(*case.arguments())
    want = tuple(expected(names, oracle(name, 0)[i]) for i in case.argnums)
    assert_trees_close(got, want, case.rtol)
    path = jax.jit(sg.top_path(case.f, argnums=case.argnums))(*case.arguments())
    best = max(np.max(oracle(name, 0)[i].max) for i in case.argnums)
    np.testing.assert_allclose(path.weight, best, rtol=1e-9)


@jax.jit
def semigrad_test_power(x: jax.Array) -> jax.Array:
    return jnp.abs(jnp.fft.rfft(x)) ** 2


sg.register_rule("jit(semigrad_test_power)", multiple_results=True)(sg.local_jacobian)


def test_a_function_over_complex_numbers_is_one_bundle_of_edges() -> None:
    """Edges lead from every sample to every frequency, weighted by `jax.jacobian`."""
    weights = jnp.array([1.5, -2.0, 0.5])
    f = lambda x: weights @ semigrad_test_power(x)
    x = jnp.array([0.3, -1.2, 0.7, 2.0])
    paths = weights[:, None] * jax.jacobian(semigrad_test_power)(x)  # [frequencies, samples]
    semiring = sg.Product(sg.SumProduct(), sg.MaxProduct(), sg.Count())

    total, ends, count = jax.jit(sg.backprop(f, semiring))(x)
    np.testing.assert_allclose(total, jax.grad(f)(x), rtol=1e-12)
    np.testing.assert_allclose(ends.max, paths.max(0), rtol=1e-12)
    np.testing.assert_allclose(ends.min, paths.min(0), rtol=1e-12)
    np.testing.assert_allclose(count, np.log([3.0] * 4))
    np.testing.assert_allclose(sg.top_path(f)(x).weight, paths.max(), rtol=1e-12)

    mapped = jax.vmap(sg.backprop(f, semiring))(jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(mapped[0][1], jax.grad(f)(2 * x), rtol=1e-12)
    looped = lambda x: f(x[0]) + jnp.sum(jax.lax.map(semigrad_test_power, x)[1])
    rows = jnp.stack([x, 2 * x])
    np.testing.assert_allclose(
        sg.backprop(looped, sg.SumProduct())(rows), jax.grad(looped)(rows), rtol=1e-12
    )


def test_memory_is_bounded() -> None:
    """The triangle of a cumulative product would take 4 GB."""
    x = jax.ShapeDtypeStruct((1 << 6, 1 << 12), jnp.float32)
    f = lambda x: jnp.sum(lax.cumprod(x, axis=1))
    compiled = jax.jit(sg.backprop(f, sg.MaxProduct())).lower(x).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1e8
