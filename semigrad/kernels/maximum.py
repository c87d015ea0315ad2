"""The max contraction: out[b, m, k] = max over n of weight[b, k, n] times a path weight.

BLAS has no such product. There are three kernels, equal bit by bit, and one derivative:

| kernel   | where                                                                             |
|----------|-----------------------------------------------------------------------------------|
| "xla"    | everywhere; the reference (maximum_xla.py)                                        |
| "native" | CPUs, where the package semigrad-native is installed (maximum_native.py)          |
| "pallas" | GPUs, on demand (maximum_pallas.py)                                               |

Products that are NaN, of zero weight and no path, are left out; genuine NaNs in the operands give
NaN where a real matrix product would.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.kernels import maximum_native, maximum_pallas, maximum_xla

Array = jax.Array

KERNELS = {
    "xla": maximum_xla.contract,
    "native": maximum_native.contract,
    "pallas": maximum_pallas.contract,
}


def contract(
    weight: Array, ends: tuple[Array, ...], kernel: str | None = None
) -> tuple[Array, ...]:
    """Returns the ends of the products' range over n.

    Args:
      weight: [b, k, n].
      ends: the upper and lower ends of intervals [b, m, n], (-inf, +inf) where there is no path,
        of which negative weights exchange the ends; or one array >= 0, whose products with the
        magnitudes of the weights are wanted.
      kernel: the kernel's name; None for the fastest that was measured on the platform.

    Returns:
      For each of `ends` [b, m, k]: the largest product; and of intervals also the smallest. Where
      no n has a path (-inf, +inf), or 0 of magnitudes.

    Raises:
      ValueError: there is no kernel of that name, or it does not run here.
    """
    weight = weight.astype(ends[0].dtype)
    if 0 in (*weight.shape, ends[0].shape[1]):
        return maximum_xla.nothing(weight, ends)
    return _contract(weight, ends, kernel or _fastest(weight))


def check(kernel: str | None) -> None:
    """Refuses a name that is no kernel's, and a kernel that does not run here.

    Raises:
      ValueError: with the names there are, or what is missing.
    """
    if kernel is not None and kernel not in KERNELS:
        raise ValueError(
            f"there is no kernel {kernel!r}: it is one of {', '.join(KERNELS)}, or None"
        )
    if kernel == "native" and not maximum_native.is_available():
        raise ValueError(f"the native kernel is not available: {maximum_native.missing()}")


def _fastest(weight: Array) -> str:
    on_cpu = jax.default_backend() == "cpu"
    return "native" if on_cpu and maximum_native.supports(weight.dtype) else "xla"


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _contract(weight: Array, ends: tuple[Array, ...], kernel: str) -> tuple[Array, ...]:
    return KERNELS[kernel](weight, ends)


@_contract.defjvp
def _contract_jvp(
    kernel: str,
    primals: tuple[Array, tuple[Array, ...]],
    tangents: tuple[Array, tuple[Array, ...]],
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Differentiates the winning products; the lowest n wins ties."""
    weight, ends = primals
    d_weight, d_ends = tangents
    outs = _contract(weight, ends, kernel)
    if len(ends) == 1:
        sign = jnp.sign(weight)
        return outs, (_tangent(sign * weight, ends, sign * d_weight, d_ends, outs[0]),)
    below = tuple(-x for x in reversed(ends)), tuple(-x for x in reversed(d_ends))
    return outs, (
        _tangent(weight, ends, d_weight, d_ends, outs[0]),
        -_tangent(weight, below[0], d_weight, below[1], -outs[1]),
    )


def _tangent(
    weight: Array,
    ends: tuple[Array, ...],
    d_weight: Array,
    d_ends: tuple[Array, ...],
    out: Array,
) -> Array:
    winner = maximum_xla.winner(*lax.stop_gradient((weight, ends)))
    found = jnp.isfinite(out)

    def of_weight(x: Array) -> Array:
        return jnp.take_along_axis(x, winner.mT, axis=2).mT

    def of_ends(xs: tuple[Array, ...]) -> Array:
        high, low = (jnp.take_along_axis(x, winner, axis=2) for x in (xs[0], xs[-1]))
        return jnp.where(w < 0, low, high)

    w = of_weight(weight)
    end = jnp.where(found, of_ends(ends), 0)
    return of_weight(d_weight) * end + jnp.where(found, w, 0) * of_ends(d_ends)
