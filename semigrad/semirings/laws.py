"""The axioms of a semiring as a check that anyone can run on their own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semigrad.semirings.base import Array, Element, Semiring

_SHAPE = (2, 3, 5)


class LawError(AssertionError):
    """A semiring breaks a law."""


def check_laws(
    semiring: Semiring,
    key: Array,
    *,
    dtype: Any = jnp.float32,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> None:
    """Tests the axioms of a semiring on random elements.

    plus is associative and commutative with neutral `zero`; times is associative with neutral
    `one`, distributes over plus from both sides, and `zero` annihilates; all preserve structure,
    shape and dtype; `scale`, `sum`, `segment_sum` and `contract` equal what the base class
    derives from the five basic operations. Elements are sums of products of lifted weights of
    either sign, exact zeros and "no path" among them.

    Args:
      semiring: the semiring to test.
      key: a `jax.random` key.
      dtype: dtype of the weights.
      rtol: relative tolerance of the comparisons.
      atol: absolute tolerance of the comparisons.

    Raises:
      LawError: a law is broken; the message names the law and shows both sides.
    """
    keys = iter(jax.random.split(key, 16))
    s = semiring
    zero, one = s.zero(_SHAPE, dtype), s.one(_SHAPE, dtype)
    weight = _random_weight(next(keys), _SHAPE, dtype)

    def same(law: str, left: Element, right: Element) -> None:
        _check_same(s, law, left, right, rtol, atol)

    same("lift has the structure of zero", _typed(s.lift(weight)), _typed(zero))
    same("one has the structure of zero", _typed(one), _typed(zero))
    same("plus has the structure of zero", _typed(s.plus(one, zero)), _typed(zero))
    same("times has the structure of zero", _typed(s.times(one, zero)), _typed(zero))
    a, b, c = (_random_element(s, next(keys), dtype) for _ in range(3))
    same("plus is commutative", s.plus(a, b), s.plus(b, a))
    same("plus is associative", s.plus(s.plus(a, b), c), s.plus(a, s.plus(b, c)))
    same("zero is neutral for plus", s.plus(a, zero), a)
    same("times is associative", s.times(s.times(a, b), c), s.times(a, s.times(b, c)))
    same("one is neutral for times, on the left", s.times(one, a), a)
    same("one is neutral for times, on the right", s.times(a, one), a)
    same(
        "times distributes over plus, on the left",
        s.times(a, s.plus(b, c)),
        s.plus(s.times(a, b), s.times(a, c)),
    )
    same(
        "times distributes over plus, on the right",
        s.times(s.plus(a, b), c),
        s.plus(s.times(a, c), s.times(b, c)),
    )
    same("zero annihilates, on the left", s.times(zero, a), zero)
    same("zero annihilates, on the right", s.times(a, zero), zero)
    same("scale is times of lift", s.scale(weight, a), s.times(s.lift(weight), a))
    for axis in range(len(_SHAPE)):
        same(f"sum along axis {axis}", s.sum(a, axis), Semiring.sum(s, a, axis))
    ids = jnp.array([1, -1], jnp.int32)
    same("segment_sum", s.segment_sum(a, ids, 3), Semiring.segment_sum(s, a, ids, 3))
    repeated = jnp.array([1, 1], jnp.int32)
    same("segment_sum", s.segment_sum(a, repeated, 2), Semiring.segment_sum(s, a, repeated, 2))
    matrix = _random_weight(next(keys), (2, 4, 5), dtype)
    same("contract", s.contract(matrix, a), Semiring.contract(s, matrix, a))


def _random_weight(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Returns weights of either sign and of several sizes, a fifth of them exactly 0."""
    k1, k2, k3 = jax.random.split(key, 3)
    size = jnp.exp(jax.random.normal(k1, shape, dtype))
    sign = jax.random.rademacher(k2, shape, dtype)
    return jnp.where(jax.random.bernoulli(k3, 0.2, shape), 0, size * sign)


def _random_element(semiring: Semiring, key: Array, dtype: Any) -> Element:
    """Returns lift(u) lift(v) plus lift(w), some of it "no path"."""
    keys = jax.random.split(key, 4)
    u, v, w = (semiring.lift(_random_weight(k, _SHAPE, dtype)) for k in keys[:3])
    element = semiring.plus(semiring.times(u, v), w)
    absent = jax.random.bernoulli(keys[3], 0.1, _SHAPE)
    return semiring.map(lambda x, z: jnp.where(absent, z, x), element, semiring.zero(_SHAPE, dtype))


def _typed(element: Element) -> Element:
    """Returns the element with its values erased: structure, shapes and dtypes stay."""
    return jax.tree.map(jnp.zeros_like, element)


def _check_same(
    semiring: Semiring, law: str, left: Element, right: Element, rtol: float, atol: float
) -> None:
    if _form(left) != _form(right):
        raise LawError(
            f"{semiring!r} breaks '{law}': the sides differ in structure, shape or dtype: "
            f"{_form(left)} against {_form(right)}"
        )
    for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        if not np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=False):
            raise LawError(f"{semiring!r} breaks '{law}': {left} against {right}")


def _form(element: Element) -> Any:
    leaves, structure = jax.tree.flatten(element)
    return structure, [(jnp.shape(x), jnp.asarray(x).dtype.name) for x in leaves]
