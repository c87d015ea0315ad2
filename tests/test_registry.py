"""Rules from outside, and what `coverage` tells."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

import semigrad as sg

Array = Any


def _primitive(name: str) -> Primitive:
    """A primitive that doubles, differentiable for JAX."""
    double = Primitive(name)
    double.def_abstract_eval(lambda x: x)
    double.def_impl(lambda x: x * 2.0)
    mlir.register_lowering(double, mlir.lower_fun(lambda x: x * 2.0, multiple_results=False))
    ad.deflinear2(double, lambda ct, x: [double.bind(ct)])
    return double


def test_a_rule_from_outside() -> None:
    double = _primitive("semigrad_test_registered")
    f = lambda x: jnp.sum(double.bind(x) * x)
    x = jnp.asarray([1.0, -2.0, 3.0])
    with pytest.raises(NotImplementedError, match="semigrad_test_registered"):
        sg.backprop(f, sg.MaxProduct())(x)

    @sg.register_rule(double)
    def double_rule(site: Any, ct: Any, x: Array, **params: Any) -> list[Any]:
        _, weight = jax.jvp(site.bind, (x,), (jnp.ones_like(x),))
        return [site.semiring.scale(weight, ct)]

    got = sg.backprop(f, sg.Product(sg.SumProduct(), sg.MaxProduct(), sg.Count()))(x)
    np.testing.assert_allclose(got[0], jax.grad(f)(x))
    np.testing.assert_allclose(got[1].max, 2 * x)
    np.testing.assert_allclose(got[2], np.full(3, np.log(2.0)))
    assert "semigrad_test_registered" in sg.coverage().handled


@jax.jit
def semigrad_test_gelu(x: Array) -> Array:
    return x * jax.nn.sigmoid(1.7 * x)


def test_a_rule_for_a_jitted_function() -> None:
    """With a rule of its own each call is one equation: here one edge per element, not two."""

    def loop(x: Array) -> Array:
        rows = jnp.stack([semigrad_test_gelu(x), x])
        return jax.lax.scan(lambda c, row: (semigrad_test_gelu(c) * row, None), x[0], rows[:, 0])[0]

    f = lambda x: jnp.sum(semigrad_test_gelu(x) * jnp.asarray([1.0, -2.0, 0.5]))
    x = jnp.asarray([0.3, -1.0, 2.0])
    np.testing.assert_allclose(sg.backprop(f, sg.Count())(x), np.log([2.0, 2.0, 2.0]))
    count = float(sg.backprop(loop, sg.Count())(x)[0])
    name = "jit(semigrad_test_gelu)"

    @sg.register_rule(name, multiple_results=True, pointwise=True)
    def gelu_rule(site: Any, cts: list[Any], x: Array, **params: Any) -> list[Any]:
        _, (weight,) = jax.jvp(site.bind, (x,), (jnp.ones_like(x),))
        return [site.semiring.scale(weight, cts[0])]

    semiring = sg.Product(sg.SumProduct(), sg.MaxProduct(), sg.Count())
    got = jax.jit(jax.vmap(sg.backprop(f, semiring)))(x[None])
    want = jax.grad(f)(x)
    np.testing.assert_allclose(got[0][0], want)
    np.testing.assert_allclose(got[1].max[0], want)
    np.testing.assert_allclose(got[2][0], np.zeros(3))
    assert sg.top_path(f)(x).steps[0].primitive == name
    assert sg.coverage().handled[name] == "user"
    np.testing.assert_allclose(sg.backprop(loop, sg.SumProduct())(x), jax.grad(loop)(x))
    assert float(sg.backprop(loop, sg.Count())(x)[0]) < count


def test_registering_twice_raises() -> None:
    with pytest.raises(ValueError, match="dot_general"):
        sg.register_rule("dot_general")(lambda site, ct, *operands, **params: [None, None])


def test_a_rule_of_the_wrong_length_is_found_out() -> None:
    wrong = _primitive("semigrad_test_wrong_length")
    sg.register_rule(wrong)(lambda site, ct, x, **params: [ct, ct])
    with pytest.raises(Exception, match="semigrad_test_wrong_length"):
        sg.backprop(lambda x: jnp.sum(wrong.bind(x)), sg.Count())(jnp.ones(3))


def test_a_rule_of_the_wrong_shape_is_found_out() -> None:
    wrong = _primitive("semigrad_test_wrong_shape")
    sg.register_rule(wrong)(lambda site, ct, x, **params: [site.semiring.sum(ct, 0)])
    with pytest.raises(Exception, match="semigrad_test_wrong_shape"):
        sg.backprop(lambda x: jnp.sum(wrong.bind(x)), sg.Count())(jnp.ones(3))


def test_a_rule_of_the_wrong_dtype_is_found_out() -> None:
    wrong = _primitive("semigrad_test_wrong_dtype")

    @sg.register_rule(wrong)
    def rule(site: Any, ct: Any, x: Array, **params: Any) -> list[Any]:
        return [site.semiring.map(lambda leaf: leaf.astype(jnp.float32), ct)]

    f = lambda x: jnp.sum(wrong.bind(x))
    looped = lambda x: jax.lax.scan(lambda c, row: (c + f(row), None), 0.0, x[None])[0]
    for g in (f, looped):
        with pytest.raises(TypeError, match=r"rule of 'semigrad_test_wrong_dtype'.*float32"):
            sg.backprop(g, sg.SumProduct())(jnp.ones(3))


def test_coverage_names_every_differentiable_primitive_once() -> None:
    """Unknown are here, where other tests ran before, at most those of other libraries."""
    coverage = sg.coverage()
    known = {*coverage.handled, *coverage.refused}
    assert {p.name for p in ad.primitive_jvps} == (known | {*coverage.unknown}) & {
        p.name for p in ad.primitive_jvps
    }
    assert not known & {*coverage.unknown}
    assert not set(coverage.handled) & set(coverage.refused)
    for primitive, reason in coverage.refused.items():
        assert len(reason) > 20, primitive
    assert "dot_general" in str(coverage)


_DOCUMENT = Path(__file__).parents[1] / "docs" / "coverage.md"


def test_the_coverage_table_is_what_its_script_writes() -> None:
    """Also fails where JAX's experimental parts have a primitive that nobody knows.

    The table is that of one JAX version; with another, only what both have must be treated alike.
    """
    script = [sys.executable, str(Path(__file__).parent / "coverage_table.py")]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = _DOCUMENT.read_text()
    if f"all primitives that JAX {jax.__version__}," in kept:
        assert done.stdout == kept, "run `python tests/coverage_table.py > docs/coverage.md`"
    assert _treatments(done.stdout) == _treatments(kept)


def _treatments(document: str) -> dict[str, tuple[str, ...]]:
    """{primitive: family and treatment, or family and reason}."""
    handled, refused = document.split("## Refused")
    rows = [line.strip("| ").split(" | ") for line in handled.splitlines() if "`" in line]
    found = {row[0].strip("()`"): tuple(row[1:3]) for row in rows if len(row) > 2}
    for line in refused.splitlines():
        if "`" in line:
            family, names, reason, *_ = line.strip("| ").split(" | ")
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", names), (family, reason))
    return found


def test_coverage_of_the_families() -> None:
    coverage = sg.coverage()
    families = {
        "tanh": "elementwise",
        "add": "elementwise",
        "gather": "routing",
        "select_n": "routing",
        "scatter-add": "scatter",
        "reduce_max": "reductions",
        "cumsum": "cumulative",
        "lu": "linear algebra",
        "dot_general": "contractions",
        "conv_general_dilated": "contractions",
        "reduce_window_max": "windows",
        "sort": "selection",
        "cumprod": "cumulative",
        "scan": "control flow",
        "cond": "control flow",
        "jit": "calls",
        "floor": "no edge",
        "stop_gradient": "no edge",
    }
    for primitive, family in families.items():
        assert coverage.handled[primitive] == family
    for primitive in ("while", "pure_callback", "complex", "new_ref", "schur", "fft", "psum"):
        assert primitive in coverage.refused
