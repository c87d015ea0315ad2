"""Cases of the family 'no edge'."""

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax
from jax.extend.core import primitives as jex_primitives

from cases.case import Array, Whole, exactly, make, real, weigh


def _bits(x: Array) -> Array:
    kind = jnp.int64 if x.dtype == jnp.float64 else jnp.int32
    return lax.bitcast_convert_type(x, kind)


def _total_order(x: Array, y: Array) -> Array:
    signs = [getattr(jex_primitives, f"{n}_p").bind(x, y) for n in ("eq_to", "le_to", "lt_to")]
    return weigh(x * sum(s.astype(x.dtype) for s in signs))


def _dropout(x: Array) -> Array:
    key = jax.random.fold_in(jax.random.key(1), 2)
    keep = jax.random.bernoulli(jax.random.split(key)[1], 0.5, x.shape)
    return weigh(jnp.where(keep, x / 0.5, 0.0) * x)


def _integers(x: Array, n: Array) -> Array:
    one = jnp.ones_like(n)
    a = lax.shift_left(n, one) ^ lax.shift_right_arithmetic(n, one)
    a = a | lax.shift_right_logical(n, one + one)
    b = ~a & lax.population_count(n) + lax.clz(n) + lax.mulhi(n, n) + lax.iota(n.dtype, 3)
    odd = jnp.any(b > 3) | jnp.all(b > -5) | lax.reduce_xor(b > 0, (0,))
    return weigh(x * b.astype(x.dtype)) * odd.astype(x.dtype)


def _comparisons(x: Array, y: Array) -> Array:
    tests = [x == y, x != y, x < y, x <= y, x > y, x >= y, jnp.isfinite(x)]
    return weigh(x * y * sum(t.astype(x.dtype) for t in tests))


NO_EDGE = [
    make(
        "no_edge/comparisons",
        _comparisons,
        real(3),
        real(3),
        covers=("eq", "ne", "lt", "le", "gt", "ge", "is_finite"),
    ),
    make("no_edge/total_order", _total_order, real(3), real(3), covers=("eq_to", "le_to", "lt_to")),
    make(
        "no_edge/rounding",
        lambda x: weigh(x * (jnp.floor(x) + jnp.ceil(x) + jnp.round(x) + jnp.sign(x))),
        real(3),
        covers=("floor", "ceil", "round", "sign"),
    ),
    make(
        "no_edge/stop_gradient",
        lambda x: weigh(x * lax.stop_gradient(jnp.exp(x))),
        real(3),
        covers=("stop_gradient",),
    ),
    make(
        "no_edge/stopped_whole",
        lambda x, y: weigh(lax.stop_gradient(x) + y),
        real(3),
        real(3),
        covers=("stop_gradient",),
    ),
    make(
        "no_edge/argmax_argmin",
        lambda x: x[jnp.argmax(x)] * jnp.argmin(x).astype(x.dtype),
        exactly([0.3, -0.2, 1.5, 0.1, -0.7]),
        covers=("argmax", "argmin"),
    ),
    make(
        "no_edge/bitcast",
        lambda x: weigh(x * (_bits(x) & 7).astype(x.dtype)),
        real(3),
        covers=("bitcast_convert_type",),
    ),
    make(
        "no_edge/integers",
        _integers,
        real(3),
        Whole([5, -2, 9]),
        covers=(
            "and",
            "or",
            "not",
            "xor",
            "shift_left",
            "shift_right_logical",
            "shift_right_arithmetic",
            "mulhi",
            "population_count",
            "clz",
            "iota",
            "reduce_or",
            "reduce_xor",
            "reduce_and",
        ),
    ),
    make(
        "no_edge/dropout",
        _dropout,
        real(2, 3),
        covers=("random_seed", "random_bits", "random_fold_in", "random_split"),
    ),
    make(
        "no_edge/raw_key",
        lambda x: weigh(x * jax.random.uniform(jax.random.PRNGKey(1), (3,), x.dtype)),
        real(3),
        covers=("random_wrap", "random_unwrap"),
    ),
    make(
        "no_edge/to_integer_and_back",
        lambda x: weigh(x * x.astype(jnp.int32).astype(x.dtype)),
        real(3),
    ),
    make(
        "no_edge/nextafter_of_constants",
        lambda x: weigh(x * lax.nextafter(jnp.ones_like(x), jnp.zeros_like(x))),
        real(3),
        covers=("nextafter",),
    ),
    make("no_edge/unused_argument", lambda x, y: jnp.sum(x * x), real(3), real(2)),
    make("no_edge/constant_result", lambda x: jnp.ones((), x.dtype), real(3)),
    make("no_edge/argument_is_result", lambda x: x, real()),
]
