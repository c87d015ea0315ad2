"""Rules from outside, and what `coverage` tells."""

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


def test_coverage_leaves_nothing_unknown() -> None:
    """Every primitive that JAX can differentiate is handled or refused, with a reason."""
    coverage = sg.coverage()
    assert not coverage.unknown
    assert {p.name for p in ad.primitive_jvps} <= {*coverage.handled, *coverage.refused}
    assert not set(coverage.handled) & set(coverage.refused)
    for primitive, reason in coverage.refused.items():
        assert len(reason) > 20, primitive
    assert "dot_general" in str(coverage)


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
        "sort": "selection",
        "lu": "linear algebra",
        "dot_general": "contractions",
        "floor": "no edge",
        "stop_gradient": "no edge",
    }
    for primitive, family in families.items():
        assert coverage.handled[primitive] == family
    for primitive in ("scan", "cond", "while", "conv_general_dilated", "schur", "fft"):
        assert primitive in coverage.refused
