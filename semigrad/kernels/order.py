"""Puts off the lift of a weight until the contraction that reads it.

The lift of every weight of a model could be computed first, and XLA's scheduler for CPUs does so:
then all are in memory at once, a copy of the model. A value that seems to depend on the other
operand makes it wait; `jax.lax.optimization_barrier` does not, as it is gone before scheduling.

In a loop's step nothing waits: the lift of a weight that all steps share is then the same in each,
and XLA computes it once, before the loop.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

Array = jax.Array


_waits = contextvars.ContextVar("waits", default=True)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Lets nothing wait, within."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)


def after(value: float, a: Array) -> Array:
    """Returns a scalar of a's dtype that is `value`, once `a` is known; not batched if `a` is."""
    scalar = jnp.asarray(value, a.dtype)
    return _after(scalar, lax.stop_gradient(a)) if _waits.get() else scalar


@custom_vmap
def _after(value: Array, a: Array) -> Array:
    # No number is larger than infinity, but XLA does not know.
    return jnp.where(a.reshape(-1)[0] > jnp.inf, 0, value) if a.size else value


@_after.def_vmap
def _after_vmap(size: int, batched: list[bool], value: Array, a: Array) -> tuple[Array, bool]:
    del size, batched
    return _after(value, a), False
