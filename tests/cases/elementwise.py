"""Cases of the family 'elementwise'."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax

from cases.case import Array, Case, Real, Whole, exactly, make, positive, real, weigh


def _unary(name: str, op: Callable[[Array], Array], spec: Real, **kwargs: Any) -> Case:
    covers = kwargs.pop("covers", (name,))
    f = kwargs.pop("f", lambda x: weigh(op(x) * x))
    return make(f"elementwise/{name}", f, spec, covers=covers, **kwargs)


_OPEN_UNIT = real(3, low=-0.9, high=0.9)
_UNARY = [
    _unary("abs", lax.abs, real(3)),
    _unary("acos", lax.acos, _OPEN_UNIT),
    _unary("acosh", lax.acosh, real(3, low=1.1, high=3.0)),
    _unary("asin", lax.asin, _OPEN_UNIT),
    _unary("asinh", lax.asinh, real(3)),
    _unary("atan", lax.atan, real(3)),
    _unary("atanh", lax.atanh, _OPEN_UNIT),
    _unary("bessel_i0e", lax.bessel_i0e, real(3)),
    _unary("bessel_i1e", lax.bessel_i1e, real(3)),
    _unary("cbrt", lax.cbrt, positive(3)),
    _unary("cos", lax.cos, real(3)),
    _unary("cosh", lax.cosh, real(3)),
    _unary("digamma", lax.digamma, positive(3)),
    _unary("erf", lax.erf, real(3)),
    _unary("erf_inv", lax.erf_inv, _OPEN_UNIT),
    _unary("erfc", lax.erfc, real(3)),
    _unary("exp", lax.exp, real(3)),
    _unary("exp2", lax.exp2, real(3)),
    _unary("expm1", lax.expm1, real(3)),
    _unary("integer_pow_3", lambda x: lax.integer_pow(x, 3), real(3), covers=("integer_pow",)),
    _unary("integer_pow_-2", lambda x: lax.integer_pow(x, -2), positive(3)),
    _unary("integer_pow_0", lambda x: lax.integer_pow(x, 0) + x, real(3)),
    _unary("lgamma", lax.lgamma, positive(3)),
    _unary("log", lax.log, positive(3)),
    _unary("log1p", lax.log1p, positive(3)),
    _unary("logistic", lax.logistic, real(3)),
    _unary("neg", lax.neg, real(3)),
    _unary("rsqrt", lax.rsqrt, positive(3)),
    _unary("sin", lax.sin, real(3)),
    _unary("sinh", lax.sinh, real(3)),
    _unary("sqrt", lax.sqrt, positive(3)),
    _unary("square", lax.square, real(3)),
    _unary("tan", lax.tan, _OPEN_UNIT),
    _unary("tanh", lax.tanh, real(3)),
]
_UNARY = [
    dataclasses.replace(c, covers=("integer_pow",)) if "integer_pow" in c.name else c
    for c in _UNARY
]
for _name in ("log2", "one_minus_square"):
    if hasattr(lax, _name):
        _UNARY.append(
            _unary(_name, getattr(lax, _name), _OPEN_UNIT if "one" in _name else positive(3))
        )
if hasattr(lax, "polynomial"):
    _UNARY.append(_unary("polynomial", lambda x: lax.polynomial(x, [0.5, -1.0, 2.0]), real(3)))


def _add_any(x: Array) -> Array:
    """The gradient of a value used twice: JAX adds its two cotangents with add_any."""
    return weigh(jax.grad(lambda y: jnp.sum(jnp.sin(y) * y))(x))


ELEMENTWISE = [
    *_UNARY,
    make("elementwise/add", lambda x, y: weigh(x + y) * y[0], real(3), real(3), covers=("add",)),
    make("elementwise/add_any", _add_any, real(3), covers=("add_any",)),
    make("elementwise/sub", lambda x, y: weigh(x - y * x), real(3), real(3), covers=("sub",)),
    make("elementwise/mul", lambda x, y: weigh(x * y * x), real(3), real(3), covers=("mul",)),
    make("elementwise/div", lambda x, y: weigh(x / y), real(3), positive(3), covers=("div",)),
    make(
        "elementwise/max",
        lambda x, y: weigh(jnp.maximum(x, y) * x),
        real(3),
        real(3),
        covers=("max",),
    ),
    make(
        "elementwise/min",
        lambda x, y: weigh(jnp.minimum(x, y) * x),
        real(3),
        real(3),
        covers=("min",),
    ),
    make(
        "elementwise/atan2",
        lambda x, y: weigh(lax.atan2(x, y) * x),
        real(3),
        real(3),
        covers=("atan2",),
    ),
    make(
        "elementwise/pow",
        lambda x, y: weigh(lax.pow(x, y) * x),
        positive(3),
        real(3),
        covers=("pow",),
    ),
    make(
        "elementwise/pow_integer_operand",
        lambda x, n: weigh(lax.pow(x, n) * x),
        real(3),
        Whole([2, 0, 3]),
        covers=("pow",),
        strict=False,  # nor does jax.grad of it
    ),
    make(
        "elementwise/rem",
        lambda x, y: weigh(lax.rem(x, y) * x),
        real(3, low=3.1, high=7.0),
        positive(3),
        covers=("rem",),
    ),
    make(
        "elementwise/clamp_array_bounds",
        lambda lo, x, hi: weigh(lax.clamp(lo, x, hi)),
        real(5, low=-1.0, high=-0.1),
        exactly([-3.0, -0.05, 2.0, 0.01, 0.03]),
        real(5, low=0.1, high=1.0),
        covers=("clamp",),
    ),
    make(
        "elementwise/clamp_scalar_bounds",
        lambda x: weigh(lax.clamp(-0.5, x, 0.75) * x),
        exactly([-1.0, 0.25, 2.0]),
        covers=("clamp",),
    ),
    make(
        "elementwise/igamma",
        lambda a, x: weigh(lax.igamma(a, x)),
        positive(3),
        positive(3),
        covers=("igamma",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    make(
        "elementwise/igammac",
        lambda a, x: weigh(lax.igammac(a, x)),
        positive(3),
        positive(3),
        covers=("igammac",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    make(
        "elementwise/polygamma",
        lambda x: weigh(lax.polygamma(jnp.ones_like(x), x) * x),
        positive(3),
        covers=("polygamma",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    make(
        "elementwise/regularized_incomplete_beta",
        lambda x: weigh(lax.betainc(jnp.full_like(x, 1.5), jnp.full_like(x, 0.7), x) * x),
        real(3, low=0.1, high=0.9),
        covers=("regularized_incomplete_beta",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    make(
        "elementwise/random_gamma",
        lambda a: weigh(jax.random.gamma(jax.random.key(3), a, dtype=a.dtype)),
        positive(3),
        covers=("random_gamma",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    # the same operand twice: two parallel edges
    make("elementwise/same_add", lambda x: weigh(x + x), real(3)),
    make("elementwise/same_sub_cancels", lambda x: weigh(x - x), real(3)),
    make("elementwise/same_mul", lambda x: weigh(x * x), real(3)),
    make("elementwise/same_div", lambda x: weigh(x / x), positive(3)),
    make("elementwise/same_max_ties", lambda x: weigh(jnp.maximum(x, x)), real(3)),
    # kinks and ties, on purpose
    make(
        "elementwise/kink_abs",
        lambda x: weigh(jnp.abs(x) * x + jnp.abs(x)),
        exactly([0.0, -1.0, 2.0]),
    ),
    make(
        "elementwise/tie_max_min",
        lambda x, y: weigh(jnp.maximum(x, y) + 3.0 * jnp.minimum(x, y)),
        exactly([1.0, -1.0, 2.0]),
        exactly([1.0, 1.0, 2.0]),
    ),
    make(
        "elementwise/kink_maximum_0",
        lambda x: weigh(jnp.maximum(x, 0.0) * x),
        exactly([0.0, -1.0, 2.0]),
    ),
    # zeros in values and in weights
    make(
        "elementwise/zero_values",
        lambda x, y: weigh(x * y + x),
        exactly([0.0, 1.0, 0.0]),
        exactly([0.0, 0.0, 2.0]),
    ),
    make("elementwise/zero_literal", lambda x, y: (x * 0.0) * y - x, exactly(2.0), exactly(5.0)),
    make(
        "elementwise/zero_weights",
        lambda x: jnp.sum(jnp.sin(x) * jnp.asarray([0.0, -1.5, 0.0], x.dtype)),
        real(3),
    ),
    make("elementwise/all_negative", lambda x: jnp.sum(-jnp.exp(x) - 2.0 * jnp.exp(x)), real(3)),
    # broadcasting: scalars and size-1 axes, which lax elementwise operations broadcast themselves
    make("elementwise/scalar_times_array", lambda s, x: jnp.sum(s * x), real(), real(3)),
    make("elementwise/scalar_each_side", lambda s, x: weigh(s / x - s), real(), positive(3)),
    make("elementwise/size_1_axes", lambda x, y: weigh(lax.mul(x, y)), real(3, 1), real(1, 2)),
    make(
        "elementwise/size_1_axis_one_side",
        lambda x, y: weigh(lax.add(x, y) * x),
        real(2, 3),
        real(2, 1),
    ),
    make("elementwise/size_1_same_operand", lambda x: weigh(lax.sub(x * x, x[:, :1])), real(2, 3)),
    make("elementwise/size_1_result", lambda x, y: weigh(x * y), real(1, 1), real(1, 1)),
    make("elementwise/size_0", lambda x, s: jnp.sum(x * s) + s, real(0, 3), real()),
    make("elementwise/literal_operands", lambda x: jnp.sum((2.0 - x) / 3.0 + 1.5 * x), real(3)),
    make(
        "elementwise/integer_argument",
        lambda x, n: weigh(x * n.astype(x.dtype)),
        real(3),
        Whole([2, 0, -1]),
    ),
]
