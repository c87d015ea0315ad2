"""The kernels of the max contraction give the same bits: on a plain loop's, and on each other's."""

import functools
import os
import pathlib
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import semigrad as sg
from semigrad.kernels import maximum, maximum_native

# Whether a kernel is vectorised, and how, must not show.
pytestmark = pytest.mark.optimised

Array = Any

_native = pytest.mark.skipif(
    not maximum_native.is_available(), reason="the package semigrad-native is not installed"
)
KERNELS = ["xla", "pallas", pytest.param("native", marks=_native)]

# [b, m, k, n]; loops of XLA's kernel take eight steps at once in the second, four in the last.
SHAPES = [(1, 1, 1, 1), (2, 5, 7, 37), (3, 33, 70, 4), (1, 40, 3, 300), (3, 33, 70, 10)]


def _operands(shape: tuple[int, ...], ends: int, dtype: Any) -> tuple[Array, tuple[Array, ...]]:
    """Weights and ends with zeros of both signs, no path, ties, infinite weights and NaN."""
    b, m, k, n = shape
    rng = np.random.default_rng(sum(shape))
    weight = rng.integers(-3, 4, (b, k, n)) * rng.choice([0.5, -0.5, 1.25], (b, k, n))
    high = rng.integers(-3, 4, (b, m, n)) * rng.choice([0.5, 1.5], (b, m, n))
    low = high - np.abs(rng.integers(0, 3, high.shape))
    if ends == 1:
        high = np.abs(high)
    else:
        empty = rng.random(high.shape) < 0.3
        high, low = np.where(empty, -np.inf, high), np.where(empty, np.inf, low)
    if k > 2:
        weight[0, 1, n // 2] = np.inf
        weight[0, 2, n - 1] = np.nan
        low[-1, 2, 0] = high[-1, 2, 0] = np.nan
    return jnp.asarray(weight, dtype), tuple(jnp.asarray(x, dtype) for x in (high, low)[:ends])


def _by_loops(weight: Array, ends: tuple[Array, ...]) -> list[np.ndarray]:
    """The definition; a product that is NaN is no path, a NaN in an operand gives NaN."""
    w, values = np.asarray(weight)[:, None, :, :], [np.asarray(x)[:, :, None, :] for x in ends]
    with np.errstate(invalid="ignore"):
        if len(values) == 1:
            products = [np.abs(w) * values[0]]
        else:
            high, low = values
            products = [w * np.where(w < 0, low, high), w * np.where(w < 0, high, low)]
    fills = [0] if len(values) == 1 else [-np.inf, np.inf]
    outs = []
    for end, product, fill, join in zip(values, products, fills, (np.max, np.min), strict=False):
        out = join(np.where(np.isnan(product), fill, product), -1, initial=fill)
        undefined = np.isnan(w).any(-1) | np.isnan(end).any(-1)
        outs.append(np.where(undefined, np.nan, out))
    return outs


def _assert_same_bits(got: Array, want: Array) -> None:
    got, want = np.asarray(got), np.asarray(want)
    np.testing.assert_array_equal(got, want)
    finite = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[finite]), np.signbit(want[finite]))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("ends", [1, 2])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64, jnp.bfloat16])
def test_equals_the_definition(kernel: str, ends: int, dtype: Any) -> None:
    for shape in SHAPES:
        weight, values = _operands(shape, ends, dtype)
        got = jax.jit(functools.partial(maximum.contract, kernel=kernel))(weight, values)
        for x, want in zip(got, _by_loops(weight, values), strict=True):
            assert x.dtype == dtype
            np.testing.assert_array_equal(np.asarray(x, np.float64), want.astype(np.float64))


@pytest.mark.parametrize("kernel", KERNELS[1:])
@pytest.mark.parametrize("ends", [1, 2])
@pytest.mark.parametrize("batched", ["ends", "weight", "both", "twice"])
def test_same_bits_under_vmap(kernel: str, ends: int, batched: str) -> None:
    weight, values = _operands((6, 5, 7, 37), ends, jnp.float32)
    weights = weight.reshape(3, 2, *weight.shape[1:])
    rows = tuple(x.reshape(3, 2, *x.shape[1:]) for x in values)

    def mapped(kernel: str) -> Any:
        f = functools.partial(maximum.contract, kernel=kernel)
        if batched == "ends":
            return jax.vmap(f, (None, 0))(weights[0], rows)
        if batched == "weight":
            return jax.vmap(f, (0, None))(weights, tuple(x[0] for x in rows))
        if batched == "both":
            return jax.vmap(f)(weights, rows)
        inner = jax.vmap(f, (None, 0))
        return jax.vmap(inner, (0, None))(weights, tuple(x[:, :1].repeat(2, 1) for x in rows))

    for got, want in zip(mapped(kernel), mapped("xla"), strict=True):
        _assert_same_bits(got, want)


