"""The table of cases: for every primitive of a family, functions with few enough paths to list.

Dimensions are 2, 3, 5 and 7, plus 0, 1 and scalars. Kinks and ties appear only where a case's name
says so. `rtol` is the tolerance in float64, `rtol32` in float32.
"""

import dataclasses
import math
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import primitives as jex_primitives

Array = Any


@dataclasses.dataclass(frozen=True)
class Real:
    """A float argument: random in [low, high), or the given values."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    values: Any = None

    def make(self, rng: np.random.Generator, sample: int, dtype: Any) -> np.ndarray:
        if self.values is None:
            return rng.uniform(self.low, self.high, self.shape).astype(dtype)
        values = np.asarray(self.values, dtype)
        return np.flip(values).copy() if sample % 2 else values


@dataclasses.dataclass(frozen=True)
class Whole:
    """An integer (or boolean) argument of the given values."""

    values: Any

    def make(self, rng: np.random.Generator, sample: int, dtype: Any) -> np.ndarray:
        values = np.asarray(self.values)
        if values.dtype != bool:
            values = values.astype(np.int32)
        return np.flip(values).copy() if sample % 2 else values


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> Real:
    return Real(shape, low, high)


def positive(*shape: int) -> Real:
    return Real(shape, 0.2, 2.5)


def exactly(values: Any) -> Real:
    return Real(np.shape(values), values=values)


@dataclasses.dataclass(frozen=True)
class Case:
    """One function of the table.

    Attributes:
        name: family and name.
        f: the function, with a scalar float result.
        specs: what its arguments are.
        covers: primitives it is there for; a test checks that they occur in its jaxpr.
        strict: whether the function itself allows strict dtype and rank promotion.
        batches: whether it is run under vmap.
    """

    name: str
    f: Callable[..., Array]
    specs: tuple[Real | Whole, ...]
    covers: tuple[str, ...] = ()
    rtol: float = 1e-9
    rtol32: float = 2e-5
    strict: bool = True
    batches: bool = True

    @property
    def family(self) -> str:
        return self.name.split("/")[0]

    @property
    def argnums(self) -> tuple[int, ...]:
        return tuple(i for i, spec in enumerate(self.specs) if isinstance(spec, Real))

    def arguments(self, sample: int = 0, dtype: Any = np.float64) -> tuple[Array, ...]:
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), sample])
        return tuple(jnp.asarray(spec.make(rng, sample, dtype)) for spec in self.specs)

    def batch(self, samples: int = 2, dtype: Any = np.float64) -> tuple[Array, ...]:
        rows = [self.arguments(sample, dtype) for sample in range(samples)]
        return tuple(jnp.stack(column) for column in zip(*rows, strict=True))


def weigh(y: Array) -> Array:
    """A scalar from an array: a sum with generic weights of both signs."""
    weights = np.array([0.7 * (-1) ** (i // 2) + 0.31 * math.sin(3.0 * i) for i in range(y.size)])
    return jnp.sum(y * jnp.asarray(weights.reshape(y.shape), y.dtype))


def _case(name: str, f: Callable[..., Array], *specs: Real | Whole, **kwargs: Any) -> Case:
    return Case(name, f, specs, **kwargs)


# ------------------------------------------------------------------------------- elementwise


def _unary(name: str, op: Callable[[Array], Array], spec: Real, **kwargs: Any) -> Case:
    covers = kwargs.pop("covers", (name,))
    f = kwargs.pop("f", lambda x: weigh(op(x) * x))
    return _case(f"elementwise/{name}", f, spec, covers=covers, **kwargs)


_OPEN_UNIT = real(3, low=-0.9, high=0.9)
_UNARY = [
    _unary("abs", lax.abs, real(3)),
    _unary("acos", lax.acos, _OPEN_UNIT),
    _unary("acosh", lax.acosh, real(3, low=1.1, high=3.0)),
    _unary("asin", lax.asin, _OPEN_UNIT),
    _unary("asinh", lax.asinh, real(3)),
    _unary("atan", lax.atan, real(3)),
    _unary("atanh", lax.atanh, _OPEN_UNIT),
    _unary("bessel_i0e", lax.bessel_i0e, real(3)),
    _unary("bessel_i1e", lax.bessel_i1e, real(3)),
    _unary("cbrt", lax.cbrt, positive(3)),
    _unary("cos", lax.cos, real(3)),
    _unary("cosh", lax.cosh, real(3)),
    _unary("digamma", lax.digamma, positive(3)),
    _unary("erf", lax.erf, real(3)),
    _unary("erf_inv", lax.erf_inv, _OPEN_UNIT),
    _unary("erfc", lax.erfc, real(3)),
    _unary("exp", lax.exp, real(3)),
    _unary("exp2", lax.exp2, real(3)),
    _unary("expm1", lax.expm1, real(3)),
    _unary("integer_pow_3", lambda x: lax.integer_pow(x, 3), real(3), covers=("integer_pow",)),
    _unary("integer_pow_-2", lambda x: lax.integer_pow(x, -2), positive(3)),
    _unary("integer_pow_0", lambda x: lax.integer_pow(x, 0) + x, real(3)),
    _unary("lgamma", lax.lgamma, positive(3)),
    _unary("log", lax.log, positive(3)),
    _unary("log1p", lax.log1p, positive(3)),
    _unary("logistic", lax.logistic, real(3)),
    _unary("neg", lax.neg, real(3)),
    _unary("rsqrt", lax.rsqrt, positive(3)),
    _unary("sin", lax.sin, real(3)),
    _unary("sinh", lax.sinh, real(3)),
    _unary("sqrt", lax.sqrt, positive(3)),
    _unary("square", lax.square, real(3)),
    _unary("tan", lax.tan, _OPEN_UNIT),
    _unary("tanh", lax.tanh, real(3)),
]
_UNARY = [
    dataclasses.replace(c, covers=("integer_pow",)) if "integer_pow" in c.name else c
    for c in _UNARY
]
for _name in ("log2", "one_minus_square"):
    if hasattr(lax, _name):
        _UNARY.append(
            _unary(_name, getattr(lax, _name), _OPEN_UNIT if "one" in _name else positive(3))
        )
if hasattr(lax, "polynomial"):
    _UNARY.append(_unary("polynomial", lambda x: lax.polynomial(x, [0.5, -1.0, 2.0]), real(3)))


def _add_any(x: Array) -> Array:
    """The gradient of a value used twice: JAX adds its two cotangents with add_any."""
    return weigh(jax.grad(lambda y: jnp.sum(jnp.sin(y) * y))(x))


ELEMENTWISE = [
    *_UNARY,
    _case("elementwise/add", lambda x, y: weigh(x + y) * y[0], real(3), real(3), covers=("add",)),
    _case("elementwise/add_any", _add_any, real(3), covers=("add_any",)),
    _case("elementwise/sub", lambda x, y: weigh(x - y * x), real(3), real(3), covers=("sub",)),
    _case("elementwise/mul", lambda x, y: weigh(x * y * x), real(3), real(3), covers=("mul",)),
    _case("elementwise/div", lambda x, y: weigh(x / y), real(3), positive(3), covers=("div",)),
    _case(
        "elementwise/max",
        lambda x, y: weigh(jnp.maximum(x, y) * x),
        real(3),
        real(3),
        covers=("max",),
    ),
    _case(
        "elementwise/min",
        lambda x, y: weigh(jnp.minimum(x, y) * x),
        real(3),
        real(3),
        covers=("min",),
    ),
    _case(
        "elementwise/atan2",
        lambda x, y: weigh(lax.atan2(x, y) * x),
        real(3),
        real(3),
        covers=("atan2",),
    ),
    _case(
        "elementwise/pow",
        lambda x, y: weigh(lax.pow(x, y) * x),
        positive(3),
        real(3),
        covers=("pow",),
    ),
    _case(
        "elementwise/pow_integer_operand",
        lambda x, n: weigh(lax.pow(x, n) * x),
        real(3),
        Whole([2, 0, 3]),
        covers=("pow",),
        strict=False,  # nor does jax.grad of it
    ),
    _case(
        "elementwise/rem",
        lambda x, y: weigh(lax.rem(x, y) * x),
        real(3, low=3.1, high=7.0),
        positive(3),
        covers=("rem",),
    ),
    _case(
        "elementwise/clamp_array_bounds",
        lambda lo, x, hi: weigh(lax.clamp(lo, x, hi)),
        real(5, low=-1.0, high=-0.1),
        exactly([-3.0, -0.05, 2.0, 0.01, 0.03]),
        real(5, low=0.1, high=1.0),
        covers=("clamp",),
    ),
    _case(
        "elementwise/clamp_scalar_bounds",
        lambda x: weigh(lax.clamp(-0.5, x, 0.75) * x),
        exactly([-1.0, 0.25, 2.0]),
        covers=("clamp",),
    ),
    _case(
        "elementwise/igamma",
        lambda a, x: weigh(lax.igamma(a, x)),
        positive(3),
        positive(3),
        covers=("igamma",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    _case(
        "elementwise/igammac",
        lambda a, x: weigh(lax.igammac(a, x)),
        positive(3),
        positive(3),
        covers=("igammac",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    _case(
        "elementwise/polygamma",
        lambda x: weigh(lax.polygamma(jnp.ones_like(x), x) * x),
        positive(3),
        covers=("polygamma",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    _case(
        "elementwise/regularized_incomplete_beta",
        lambda x: weigh(lax.betainc(jnp.full_like(x, 1.5), jnp.full_like(x, 0.7), x) * x),
        real(3, low=0.1, high=0.9),
        covers=("regularized_incomplete_beta",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    _case(
        "elementwise/random_gamma",
        lambda a: weigh(jax.random.gamma(jax.random.key(3), a, dtype=a.dtype)),
        positive(3),
        covers=("random_gamma",),
        rtol=1e-7,
        rtol32=1e-3,
    ),
    # the same operand twice: two parallel edges
    _case("elementwise/same_add", lambda x: weigh(x + x), real(3)),
    _case("elementwise/same_sub_cancels", lambda x: weigh(x - x), real(3)),
    _case("elementwise/same_mul", lambda x: weigh(x * x), real(3)),
    _case("elementwise/same_div", lambda x: weigh(x / x), positive(3)),
    _case("elementwise/same_max_ties", lambda x: weigh(jnp.maximum(x, x)), real(3)),
    # kinks and ties, on purpose
    _case(
        "elementwise/kink_abs",
        lambda x: weigh(jnp.abs(x) * x + jnp.abs(x)),
        exactly([0.0, -1.0, 2.0]),
    ),
    _case(
        "elementwise/tie_max_min",
        lambda x, y: weigh(jnp.maximum(x, y) + 3.0 * jnp.minimum(x, y)),
        exactly([1.0, -1.0, 2.0]),
        exactly([1.0, 1.0, 2.0]),
    ),
    _case(
        "elementwise/kink_maximum_0",
        lambda x: weigh(jnp.maximum(x, 0.0) * x),
        exactly([0.0, -1.0, 2.0]),
    ),
    # zeros in values and in weights
    _case(
        "elementwise/zero_values",
        lambda x, y: weigh(x * y + x),
        exactly([0.0, 1.0, 0.0]),
        exactly([0.0, 0.0, 2.0]),
    ),
    _case("elementwise/zero_literal", lambda x, y: (x * 0.0) * y - x, exactly(2.0), exactly(5.0)),
    _case(
        "elementwise/zero_weights",
        lambda x: jnp.sum(jnp.sin(x) * jnp.asarray([0.0, -1.5, 0.0], x.dtype)),
        real(3),
    ),
    _case("elementwise/all_negative", lambda x: jnp.sum(-jnp.exp(x) - 2.0 * jnp.exp(x)), real(3)),
    # broadcasting: scalars and size-1 axes, which lax elementwise operations broadcast themselves
    _case("elementwise/scalar_times_array", lambda s, x: jnp.sum(s * x), real(), real(3)),
    _case("elementwise/scalar_each_side", lambda s, x: weigh(s / x - s), real(), positive(3)),
    _case("elementwise/size_1_axes", lambda x, y: weigh(lax.mul(x, y)), real(3, 1), real(1, 2)),
    _case(
        "elementwise/size_1_axis_one_side",
        lambda x, y: weigh(lax.add(x, y) * x),
        real(2, 3),
        real(2, 1),
    ),
    _case("elementwise/size_1_same_operand", lambda x: weigh(lax.sub(x * x, x[:, :1])), real(2, 3)),
    _case("elementwise/size_1_result", lambda x, y: weigh(x * y), real(1, 1), real(1, 1)),
    _case("elementwise/size_0", lambda x, s: jnp.sum(x * s) + s, real(0, 3), real()),
    _case("elementwise/literal_operands", lambda x: jnp.sum((2.0 - x) / 3.0 + 1.5 * x), real(3)),
    _case(
        "elementwise/integer_argument",
        lambda x, n: weigh(x * n.astype(x.dtype)),
        real(3),
        Whole([2, 0, -1]),
    ),
]

# ----------------------------------------------------------------------------------- no edge


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
    _case(
        "no_edge/comparisons",
        _comparisons,
        real(3),
        real(3),
        covers=("eq", "ne", "lt", "le", "gt", "ge", "is_finite"),
    ),
    _case(
        "no_edge/total_order", _total_order, real(3), real(3), covers=("eq_to", "le_to", "lt_to")
    ),
    _case(
        "no_edge/rounding",
        lambda x: weigh(x * (jnp.floor(x) + jnp.ceil(x) + jnp.round(x) + jnp.sign(x))),
        real(3),
        covers=("floor", "ceil", "round", "sign"),
    ),
    _case(
        "no_edge/stop_gradient",
        lambda x: weigh(x * lax.stop_gradient(jnp.exp(x))),
        real(3),
        covers=("stop_gradient",),
    ),
    _case(
        "no_edge/stopped_whole",
        lambda x, y: weigh(lax.stop_gradient(x) + y),
        real(3),
        real(3),
        covers=("stop_gradient",),
    ),
    _case(
        "no_edge/argmax_argmin",
        lambda x: x[jnp.argmax(x)] * jnp.argmin(x).astype(x.dtype),
        exactly([0.3, -0.2, 1.5, 0.1, -0.7]),
        covers=("argmax", "argmin"),
    ),
    _case(
        "no_edge/bitcast",
        lambda x: weigh(x * (_bits(x) & 7).astype(x.dtype)),
        real(3),
        covers=("bitcast_convert_type",),
    ),
    _case(
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
    _case(
        "no_edge/dropout",
        _dropout,
        real(2, 3),
        covers=("random_seed", "random_bits", "random_fold_in", "random_split"),
    ),
    _case(
        "no_edge/raw_key",
        lambda x: weigh(x * jax.random.uniform(jax.random.PRNGKey(1), (3,), x.dtype)),
        real(3),
        covers=("random_wrap", "random_unwrap"),
    ),
    _case(
        "no_edge/to_integer_and_back",
        lambda x: weigh(x * x.astype(jnp.int32).astype(x.dtype)),
        real(3),
    ),
    _case(
        "no_edge/nextafter_of_constants",
        lambda x: weigh(x * lax.nextafter(jnp.ones_like(x), jnp.zeros_like(x))),
        real(3),
        covers=("nextafter",),
    ),
    _case("no_edge/unused_argument", lambda x, y: jnp.sum(x * x), real(3), real(2)),
    _case("no_edge/constant_result", lambda x: jnp.ones((), x.dtype), real(3)),
    _case("no_edge/argument_is_result", lambda x: x, real()),
]

# ----------------------------------------------------------------------------------- routing


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


ROUTING = [
    _case(
        "routing/reshape",
        lambda x, y: weigh(x.reshape(3, 2) * y),
        real(2, 3),
        real(3, 2),
        covers=("reshape",),
    ),
    _case(
        "routing/reshape_scalar", lambda x: weigh(x.reshape(1, 1) * x), real(), covers=("reshape",)
    ),
    _case("routing/reshape_empty", lambda x: jnp.sum(x.reshape(3, 0)), real(0, 3)),
    _case(
        "routing/transpose",
        lambda x: weigh(jnp.transpose(x, (2, 0, 1)) ** 2),
        real(2, 3, 5),
        covers=("transpose",),
    ),
    _case(
        "routing/transpose_meets_itself",
        lambda x: weigh(x * x.T),
        real(3, 3),
        covers=("transpose",),
    ),
    _case(
        "routing/squeeze",
        lambda x: weigh(lax.squeeze(x, (0, 2)) * 2.0),
        real(1, 3, 1),
        covers=("squeeze",),
    ),
    _case(
        "routing/expand",
        lambda x, y: weigh(jnp.expand_dims(x, (0, 2)) * y),
        real(3),
        real(2, 3, 5),
        covers=("broadcast_in_dim",),
    ),
    _case(
        "routing/broadcast_new_axis",
        lambda x: weigh(jnp.broadcast_to(x, (5, 3))),
        real(3),
        covers=("broadcast_in_dim",),
        strict=False,
    ),
    _case(
        "routing/broadcast_size_1",
        lambda x: weigh(lax.broadcast_in_dim(x, (2, 3, 5), (0, 2))),
        real(2, 1),
        covers=("broadcast_in_dim",),
    ),
    _case(
        "routing/broadcast_scalar",
        lambda s: weigh(jnp.broadcast_to(s, (2, 3)) ** 2),
        real(),
        covers=("broadcast_in_dim",),
        strict=False,
    ),
    _case(
        "routing/broadcast_to_empty",
        lambda s: jnp.sum(lax.broadcast_in_dim(s, (0, 3), ())) + s,
        real(),
    ),
    _case("routing/slice", lambda x: weigh(x[1:4] * x[0:3]), real(5), covers=("slice",)),
    _case(
        "routing/slice_strided",
        lambda x: weigh(lax.slice(x, (0, 1), (2, 7), (1, 3)) * x[:, :2]),
        real(2, 7),
        covers=("slice",),
    ),
    _case("routing/slice_empty", lambda x: jnp.sum(x[2:2]) + x[0], real(3)),
    _case(
        "routing/dynamic_slice",
        lambda x, i: weigh(lax.dynamic_slice(x, (i, jnp.zeros_like(i)), (2, 3))),
        real(5, 3),
        Whole(1),
        covers=("dynamic_slice",),
    ),
    _case(
        "routing/dynamic_slice_clamped",
        lambda x, i: weigh(lax.dynamic_slice(x, (i,), (3,)) * x[:3]),
        real(5),
        Whole(9),
        covers=("dynamic_slice",),
    ),
    _case(
        "routing/dynamic_update_slice",
        lambda x, y, i: weigh(lax.dynamic_update_slice(x, y, (i, jnp.ones_like(i))) * x),
        real(3, 5),
        real(2, 2),
        Whole(1),
        covers=("dynamic_update_slice",),
    ),
    _case(
        "routing/dynamic_update_slice_clamped",
        lambda x, i: weigh(lax.dynamic_update_slice(x, x[:2], (i,)) * x),
        real(5),
        Whole(8),
        covers=("dynamic_update_slice",),
    ),
    _case(
        "routing/pad",
        lambda x: weigh(lax.pad(x, jnp.zeros((), x.dtype), ((1, 2, 0), (0, 1, 1))) ** 2),
        real(2, 3),
        covers=("pad",),
    ),
    _case(
        "routing/pad_negative",
        lambda x, p: weigh(lax.pad(x, p, ((-1, 2, 0),)) ** 2),
        real(5),
        real(),
        covers=("pad",),
    ),
    _case(
        "routing/pad_interior_active_value",
        lambda x, p: weigh(lax.pad(x, p, ((1, -1, 2),))),
        real(3),
        real(),
        covers=("pad",),
    ),
    _case(
        "routing/pad_empty",
        lambda x, p: weigh(lax.pad(x, p, ((2, 1, 1),))),
        real(0),
        real(),
        covers=("pad",),
    ),
    _case(
        "routing/concatenate",
        lambda x, y: weigh(jnp.concatenate([x, y, x * y[:, :2]], axis=1)),
        real(3, 2),
        real(3, 5),
        covers=("concatenate",),
    ),
    _case(
        "routing/concatenate_same_and_empty",
        lambda x, y: weigh(jnp.concatenate([x, y, x])),
        real(3),
        real(0),
        covers=("concatenate",),
    ),
    _case("routing/split", _pieces, real(5), covers=("split",)),
    _case(
        "routing/stack",
        lambda x, y: weigh(lax.stack([x, y, x], axis=1)),
        real(2),
        real(2),
        covers=("stack",),
    ),
    _case("routing/tile", lambda x: weigh(lax.tile(x, (2, 3)) ** 2), real(2, 3), covers=("tile",)),
    _case("routing/unstack", _unstacked, real(2, 3), covers=("unstack",)),
    _case(
        "routing/gather_repeated_rows",
        lambda e, i, w: jnp.sum(e[i] * w),
        real(5, 2),
        Whole([1, 3, 1]),
        real(3, 2),
        covers=("gather",),
    ),
    _case(
        "routing/gather_columns",
        lambda x, i: weigh(jnp.take(x, i, axis=1)),
        real(2, 3),
        Whole([2, 0, 2, -1]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_elements",
        lambda x, i, j: weigh(x[i, j] ** 2),
        real(3, 5),
        Whole([0, 2, 0]),
        Whole([4, 1, 4]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_along_axis",
        lambda x, i: weigh(jnp.take_along_axis(x, i, axis=1) * x[:, :2]),
        real(2, 3),
        Whole([[0, 0], [2, 1]]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_windows",
        lambda x, i: weigh(jax.vmap(lambda j: lax.dynamic_slice(x, (j,), (2,)))(i)),
        real(5),
        Whole([0, 1, 7]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_fill",
        partial(_gathered, "fill"),
        real(5, 2),
        Whole([1, 9, 1]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_clip",
        partial(_gathered, "clip"),
        real(5, 2),
        Whole([3, 9, 4]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_in_bounds",
        partial(_gathered, "promise_in_bounds"),
        real(5, 2),
        Whole([3, 0, 4]),
        covers=("gather",),
    ),
    _case(
        "routing/gather_no_rows",
        lambda x, i: jnp.sum(x[i]) + jnp.sum(x[0]),
        real(3, 2),
        Whole(np.zeros(0, np.int32)),
    ),
    _case(
        "routing/select_n",
        lambda p, a, b: weigh(lax.select_n(p, a, b) * a),
        Whole([True, False, True]),
        real(3),
        real(3),
        covers=("select_n",),
    ),
    _case(
        "routing/select_n_three_cases",
        _select_three,
        Whole([0, 2, 1, 2, 0]),
        real(5),
        real(5),
        covers=("select_n",),
    ),
    _case(
        "routing/select_n_scalar_predicate",
        lambda p, a, b: weigh(lax.select_n(p, a, b)),
        Whole(True),
        real(2, 3),
        real(2, 3),
        covers=("select_n",),
    ),
    _case(
        "routing/select_n_same_operand",
        lambda p, a: weigh(lax.select_n(p, a, a)),
        Whole([True, False, True]),
        real(3),
        covers=("select_n",),
    ),
    _case(
        "routing/where_on_float",
        lambda x, s: weigh(jnp.where(x > 0, x * s, s)),
        real(5),
        real(),
        covers=("select_n",),
    ),
    _case("routing/rev", lambda x: weigh(lax.rev(x, (1,)) * x), real(2, 3), covers=("rev",)),
    _case("routing/copy", lambda x: weigh(jnp.copy(x) * x), real(3), covers=("copy",)),
    _case(
        "routing/convert_float32",
        partial(_round_trip, jnp.float32),
        real(3),
        covers=("convert_element_type",),
        rtol=1e-6,  # jax.grad rounds the cotangent on its way
    ),
    _case(
        "routing/convert_bfloat16",
        partial(_round_trip, jnp.bfloat16),
        real(3),
        covers=("convert_element_type",),
        rtol=2e-2,
        rtol32=2e-2,
    ),
    _case(
        "routing/checkpoint_name",
        lambda x: weigh(checkpoint_name(jnp.sin(x), "hidden") * x),
        real(3),
        covers=("name",),
    ),
    _case(
        "routing/optimization_barrier", _barrier, real(3), real(3), covers=("optimization_barrier",)
    ),
    _case(
        "routing/reduce_precision",
        lambda x: weigh(lax.reduce_precision(x, 5, 10) * x),
        real(3),
        covers=("reduce_precision",),
        rtol=2e-3,
        rtol32=2e-3,
    ),
    _case(
        "routing/sharding_constraint",
        lambda x: weigh(lax.with_sharding_constraint(x, _one_device()) * x),
        real(3),
        covers=("sharding_constraint",),
    ),
    _case(
        "routing/device_put",
        lambda x: weigh(jax.device_put(x) * x),
        real(3),
        covers=("device_put",),
    ),
]

# ----------------------------------------------------------------------------------- scatter

SCATTER = [
    _case(
        "scatter/set",
        lambda x, y, i: weigh(x.at[i].set(y) * x),
        real(5),
        real(2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_rows",
        lambda x, y, i: weigh(x.at[i].set(y) * x),
        real(5, 2),
        real(2, 2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_columns",
        lambda x, y, i: weigh(x.at[:, i].set(y)),
        real(2, 5),
        real(2, 2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_elements",
        lambda x, y, i, j: weigh(x.at[i, j].set(y) ** 2),
        real(3, 2),
        real(2),
        Whole([2, 0]),
        Whole([1, 1]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_repeated",
        lambda x, y, i: weigh(x.at[i].set(y) * 2.0),
        real(5),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_constant", lambda x: weigh(x.at[1].set(0.5) * x), real(3), covers=("scatter",)
    ),
    _case(
        "scatter/set_into_constant",
        lambda y, i: weigh(jnp.ones(5, y.dtype).at[i].set(y) ** 2),
        real(2),
        Whole([3, 0]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_dropped",
        lambda x, y, i: weigh(x.at[i].set(y, mode="drop") * 2.0),
        real(5),
        real(3),
        Whole([7, 0, -9]),
        covers=("scatter",),
    ),
    _case(
        "scatter/set_clipped",
        lambda x, y, i: weigh(x.at[i].set(y, mode="clip") * 2.0),
        real(5),
        real(2),
        Whole([7, 0]),
        covers=("scatter",),
    ),
    _case(
        "scatter/add",
        lambda x, y, i: weigh(x.at[i].add(y) * x),
        real(5),
        real(2),
        Whole([3, 0]),
        covers=("scatter-add",),
    ),
    _case(
        "scatter/add_repeated",
        lambda x, y, i: weigh(x.at[i].add(y) ** 2),
        real(5),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter-add",),
    ),
    _case(
        "scatter/add_rows",
        lambda x, y, i: weigh(x.at[i].add(y) ** 2),
        real(3, 2),
        real(3, 2),
        Whole([1, 0, 1]),
        covers=("scatter-add",),
    ),
    _case(
        "scatter/add_dropped",
        lambda x, y, i: weigh(x.at[i].add(y, mode="drop") * 2.0),
        real(5),
        real(3),
        Whole([7, 0, -9]),
        covers=("scatter-add",),
    ),
    _case(
        "scatter/add_itself",
        lambda x, i: weigh(x.at[i].add(x[:3])),
        real(5),
        Whole([4, 4, 1]),
        covers=("scatter-add",),
    ),
    _case(
        "scatter/add_into_constant",
        lambda y, i: weigh(jnp.zeros(5, y.dtype).at[i].add(y) ** 2),
        real(3),
        Whole([3, 0, 3]),
        covers=("scatter-add",),
    ),
    _case(
        "scatter/segment_sum",
        lambda y, i: weigh(jax.ops.segment_sum(y, i, 3) ** 2),
        real(5),
        Whole([0, 2, 0, 2, 2]),
        covers=("scatter-add",),
    ),
]

# -------------------------------------------------------------------------------- reductions

REDUCTIONS = [
    _case(
        "reductions/sum",
        lambda x: weigh(jnp.sum(x * x, axis=1)),
        real(2, 3),
        covers=("reduce_sum",),
    ),
    _case(
        "reductions/sum_several_axes",
        lambda x: weigh(jnp.sum(x, axis=(0, 2)) ** 2),
        real(2, 3, 5),
        covers=("reduce_sum",),
    ),
    _case(
        "reductions/sum_no_axes",
        lambda x: weigh(lax.reduce_sum_p.bind(x, axes=(), **_out_sharding("sum")) ** 2),
        real(3),
        covers=("reduce_sum",),
    ),
    _case(
        "reductions/sum_empty",
        lambda x, s: weigh(jnp.sum(x, axis=0) + s),
        real(0, 3),
        real(3),
        covers=("reduce_sum",),
    ),
    _case(
        "reductions/sum_size_1",
        lambda x: weigh(jnp.sum(x, axis=1) ** 2),
        real(3, 1),
        covers=("reduce_sum",),
    ),
    _case(
        "reductions/mean_keepdims",
        lambda x: weigh((x - jnp.mean(x, axis=1, keepdims=True)) * x),
        real(2, 3),
    ),
    _case(
        "reductions/max",
        lambda x: weigh(jnp.max(x, axis=0) ** 2),
        real(3, 2),
        covers=("reduce_max",),
    ),
    _case(
        "reductions/max_several_axes",
        lambda x: weigh(jnp.max(x, axis=(0, 2)) ** 2),
        real(2, 3, 2),
        covers=("reduce_max",),
    ),
    _case(
        "reductions/max_ties",
        lambda x: weigh(jnp.max(x, axis=1) ** 2),
        exactly([[2.0, 1.0, 2.0], [-1.0, -1.0, -1.0]]),
        covers=("reduce_max",),
    ),
    _case(
        "reductions/min",
        lambda x: weigh(jnp.min(x, axis=0) * x[0]),
        real(3, 2),
        covers=("reduce_min",),
    ),
    _case(
        "reductions/min_ties",
        lambda x: weigh(jnp.min(x, axis=1) ** 2),
        exactly([[2.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]),
        covers=("reduce_min",),
    ),
    _case(
        "reductions/max_size_1",
        lambda x: weigh(jnp.max(x, axis=1) ** 2),
        real(3, 1),
        covers=("reduce_max",),
    ),
    _case(
        "reductions/prod",
        lambda x: weigh(jnp.prod(x, axis=1) ** 2),
        real(2, 3),
        covers=("reduce_prod",),
    ),
    _case(
        "reductions/prod_several_axes",
        lambda x: weigh(jnp.prod(x, axis=(0, 2))),
        real(2, 3, 2),
        covers=("reduce_prod",),
    ),
    _case(
        "reductions/prod_zeros",
        lambda x: weigh(jnp.prod(x, axis=1)),
        exactly([[2.0, 0.0, 3.0], [0.0, -1.0, 0.0], [1.0, 2.0, 3.0]]),
        covers=("reduce_prod",),
    ),
    _case(
        "reductions/prod_empty", lambda x, s: weigh(jnp.prod(x, axis=0) * s), real(0, 3), real(3)
    ),
    _case(
        "reductions/cumsum",
        lambda x: weigh(jnp.cumsum(x, axis=0) ** 2),
        real(3, 2),
        covers=("cumsum",),
    ),
    _case(
        "reductions/cumsum_reverse",
        lambda x: weigh(lax.cumsum(x, axis=1, reverse=True) * x),
        real(2, 5),
        covers=("cumsum",),
    ),
    _case(
        "reductions/cumsum_size_0_1",
        lambda x, y: jnp.sum(lax.cumsum(x, axis=0)) + weigh(lax.cumsum(y, axis=0) ** 2),
        real(0, 2),
        real(1, 2),
    ),
]

# ------------------------------------------------------------------------------ contractions


def _dot(x: Array, y: Array, contract: Any, batch: Any = ((), ())) -> Array:
    return lax.dot_general(x, y, (contract, batch))


CONTRACTIONS = [
    _case(
        "contractions/matmul",
        lambda x, y: weigh(x @ y),
        real(2, 3),
        real(3, 5),
        covers=("dot_general",),
    ),
    _case(
        "contractions/matmul_square",
        lambda x, y: weigh((x @ y) ** 2),
        real(2, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/one_active",
        lambda x: weigh(x @ jnp.asarray([[1.0, -2.0], [0.0, 0.5], [3.0, -1.0]], x.dtype)),
        real(2, 3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/other_active",
        lambda y: weigh(jnp.asarray([[1.0, -2.0, 0.0]], y.dtype) @ y),
        real(3, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/matvec",
        lambda x, y: weigh(x @ y),
        real(2, 3),
        real(3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/inner", lambda x, y: jnp.dot(x, y), real(3), real(3), covers=("dot_general",)
    ),
    _case(
        "contractions/outer",
        lambda x, y: weigh(_dot(x, y, ((), ()))),
        real(2),
        real(3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/first_axes",
        lambda x, y: weigh(_dot(x, y, ((0,), (0,)))),
        real(3, 2),
        real(3, 5),
        covers=("dot_general",),
    ),
    _case(
        "contractions/two_axes_crossed",
        lambda x, y: weigh(_dot(x, y, ((0, 2), (1, 0)))),
        real(2, 3, 5),
        real(5, 2, 1),
        covers=("dot_general",),
    ),
    _case(
        "contractions/batch",
        lambda x, y: weigh(jnp.matmul(x, y)),
        real(2, 3, 2),
        real(2, 2, 5),
        covers=("dot_general",),
    ),
    _case(
        "contractions/batch_last",
        lambda x, y: weigh(_dot(x, y, ((0,), (1,)), ((2,), (0,)))),
        real(2, 3, 5),
        real(5, 2, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/two_batch_axes",
        lambda x, y: weigh(_dot(x, y, ((1,), (3,)), ((0, 2), (2, 0)))),
        real(2, 3, 2, 1),
        real(2, 2, 2, 3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/batch_only",
        lambda x, y: weigh(_dot(x, y, ((), ()), ((0,), (0,)))),
        real(3, 2),
        real(3),
        covers=("dot_general",),
    ),
    _case("contractions/same_operand", lambda x: weigh(x @ x), real(3, 3), covers=("dot_general",)),
    _case(
        "contractions/same_operand_transposed",
        lambda x: weigh(x @ x.T),
        real(2, 3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/same_operand_inner", lambda x: jnp.dot(x, x), real(3), covers=("dot_general",)
    ),
    _case(
        "contractions/three_factors",
        lambda x, y, z: weigh(x @ y @ z),
        real(2, 3),
        real(3, 2),
        real(2, 3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/einsum",
        lambda q, k: weigh(jnp.einsum("bqhd,bkhd->bhqk", q, k)),
        real(1, 3, 2, 2),
        real(1, 2, 2, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/empty_contraction",
        lambda x, y, s: weigh(x @ y + s),
        real(2, 0),
        real(0, 3),
        real(2, 3),
        covers=("dot_general",),
    ),
    _case(
        "contractions/empty_result",
        lambda x, y: jnp.sum(x @ y) + jnp.sum(y),
        real(0, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/size_1",
        lambda x, y: weigh(x @ y),
        real(3, 1),
        real(1, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/zeros",
        lambda x, y: weigh(x @ y),
        exactly([[1.0, 0.0, 2.0], [0.0, 0.0, -1.0]]),
        exactly([[3.0, 4.0], [0.0, 0.0], [0.0, 6.0]]),
        covers=("dot_general",),
    ),
    _case(
        "contractions/all_negative",
        lambda x, y: -jnp.sum(jnp.exp(x) @ jnp.exp(y)),
        real(2, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
    _case(
        "contractions/integer_operand",
        lambda x, n: weigh(x @ n.astype(x.dtype)),
        real(2, 3),
        Whole([[1, -2], [0, 3], [4, 0]]),
        covers=("dot_general",),
    ),
    _case(
        "contractions/preferred_type",
        lambda x, y: weigh(lax.dot(x, y, preferred_element_type=x.dtype)),
        real(2, 3),
        real(3, 2),
        covers=("dot_general",),
    ),
]

# ------------------------------------------------------------------------------------- calls


@jax.jit
def _inner(x: Array, y: Array) -> Array:
    return jnp.sin(x) * y


@jax.jit
def _nested(x: Array, y: Array) -> Array:
    return _inner(x, y) + _inner(y, x)


@jax.custom_jvp
def two_term_cube(x: Array) -> Array:
    """Elementwise, by a rule of two terms: still one edge per element."""
    return x**3


@two_term_cube.defjvp
def _two_term_cube_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return two_term_cube(x), x**2 * t + 2.0 * x**2 * t


@jax.custom_jvp
def normalised(x: Array) -> Array:
    """Not elementwise; its tangent program reads t twice."""
    return x / jnp.sum(x)


@normalised.defjvp
def _normalised_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    total = jnp.sum(x)
    y = x / total
    return y, t / total - y * jnp.sum(t) / total


@jax.custom_jvp
def sine_and_product(x: Array, y: Array) -> tuple[Array, Array]:
    """Two results, two operands, elementwise."""
    return jnp.sin(x), x * y


@sine_and_product.defjvp
def _sine_and_product_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (s, t) = primals, tangents
    return sine_and_product(x, y), (jnp.cos(x) * s, y * s + x * t)


@jax.custom_jvp
def first_only(x: Array, y: Array) -> Array:
    """By its rule there is no edge from y."""
    return x * y


@first_only.defjvp
def _first_only_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (s, _) = primals, tangents
    return first_only(x, y), y * s


@jax.custom_vjp
def second_only(x: Array, y: Array) -> Array:
    """By its rule there is no edge from x."""
    return x * y


second_only.defvjp(lambda x, y: (x * y, (x, y)), lambda r, ct: (jnp.zeros_like(r[0]), ct * r[0]))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def power_of(x: Array, n: int) -> Array:
    return x**n


@power_of.defjvp
def _power_of_jvp(n: int, primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return power_of(x, n), n * x ** (n - 1) * t


@jax.custom_vjp
def straight_through(x: Array) -> Array:
    """Rounds; its author's derivative is 2."""
    return jnp.round(x)


