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


def test_memory_is_bounded() -> None:
    """The triangle of a cumulative product would take 4 GB."""
    x = jax.ShapeDtypeStruct((1 << 6, 1 << 12), jnp.float32)
    f = lambda x: jnp.sum(lax.cumprod(x, axis=1))
    compiled = jax.jit(sg.backprop(f, sg.MaxProduct())).lower(x).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1e8