@pytest.mark.parametrize("kernel", KERNELS[1:])
@pytest.mark.parametrize("ends", [1, 2])
def test_same_derivatives(kernel: str, ends: int) -> None:
    rng = np.random.default_rng(0)
    weight, high = jnp.asarray(rng.normal(size=(2, 4, 5))), jnp.asarray(rng.normal(size=(2, 3, 5)))
    values = (jnp.abs(high),) if ends == 1 else (high, high - 1)

    def total(kernel: str, weight: Array, values: tuple[Array, ...]) -> Array:
        return sum(jnp.sum(jnp.sin(x)) for x in maximum.contract(weight, values, kernel))

    got, want = (jax.grad(functools.partial(total, k), (0, 1))(weight, values)
                 for k in (kernel, "xla"))  # fmt: skip
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(a, b)
    rounded = lambda w: total(kernel, w, values)
    step = 1e-6 * jnp.ones_like(weight)
    slope = (rounded(weight + step) - rounded(weight - step)) / 2e-6
    np.testing.assert_allclose(jnp.sum(got[0]), slope, rtol=1e-6)


@_native
def test_every_instruction_set_gives_the_same_bits() -> None:
    import semigrad_native

    try:
        for number, name in enumerate(semigrad_native.INSTRUCTION_SETS):
            if semigrad_native.use(name) != name:
                continue  # not on this processor
            for shape in [*SHAPES, (2, 70, 130, 600)]:
                for ends in (1, 2):
                    weight, values = _operands(shape, ends, jnp.float32)
                    got = maximum.contract(weight, values, "native")
                    for a, b in zip(got, maximum.contract(weight, values, "xla"), strict=True):
                        _assert_same_bits(a, b)
            assert number or name == "portable"
    finally:
        semigrad_native.use(semigrad_native.widest())


def test_a_native_build_without_a_compiler_says_so(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("setuptools")
    native = pathlib.Path(__file__).parents[1] / "native"
    build = ["build_ext", f"--build-temp={tmp_path}", f"--build-lib={tmp_path}"]
    ended = subprocess.run(
        [sys.executable, "setup.py", *build],
        cwd=native,
        env={**os.environ, "CC": "no-such-compiler", "CXX": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("semigrad-native needs a C++17 compiler")
    assert "no-such-compiler: not found" in message and "semigrad itself needs none" in message


@pytest.mark.parametrize("semiring", [sg.MaxProduct, sg.AbsMaxProduct])
def test_a_kernel_that_is_not_there_is_refused(semiring: Any, monkeypatch: Any) -> None:
    with pytest.raises(ValueError, match=r"'cuda'.*xla, native, pallas"):
        semiring(kernel="cuda")
    missing = (None, "No module named 'semigrad_native'; install it")
    monkeypatch.setattr(maximum_native, "_load", lambda: missing)
    with pytest.raises(ValueError, match=r"not available.*semigrad_native.*install"):
        semiring(kernel="native")
    assert maximum._fastest(jnp.zeros(3)) == "xla"


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_semiring_uses_the_kernel_it_is_given(kernel: str, monkeypatch: Any) -> None:
    used = []
    known = maximum.KERNELS[kernel]
    monkeypatch.setitem(maximum.KERNELS, kernel, lambda *a: used.append(kernel) or known(*a))
    w = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)))
    f = lambda x: jnp.sum(jnp.tanh(x @ w))
    got = sg.backprop(f, sg.MaxProduct(kernel=kernel))(jnp.ones((2, 4)))
    assert used
    want = sg.backprop(f, sg.MaxProduct(kernel="xla"))(jnp.ones((2, 4)))
    _assert_same_bits(got.max, want.max)
    _assert_same_bits(got.min, want.min)