straight_through.defvjp(lambda x: (jnp.round(x), None), lambda _, ct: (2.0 * ct,))


@jax.custom_vjp
def reversed_gradient(x: Array, y: Array) -> Array:
    return x * y


reversed_gradient.defvjp(lambda x, y: (x * y, (x, y)), lambda r, ct: (-ct * r[1], 0.5 * ct * r[0]))


@jax.custom_vjp
def two_way_matmul(x: Array, y: Array) -> Array:
    """Not elementwise; its backward program reads the cotangent of x along two ways."""
    return x @ y


def _two_way_bwd(residuals: Any, ct: Array) -> tuple[Array, Array]:
    x, y = residuals
    return 0.25 * (ct @ y.T) + 0.75 * (ct @ y.T), x.T @ ct


two_way_matmul.defvjp(lambda x, y: (x @ y, (x, y)), _two_way_bwd)


@jax.custom_vjp
def looked_up(table: Array, index: Array) -> Array:
    """Not elementwise, with an integer operand."""
    return table[index]


looked_up.defvjp(
    lambda table, index: (table[index], (jnp.zeros_like(table), index)),
    lambda r, ct: (r[0].at[r[1]].add(ct), np.zeros(r[1].shape, jax.dtypes.float0)),
)


def _twice(x: Array) -> Array:
    a, b = sine_and_product(x, x)
    return weigh(a * b)


