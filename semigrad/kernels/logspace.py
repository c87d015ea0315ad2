"""Sums kept as logarithms, finite and with finite derivatives at log 0 = -inf.

Sums are shifted by their largest term before they leave log space. A shifted term is never below
-1000, whose exponential is 0 in every dtype: so nothing here subtracts infinities, and no
derivative multiplies 0 by one.

In a contraction the shift is by row, and lifts each row's largest term to e^30: terms down to
e^-117 times it are kept in float32 (e^-730 in float64); a result all of whose terms lie below
that is read as 0.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.kernels import order

Array = jax.Array

_LOWEST = -1000.0
_HEADROOM = 30.0


@jax.custom_jvp
def log_magnitude(x: Array) -> Array:
    """Returns log |x|; -inf with derivative 0 at x = 0.

    The choice is no idle one: of exp(a) that has underflowed to 0, XLA would return a.
    """
    return jnp.where(x == 0, -jnp.inf, jnp.log(jnp.abs(x)))


@log_magnitude.defjvp
def _log_magnitude_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    zero = x == 0
    return log_magnitude(x), jnp.where(zero, 0, dx / jnp.where(zero, 1, x))


def largest(a: Array, axes: tuple[int, ...]) -> Array:
    """Returns the largest term along axes, which are kept with size 1; a constant."""
    return lax.stop_gradient(jnp.max(a, axes, keepdims=True, initial=-jnp.inf))


def shift(a: Array, top: Array) -> Array:
    """Returns a - top for top >= a, not below -1000."""
    most = float(jnp.finfo(a.dtype).max)
    return jnp.maximum(jnp.minimum(a, most) - jnp.clip(top, -most, most), _LOWEST)


def log_total(total: Array) -> Array:
    """Returns log total where it is positive, and 0 where it is 0."""
    return jnp.log(jnp.where(total == 0, 1, total))


def add(a: Array, b: Array) -> Array:
    """Returns log(e^a + e^b)."""
    top = lax.stop_gradient(jnp.maximum(a, b))
    return log_total(jnp.exp(shift(a, top)) + jnp.exp(shift(b, top))) + top


def multiply(a: Array, b: Array) -> Array:
    """Returns log(e^a e^b) = a + b, with 0 * inf = 0."""
    return jnp.where(jnp.minimum(a, b) == -jnp.inf, -jnp.inf, a + b)


def sum(a: Array, axes: tuple[int, ...]) -> Array:
    """Returns log of the sum of e^a along axes; -inf for an empty axis."""
    top = largest(a, axes)
    return log_total(jnp.sum(jnp.exp(shift(a, top)), axes)) + jnp.squeeze(top, axes)


def segment_top(a: Array, ids: Array, num_segments: int) -> tuple[Array, Array]:
    """Returns each segment's largest term, a constant, and the same for each row of `a`."""
    top = lax.stop_gradient(jax.ops.segment_max(a, ids, num_segments))
    return top, top.at[ids].get(mode="fill", fill_value=jnp.inf)


def segment_sum(a: Array, ids: Array, num_segments: int) -> Array:
    """Returns log of the sum of e^a over the rows of each segment; -inf for an empty one."""
    top, own_top = segment_top(a, ids, num_segments)
    total = jax.ops.segment_sum(jnp.exp(shift(a, own_top)), ids, num_segments)
    return log_total(total) + top


def lift_rows(log_mass: Array) -> tuple[Array, Array, Array]:
    """Shifts rows [..., n] by their largest entry.

    Returns:
      The largest entries [..., 1], the shifted rows, and their exponentials times e^30.
    """
    top = largest(log_mass, (log_mass.ndim - 1,))
    shifted = shift(log_mass, top)
    return top, shifted, jnp.exp(shifted + _HEADROOM)


def normalise_rows(weight: Array, a: Array) -> tuple[Array, Array]:
    """Divides the magnitudes of rows [..., n] by a power of 2 close to the largest of them.

    The power is read off the numbers' exponents, so that no digit is lost and no logarithm taken.
    Waits for `a`, the product's other operand.

    Returns:
      The log of the divisors [..., 1], inf where a weight is, and the quotients, in [0, 4].
    """
    info = jnp.finfo(weight.dtype)
    integer = jnp.int32 if info.bits == 32 else jnp.int64
    bias = info.maxexp - 1
    # Not the largest magnitude: XLA on a CPU would store the magnitudes first.
    fixed = lax.stop_gradient(weight)
    high, low = (f(fixed, -1, keepdims=True, initial=0) for f in (jnp.max, jnp.min))
    top = jnp.maximum(high, -low)
    exponent = lax.bitcast_convert_type(top, integer) >> info.nmant
    exponent = jnp.clip(exponent, 1, 2 * bias - 1)
    inverse = lax.bitcast_convert_type((2 * bias - exponent) << info.nmant, weight.dtype)
    log_divisor = (exponent - bias).astype(weight.dtype) * math.log(2)
    most = order.after(float(info.max), a)
    magnitude = jnp.minimum(jnp.abs(weight), most)
    return jnp.where(top == jnp.inf, jnp.inf, log_divisor), magnitude * inverse


def times_log(x: Array) -> Array:
    """Returns x log x for x >= 0, with 0 log 0 = 0.

    Without a comparison, which XLA on a CPU would not fuse with the product that reads it.
    """
    return x * jnp.log(jnp.maximum(x, float(jnp.finfo(x.dtype).tiny)))


def log_lifted(total: Array) -> Array:
    """Returns log of a sum of terms lifted by e^30, without the lift; finite where it is 0."""
    # Taken off before the logarithm where that does not underflow: log 1 is then exactly 0.
    large = total > 1
    lowered = jnp.where(large, total * math.exp(-_HEADROOM), total)
    return log_total(lowered) - jnp.where(large, 0, jnp.asarray(_HEADROOM, total.dtype))
