"""Semiring derivatives are differentiable themselves, forward and reverse, without NaN."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import BY_NAME, Case
from cases.case import weigh
from jax.test_util import check_grads

import semigrad as sg

Array = Any

_SMOOTH = [
    "elementwise/tanh",
    "routing/gather_elements",
    "scatter/add_repeated",
    "reductions/prod",
    "cumulative/cumsum",
    "cumulative/logsumexp",
    "contractions/conv_valid",
    "control_flow/scan_all_kinds",
    "control_flow/cond_taken",
    "contractions/batch",
    "calls/softmax",
    "calls/custom_jvp_not_elementwise",
]
_SEMIRINGS = {
    "entropy": sg.Entropy(),
    "logsum_1.7": sg.LogSumProduct(1.7),
    "max": sg.MaxProduct(),
    "absmax": sg.AbsMaxProduct(),
    "signed": sg.Signed(),
    "top": sg.TopK(3),
}


def _scalar(case: Case, semiring: sg.Semiring) -> Callable[..., Array]:
    """A smooth scalar function of a case's float arguments, through the semiring's elements."""
    args = case.arguments()

    def f(*floats: Array) -> Array:
        full = dict(zip(case.argnums, floats, strict=True))
        full = [full.get(i, arg) for i, arg in enumerate(args)]
        leaves = jax.tree.leaves(sg.backprop(case.f, semiring, case.argnums)(*full))
        finite = [jnp.where(jnp.isfinite(leaf), leaf, 0.0) for leaf in leaves]
        return sum(weigh(jnp.ravel(leaf)) for leaf in finite)

    return f


def _floats(case: Case) -> list[Array]:
    args = case.arguments()
    return [args[i] for i in case.argnums]


@pytest.mark.parametrize("name", _SMOOTH)
@pytest.mark.parametrize("semiring", ["entropy", "logsum_1.7", "signed"])
def test_against_finite_differences(semiring: str, name: str) -> None:
    f = jax.jit(_scalar(BY_NAME[name], _SEMIRINGS[semiring]))
    check_grads(f, _floats(BY_NAME[name]), order=1, modes=("fwd", "rev"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("semiring", ["max", "absmax", "top"])
@pytest.mark.parametrize("name", ["contractions/batch", "reductions/prod", "scatter/add_repeated"])
def test_top_weights_against_finite_differences(name: str, semiring: str) -> None:
    """Where the best path stays the best, the derivative is that of its weight."""
    f = jax.jit(_scalar(BY_NAME[name], _SEMIRINGS[semiring]))
    check_grads(f, _floats(BY_NAME[name]), order=1, modes=("fwd", "rev"), rtol=1e-5, atol=1e-6)


def _network(x: Array) -> Array:
    w = jnp.asarray([[0.4, -1.1, 0.0], [0.8, 0.3, 0.5], [0.0, -0.6, 0.9]])
    return jnp.sum(jnp.tanh(w @ jnp.tanh(w @ x)) * jnp.sin(x))


def test_second_order() -> None:
    """Forward over reverse, against finite differences of the gradient."""
    x = jnp.asarray([0.3, -0.8, 1.1])
    f = lambda x: jnp.sum(sg.backprop(_network, sg.Entropy())(x).entropy)
    hessian, gradient = jax.jit(jax.hessian(f))(x), jax.jit(jax.grad(f))
    step = 1e-5
    rows = [gradient(x + step * e) - gradient(x - step * e) for e in np.eye(3)]
    np.testing.assert_allclose(hessian, np.stack(rows) / (2 * step), rtol=1e-5, atol=1e-7)


def test_gradient_of_entropy_under_vmap_is_row_by_row() -> None:
    xs = jnp.asarray([[0.3, -0.8, 1.1], [1.0, 0.2, -0.4]])
    gradient = jax.grad(lambda x: jnp.sum(sg.backprop(_network, sg.Entropy())(x).entropy))
    got = jax.jit(jax.vmap(gradient))(xs)
    np.testing.assert_allclose(got, np.stack([jax.jit(gradient)(x) for x in xs]), rtol=1e-9)


def test_gradient_in_power() -> None:
    x = jnp.asarray([0.3, -0.8, 1.1])
    f = jax.jit(lambda power: jnp.sum(sg.backprop(_network, sg.LogSumProduct(power))(x)))
    check_grads(f, (jnp.float64(1.3),), order=1, modes=("fwd", "rev"), rtol=1e-5, atol=1e-6)


def test_power_may_be_traced_and_mapped() -> None:
    x = jnp.asarray([0.3, -0.8, 1.1])
    powers = jnp.asarray([0.0, 0.5, 1.0, 2.0])
    of_power = lambda power: sg.backprop(_network, sg.LogSumProduct(power))(x)
    got = jax.jit(jax.vmap(of_power))(powers)
    want = np.stack([sg.backprop(_network, sg.LogSumProduct(float(p)))(x) for p in powers])
    np.testing.assert_allclose(got, want, rtol=1e-12)


# Graphs with weights that are exactly 0, whose logarithm is -inf, and with values no path reads.
_ZEROS: dict[str, tuple[Callable[[Array], Array], Any]] = {
    "dead relu": (lambda x: jnp.sum(jax.nn.relu(x) * x), [-1.0, 0.0, 2.0]),
    "zero operand": (lambda x: jnp.sum(x[0] * x[1:]), [0.0, 1.0, 0.0]),
    "zero constants": (lambda x: jnp.sum(jnp.sin(x) * np.array([0.0, 2.0, 0.0])), [0.3, -1.0, 2.0]),
    "all zero": (lambda x: jnp.sum(jnp.sin(x) * 0.0), [0.3, -1.0, 2.0]),
    "square at 0": (lambda x: jnp.sum(x**2 + x**3), [0.0, 1.0, 0.0]),
    "unread": (lambda x: x[0] * x[1], [0.5, -1.0, 2.0]),
    "matrix product": (
        lambda x: jnp.sum(jnp.asarray([[0.0, 0.0, 0.0], [1.0, 0.0, -2.0]]) @ x[:, None] * x[0]),
        [0.0, 1.0, -1.0],
    ),
    "both operands": (
        lambda x: jnp.sum(jnp.outer(x, x) @ x[:, None]),
        [0.0, 1.0, 0.0],
    ),
    "product with zeros": (lambda x: jnp.prod(x) + jnp.prod(x[:2]), [0.0, 0.0, 2.0]),
    "scatter": (
        lambda x: jnp.sum(jnp.zeros(5).at[np.array([1, 1, 9])].add(x) ** 2),
        [1.0, -1.0, 2.0],
    ),
    "gather": (lambda x: jnp.sum(x[np.array([0, 0, 1])] ** 2), [0.0, 1.0, 2.0]),
    "cancelling sum": (lambda x: jnp.sum(jnp.cumsum(x) * x), [1.0, -1.0, 0.0]),
}


@pytest.mark.parametrize("name", _ZEROS)
def test_zero_weights_make_no_nan(name: str) -> None:
    f, point = _ZEROS[name]
    x = jnp.asarray(point, jnp.float64)
    element = sg.backprop(f, sg.Product(*_SEMIRINGS.values()))
    tangent = lambda x: jax.jvp(element, (x,), (jnp.ones_like(x),))[1]
    everything = jax.jit(lambda x: (element(x), jax.jacrev(element)(x), tangent(x)))(x)
    for path, leaf in jax.tree_util.tree_flatten_with_path(everything)[0]:
        assert not np.any(np.isnan(leaf)), (path, leaf)


@pytest.mark.parametrize("name", _ZEROS)
def test_zero_weights_make_no_nan_in_power(name: str) -> None:
    f, point = _ZEROS[name]
    x = jnp.asarray(point, jnp.float64)
    of_power = lambda power: sg.backprop(f, sg.LogSumProduct(power))(x)
    first = jax.jacrev(of_power)
    everything = jax.jit(lambda power: (of_power(power), first(power), jax.jacfwd(first)(power)))
    for power in (0.0, 1.0, 2.5):
        for leaf in jax.tree.leaves(everything(power)):
            assert not np.any(np.isnan(leaf)), leaf


def test_zero_weights_leave_the_other_derivatives_right() -> None:
    """A path of weight 0 has no part in the entropy's derivative: cutting it changes nothing."""
    weights = jnp.asarray([0.7, 0.0, -1.2])

    def entropy(x: Array, w: Array) -> Array:
        f = lambda x: jnp.sum(jnp.dot(w, jnp.exp(x)) * x[:1])
        return jnp.sum(sg.backprop(f, sg.Entropy())(x).entropy)

    x = jnp.asarray([0.2, -0.4, 0.9])
    kept = np.array([0, 2])
    whole = jax.grad(entropy)(x, weights)
    np.testing.assert_allclose(whole[kept], jax.grad(entropy)(x[kept], weights[kept]), rtol=1e-9)


def test_training_on_the_entropy_of_the_paths() -> None:
    """A loss with the entropy of its own gradient paths in it can be descended."""
    w = jnp.asarray([[0.5, -0.3, 0.8], [0.1, 0.9, -0.7], [0.4, 0.2, 0.6]])
    x = jnp.asarray([0.3, -0.8, 1.1])

    def loss(w: Array) -> Array:
        f = lambda x: jnp.sum(jnp.tanh(w @ jnp.tanh(w @ x)))
        return jnp.mean(sg.backprop(f, sg.Entropy())(x).entropy)

    step = jax.jit(lambda w: w - 0.5 * jax.grad(loss)(w))
    before = loss(w)
    for _ in range(5):
        w = step(w)
    assert loss(w) < before - 0.01
