"""Cases of the family 'scatter'."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax

from cases.case import Array, Whole, exactly, make, real, weigh


def _scatter(x: Array, i: Array, y: Array, scatter: Callable[..., Array]) -> Array:
    """The primitive itself, which `.at` leaves out where there is nothing to write."""
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    return scatter(x, i, y, numbers)


SCATTER = [
    make(
        "scatter/set",
        lambda x, y, i: weigh(x.at[i].set(y) * x),
        real(5),
        real(2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_rows",
        lambda x, y, i: weigh(x.at[i].set(y) * x),
        real(5, 2),
        real(2, 2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_columns",
        lambda x, y, i: weigh(x.at[:, i].set(y)),
        real(2, 5),
        real(2, 2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_elements",
        lambda x, y, i, j: weigh(x.at[i, j].set(y) ** 2),
        real(3, 2),
        real(2),
        Whole([2, 0]),
        Whole([1, 1]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_repeated",
        lambda x, y, i: weigh(x.at[i].set(y) * 2.0),
        real(5),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_constant", lambda x: weigh(x.at[1].set(0.5) * x), real(3), covers=("scatter",)
    ),
    make(
        "scatter/set_into_constant",
        lambda y, i: weigh(jnp.ones(5, y.dtype).at[i].set(y) ** 2),
        real(2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_dropped",
        lambda x, y, i: weigh(x.at[i].set(y, mode="drop") * 2.0),
        real(5),
        real(3),
        Whole([7, 0, -9]),
        covers=("scatter",),
    ),
    make(
        "scatter/set_clipped",
        lambda x, y, i: weigh(x.at[i].set(y, mode="clip") * 2.0),
        real(5),
        real(2),
        Whole([7, 0]),
        covers=("scatter",),
    ),
    make(
        "scatter/add",
        lambda x, y, i: weigh(x.at[i].add(y) * x),
        real(5),
        real(2),
        Whole([3, 0]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/add_repeated",
        lambda x, y, i: weigh(x.at[i].add(y) ** 2),
        real(5),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/add_rows",
        lambda x, y, i: weigh(x.at[i].add(y) ** 2),
        real(3, 2),
        real(3, 2),
        Whole([1, 0, 1]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/add_dropped",
        lambda x, y, i: weigh(x.at[i].add(y, mode="drop") * 2.0),
        real(5),
        real(3),
        Whole([7, 0, -9]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/add_itself",
        lambda x, i: weigh(x.at[i].add(x[:3])),
        real(5),
        Whole([4, 4, 1]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/add_into_constant",
        lambda y, i: weigh(jnp.zeros(5, y.dtype).at[i].add(y) ** 2),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/segment_sum",
        lambda y, i: weigh(jax.ops.segment_sum(y, i, 3) ** 2),
        real(5),
        Whole([0, 2, 0, 2, 2]),
        covers=("scatter-add",),
    ),
    make(
        "scatter/subtract",
        lambda x, y, i: weigh(x.at[i].subtract(y) ** 2),
        real(5),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter-sub",),
    ),
    make(
        "scatter/multiply",
        lambda x, y, i: weigh(x.at[i].multiply(y, unique_indices=True) ** 2),
        real(5),
        real(2),
        Whole([3, 0]),
        covers=("scatter-mul",),
    ),
    make(
        "scatter/multiply_zeros_rows",
        lambda x, y, i: weigh(x.at[i].multiply(y, unique_indices=True)),
        exactly([[0.0, 2.0], [3.0, 0.0], [1.0, -1.0]]),
        exactly([[0.0, 2.0], [0.0, 0.0]]),
        Whole([2, 0]),
        covers=("scatter-mul",),
    ),
    make(
        "scatter/multiply_repeated_constants",
        lambda x, i: weigh(x.at[i].multiply(jnp.asarray([2.0, -3.0, 0.5], x.dtype)) * x),
        real(5),
        Whole([3, 0, 3]),
        covers=("scatter-mul",),
    ),
    make(
        "scatter/max",
        lambda x, y, i: weigh(x.at[i].max(y) ** 2),
        real(5),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter-max",),
    ),
    make(
        "scatter/max_ties",
        lambda x, y, i: weigh(x.at[i].max(y)),
        exactly([1.0, 2.0, 1.0]),
        exactly([1.0, 2.0, 2.0]),
        Whole([0, 1, 1]),
        covers=("scatter-max",),
    ),
    make(
        "scatter/max_itself_promised",
        lambda x, i: weigh(x.at[i].max(x[:2] * 2.0, mode="promise_in_bounds")),
        real(3),
        Whole([2, 0]),
        covers=("scatter-max",),
    ),
    make(
        "scatter/min_dropped",
        lambda x, y, i: weigh(x.at[i].min(y, mode="drop") * 2.0),
        real(5),
        real(3),
        Whole([7, 0, -9]),
        covers=("scatter-min",),
    ),
    make(  # of an index that is clipped, JAX 0.10 has no derivative
        "scatter/min_clip_columns",
        lambda x, y, i: weigh(x.at[:, i].min(y, mode="clip") * 2.0),
        real(2, 3),
        real(2, 2),
        Whole([2, 0]),
        covers=("scatter-min",),
    ),
    make(
        "scatter/subtract_clipped_multiply_dropped",
        lambda x, y, i: weigh(
            x.at[i].subtract(y, mode="clip").at[i].multiply(y, mode="drop", unique_indices=True)
        ),
        real(5),
        real(2),
        Whole([7, 0]),
        covers=("scatter-sub", "scatter-mul"),
    ),
    make(
        "scatter/nothing_written",
        lambda x, y, i: weigh(_scatter(_scatter(x, i, y, lax.scatter_sub), i, y, lax.scatter_max)),
        real(3),
        real(0),
        Whole(np.zeros((0, 1), int)),
        covers=("scatter-sub", "scatter-max"),
    ),
]
