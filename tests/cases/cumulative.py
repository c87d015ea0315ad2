"""Cases of the family 'cumulative'."""

import jax.numpy as jnp
from jax import lax

from cases.case import exactly, make, positive, real, weigh

CUMULATIVE = [
    make(
        "cumulative/cumsum",
        lambda x: weigh(jnp.cumsum(x, axis=0) ** 2),
        real(3, 2),
        covers=("cumsum",),
    ),
    make(
        "cumulative/cumsum_reverse",
        lambda x: weigh(lax.cumsum(x, axis=1, reverse=True) * x),
        real(2, 5),
        covers=("cumsum",),
    ),
    make(
        "cumulative/cumsum_size_0_1",
        lambda x, y: jnp.sum(lax.cumsum(x, axis=0)) + weigh(lax.cumsum(y, axis=0) ** 2),
        real(0, 2),
        real(1, 2),
    ),
    make(
        "cumulative/prod",
        lambda x: weigh(jnp.cumprod(x, axis=0) * x),
        real(3, 2),
        covers=("cumprod",),
    ),
    make(
        "cumulative/prod_zeros",
        lambda x: weigh(lax.cumprod(x, axis=1, reverse=True)),
        exactly([[2.0, 0.0, 3.0], [0.0, -1.0, 0.0]]),
        covers=("cumprod",),
    ),
    make(
        "cumulative/max",
        lambda x: weigh(lax.cummax(x, axis=1) * x),
        real(2, 5),
        covers=("cummax",),
    ),
    make(
        "cumulative/max_ties",
        lambda x: weigh(lax.cummax(x, axis=0)),
        exactly([1.0, 2.0, 2.0, -1.0, 2.0]),
        covers=("cummax",),
    ),
    make(
        "cumulative/min_reverse",
        lambda x: weigh(lax.cummin(x, axis=0, reverse=True) ** 2),
        real(3, 2),
        covers=("cummin",),
    ),
    make(
        "cumulative/min_middle_axis",
        lambda x: weigh(lax.cummin(x, axis=1)),
        real(2, 3, 2),
        covers=("cummin",),
    ),
    make(
        "cumulative/logsumexp",
        lambda x: weigh(lax.cumlogsumexp(x, axis=0) ** 2),
        real(3, 2),
        covers=("cumlogsumexp",),
    ),
    make(
        "cumulative/logsumexp_reverse_of_logs",
        lambda x: weigh(lax.cumlogsumexp(jnp.log(x), axis=0, reverse=True)),
        positive(5),
        covers=("cumlogsumexp",),
    ),
    make(
        "cumulative/all_size_0_1",
        lambda x, y: (
            jnp.sum(lax.cummax(lax.cumprod(x, axis=0), axis=0))
            + weigh(lax.cummin(lax.cumlogsumexp(y, axis=0), axis=0) ** 2)
        ),
        real(0, 2),
        real(1, 2),
    ),
]
