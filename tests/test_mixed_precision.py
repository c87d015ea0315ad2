"""Stock models in bfloat16 and float16: gradients as good as `jax.grad`'s, logs in float32.

The yardstick is float32 at the same parameters. A computation in low precision is off by a few
of its roundings; the tests ask that semigrad's be off by no more than a few of `jax.grad`'s.
"""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import models
import numpy as np
import pytest

import semigrad as sg

Array = Any

pytestmark = pytest.mark.float32

NAMES = ["bert", "llama", "vit"]
DTYPES = ["bfloat16", "float16"]
SEMIRING = sg.Product(
    sg.SumProduct(), sg.MaxProduct(), sg.AbsMaxProduct(), sg.Entropy(), sg.Count()
)


@pytest.fixture(autouse=True)
def quick_compilation(precision: None) -> Iterator[None]:
    """Compiles with few optimisations, though in float32: `precision` puts it back."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


@functools.lru_cache
def _float32(name: str, rounded_to: str) -> tuple[Any, Any]:
    """The gradient and the elements in float32, at parameters that the dtype can represent."""
    f, params = models.build(name)
    params = _cast(_cast(params, rounded_to), "float32")
    return jax.grad(f)(params), sg.backprop(f, SEMIRING)(params)


@pytest.mark.parametrize("params_too", [False, True], ids=["module", "module_and_params"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_low_precision(name: str, dtype: str, params_too: bool) -> None:
    f, params = models.build(name, jnp.dtype(dtype))
    rounded = _cast(params, dtype)
    params = rounded if params_too else _cast(rounded, "float32")
    gradient, elements = jax.grad(f)(params), sg.backprop(f, SEMIRING)(params)
    exact_gradient, exact_elements = _float32(name, dtype)

    structure = jax.tree.structure(gradient)
    scale = max(float(np.max(np.abs(g))) for g in jax.tree.leaves(exact_gradient))
    eps = float(jnp.finfo(dtype).eps)
    own_error = jax_error = log_error = entropy_error = 0.0
    for leaf, own, exact in zip(
        jax.tree.leaves(gradient),
        structure.flatten_up_to(elements),
        structure.flatten_up_to(exact_elements),
        strict=True,
    ):
        assert own[0].dtype == leaf.dtype == own[1].max.dtype == own[1].min.dtype == own[2].dtype
        assert own[3].log_mass.dtype == own[3].entropy.dtype == own[4].dtype == jnp.float32
        own, exact = jax.tree.map(lambda x: np.asarray(x, np.float32), (own, exact))
        own_error = max(own_error, _distance(own[0], exact[0]))
        jax_error = max(jax_error, _distance(leaf, exact[0]))
        log_error = max(log_error, _distance(own[3].log_mass, exact[3].log_mass))
        entropy_error = max(entropy_error, _distance(own[3].entropy, exact[3].entropy))
        print(
            _distance(own[4], exact[4]),
            _distance(own[1].max, exact[1].max) / scale,
            _distance(own[2], exact[2]) / scale,
        )
    print(
        name,
        dtype,
        params_too,
        own_error / scale / eps,
        jax_error / scale / eps,
        log_error / eps,
        entropy_error / eps,
    )
    assert own_error <= 2 * jax_error + eps * scale


def _distance(a: Array, b: Array) -> float:
    """The largest difference; infinities must be the same, and nothing NaN."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    assert np.all(np.isfinite(a[finite]))
    return float(np.max(np.abs(a[finite] - b[finite]), initial=0))
