"""Stock models in bfloat16 and float16: gradients as good as `jax.grad`'s, logs in float32.

The yardstick is float32 at the same parameters. A computation in low precision is off by a few
of its roundings; the tests ask that semigrad's be off by no more than `jax.grad`'s is, or little.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import stock_models as models

import semigrad as sg

Array = Any

pytestmark = [pytest.mark.float32]

SEMIRING = sg.Product(sg.SumProduct(), sg.MaxProduct(), sg.Entropy(), sg.Count())


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


def _both(f: Any, params: Any) -> tuple[Any, Any]:
    """The gradient and the elements, in programs of their own: one cannot mend the other."""
    return jax.jit(jax.grad(f))(params), jax.jit(sg.backprop(f, SEMIRING))(params)


@functools.lru_cache
def _float32(name: str, rounded_to: str) -> tuple[Any, Any]:
    """The gradient and the elements in float32, at parameters that the dtype can represent."""
    f, params = models.build(name)
    params = _cast(_cast(params, rounded_to), "float32")
    return _both(f, params)


@pytest.mark.parametrize(
    ("name", "params_too", "dtype"),
    [
        ("llama", True, "bfloat16"),
        pytest.param("bert", False, "bfloat16", marks=pytest.mark.exhaustive),
        pytest.param("bert", True, "float16", marks=pytest.mark.exhaustive),
        pytest.param("vit", False, "float16", marks=pytest.mark.exhaustive),
    ],
)
def test_low_precision(name: str, params_too: bool, dtype: str) -> None:
    f, params = models.build(name, jnp.dtype(dtype))
    rounded = _cast(params, dtype)
    params = rounded if params_too else _cast(rounded, "float32")
    gradient, elements = _both(f, params)
    exact_gradient, exact_elements = _float32(name, dtype)

    structure = jax.tree.structure(gradient)
    scale = max(float(np.max(np.abs(g))) for g in jax.tree.leaves(exact_gradient))
    eps = float(jnp.finfo(dtype).eps)
    own_error = jax_error = 0.0
    errors: dict[str, list[float]] = {"mass": [], "entropy": []}
    for leaf, own, exact in zip(
        jax.tree.leaves(gradient),
        structure.flatten_up_to(elements),
        structure.flatten_up_to(exact_elements),
        strict=True,
    ):
        total, extremes, paths, count = own
        assert total.dtype == extremes.max.dtype == extremes.min.dtype == leaf.dtype
        assert paths.log_mass.dtype == paths.entropy.dtype == count.dtype == jnp.float32
        own_error = max(own_error, _distance(total, exact[0]))
        jax_error = max(jax_error, _distance(leaf, exact[0]))
        assert _distance(extremes.max, exact[1].max) <= 4 * eps * scale
        assert _distance(extremes.min, exact[1].min) <= 4 * eps * scale
        # A weight near 0 is off by many of its own roundings, and so is a mass that hangs on it
        # alone: masses are compared beside the largest of their array.
        top = float(np.max(exact[2].log_mass))
        if np.isfinite(top):
            log_masses = paths.log_mass - top, exact[2].log_mass - top
            errors["mass"].append(_distance(*map(np.exp, log_masses)) / eps)
        errors["entropy"].append(_distance(paths.entropy, exact[2].entropy) / eps)
        assert np.array_equal(np.isfinite(paths.log_mass), np.isfinite(exact[2].log_mass))
        np.testing.assert_allclose(count, exact[3], rtol=1e-5)
    assert max(errors["mass"]) <= 16 and max(errors["entropy"]) <= 8, errors
    assert own_error <= 2 * jax_error + eps * scale
    assert own_error <= 4 * eps * scale


def _distance(a: Array, b: Array) -> float:
    """The largest difference; infinities must be the same, and nothing NaN."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    assert np.all(np.isfinite(a[finite]))
    return float(np.max(np.abs(a[finite] - b[finite]), initial=0))
