"""With the sum-product semiring the transformation is `jax.grad`, in every calling convention.

In float64, under jit of vmap, `test_paths_enumerated.py` compares the two.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, REPRESENTATIVE, Case
from checks import assert_trees_close, sampled, strict

import semigrad as sg


def _close(got: object, want: object, rtol: float) -> None:
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert g.dtype == w.dtype
    assert_trees_close(got, want, rtol)


@pytest.mark.float32
@pytest.mark.optimised
@pytest.mark.parametrize("case", sampled(CASES, REPRESENTATIVE[::2]))
def test_jit_float32(case: Case) -> None:
    args = case.arguments(dtype=np.float32)
    with strict(case):
        got = jax.jit(sg.backprop(case.f, sg.SumProduct(), case.argnums))(*args)
        want = jax.jit(jax.grad(case.f, case.argnums))(*args)
    _close(got, want, case.rtol32)


@pytest.mark.parametrize("case", sampled(REPRESENTATIVE[::2]))
def test_plain(case: Case) -> None:
    args = case.arguments()
    with strict(case):
        got = sg.backprop(case.f, sg.SumProduct(), case.argnums)(*args)
        want = jax.jit(jax.grad(case.f, case.argnums))(*args)
    _close(got, want, case.rtol)


@pytest.mark.parametrize("case", REPRESENTATIVE[1::4], ids=lambda c: c.name)
def test_vmap(case: Case) -> None:
    args = case.batch()
    with strict(case):
        got = jax.vmap(sg.backprop(case.f, sg.SumProduct(), case.argnums))(*args)
        want = jax.jit(jax.vmap(jax.grad(case.f, case.argnums)))(*args)
    _close(got, want, case.rtol)


@pytest.mark.parametrize("case", sampled(REPRESENTATIVE[::7]))
def test_leaks_no_tracer(case: Case) -> None:
    args = case.arguments()
    with jax.checking_leaks():
        jax.jit(sg.backprop(case.f, sg.Entropy(), case.argnums)).lower(*args)


def _loss(params: dict, batch: dict, scale: float = 1.0) -> tuple:
    hidden = jnp.tanh(batch["x"] @ params["w"][0]) * params["w"][1]
    return scale * jnp.sum(hidden), {"hidden": hidden, "ids": batch["ids"]}


def _loss_arguments() -> tuple[dict, dict]:
    w = jnp.arange(6.0).reshape(2, 3) / 5
    params = {"w": [w, jnp.float64(0.7)], "unused": jnp.ones(2)}
    return params, {"x": jnp.ones((5, 2)), "ids": jnp.arange(3)}


def test_pytrees_auxiliary_data_and_keywords() -> None:
    params, batch = _loss_arguments()
    got = sg.backprop(_loss, sg.SumProduct(), has_aux=True)(params, batch, scale=3.0)
    want = jax.grad(_loss, has_aux=True)(params, batch, scale=3.0)
    assert_trees_close(got, want)


def test_value_and_auxiliary_data() -> None:
    params, batch = _loss_arguments()
    got = sg.value_and_backprop(_loss, sg.SumProduct(), has_aux=True)(params, batch, scale=3.0)
    want = jax.value_and_grad(_loss, has_aux=True)(params, batch, scale=3.0)
    assert_trees_close(got, want)


def test_value_without_auxiliary_data() -> None:
    f = lambda x: jnp.sum(jnp.sin(x))
    x = jnp.arange(3.0)
    got = sg.value_and_backprop(f, sg.SumProduct())(x)
    assert_trees_close(got, jax.value_and_grad(f)(x))


@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (1, 0), [0, 1], (-1,)])
def test_argnums(argnums: int | tuple[int, ...] | list[int]) -> None:
    f = lambda x, y: jnp.sum(x * jnp.sin(y))
    args = jnp.arange(3.0), jnp.arange(1.0, 4.0)
    got = sg.backprop(f, sg.SumProduct(), argnums)(*args)
    assert_trees_close(got, jax.grad(f, argnums)(*args))


def test_elements_take_the_place_of_arrays() -> None:
    params, batch = _loss_arguments()
    got = sg.backprop(_loss, sg.MaxProduct(), has_aux=True)(params, batch)[0]
    assert isinstance(got["w"][0], sg.Extremes)
    assert got["w"][0].max.shape == (2, 3)
    np.testing.assert_array_equal(got["unused"].max, -np.inf)
    np.testing.assert_array_equal(got["unused"].min, np.inf)


def test_python_and_numpy_scalars_are_arguments() -> None:
    f = lambda x, y: x * y
    got = sg.backprop(f, sg.SumProduct(), (0, 1))(2.0, np.float64(3.0))
    assert_trees_close(got, (3.0, 2.0))


def test_other_arguments_need_not_be_arrays() -> None:
    f = lambda x, mode, n: jnp.sum(x**n) if mode == "power" else x
    got = sg.backprop(f, sg.SumProduct())(jnp.arange(3.0), "power", 2)
    assert_trees_close(got, 2 * np.arange(3.0))


def test_random_key_is_passed_on() -> None:
    f = lambda x, key: jnp.sum(x * jax.random.normal(key, x.shape))
    x, key = jnp.ones(3), jax.random.key(0)
    got = jax.jit(sg.backprop(f, sg.SumProduct()))(x, key)
    assert_trees_close(got, jax.grad(f)(x, key))


def test_is_pure() -> None:
    """Nothing is kept from one call to the next: shapes, dtypes and values may change."""
    backprop = sg.backprop(lambda x: jnp.sum(x * x), sg.SumProduct())
    for x in (jnp.arange(3.0), jnp.ones((2, 5)), jnp.float32(2.0), jnp.arange(3.0) + 1):
        np.testing.assert_array_equal(backprop(x), 2 * x)


def test_under_grad_of_its_own() -> None:
    """The derivative of the derivative, reverse over reverse and forward over reverse."""
    f = lambda x: jnp.sum(jnp.sin(x) * x)
    x = jnp.arange(1.0, 4.0)
    backprop = sg.backprop(f, sg.SumProduct())
    want = jax.hessian(f)(x)
    assert_trees_close(jax.jacrev(backprop)(x), want)
    assert_trees_close(jax.jacfwd(backprop)(x), want)


def test_inside_checkpoint_and_scan() -> None:
    f = lambda x: jnp.sum(jnp.tanh(x) * x)
    x = jnp.arange(3.0)
    backprop = sg.backprop(f, sg.SumProduct())
    want = jax.grad(f)(x)
    assert_trees_close(jax.checkpoint(backprop)(x), want)
    assert_trees_close(jax.lax.map(backprop, x[None, :])[0], want)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, jnp.bfloat16], ids=str)
def test_narrow_types(dtype: jnp.dtype) -> None:
    f = lambda x: jnp.sum(x * jnp.asarray([1.0, -2.0, 0.5], x.dtype) * x)
    x = jnp.asarray([1.0, 2.0, -3.0], dtype)
    got = sg.backprop(f, sg.SumProduct())(x)
    want = jax.grad(f)(x)
    assert got.dtype == want.dtype == dtype
    np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(want, np.float32))
    assert sg.backprop(f, sg.MaxProduct())(x).max.dtype == dtype
    for leaf in sg.backprop(f, sg.Entropy())(x):
        assert leaf.dtype == jnp.float32
        np.testing.assert_array_equal(np.isfinite(leaf), True)
    signed = sg.backprop(f, sg.Signed())(x)
    assert signed.log_positive.dtype == signed.log_negative.dtype == jnp.float32
    np.testing.assert_array_equal(np.isfinite(signed.log_positive), [True, False, False])
    np.testing.assert_array_equal(np.isfinite(signed.log_negative), [False, True, True])


def test_shard_alike() -> None:
    """A primitive of JAX up to 0.10."""
    module = pytest.importorskip("jax.experimental.shard_alike")

    def f(x: jax.Array, y: jax.Array) -> jax.Array:
        a, b = module.shard_alike(x, y)
        return jnp.sum(a * b * a)

    args = jnp.arange(3.0), jnp.asarray([2.0, -1.0, 0.5])
    got = sg.backprop(f, sg.SumProduct(), (0, 1))(*args)
    assert_trees_close(got, jax.grad(f, (0, 1))(*args))
