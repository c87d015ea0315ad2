"""The reference vectors: small functions whose paths were listed by another program."""

import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from checks import product

import semigrad as sg

_FILE = pathlib.Path(__file__).parent / "data" / "path_vectors.json"
VECTORS = json.loads(_FILE.read_text())["cases"]
NAMES = ("sum", "max", "absmax", "entropy", "count")


def _inputs(vector: dict[str, Any]) -> list[jax.Array]:
    return [
        jnp.asarray(np.reshape(vector["inputs"][name], vector["shapes"][name]), jnp.float64)
        for name in vector["inputs"]
    ]


def _function(vector: dict[str, Any]) -> Any:
    return eval(f"lambda {','.join(vector['inputs'])}: {vector['expr']}", {"jnp": jnp})


def _listed(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], np.float64)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_agrees(vector: dict[str, Any]) -> None:
    f, args = _function(vector), _inputs(vector)
    argnums = tuple(range(len(args)))
    got = jax.jit(sg.backprop(f, product(NAMES), argnums))(*args)
    zero_paths = oracles.statistics(f, *args, argnums=argnums)
    for i, name in enumerate(vector["inputs"]):
        listed = vector["enumeration"][name]
        total, extremes, absmax, entropy, count = jax.tree.map(np.ravel, got[i])
        _close(total, vector["jax_grad"][name])
        _close(total, listed["sum"])
        _close(np.exp(count), listed["paths"])
        _close(np.exp(entropy.log_mass), listed["abs"])
        # "no mass" is null in the file
        has_mass = np.asarray(listed["paths"]) > 0
        _close(entropy.entropy, np.where(has_mass, _listed(listed["entropy"]), 0.0))
        mass = np.exp(entropy.log_mass)
        shifted = np.where(has_mass, entropy.entropy - entropy.log_mass, 0.0)
        _close(mass * shifted, listed["unnorm"])
        _close(absmax, np.where(has_mass, np.abs(_listed(listed["max_by_abs"])), 0.0))
        # the file leaves out paths of weight 0; here they are paths
        has_zero = np.array([0.0 in w for w in zero_paths[i].lists.ravel()])
        top = np.where(has_mass, _listed(listed["max"]), -np.inf)
        bottom = np.where(has_mass, _listed(listed["min"]), np.inf)
        _close(extremes.max, np.where(has_zero, np.maximum(top, 0.0), top))
        _close(extremes.min, np.where(has_zero, np.minimum(bottom, 0.0), bottom))


def _close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got, np.asarray(want, np.float64), rtol=1e-9, atol=1e-11)


def test_the_oracle_agrees_with_the_reference() -> None:
    """Two independent listings; they differ only in whether zero weights are listed."""
    for vector in VECTORS:
        f, args = _function(vector), _inputs(vector)
        found = oracles.statistics(f, *args, argnums=range(len(args)))
        for i, name in enumerate(vector["inputs"]):
            listed = vector["enumeration"][name]
            _close(found[i].sum.ravel(), listed["sum"])
            _close(np.exp(found[i].log_count).ravel(), listed["paths"])
            _close(np.exp(found[i].log_mass).ravel(), listed["abs"])
            has_mass = np.asarray(listed["paths"]) > 0
            wanted = np.where(has_mass, _listed(listed["entropy"]), 0.0)
            _close(found[i].entropy.ravel(), wanted)


def test_a_power_is_one_edge_and_a_product_two() -> None:
    """x**2 is JAX's integer_pow: one edge, and one in the reference's graph as well."""
    x = jnp.float64(3.0)
    for f, paths in ((lambda x: x**2, 1), (lambda x: x * x, 2), (jnp.square, 1)):
        np.testing.assert_allclose(np.exp(sg.backprop(f, sg.Count())(x)), paths)
