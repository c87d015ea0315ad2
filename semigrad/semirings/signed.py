"""The signed semiring: how much of the gradient's paths is positive, and how much cancels it."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from semigrad.kernels import logspace
from semigrad.kernels.matmul import squeeze
from semigrad.semirings.base import Array, Semiring, log_dtype
from semigrad.semirings.log_space import log_matmul


class SignedMass(NamedTuple):
    """The masses of the positive and of the negative paths, as logarithms in nats.

    The gradient is the difference of the two masses, `LogSumProduct` the log of their sum.

    Attributes:
      log_positive: log of the sum of the weights of positive paths; -inf where there is none.
      log_negative: log of the sum of the magnitudes of negative paths; -inf where there is none.
    """

    log_positive: Array
    log_negative: Array


@dataclasses.dataclass(frozen=True)
class Signed(Semiring):
    """The log masses of the positive and of the negative paths: how much cancels.

    Pairs (P, N) of masses with lift(w) = (max(w, 0), max(-w, 0)), added by plus; times multiplies
    them by the rule of signs: P P' + N N' and P N' + N P'. Kept as logarithms, float32 or float64:
    masses leave float32's range within a few layers of a transformer.
    """

    def zero(self, shape: Sequence[int], dtype: Any) -> SignedMass:
        nothing = jnp.full(shape, -jnp.inf, log_dtype(dtype))
        return SignedMass(nothing, nothing)

    def one(self, shape: Sequence[int], dtype: Any) -> SignedMass:
        return self.lift(jnp.ones(shape, dtype))

    def lift(self, weight: Array) -> SignedMass:
        positive, negative = _parts(weight.astype(log_dtype(weight.dtype)))
        return SignedMass(logspace.log_magnitude(positive), logspace.log_magnitude(negative))

    def plus(self, a: SignedMass, b: SignedMass) -> SignedMass:
        return SignedMass(*map(logspace.add, a, b))

    def times(self, a: SignedMass, b: SignedMass) -> SignedMass:
        def mass(b_same: Array, b_other: Array) -> Array:
            same = logspace.multiply(a.log_positive, b_same)
            return logspace.add(same, logspace.multiply(a.log_negative, b_other))

        return SignedMass(mass(*b), mass(*reversed(b)))

    def scale(self, weight: Array, a: SignedMass) -> SignedMass:
        size = logspace.log_magnitude(weight.astype(a.log_positive.dtype))
        ends = (a.log_positive, a.log_negative), (a.log_negative, a.log_positive)
        return SignedMass(
            *(logspace.multiply(size, jnp.where(weight < 0, other, own)) for own, other in ends)
        )

    def sum(self, a: SignedMass, axis: int | Sequence[int] | None = None) -> SignedMass:
        axes = self.axes(a, axis)
        return SignedMass(*(logspace.sum(x, axes) for x in a))

    def segment_sum(self, a: SignedMass, ids: Array, num_segments: int) -> SignedMass:
        ids = jnp.where(ids < 0, num_segments, ids)
        return SignedMass(*(logspace.segment_sum(x, ids, num_segments) for x in a))

    def contract(self, weight: Array, a: SignedMass, precision: Any = None) -> SignedMass:
        """Two real products of both masses: by the positive and by the negative weights."""
        both = jnp.concatenate(a, axis=1)
        weight = squeeze(weight.astype(both.dtype))
        log_scale, sizes = logspace.normalise_rows(weight, both)
        by_positive, by_negative = (
            jnp.split(log_matmul(both, log_scale, part, precision), 2, axis=1)
            for part in _parts(jnp.where(weight < 0, -sizes, sizes))
        )
        return SignedMass(*map(logspace.add, by_positive, reversed(by_negative)))


def _parts(x: Array) -> tuple[Array, Array]:
    """Returns max(x, 0) and max(-x, 0), whose derivatives at 0 are 0; NaN stays NaN in both."""
    return jnp.where(x <= 0, 0, x), jnp.where(x >= 0, 0, -x)
