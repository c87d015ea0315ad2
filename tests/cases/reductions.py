"""Cases of the family 'reductions'."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cases.case import exactly, make, real, weigh


def _out_sharding(name: str) -> dict[str, Any]:
    """reduce_sum takes an out_sharding from JAX 0.10 on; read it off a traced one."""
    (eqn,) = jax.make_jaxpr(jnp.sum)(np.zeros(1, np.float32)).jaxpr.eqns
    return {key: value for key, value in eqn.params.items() if key != "axes"}


def _both(pair: Any) -> Any:
    return weigh(pair[0]) + weigh(pair[1] ** 2)


def _keep_larger(a: Any, b: Any) -> Any:
    keep = a[0] >= b[0]
    return jnp.where(keep, a[0], b[0]), jnp.where(keep, a[1], b[1])


REDUCTIONS = [
    make(
        "reductions/sum",
        lambda x: weigh(jnp.sum(x * x, axis=1)),
        real(2, 3),
        covers=("reduce_sum",),
    ),
    make(
        "reductions/sum_several_axes",
        lambda x: weigh(jnp.sum(x, axis=(0, 2)) ** 2),
        real(2, 3, 5),
        covers=("reduce_sum",),
    ),
    make(
        "reductions/sum_no_axes",
        lambda x: weigh(lax.reduce_sum_p.bind(x, axes=(), **_out_sharding("sum")) ** 2),
        real(3),
        covers=("reduce_sum",),
    ),
    make(
        "reductions/sum_empty",
        lambda x, s: weigh(jnp.sum(x, axis=0) + s),
        real(0, 3),
        real(3),
        covers=("reduce_sum",),
    ),
    make(
        "reductions/sum_size_1",
        lambda x: weigh(jnp.sum(x, axis=1) ** 2),
        real(3, 1),
        covers=("reduce_sum",),
    ),
    make(
        "reductions/mean_keepdims",
        lambda x: weigh((x - jnp.mean(x, axis=1, keepdims=True)) * x),
        real(2, 3),
    ),
    make(
        "reductions/max",
        lambda x: weigh(jnp.max(x, axis=0) ** 2),
        real(3, 2),
        covers=("reduce_max",),
    ),
    make(
        "reductions/max_several_axes",
        lambda x: weigh(jnp.max(x, axis=(0, 2)) ** 2),
        real(2, 3, 2),
        covers=("reduce_max",),
    ),
    make(
        "reductions/max_ties",
        lambda x: weigh(jnp.max(x, axis=1) ** 2),
        exactly([[2.0, 1.0, 2.0], [-1.0, -1.0, -1.0]]),
        covers=("reduce_max",),
    ),
    make(
        "reductions/min",
        lambda x: weigh(jnp.min(x, axis=0) * x[0]),
        real(3, 2),
        covers=("reduce_min",),
    ),
    make(
        "reductions/min_ties",
        lambda x: weigh(jnp.min(x, axis=1) ** 2),
        exactly([[2.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]),
        covers=("reduce_min",),
    ),
    make(
        "reductions/max_size_1",
        lambda x: weigh(jnp.max(x, axis=1) ** 2),
        real(3, 1),
        covers=("reduce_max",),
    ),
    make(
        "reductions/prod",
        lambda x: weigh(jnp.prod(x, axis=1) ** 2),
        real(2, 3),
        covers=("reduce_prod",),
    ),
    make(
        "reductions/prod_several_axes",
        lambda x: weigh(jnp.prod(x, axis=(0, 2))),
        real(2, 3, 2),
        covers=("reduce_prod",),
    ),
    make(
        "reductions/prod_zeros",
        lambda x: weigh(jnp.prod(x, axis=1)),
        exactly([[2.0, 0.0, 3.0], [0.0, -1.0, 0.0], [1.0, 2.0, 3.0]]),
        covers=("reduce_prod",),
    ),
    make("reductions/prod_empty", lambda x, s: weigh(jnp.prod(x, axis=0) * s), real(0, 3), real(3)),
    make(
        "reductions/reduce_pairs",
        lambda x, y: _both(
            lax.reduce(
                (x, y),
                (x.dtype.type(0), x.dtype.type(1)),
                lambda a, b: (a[0] + b[0], a[1] * b[1]),
                (1,),
            )
        ),
        real(2, 3),
        real(2, 3),
        covers=("reduce",),
    ),
    make(
        "reductions/reduce_argmax",
        lambda x, y: _both(
            lax.reduce((x, y), (x.dtype.type(-9), x.dtype.type(0)), _keep_larger, (0,))
        ),
        real(3, 2),
        real(3, 2),
        covers=("reduce",),
    ),
    make(
        "reductions/reduce_mixed",
        lambda x, y: _both(
            lax.reduce(
                (x, y),
                (x.dtype.type(1), x.dtype.type(0)),
                lambda a, b: (a[0] * b[0], a[1] * b[0] + a[0] * b[1]),
                (0, 2),
            )
        ),
        real(2, 3, 2),
        real(2, 3, 2),
        covers=("reduce",),
    ),
    make(
        "reductions/reduce_size_0_1",
        lambda x, y, s: weigh(
            lax.reduce(x, x.dtype.type(1), lambda a, b: a * b + a + b, (0,)) * s
            + lax.reduce(y, y.dtype.type(0), lambda a, b: a * b + a + b, (0,))
        ),
        real(0, 3),
        real(1, 3),
        real(3),
        covers=("reduce",),
    ),
]
