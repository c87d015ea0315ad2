"""Elementwise primitives: one edge per operand element and result element it meets.

The weight is the primitive's own derivative: `jax.jvp` with a tangent of ones in one operand.
Operands that broadcast against the result (scalars, axes of size 1) have several edges per
element; these meet by `plus`.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import primitives

from semigrad.registry import Site, register_rule
from semigrad.semirings.base import Element, Semiring

# Derivatives that are constants: the primitives, and how many operands they have.
_LINEAR = {
    "add": (primitives.add_p, 2),
    "add_any": (primitives.add_jaxvals_p, 2),
    "neg": (primitives.neg_p, 1),
    "sub": (primitives.sub_p, 2),
}

_NONLINEAR = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bessel_i0e", "bessel_i1e",
    "cbrt", "clamp", "cos", "cosh", "digamma", "div", "erf", "erf_inv", "erfc", "exp", "exp2",
    "expm1", "igamma", "igammac", "lgamma", "log", "log1p", "log2", "logistic",
    "max", "min", "mul", "nextafter", "one_minus_square", "polygamma", "polynomial",
    "random_gamma", "regularized_incomplete_beta", "rem", "rsqrt", "sin", "sinh", "sqrt",
    "square", "tan", "tanh",
]  # fmt: skip


def _nonlinear(site: Site, ct: Element, *operands: Any, **_: Any) -> list[Element | None]:
    return [
        _through(site, index, ct, operands) if is_active else None
        for index, is_active in enumerate(site.active)
    ]


def _through(site: Site, index: int, ct: Element, operands: Sequence[Any]) -> Element:
    operand = jnp.asarray(operands[index])

    def of_one(x: Any) -> Any:
        return site.bind(*operands[:index], x, *operands[index + 1 :])

    _, weight = jax.jvp(of_one, (operand,), (jnp.ones_like(operand),))
    return unbroadcast(site.semiring, site.semiring.scale(weight, ct), operand.shape)


def _linear(name: str, site: Site, ct: Element, *operands: Any, **_: Any) -> list[Element | None]:
    semiring = site.semiring

    def through(index: int) -> Element:
        weight = _constant_weight(name, index)
        shape = semiring.shape(ct)
        dtype = site.in_avals[index].dtype
        out = ct if weight == 1 else semiring.scale(jnp.full(shape, weight, dtype), ct)
        return unbroadcast(semiring, out, site.in_avals[index].shape)

    return [through(index) if active else None for index, active in enumerate(site.active)]


@functools.cache
def _constant_weight(name: str, index: int) -> float:
    """Returns the derivative of a linear primitive in one operand, computed once."""
    primitive, count = _LINEAR[name]
    with jax.ensure_compile_time_eval():
        zeros = (jnp.zeros((), jnp.float32),) * count
        tangents = tuple(jnp.full((), float(i == index), jnp.float32) for i in range(count))
        _, weight = jax.jvp(primitive.bind, zeros, tangents)
        return float(np.asarray(weight))


@register_rule("integer_pow", family="elementwise", pointwise=True)
def _integer_pow(site: Site, ct: Element, x: Any, *, y: int) -> list[Element | None]:
    """x^0 is a constant: it has no edge, rather than one of weight 0."""
    return [None] if y == 0 else _nonlinear(site, ct, x)


@register_rule("pow", family="elementwise", pointwise=True)
def _pow(site: Site, ct: Element, x: Any, y: Any) -> list[Element | None]:
    """An integer exponent is a discrete operand: where it is 0 there is no edge."""
    if jnp.issubdtype(site.in_avals[1].dtype, jnp.integer) and site.active[0]:
        semiring, fill = site.semiring, site.semiring.zero((), site.out_avals[0].dtype)
        constant = jnp.broadcast_to(jnp.asarray(y) == 0, site.out_avals[0].shape)
        ct = semiring.map(lambda leaf, none: jnp.where(constant, none, leaf), ct, fill)
    return _nonlinear(site, ct, x, y)


def unbroadcast(semiring: Semiring, ct: Element, shape: tuple[int, ...]) -> Element:
    """Joins by `plus` what was broadcast from `shape`: scalars and axes of size 1."""
    result = semiring.shape(ct)
    if result == shape:
        return ct
    if not shape:
        return semiring.sum(ct)
    axes = tuple(
        axis for axis, (own, all_) in enumerate(zip(shape, result, strict=True)) if own != all_
    )
    return semiring.map(lambda x: x.reshape(shape), semiring.sum(ct, axes))


for _name in _LINEAR:
    register_rule(_name, family="elementwise", pointwise=True)(functools.partial(_linear, _name))
for _name in _NONLINEAR:
    register_rule(_name, family="elementwise", pointwise=True)(_nonlinear)
