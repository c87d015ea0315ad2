"""No path, infinite weights, log 0: no NaN is made; a genuine NaN is not hidden."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import SEMIRINGS, assert_trees_close, product

import semigrad as sg

Array = Any


@pytest.mark.parametrize(
    "f",
    [
        lambda x: jnp.ones(()),
        lambda x: jnp.sum(jax.lax.stop_gradient(x)),
        lambda x: jnp.sum(jnp.floor(x)),
        lambda x: jnp.sum(jnp.where(x > 10.0, x, 1.0)),
        lambda x: jnp.sum(jnp.zeros((2, 0)) @ jnp.zeros((0, 3)) * x[0] ** 0),
    ],
    ids=["constant", "stopped", "rounded", "not selected", "power 0"],
)
def test_no_path_is_zero(f: Callable[[Array], Array]) -> None:
    semiring = product(list(SEMIRINGS))
    got = sg.backprop(f, semiring)(jnp.asarray([0.5, -1.0, 2.0]))
    chex.assert_trees_all_equal(got, semiring.zero((3,), jnp.float64))


# Infinite local derivatives that meet zero weights, and each other.
_INFINITE: dict[str, tuple[Callable[[Array], Array], list[float]]] = {
    "log at 0": (lambda x: jnp.sum(jnp.log(x)), [0.0, 1.0, 2.0]),
    "sqrt at 0": (lambda x: jnp.sum(jnp.sqrt(x) * x), [0.0, 1.0, 4.0]),
    "infinite constants": (
        lambda x: jnp.sum(x * np.array([np.inf, 1.0, -np.inf])),
        [1.0, 2.0, 3.0],
    ),
    "infinite, then zero": (lambda x: jnp.sum(jnp.log(x) * 0.0), [0.0, 1.0, 2.0]),
    "zero, then infinite": (lambda x: jnp.sum(jnp.log(x * 0.0)), [0.0, 1.0, 2.0]),
    "reciprocal at 0": (lambda x: jnp.sum(1.0 / x), [0.0, 1.0, -2.0]),
    "matrix product": (
        lambda x: jnp.sum(jnp.asarray([[np.inf, 0.0, 1.0], [0.0, 2.0, -np.inf]]) @ x[:, None]),
        [1.0, 0.0, 2.0],
    ),
    "zero cotangents into infinite matrix": (
        lambda x: jnp.sum(
            (jnp.asarray([[np.inf, 0.0, 1.0], [1.0, 2.0, 3.0]]) @ x[:, None]) * np.zeros((2, 1))
        ),
        [1.0, 1.0, 2.0],
    ),
}
_GUARDED = [name for name in SEMIRINGS if name != "sum"]


@pytest.mark.parametrize("case", _INFINITE)
def test_infinite_weights_make_no_nan(case: str) -> None:
    f, point = _INFINITE[case]
    got = jax.jit(sg.backprop(f, product(_GUARDED)))(jnp.asarray(point))
    for name, element in zip(_GUARDED, got, strict=True):
        for leaf in jax.tree.leaves(element):
            assert not np.any(np.isnan(leaf)), (name, leaf)


@pytest.mark.parametrize("case", _INFINITE)
def test_infinite_weights_are_jax_grads(case: str) -> None:
    f, point = _INFINITE[case]
    got = sg.backprop(f, sg.SumProduct())(jnp.asarray(point))
    np.testing.assert_array_equal(got, jax.grad(f)(jnp.asarray(point)))


def test_infinite_weights_show() -> None:
    f, point = _INFINITE["infinite constants"]
    x = jnp.asarray(point)
    extremes = sg.backprop(f, sg.MaxProduct())(x)
    np.testing.assert_array_equal(extremes.max, [np.inf, 1.0, -np.inf])
    np.testing.assert_array_equal(extremes.min, [np.inf, 1.0, -np.inf])
    np.testing.assert_array_equal(sg.backprop(f, sg.AbsMaxProduct())(x), [np.inf, 1.0, np.inf])
    np.testing.assert_array_equal(sg.backprop(f, sg.LogSumProduct())(x), [np.inf, 0.0, np.inf])
    np.testing.assert_array_equal(sg.backprop(f, sg.Entropy())(x).log_mass, [np.inf, 0.0, np.inf])


_NAN = np.nan
# Genuine NaN: in a value, in a local derivative, in a matrix, beside elements it does not reach.
_WITH_NAN: dict[str, tuple[Callable[[Array], Array], list[float]]] = {
    "value": (lambda x: jnp.sum(jnp.sin(x)), [_NAN, 1.0, 2.0]),
    "value of a product": (lambda x: jnp.sum(x * x[::-1]), [_NAN, 1.0, 2.0]),
    "domain": (lambda x: jnp.sum(jnp.log1p(x) * jnp.sqrt(x)), [-2.0, 1.0, 2.0]),
    "constant": (lambda x: jnp.sum(x * np.array([1.0, _NAN, 2.0])), [1.0, 2.0, 3.0]),
    "one of two paths": (
        lambda x: jnp.sum(x * np.array([1.0, _NAN, 2.0]) + 5.0 * x),
        [1.0, 2.0, 3.0],
    ),
    "other path stronger": (
        lambda x: jnp.sum(x * np.array([1.0, _NAN, 2.0]) - 5.0 * x),
        [1.0, 2.0, 3.0],
    ),
    "matrix": (
        lambda x: jnp.sum(jnp.asarray([[1.0, _NAN, 2.0], [3.0, 4.0, -5.0]]) @ x[:, None]),
        [1.0, 2.0, 3.0],
    ),
    "matrix, both operands": (lambda x: jnp.sum(jnp.outer(x, x) @ x[:, None]), [1.0, _NAN, 2.0]),
    "cotangent into matrix": (
        lambda x: jnp.sum(
            (jnp.asarray([[1.0, 2.0], [3.0, 4.0]]) @ x[:2, None]) * np.array([[_NAN], [1.0]])
        ),
        [1.0, 2.0, 3.0],
    ),
    "gathered": (
        lambda x: jnp.sum(x[np.array([0, 0, 2])] * np.array([1.0, _NAN, 1.0])),
        [1.0, 2.0, 3.0],
    ),
    "scattered": (
        lambda x: jnp.sum(jnp.zeros(3).at[np.array([1, 1, 2])].add(x) * np.array([1.0, _NAN, 1.0])),
        [1.0, 2.0, 3.0],
    ),
    "reduced": (lambda x: jnp.sum(x**2) * jnp.sqrt(x[0]), [-1.0, 2.0, 3.0]),
    "cumulated": (lambda x: jnp.sum(jnp.cumsum(x) * np.array([1.0, _NAN, 1.0])), [1.0, 2.0, 3.0]),
    "cumulative product": (lambda x: jnp.sum(jnp.cumprod(x)), [1.0, _NAN, 3.0]),
    "sorted": (lambda x: jnp.sum(jnp.sort(x) * np.array([1.0, _NAN, 2.0])), [3.0, 2.0, 1.0]),
    "eigenvectors of equal eigenvalues": (
        lambda x: jnp.sum(jnp.linalg.eigh(jnp.diag(x))[1] ** 3),
        [2.0, 2.0, 2.0],
    ),
    "cholesky of no positive definite matrix": (
        lambda x: jnp.linalg.cholesky(jnp.diag(x))[1, 1],
        [1.0, -1.0, 1.0],
    ),
    "padded": (
        lambda x: jnp.sum(jnp.pad(x, 1) * np.array([1.0, 1.0, _NAN, 1.0, 1.0])),
        [1.0, 2.0, 3.0],
    ),
    "prod": (lambda x: jnp.prod(x), [1.0, _NAN, 3.0]),
    "maximum": (lambda x: jnp.sum(jnp.maximum(x, 1.5) * x), [1.0, _NAN, 3.0]),
}


@pytest.mark.parametrize("case", _WITH_NAN)
def test_genuine_nan_shows_where_jax_grads_does(case: str) -> None:
    f, point = _WITH_NAN[case]
    x = jnp.asarray(point)
    wanted = np.isnan(jax.jit(jax.grad(f))(x))
    assert wanted.any()
    elements = jax.jit(sg.backprop(f, product(list(SEMIRINGS))))(x)
    for name, element in zip(SEMIRINGS, elements, strict=True):
        shown = np.zeros(3, bool)
        for leaf in jax.tree.leaves(element):
            shown |= np.isnan(leaf).reshape(3, -1).any(1)
        np.testing.assert_array_equal(shown, wanted, err_msg=name)


def test_nan_shows_in_both_extremes() -> None:
    f, point = _WITH_NAN["other path stronger"]
    extremes = sg.backprop(f, sg.MaxProduct())(jnp.asarray(point))
    np.testing.assert_array_equal(np.isnan(extremes.max), [False, True, False])
    np.testing.assert_array_equal(np.isnan(extremes.min), [False, True, False])


def test_nan_shows_through_sum_and_contract() -> None:
    for semiring, _ in SEMIRINGS.values():
        element = semiring.lift(jnp.asarray([[1.0, _NAN, 2.0]]))
        if not all(np.isnan(leaf).any() for leaf in jax.tree.leaves(element)[:1]):
            continue  # lift itself has no NaN to pass on
        for joined in (
            semiring.sum(element, axis=1),
            semiring.segment_sum(element, jnp.zeros(1, jnp.int32), 1),
            semiring.contract(jnp.ones((1, 1, 3)), jax.tree.map(lambda x: x[None], element)),
        ):
            assert any(np.isnan(leaf).any() for leaf in jax.tree.leaves(joined)), type(semiring)


@pytest.mark.float32
def test_log_space_does_not_overflow() -> None:
    """Eighty factors of 1e30 and their inverses: float32 ends at 3e38, log space does not."""

    def f(x: Array) -> Array:
        for _ in range(80):
            x = x * 1e30 + x
        return x

    x = jnp.float32(1e-30)
    want = 80 * np.log(1e30)
    assert np.isinf(sg.backprop(f, sg.SumProduct())(x))
    np.testing.assert_allclose(sg.backprop(f, sg.LogSumProduct())(x), want, rtol=1e-5)
    np.testing.assert_allclose(sg.backprop(f, sg.Entropy())(x).log_mass, want, rtol=1e-5)
    np.testing.assert_allclose(sg.backprop(f, sg.Signed())(x).log_positive, want, rtol=1e-5)
    np.testing.assert_allclose(sg.backprop(f, sg.Count())(x), 80 * np.log(2), rtol=1e-5)


@pytest.mark.float32
def test_masses_that_cancel_are_each_kept() -> None:
    """Two minus one, two hundred times: the gradient is 1, the masses around it are e^219."""

    def f(x: Array) -> Array:
        for _ in range(200):
            x = 2.0 * x - x
        return x

    x = jnp.float32(1.0)
    assert sg.backprop(f, sg.SumProduct())(x) == 1.0
    signed = sg.backprop(f, sg.Signed())(x)
    np.testing.assert_allclose(signed, 200 * np.log(3) - np.log(2), rtol=1e-5)


@pytest.mark.float32
def test_very_many_paths() -> None:
    """2^300 paths of equal weight: the entropy is 300 ln 2."""

    def f(x: Array) -> Array:
        for _ in range(300):
            x = x + x
        return x

    entropy = jax.jit(sg.backprop(f, sg.Entropy()))(jnp.float32(1.0))
    np.testing.assert_allclose(entropy.log_mass, 300 * np.log(2), rtol=1e-5)
    np.testing.assert_allclose(entropy.entropy, 300 * np.log(2), rtol=1e-5)


@pytest.mark.float32
def test_tiny_masses_keep_their_entropy() -> None:
    """Weights whose product underflows in float32: the distribution over paths is still right."""

    def f(x: Array) -> Array:
        for _ in range(10):
            x = x * 1e-20 + x * 3e-20
        return x

    entropy = sg.backprop(f, sg.Entropy())(jnp.float32(1.0))
    p = np.array([0.25, 0.75])
    np.testing.assert_allclose(entropy.log_mass, 10 * np.log(4e-20), rtol=1e-5)
    np.testing.assert_allclose(entropy.entropy, -10 * np.sum(p * np.log(p)), rtol=1e-5)


@pytest.mark.parametrize("name", ["entropy", "logsum", "logsum_1.7", "count", "signed"])
def test_weight_that_underflows_is_no_path(name: str) -> None:
    """Attention to what is masked is exactly 0; XLA takes log(exp(a)) for a, compiled."""
    semiring, _ = SEMIRINGS[name]
    bias = jnp.array([0.0, 0.0, float(jnp.finfo(jnp.float64).min), -800.0])

    def f(x: jax.Array) -> jax.Array:
        return jnp.dot(jax.nn.softmax(x + bias), jnp.array([1.0, 2.0, 3.0, 4.0]))

    x = jnp.array([0.3, -0.2, 0.5, 0.1])
    backprop = sg.backprop(f, semiring)
    got = jax.jit(backprop)(x)
    assert_trees_close(got, backprop(x))
    nothing = semiring.zero((2,), x.dtype)
    jax.tree.map(lambda leaf, none: np.testing.assert_array_equal(leaf[2:], none), got, nothing)
