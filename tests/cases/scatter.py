"""Cases of the family 'scatter'."""

import jax
import jax.numpy as jnp
import jax.scipy.special

from cases.case import Whole, make, real, weigh

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
]
