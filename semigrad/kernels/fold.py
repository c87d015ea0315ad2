"""A loop over columns in the form that XLA compiles well on CPUs."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array
State = TypeVar("State", bound=Any)


def fold(
    enter: Callable[[State, Array, list[Array]], State],
    state: State,
    columns: Sequence[tuple[Array, float]],
    steps: int,
) -> State:
    """Joins to a state what arrays [n, ...] hold at 0, then at 1, up to n - 1.

    Several steps make an iteration: a loop's body of one XLA does not vectorise. A loop of one
    iteration it would take apart, and fuse its steps with what surrounds them at a compile time
    exponential in them: so short loops do have bodies of one step.

    Args:
      enter: from a state, the number of a column and the column itself to the next state.
      state: the first.
      columns: the arrays, each with the number that it may be padded with: a column of these must
        leave the state as it is.
      steps: how many make an iteration. XLA of JAX 0.12 takes twice as long to compile with each,
        which is felt from nine on.
    """
    n = columns[0][0].shape[0]
    steps = steps if n >= 2 * steps else 1
    arrays = [
        jnp.pad(x, [(0, -n % steps)] + [(0, 0)] * (x.ndim - 1), constant_values=fill)
        for x, fill in columns
    ]

    def iteration(i: Array, state: State) -> State:
        for j in range(steps):
            # One by one: a slice of several columns, taken apart, would not be vectorised.
            number = i * steps + j
            at = [lax.dynamic_index_in_dim(x, number, keepdims=False) for x in arrays]
            state = enter(state, number, at)
        return state

    return lax.fori_loop(0, -(-n // steps), iteration, state)