CALLS = [
    _case("calls/jit", lambda x, y: weigh(_inner(x, y) * x), real(3), real(3), covers=("jit",)),
    _case("calls/jit_nested", lambda x, y: weigh(_nested(x, y)), real(3), real(3), covers=("jit",)),
    _case("calls/jit_same_operand", lambda x: weigh(_inner(x, x)), real(3), covers=("jit",)),
    _case(
        "calls/jit_passes_through",
        lambda x: weigh(jax.jit(lambda y: (y, y * 2.0))(x)[0] * x),
        real(3),
        covers=("jit",),
    ),
    _case(
        "calls/remat",
        lambda x, y: weigh(jax.checkpoint(_inner)(x, y) * x),
        real(3),
        real(3),
        covers=("remat2",),
    ),
    _case(
        "calls/closed_call",
        lambda x, y: weigh(_closed_call(_inner, x, y) * x),
        real(3),
        real(3),
        covers=(jex_primitives.closed_call_p.name,),
    ),
    _case(
        "calls/custom_jvp_elementwise",
        lambda x: weigh(two_term_cube(x) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/custom_jvp_not_elementwise",
        lambda x: weigh(normalised(x) * x),
        positive(3),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/custom_jvp_two_results",
        lambda x, y: weigh(jnp.stack(sine_and_product(x, y))),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    _case("calls/custom_jvp_same_operand", _twice, real(3), covers=("custom_jvp_call",)),
    _case(
        "calls/custom_jvp_ignores_operand",
        lambda x, y: -jnp.sum(jnp.exp(first_only(x, y)) + jnp.exp(y)),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/custom_vjp_ignores_operand",
        lambda x, y: -jnp.sum(jnp.exp(second_only(x, y)) + jnp.exp(x)),
        real(3),
        real(3),
        covers=("custom_vjp_call",),
    ),
    _case(
        "calls/custom_jvp_nondiff_argnums",
        lambda x: weigh(power_of(x, 3) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/custom_jvp_in_jit",
        lambda x: weigh(jax.jit(two_term_cube)(x)),
        real(3),
        covers=("custom_jvp_call", "jit"),
    ),
    _case(
        "calls/custom_vjp_elementwise",
        lambda x: weigh(straight_through(x) * x),
        real(3),
        covers=("custom_vjp_call",),
    ),
    _case(
        "calls/custom_vjp_two_operands",
        lambda x, y: weigh(reversed_gradient(x, y) * x),
        real(3),
        real(3),
        covers=("custom_vjp_call",),
    ),
    _case(
        "calls/custom_vjp_not_elementwise",
        lambda x, y: weigh(two_way_matmul(x, y)),
        real(2, 3),
        real(3, 2),
        covers=("custom_vjp_call",),
    ),
    _case(
        "calls/custom_vjp_same_operand",
        lambda x: weigh(two_way_matmul(x, x)),
        real(3, 3),
        covers=("custom_vjp_call",),
    ),
    _case(
        "calls/custom_vjp_integer_operand",
        lambda t, i: weigh(looked_up(t, i)),
        real(5, 2),
        Whole([1, 3, 1]),
        covers=("custom_vjp_call",),
    ),
    _case(
        "calls/relu_dead_and_kink",
        lambda x: weigh(jax.nn.relu(x) * x + jax.nn.relu(x)),
        exactly([-1.0, 0.0, 2.0, -0.5, 3.0]),
        covers=("custom_jvp_call",),
    ),
    _case("calls/relu6", lambda x: weigh(jax.nn.relu6(x * 4.0)), real(5)),
    _case(
        "calls/softplus",
        lambda x: weigh(jax.nn.softplus(x) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/logaddexp",
        lambda x, y: weigh(jnp.logaddexp(x, y) * x),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/logaddexp_scalar",
        lambda x, s: weigh(jnp.logaddexp(x, s)),
        real(3),
        real(),
        covers=("custom_jvp_call",),
    ),
    _case(
        "calls/xlogy",
        lambda x, y: weigh(jax.scipy.special.xlogy(x, y)),
        positive(3),
        positive(3),
        covers=("custom_jvp_call",),
    ),
    _case("calls/gelu", lambda x: weigh(jax.nn.gelu(x, approximate=False)), real(3)),
    _case("calls/gelu_tanh", lambda x: weigh(jax.nn.gelu(x)), real(3)),
    _case("calls/silu", lambda x: weigh(jax.nn.silu(x)), real(3)),
    _case("calls/elu", lambda x: weigh(jax.nn.elu(x)), exactly([-1.0, 0.5, 2.0])),
    _case("calls/leaky_relu", lambda x: weigh(jax.nn.leaky_relu(x)), real(5)),
    _case("calls/logsumexp", lambda x: weigh(jax.nn.logsumexp(x, axis=1) ** 2), real(2, 3)),
    _case("calls/softmax", lambda x: weigh(jax.nn.softmax(x)), real(2, 3)),
    _case(
        "calls/log_softmax_difference",
        lambda x: jax.nn.log_softmax(x)[1] - jax.nn.log_softmax(x)[2],
        real(5),
    ),
]

# ------------------------------------------------------------------------------------ models


def _layer_norm(x: Array, g: Array, b: Array) -> Array:
    mean = jnp.mean(x, axis=-1, keepdims=True)
    var = jnp.mean(jnp.square(x), axis=-1, keepdims=True) - jnp.square(mean)
    return (x - mean) * lax.rsqrt(var + 1e-5) * g[None, :] + b[None, :]


def _attention(h: Array, wq: Array, wk: Array, wv: Array) -> Array:
    scores = (h @ wq) @ (h @ wk).T / math.sqrt(2.0)
    mixed = jax.nn.softmax(scores, axis=-1) @ (h @ wv) + h
    return mixed[0, 1]


def _mlp(x: Array, w1: Array, b1: Array, w2: Array) -> Array:
    hidden = jax.nn.relu(x @ w1 + b1[None, :])
    return jnp.sum(jnp.tanh(hidden @ w2)[:, 0]) / 2.0


def _squarings(x: Array) -> Array:
    for _ in range(4):
        x = x * x
    return x


MODELS = [
    _case("models/squarings", _squarings, exactly(-1.1)),
    _case("models/residual_chain", lambda x: jnp.sum(_residual(_residual(_residual(x)))), real(2)),
    _case(
        "models/layer_norm",
        lambda x, g, b: weigh(_layer_norm(x, g, b)),
        real(2, 3),
        real(3),
        real(3),
    ),
    _case("models/attention_plus_skip", _attention, real(3, 2), real(2, 2), real(2, 2), real(2, 2)),
    _case("models/mlp", _mlp, real(2, 3), real(3, 5), real(5), real(5, 2)),
    _case(
        "models/log_probability", lambda x: jnp.log(jnp.exp(x) / jnp.sum(jnp.exp(x)))[0], real(3)
    ),
]


def _residual(x: Array) -> Array:
    return x + jnp.tanh(x) * x


def _one_device() -> Any:
    return jax.sharding.SingleDeviceSharding(jax.devices()[0])


def _out_sharding(name: str) -> dict[str, Any]:
    """reduce_sum takes an out_sharding from JAX 0.10 on; read it off a traced one."""
    (eqn,) = jax.make_jaxpr(jnp.sum)(np.zeros(1, np.float32)).jaxpr.eqns
    return {key: value for key, value in eqn.params.items() if key != "axes"}


def _closed_call(f: Callable[..., Array], *args: Array) -> Array:
    closed = jax.make_jaxpr(f)(*args)
    call = jex_primitives.closed_call_p
    return call.bind(*args, **call.get_bind_params({"call_jaxpr": closed}))[0]


CASES: Sequence[Case] = [
    *ELEMENTWISE,
    *NO_EDGE,
    *ROUTING,
    *SCATTER,
    *REDUCTIONS,
    *CONTRACTIONS,
    *CALLS,
    *MODELS,
]
BY_NAME = {case.name: case for case in CASES}
assert len(BY_NAME) == len(CASES), "two cases of one name"

_REPRESENTATIVE = (
    "elementwise/tanh",
    "elementwise/sub",
    "elementwise/max",
    "elementwise/clamp_array_bounds",
    "elementwise/same_mul",
    "elementwise/tie_max_min",
    "elementwise/zero_literal",
    "elementwise/zero_weights",
    "elementwise/all_negative",
    "elementwise/scalar_each_side",
    "elementwise/size_1_axes",
    "elementwise/size_0",
    "no_edge/stop_gradient",
    "no_edge/dropout",
    "no_edge/unused_argument",
    "no_edge/argument_is_result",
    "routing/transpose_meets_itself",
    "routing/expand",
    "routing/slice_strided",
    "routing/dynamic_update_slice",
    "routing/pad_interior_active_value",
    "routing/concatenate_same_and_empty",
    "routing/gather_elements",
    "routing/gather_fill",
    "routing/select_n_three_cases",
    "routing/where_on_float",
    "scatter/set_repeated",
    "scatter/add_repeated",
    "reductions/sum_several_axes",
    "reductions/max_ties",
    "reductions/prod_zeros",
    "reductions/cumsum_reverse",
    "contractions/matmul",
    "contractions/batch_last",
    "contractions/same_operand",
    "contractions/empty_contraction",
    "contractions/zeros",
    "calls/jit_nested",
    "calls/custom_jvp_not_elementwise",
    "calls/custom_vjp_two_operands",
    "calls/relu_dead_and_kink",
    "calls/softmax",
    "models/squarings",
    "models/attention_plus_skip",
)
REPRESENTATIVE: Sequence[Case] = [BY_NAME[name] for name in _REPRESENTATIVE]
