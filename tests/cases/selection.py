"""Cases of the family 'selection'."""

import jax
import jax.numpy as jnp
from jax import lax

from cases.case import Whole, exactly, make, real, weigh

SELECTION = [
    make("selection/sort", lambda x: weigh(jnp.sort(x) * x), real(5), covers=("sort",)),
    make(
        "selection/sort_first_axis",
        lambda x: weigh(lax.sort(x, dimension=0) ** 2),
        real(5, 2),
        covers=("sort",),
    ),
    make(
        "selection/sort_middle_axis_unstable",
        lambda x: weigh(lax.sort(x, dimension=1, is_stable=False) ** 2),
        real(2, 5, 3),
        covers=("sort",),
    ),
    make(
        "selection/sort_descending",
        lambda x: weigh(jnp.sort(x, axis=1, descending=True)),
        real(2, 3),
        covers=("sort",),
    ),
    make(
        "selection/sort_ties",
        lambda x: weigh(jnp.sort(x)),
        exactly([2.0, -1.0, 2.0, 0.0, -1.0, -0.0]),
        covers=("sort",),
    ),
    make(
        "selection/sort_two_keys",
        lambda x, y, z: sum(
            weigh(part * scale)
            for part, scale in zip(
                lax.sort((x, y, z), dimension=0, num_keys=2), (1.0, 2.0, 3.0), strict=True
            )
        ),
        exactly([1.0, 0.0, 1.0, 0.0, 1.0]),
        real(5),
        real(5),
        covers=("sort",),
    ),
    make(
        "selection/sort_by_integers",
        lambda y, keys: weigh(lax.sort((keys, y), num_keys=1)[1] ** 2),
        real(5),
        Whole([3, 1, 1, 0, 2]),
        covers=("sort",),
    ),
    make(
        "selection/sort_same_operand",
        lambda x: (
            weigh(lax.sort((x, x, -x), num_keys=1)[1] * 2.0)
            + weigh(lax.sort((x, x, -x), num_keys=1)[2])
        ),
        real(3),
        covers=("sort",),
    ),
    make(
        "selection/sort_size_0_1",
        lambda x, y: jnp.sum(jnp.sort(x, axis=0)) + weigh(jnp.sort(y, axis=0) ** 2),
        real(0, 3),
        real(1, 3),
        covers=("sort",),
    ),
    make("selection/median", lambda x: jnp.median(x) * x[0], real(5), covers=("sort",)),
    make(
        "selection/top_k",
        lambda x: weigh(lax.top_k(x, 3)[0] ** 2),
        real(2, 5),
        covers=("top_k",),
    ),
    make(
        "selection/top_k_first_axis",
        lambda x: weigh(lax.top_k(x, 2, axis=0)[0] * 2.0),
        real(5, 3),
        covers=("top_k",),
    ),
    make(
        "selection/top_k_ties",
        lambda x: weigh(lax.top_k(x, 3)[0]),
        exactly([1.0, 2.0, 2.0, 0.0, 2.0, 2.0]),
        covers=("top_k",),
    ),
    make(
        "selection/top_k_all_and_none",
        lambda x: weigh(lax.top_k(x, 3)[0]) + jnp.sum(lax.top_k(x, 0)[0]),
        real(2, 3),
        covers=("top_k",),
    ),
    make(
        "selection/approx_max_k",
        lambda x: weigh(lax.approx_max_k(x, 2)[0] ** 2),
        real(2, 5),
        covers=("approx_top_k",),
    ),
    make(
        "selection/approx_min_k_first_axis",
        lambda x: weigh(lax.approx_min_k(x, 2, reduction_dimension=0)[0]),
        real(5, 3),
        covers=("approx_top_k",),
    ),
    make(
        "selection/mixture_of_experts_gate",
        lambda x, w: weigh(jax.nn.softmax(lax.top_k(x @ w, 2)[0])),
        real(2, 3),
        real(3, 5),
        covers=("top_k",),
    ),
]
