"""The max contraction by the C++ kernel of semigrad-native, an optional package, on CPUs."""

import functools
import importlib
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

Array = jax.Array

INSTALL = (
    "install it with `pip install 'semigrad[native]'`, from a clone with `pip install ./native`; "
    "that needs a C++17 compiler"
)


@functools.cache
def _load() -> tuple[Any, str | None]:
    """Returns the package and None, or None and what is missing. Registers its functions."""
    try:
        native = importlib.import_module("semigrad_native")
        library = native.library()
    except ImportError as error:
        return None, f"{error}; {INSTALL}"
    for name in native.TARGETS:
        target = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, target, platform="cpu")
    return native, None


def is_available() -> bool:
    """Whether the package is installed and can be loaded."""
    return _load()[0] is not None


def missing() -> str | None:
    """Returns why it is not available, and what to do; None if it is."""
    return _load()[1]


def supports(dtype: Any) -> bool:
    """Whether it is available and has a kernel for the dtype."""
    return dtype in (jnp.float32, jnp.float64) and is_available()


def contract(weight: Array, ends: tuple[Array, ...]) -> tuple[Array, ...]:
    """See maximum.contract; narrow dtypes are computed in float32, which rounds alike."""
    dtype = ends[0].dtype
    wide = dtype if supports(dtype) else jnp.dtype(jnp.float32)
    outs = _call(weight.astype(wide), tuple(x.mT.astype(wide) for x in ends))
    return tuple(x.mT.astype(dtype) for x in outs)


@custom_vmap
def _call(weight: Array, ends: tuple[Array, ...]) -> tuple[Array, ...]:
    """Takes weight [b, k, n] and ends [b, n, m] to [b, k, m]."""
    (b, k, _), m = weight.shape, ends[0].shape[2]
    out = jax.ShapeDtypeStruct((b, k, m), ends[0].dtype)
    name = "semigrad_strongest" if len(ends) == 1 else "semigrad_hull"
    return tuple(jax.ffi.ffi_call(name, (out,) * len(ends))(weight, *ends))


@_call.def_vmap
def _call_vmap(
    size: int, batched: tuple[bool, tuple[bool, ...]], weight: Array, ends: tuple[Array, ...]
) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
    """Makes the batch more rows of m, or more entries of b where the weights have it too."""
    of_weight, of_ends = batched
    ends = tuple(
        x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
        for x, is_batched in zip(ends, of_ends, strict=True)
    )
    _, b, n, m = ends[0].shape
    if of_weight:
        folded = tuple(x.reshape(size * b, n, m) for x in ends)
        outs = _call(weight.reshape(size * b, *weight.shape[2:]), folded)
        outs = tuple(x.reshape(size, b, *x.shape[1:]) for x in outs)
    else:
        folded = tuple(jnp.moveaxis(x, 0, 2).reshape(b, n, size * m) for x in ends)
        outs = _call(weight, folded)
        outs = tuple(jnp.moveaxis(x.reshape(b, -1, size, m), 2, 0) for x in outs)
    return outs, (True,) * len(outs)
