"""Cases of the family 'contractions'."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from cases.case import Array, Whole, exactly, make, real, weigh


def _dot(x: Array, y: Array, contract: Any, batch: Any = ((), ())) -> Array:
    return lax.dot_general(x, y, (contract, batch))


def _conv(x: Array, w: Array, **options: Any) -> Array:
    """A convolution, by default with strides 1 and without padding."""
    spatial = x.ndim - 2
    options = {"window_strides": (1,) * spatial, "padding": ((0, 0),) * spatial} | options
    return lax.conv_general_dilated(x, w, **options)


_RAGGED = ("ragged_dot_general",)
_CHANNELS_LAST = ("NHWC", "HWIO", "NHWC")
_CONV = ("conv_general_dilated",)

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
    make(
        "contractions/conv_same",
        lambda x, w: weigh(_conv(x, w, padding="SAME", dimension_numbers=_CHANNELS_LAST)),
        real(2, 3, 3, 2),
        real(2, 3, 2, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_everything",
        lambda x, w: weigh(
            _conv(
                x,
                w,
                window_strides=(2, 1),
                padding=((2, -1), (-1, 3)),
                lhs_dilation=(1, 2),
                rhs_dilation=(2, 1),
            )
        ),
        real(1, 2, 5, 3),
        real(2, 2, 2, 3),
        covers=_CONV,
    ),
    make(
        "contractions/conv_valid",
        lambda x, w: weigh(_conv(x, w) ** 2),
        real(2, 2, 5),
        real(3, 2, 3),
        covers=_CONV,
    ),
    make(
        "contractions/conv_strides_skip",
        lambda x, w: weigh(_conv(x, w, window_strides=(3,), padding=((1, 2),))),
        real(1, 2, 7),
        real(2, 2, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_patches",
        lambda x, w: weigh(
            _conv(x, w, window_strides=(2, 3), dimension_numbers=("HNWC", "OWHI", "NCWH"))
        ),
        real(5, 2, 3, 2),
        real(2, 3, 2, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_fully_connected",
        lambda x, w: weigh(_conv(x, w)),
        real(2, 3, 2),
        real(3, 3, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_1x1_padded",
        lambda x, w: weigh(_conv(x, w, padding=((1, 0), (0, 2)), window_strides=(1, 2))),
        real(1, 2, 2, 3),
        real(3, 2, 1, 1),
        covers=_CONV,
    ),
    make(
        "contractions/conv_no_axes",
        lambda x, w: weigh(_conv(x, w)),
        real(3, 2),
        real(5, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_three_axes",
        lambda x, w: weigh(_conv(x, w, padding=((0, 0), (1, 0), (0, 1)))),
        real(1, 1, 2, 2, 3),
        real(2, 1, 2, 2, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_feature_groups",
        lambda x, w: weigh(_conv(x, w, padding="SAME", feature_group_count=2)),
        real(2, 4, 3),
        real(6, 2, 3),
        covers=_CONV,
    ),
    make(
        "contractions/conv_depthwise",
        lambda x, w: weigh(_conv(x, w, rhs_dilation=(2,), feature_group_count=3)),
        real(2, 3, 5),
        real(3, 1, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_batch_groups",
        lambda x, w: weigh(_conv(x, w, padding="SAME", batch_group_count=2)),
        real(4, 2, 3),
        real(6, 2, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_lhs_active",
        lambda x: weigh(_conv(x, jnp.asarray([[[1.0, 0.0, -2.0]]], x.dtype), padding="SAME")),
        real(1, 1, 5),
        covers=_CONV,
    ),
    make(
        "contractions/conv_rhs_active",
        lambda w: weigh(_conv(jnp.asarray([[[1.0, 0.0, -2.0]]], w.dtype), w, padding="SAME")),
        real(1, 1, 3),
        covers=_CONV,
    ),
    make(
        "contractions/conv_same_operand",
        lambda x: weigh(jnp.convolve(x, x)),
        real(5),
        covers=_CONV,
    ),
    make(
        "contractions/conv_offset_outside",
        lambda x, w: weigh(_conv(x, w, padding=((2, 1),), rhs_dilation=(3,))),
        real(1, 1, 2),
        real(1, 1, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_zeros",
        lambda x, w: weigh(_conv(x, w, padding="SAME")),
        exactly([[[1.0, 0.0, 2.0], [0.0, 0.0, -1.0]]]),
        exactly([[[3.0, 0.0], [0.0, 0.0]], [[0.0, -5.0], [1.0, 0.0]]]),
        covers=_CONV,
    ),
    make(
        "contractions/conv_empty",
        lambda x, w: jnp.sum(_conv(x, w)) + jnp.sum(w),
        real(2, 1, 2),
        real(3, 1, 5),
        covers=_CONV,
    ),
    make(
        "contractions/conv_no_inputs",
        lambda x, w, b: weigh(_conv(x, w) + b),
        real(1, 0, 3),
        real(2, 0, 2),
        real(1, 2, 2),
        covers=_CONV,
    ),
    make(
        "contractions/conv_preferred_type",
        lambda x, w: weigh(_conv(x, w, preferred_element_type=x.dtype)),
        real(1, 2, 3),
        real(2, 2, 2),
        covers=_CONV,
    ),
    # Squared: JAX batches this primitive only where every operand has the batch.
    make(
        "contractions/ragged",
        lambda x, y, n: weigh(lax.ragged_dot(x, y, n) ** 2),
        real(5, 2),
        real(3, 2, 3),
        Whole([2, 0, 1]),
        covers=_RAGGED,
    ),
    make(
        "contractions/ragged_zeros",
        lambda x, y, n: weigh(lax.ragged_dot(x, y, n) ** 2),
        exactly([[1.0, 0.0], [2.0, -1.0], [0.0, 0.0]]),
        real(2, 2, 2),
        Whole([1, 2]),
        covers=_RAGGED,
    ),
    make(
        "contractions/ragged_one_active",
        lambda y, n: weigh(lax.ragged_dot(lax.stop_gradient(y.reshape(4, 2)), y, n) ** 2),
        real(2, 2, 2),
        Whole([2, 1]),
        covers=_RAGGED,
    ),
]
