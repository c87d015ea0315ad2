"""The entropy semiring: how dispersed the gradient's paths are."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.kernels import logspace
from semigrad.kernels.matmul import columns, matmul, squeeze
from semigrad.semirings.base import Array, Semiring, log_dtype


class PathEntropy(NamedTuple):
    """Mass and entropy of a set of paths.

    Attributes:
      log_mass: log Z in nats, Z the sum of the magnitudes of the paths' weights; -inf where
        there is no path of non-zero weight.
      entropy: H in nats of the distribution |weight| / Z over paths; 0 where there is no path.
    """

    log_mass: Array
    entropy: Array


@dataclasses.dataclass(frozen=True)
class Entropy(Semiring):
    """The entropy of the distribution over paths in proportion to |weight| (Eq. 6), in nats.

    Equal to the expectation semiring of Eisner (2002) over (Z, R) with lift(w) = (|w|,
    -|w| log |w|), read out as log Z + R / Z (Li & Eisner 2009; Du et al. 2023, Eq. 7), but kept
    as (log Z, H): Z itself leaves float32's range within a few layers of a transformer. With
    p_i = exp(log_mass_i - log_mass), plus has H = sum_i p_i (H_i - log p_i); times adds both.
    """

    def zero(self, shape: Sequence[int], dtype: Any) -> PathEntropy:
        dtype = log_dtype(dtype)
        return PathEntropy(jnp.full(shape, -jnp.inf, dtype), jnp.zeros(shape, dtype))

    def one(self, shape: Sequence[int], dtype: Any) -> PathEntropy:
        zeros = jnp.zeros(shape, log_dtype(dtype))
        return PathEntropy(zeros, zeros)

    def lift(self, weight: Array) -> PathEntropy:
        log_mass = logspace.log_magnitude(weight.astype(log_dtype(weight.dtype)))
        # A NaN weight must show in both leaves.
        return PathEntropy(log_mass, jnp.where(jnp.isnan(log_mass), log_mass, 0))

    def plus(self, a: PathEntropy, b: PathEntropy) -> PathEntropy:
        top = lax.stop_gradient(jnp.maximum(a.log_mass, b.log_mass))
        (mass_a, spread_a), (mass_b, spread_b) = _relative(a, top), _relative(b, top)
        return _read_out(mass_a + mass_b, mass_a * spread_a + mass_b * spread_b, top)

    def times(self, a: PathEntropy, b: PathEntropy) -> PathEntropy:
        log_mass = logspace.multiply(a.log_mass, b.log_mass)
        return PathEntropy(log_mass, jnp.where(log_mass == -jnp.inf, 0, a.entropy + b.entropy))

    def sum(self, a: PathEntropy, axis: int | Sequence[int] | None = None) -> PathEntropy:
        axes = self.axes(a, axis)
        top = logspace.largest(a.log_mass, axes)
        mass, spread = _relative(a, top)
        return _read_out(jnp.sum(mass, axes), jnp.sum(mass * spread, axes), jnp.squeeze(top, axes))

    def segment_sum(self, a: PathEntropy, ids: Array, num_segments: int) -> PathEntropy:
        ids = jnp.where(ids < 0, num_segments, ids)
        top, own_top = logspace.segment_top(a.log_mass, ids, num_segments)
        mass, spread = _relative(a, own_top)
        total, inner = (jax.ops.segment_sum(x, ids, num_segments) for x in (mass, mass * spread))
        return _read_out(total, inner, top)

    def contract(self, weight: Array, a: PathEntropy, precision: Any = None) -> PathEntropy:
        """Three real products: of the mass, of mass x (H - log mass), and of weight x log weight.

        With w the weights of a row k over a power of 2, p the masses of a row m over theirs
        and s = sum_n w p, the entropy of the products' paths is
        log s + (sum_n w p (H - log p) - sum_n (w log w) p) / s.
        """
        log_scale, rows = logspace.normalise_rows(
            squeeze(weight.astype(a.log_mass.dtype)), a.log_mass
        )
        top, log_share, mass = logspace.lift_rows(a.log_mass)
        # Entropies of a row are close to one another, and far from 0 in a deep network.
        reference = lax.stop_gradient(jnp.max(a.entropy, -1, keepdims=True, initial=0))

        total = matmul(mass, rows, precision)
        inner = matmul(mass * (a.entropy - reference - log_share), rows, precision)
        outer = matmul(mass, logspace.times_log(rows), precision)

        log_total = logspace.log_lifted(total)
        empty = total == 0
        mean = (inner - outer) / jnp.where(empty, 1, total)
        return PathEntropy(
            jnp.where(empty, -jnp.inf, log_total + (top + columns(log_scale))),
            jnp.where(empty, 0, reference + log_total + mean),
        )


def _relative(a: PathEntropy, top: Array) -> tuple[Array, Array]:
    """Returns p = mass / e^top and H - log p."""
    log_share = logspace.shift(a.log_mass, top)
    return jnp.exp(log_share), a.entropy - log_share


def _read_out(total: Array, inner: Array, top: Array) -> PathEntropy:
    """Returns log Z and H = log s + sum_i p_i (H_i - log p_i) / s for s = Z / e^top."""
    log_total = logspace.log_total(total)
    return PathEntropy(log_total + top, log_total + inner / jnp.where(total == 0, 1, total))
