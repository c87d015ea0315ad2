"""Cases of the family 'contractions'."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from cases.case import Array, Whole, exactly, make, real, weigh


def _dot(x: Array, y: Array, contract: Any, batch: Any = ((), ())) -> Array:
    return lax.dot_general(x, y, (contract, batch))


CONTRACTIONS = [
    make(
        "contractions/matmul",
        lambda x, y: weigh(x @ y),
        real(2, 3),
        real(3, 5),
        covers=("dot_general",),
    ),
    make(
        "contractions/matmul_square",
        lambda x, y: weigh((x @ y) ** 2),
        real(2, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/one_active",
        lambda x: weigh(x @ jnp.asarray([[1.0, -2.0], [0.0, 0.5], [3.0, -1.0]], x.dtype)),
        real(2, 3),
        covers=("dot_general",),
    ),
    make(
        "contractions/other_active",
        lambda y: weigh(jnp.asarray([[1.0, -2.0, 0.0]], y.dtype) @ y),
        real(3, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/matvec",
        lambda x, y: weigh(x @ y),
        real(2, 3),
        real(3),
        covers=("dot_general",),
    ),
    make(
        "contractions/inner", lambda x, y: jnp.dot(x, y), real(3), real(3), covers=("dot_general",)
    ),
    make(
        "contractions/outer",
        lambda x, y: weigh(_dot(x, y, ((), ()))),
        real(2),
        real(3),
        covers=("dot_general",),
    ),
    make(
        "contractions/first_axes",
        lambda x, y: weigh(_dot(x, y, ((0,), (0,)))),
        real(3, 2),
        real(3, 5),
        covers=("dot_general",),
    ),
    make(
        "contractions/two_axes_crossed",
        lambda x, y: weigh(_dot(x, y, ((0, 2), (1, 0)))),
        real(2, 3, 5),
        real(5, 2, 1),
        covers=("dot_general",),
    ),
    make(
        "contractions/batch",
        lambda x, y: weigh(jnp.matmul(x, y)),
        real(2, 3, 2),
        real(2, 2, 5),
        covers=("dot_general",),
    ),
    make(
        "contractions/batch_last",
        lambda x, y: weigh(_dot(x, y, ((0,), (1,)), ((2,), (0,)))),
        real(2, 3, 5),
        real(5, 2, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/two_batch_axes",
        lambda x, y: weigh(_dot(x, y, ((1,), (3,)), ((0, 2), (2, 0)))),
        real(2, 3, 2, 1),
        real(2, 2, 2, 3),
        covers=("dot_general",),
    ),
    make(
        "contractions/batch_only",
        lambda x, y: weigh(_dot(x, y, ((), ()), ((0,), (0,)))),
        real(3, 2),
        real(3),
        covers=("dot_general",),
    ),
    make("contractions/same_operand", lambda x: weigh(x @ x), real(3, 3), covers=("dot_general",)),
    make(
        "contractions/same_operand_transposed",
        lambda x: weigh(x @ x.T),
        real(2, 3),
        covers=("dot_general",),
    ),
    make(
        "contractions/same_operand_inner", lambda x: jnp.dot(x, x), real(3), covers=("dot_general",)
    ),
    make(
        "contractions/three_factors",
        lambda x, y, z: weigh(x @ y @ z),
        real(2, 3),
        real(3, 2),
        real(2, 3),
        covers=("dot_general",),
    ),
    make(
        "contractions/einsum",
        lambda q, k: weigh(jnp.einsum("bqhd,bkhd->bhqk", q, k)),
        real(1, 3, 2, 2),
        real(1, 2, 2, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/empty_contraction",
        lambda x, y, s: weigh(x @ y + s),
        real(2, 0),
        real(0, 3),
        real(2, 3),
        covers=("dot_general",),
    ),
    make(
        "contractions/empty_result",
        lambda x, y: jnp.sum(x @ y) + jnp.sum(y),
        real(0, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/size_1",
        lambda x, y: weigh(x @ y),
        real(3, 1),
        real(1, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/zeros",
        lambda x, y: weigh(x @ y),
        exactly([[1.0, 0.0, 2.0], [0.0, 0.0, -1.0]]),
        exactly([[3.0, 4.0], [0.0, 0.0], [0.0, 6.0]]),
        covers=("dot_general",),
    ),
    make(
        "contractions/all_negative",
        lambda x, y: -jnp.sum(jnp.exp(x) @ jnp.exp(y)),
        real(2, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
    make(
        "contractions/integer_operand",
        lambda x, n: weigh(x @ n.astype(x.dtype)),
        real(2, 3),
        Whole([[1, -2], [0, 3], [4, 0]]),
        covers=("dot_general",),
    ),
    make(
        "contractions/preferred_type",
        lambda x, y: weigh(lax.dot(x, y, preferred_element_type=x.dtype)),
        real(2, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
]
