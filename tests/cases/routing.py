"""Cases of the family 'routing'."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from cases.case import Array, Whole, make, real, weigh


def _barrier(x: Array, y: Array) -> Array:
    a, b = lax.optimization_barrier((x, y))
    return weigh(a * b)


def _pieces(x: Array) -> Array:
    a, b, c = jnp.split(x, [1, 3])
    return weigh(b * x[1:3]) + jnp.sum(a) * jnp.sum(c)


def _unstacked(x: Array) -> Array:
    a, b = jnp.unstack(x)
    return weigh(a * b + a)


def _gathered(mode: str, x: Array, index: Array) -> Array:
    return weigh(x.at[index].get(mode=mode, fill_value=0.5) * 1.5)


def _select_three(n: Array, a: Array, b: Array) -> Array:
    return weigh(lax.select_n(n, a, b, a * b))


def _round_trip(kind: Any, x: Array) -> Array:
    return weigh(x.astype(kind).astype(x.dtype) * x)


def _one_device() -> Any:
    return jax.sharding.SingleDeviceSharding(jax.devices()[0])


ROUTING = [
    make(
        "routing/reshape",
        lambda x, y: weigh(x.reshape(3, 2) * y),
        real(2, 3),
        real(3, 2),
        covers=("reshape",),
    ),
    make(
        "routing/reshape_scalar", lambda x: weigh(x.reshape(1, 1) * x), real(), covers=("reshape",)
    ),
    make(
        "routing/reshape_of_transposed",
        lambda x, y: weigh(lax.reshape(x, (3, 10), (2, 0, 1)) * y.reshape(3, 10)),
        real(2, 5, 3),
        real(2, 5, 3),
        covers=("reshape",),
    ),
    make("routing/reshape_empty", lambda x: jnp.sum(x.reshape(3, 0)), real(0, 3)),
    make(
        "routing/transpose",
        lambda x: weigh(jnp.transpose(x, (2, 0, 1)) ** 2),
        real(2, 3, 5),
        covers=("transpose",),
    ),
    make(
        "routing/transpose_meets_itself",
        lambda x: weigh(x * x.T),
        real(3, 3),
        covers=("transpose",),
    ),
    make(
        "routing/squeeze",
        lambda x: weigh(lax.squeeze(x, (0, 2)) * 2.0),
        real(1, 3, 1),
        covers=("squeeze",),
    ),
    make(
        "routing/expand",
        lambda x, y: weigh(jnp.expand_dims(x, (0, 2)) * y),
        real(3),
        real(2, 3, 5),
        covers=("broadcast_in_dim",),
    ),
    make(
        "routing/broadcast_new_axis",
        lambda x: weigh(jnp.broadcast_to(x, (5, 3))),
        real(3),
        covers=("broadcast_in_dim",),
        strict=False,
    ),
    make(
        "routing/broadcast_size_1",
        lambda x: weigh(lax.broadcast_in_dim(x, (2, 3, 5), (0, 2))),
        real(2, 1),
        covers=("broadcast_in_dim",),
    ),
    make(
        "routing/broadcast_scalar",
        lambda s: weigh(jnp.broadcast_to(s, (2, 3)) ** 2),
        real(),
        covers=("broadcast_in_dim",),
        strict=False,
    ),
    make(
        "routing/broadcast_to_empty",
        lambda s: jnp.sum(lax.broadcast_in_dim(s, (0, 3), ())) + s,
        real(),
    ),
    make("routing/slice", lambda x: weigh(x[1:4] * x[0:3]), real(5), covers=("slice",)),
    make(
        "routing/slice_strided",
        lambda x: weigh(lax.slice(x, (0, 1), (2, 7), (1, 3)) * x[:, :2]),
        real(2, 7),
        covers=("slice",),
    ),
    make("routing/slice_empty", lambda x: jnp.sum(x[2:2]) + x[0], real(3)),
    make(
        "routing/dynamic_slice",
        lambda x, i: weigh(lax.dynamic_slice(x, (i, jnp.zeros_like(i)), (2, 3))),
        real(5, 3),
        Whole(1),
        covers=("dynamic_slice",),
    ),
    make(
        "routing/dynamic_slice_clamped",
        lambda x, i: weigh(lax.dynamic_slice(x, (i,), (3,)) * x[:3]),
        real(5),
        Whole(9),
        covers=("dynamic_slice",),
    ),
    make(
        "routing/dynamic_slice_clamped_from_below",
        lambda x, i: weigh(lax.dynamic_slice(x, (i,), (2,)) * x[:2]),
        real(5),
        Whole(-7),
        covers=("dynamic_slice",),
    ),
    make(
        "routing/dynamic_slice_literal_start",
        lambda x: weigh(lax.dynamic_slice(x, (-7, -1), (2, 2)) * x[:2, :2]),
        real(5, 3),
        covers=("dynamic_slice",),
    ),
    make(
        "routing/dynamic_update_slice",
        lambda x, y, i: weigh(lax.dynamic_update_slice(x, y, (i, jnp.ones_like(i))) * x),
        real(3, 5),
        real(2, 2),
        Whole(1),
        covers=("dynamic_update_slice",),
    ),
    make(
        "routing/dynamic_update_slice_clamped",
        lambda x, i: weigh(lax.dynamic_update_slice(x, x[:2], (i,)) * x),
        real(5),
        Whole(8),
        covers=("dynamic_update_slice",),
    ),
    make(
        "routing/dynamic_update_slice_clamped_from_below",
        lambda x, i: weigh(lax.dynamic_update_slice(x, x[:2], (i,)) * x),
        real(5),
        Whole(-7),
        covers=("dynamic_update_slice",),
    ),
    make(
        "routing/pad",
        lambda x: weigh(lax.pad(x, jnp.zeros((), x.dtype), ((1, 2, 0), (0, 1, 1))) ** 2),
        real(2, 3),
        covers=("pad",),
    ),
    make(
        "routing/pad_negative",
        lambda x, p: weigh(lax.pad(x, p, ((-1, 2, 0),)) ** 2),
        real(5),
        real(),
        covers=("pad",),
    ),
    make(
        "routing/pad_interior_active_value",
        lambda x, p: weigh(lax.pad(x, p, ((1, -1, 2),))),
        real(3),
        real(),
        covers=("pad",),
    ),
    make(
        "routing/pad_empty",
        lambda x, p: weigh(lax.pad(x, p, ((2, 1, 1),))),
        real(0),
        real(),
        covers=("pad",),
    ),
    make(
        "routing/concatenate",
        lambda x, y: weigh(jnp.concatenate([x, y, x * y[:, :2]], axis=1)),
        real(3, 2),
        real(3, 5),
        covers=("concatenate",),
    ),
    make(
        "routing/concatenate_same_and_empty",
        lambda x, y: weigh(jnp.concatenate([x, y, x])),
        real(3),
        real(0),
        covers=("concatenate",),
    ),
    make("routing/split", _pieces, real(5), covers=("split",)),
    make(
        "routing/stack",
        lambda x, y: weigh(lax.stack([x, y, x], axis=1)),
        real(2),
        real(2),
        covers=("stack",),
    ),
    make("routing/tile", lambda x: weigh(lax.tile(x, (2, 3)) ** 2), real(2, 3), covers=("tile",)),
    make("routing/unstack", _unstacked, real(2, 3), covers=("unstack",)),
    make(
        "routing/gather_repeated_rows",
        lambda e, i, w: jnp.sum(e[i] * w),
        real(5, 2),
        Whole([1, 3, 1]),
        real(3, 2),
        covers=("gather",),
    ),
    make(
        "routing/gather_columns",
        lambda x, i: weigh(jnp.take(x, i, axis=1)),
        real(2, 3),
        Whole([2, 0, 2, -1]),
        covers=("gather",),
    ),
    make(
        "routing/gather_elements",
        lambda x, i, j: weigh(x[i, j] ** 2),
        real(3, 5),
        Whole([0, 2, 0]),
        Whole([4, 1, 4]),
        covers=("gather",),
    ),
    make(
        "routing/gather_along_axis",
        lambda x, i: weigh(jnp.take_along_axis(x, i, axis=1) * x[:, :2]),
        real(2, 3),
        Whole([[0, 0], [2, 1]]),
        covers=("gather",),
    ),
    make(
        "routing/gather_windows",
        lambda x, i: weigh(jax.vmap(lambda j: lax.dynamic_slice(x, (j,), (2,)))(i)),
        real(5),
        Whole([0, 1, 7]),
        covers=("gather",),
    ),
    make(
        "routing/gather_fill",
        partial(_gathered, "fill"),
        real(5, 2),
        Whole([1, 9, 1]),
        covers=("gather",),
    ),
    make(
        "routing/gather_clip",
        partial(_gathered, "clip"),
        real(5, 2),
        Whole([3, 9, 4]),
        covers=("gather",),
    ),
    make(
        "routing/gather_in_bounds",
        partial(_gathered, "promise_in_bounds"),
        real(5, 2),
        Whole([3, 0, 4]),
        covers=("gather",),
    ),
    make(
        "routing/gather_no_rows",
        lambda x, i: jnp.sum(x[i]) + jnp.sum(x[0]),
        real(3, 2),
        Whole(np.zeros(0, np.int32)),
    ),
    make(
        "routing/select_n",
        lambda p, a, b: weigh(lax.select_n(p, a, b) * a),
        Whole([True, False, True]),
        real(3),
        real(3),
        covers=("select_n",),
    ),
    make(
        "routing/select_n_literal",
        lambda x, y: jnp.where(True, x[0], y[0]) * x[1] * y[1],
        real(2),
        real(2),
        covers=("select_n",),
    ),
    make(
        "routing/select_n_three_cases",
        _select_three,
        Whole([0, 2, 1, 2, 0]),
        real(5),
        real(5),
        covers=("select_n",),
    ),
    make(
        "routing/select_n_scalar_predicate",
        lambda p, a, b: weigh(lax.select_n(p, a, b)),
        Whole(True),
        real(2, 3),
        real(2, 3),
        covers=("select_n",),
    ),
    make(
        "routing/select_n_same_operand",
        lambda p, a: weigh(lax.select_n(p, a, a)),
        Whole([True, False, True]),
        real(3),
        covers=("select_n",),
    ),
    make(
        "routing/where_on_float",
        lambda x, s: weigh(jnp.where(x > 0, x * s, s)),
        real(5),
        real(),
        covers=("select_n",),
    ),
    make("routing/rev", lambda x: weigh(lax.rev(x, (1,)) * x), real(2, 3), covers=("rev",)),
    make("routing/copy", lambda x: weigh(jnp.copy(x) * x), real(3), covers=("copy",)),
    make(
        "routing/convert_float32",
        partial(_round_trip, jnp.float32),
        real(3),
        covers=("convert_element_type",),
        rtol=1e-6,  # jax.grad rounds the cotangent on its way
    ),
    make(
        "routing/convert_bfloat16",
        partial(_round_trip, jnp.bfloat16),
        real(3),
        covers=("convert_element_type",),
        rtol=2e-2,
        rtol32=2e-2,
    ),
    make(
        "routing/checkpoint_name",
        lambda x: weigh(checkpoint_name(jnp.sin(x), "hidden") * x),
        real(3),
        covers=("name",),
    ),
    make(
        "routing/optimization_barrier", _barrier, real(3), real(3), covers=("optimization_barrier",)
    ),
    make(
        "routing/reduce_precision",
        lambda x: weigh(lax.reduce_precision(x, 5, 10) * x),
        real(3),
        covers=("reduce_precision",),
        rtol=2e-3,
        rtol32=2e-3,
    ),
    make(
        "routing/sharding_constraint",
        lambda x: weigh(lax.with_sharding_constraint(x, _one_device()) * x),
        real(3),
        covers=("sharding_constraint",),
    ),
    make(
        "routing/device_put",
        lambda x: weigh(jax.device_put(x) * x),
        real(3),
        covers=("device_put",),
    ),
]
