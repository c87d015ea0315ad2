"""Cases of the family 'calls'."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
import optax
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import primitives as jex_primitives

from cases.case import Array, Whole, exactly, make, positive, real, weigh


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


def _closed_call(f: Callable[..., Array], *args: Array) -> Array:
    closed = jax.make_jaxpr(f)(*args)
    call = jex_primitives.closed_call_p
    return call.bind(*args, **call.get_bind_params({"call_jaxpr": closed}))[0]


@partial(jax.custom_jvp, nondiff_argnums=(0, 2))
def applied(fun: Callable[[Array], Array], x: Array, scale: float) -> Array:
    """A function and a number that are not differentiated in, around the operand."""
    return fun(x) * scale


@applied.defjvp
def _applied_jvp(fun: Any, scale: float, primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return fun(x) * scale, 3.0 * scale * x * t


@jax.custom_jvp
def lazy_product(x: Array, y: Array) -> Array:
    return x * y


def _lazy_product_jvp(primals: Any, tangents: Any) -> Any:
    """Told which tangents are symbolically zero, it leaves these out."""
    (x, y), (s, t) = primals, tangents
    out = jnp.zeros_like(x)
    if not isinstance(s, SymbolicZero):
        out = out + 2.0 * y * s
    if not isinstance(t, SymbolicZero):
        out = out + x * t
    return x * y, out


lazy_product.defjvp(_lazy_product_jvp, symbolic_zeros=True)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def powered(tree: dict[str, Array], n: int) -> dict[str, Array]:
    """Pytrees in, out and as residuals; a number that is not differentiated in."""
    return {"power": tree["a"] ** n, "product": tree["a"] * tree["b"]}


def _powered_fwd(tree: Any, n: int) -> Any:
    return powered(tree, n), {"left": tree["a"], "rest": (tree["b"], n * 2.0)}


def _powered_bwd(n: int, residuals: Any, cts: Any) -> Any:
    (b, twice), a = residuals["rest"], residuals["left"]
    return ({"a": twice * a * cts["power"] + b * cts["product"], "b": a * cts["product"]},)


powered.defvjp(_powered_fwd, _powered_bwd)


@jax.custom_vjp
def lazy_sum(x: Array, y: Array) -> Array:
    return x + y


def _lazy_sum_fwd(x: Any, y: Any) -> Any:
    """Told which operands are perturbed."""
    return x.value + y.value, (x.perturbed, y.perturbed)


def _lazy_sum_bwd(perturbed: Any, ct: Array) -> Any:
    return tuple(ct * 5.0 if p else None for p in perturbed)


lazy_sum.defvjp(_lazy_sum_fwd, _lazy_sum_bwd, symbolic_zeros=True)


@jax.custom_vjp
def inner_rule(x: Array) -> Array:
    return jnp.sin(x)


inner_rule.defvjp(lambda x: (jnp.sin(x), x), lambda x, ct: (ct * x * x,))


@jax.custom_jvp
def outer_rule(x: Array) -> Array:
    return inner_rule(x) * 2.0


@outer_rule.defjvp
def _outer_rule_jvp(primals: Any, tangents: Any) -> Any:
    """By means of another function with a rule of its own."""
    (x,), (t,) = primals, tangents
    y, d = jax.jvp(two_term_cube, (x,), (t,))
    return outer_rule(x), d * y * inner_rule(x)


def _straight_through(x: Array) -> Array:
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


def linear_call(x: Array, scale: Array) -> Array:
    """Linear in x; its author's transpose says 3 where the function says 1."""
    call = jax.custom_derivatives.linear_call
    return call(lambda r, t: r * t, lambda r, ct: 3.0 * r * ct, scale, x)


@jax.custom_batching.custom_vmap
def batched(x: Array) -> Array:
    return jnp.sin(x) * x


@batched.def_vmap
def _batched_rule(size: int, in_batched: Any, x: Array) -> Any:
    return jnp.sin(x) * x, in_batched[0]


CALLS = [
    make("calls/jit", lambda x, y: weigh(_inner(x, y) * x), real(3), real(3), covers=("jit",)),
    make("calls/jit_nested", lambda x, y: weigh(_nested(x, y)), real(3), real(3), covers=("jit",)),
    make("calls/jit_same_operand", lambda x: weigh(_inner(x, x)), real(3), covers=("jit",)),
    make(
        "calls/jit_passes_through",
        lambda x: weigh(jax.jit(lambda y: (y, y * 2.0))(x)[0] * x),
        real(3),
        covers=("jit",),
    ),
    make(
        "calls/remat",
        lambda x, y: weigh(jax.checkpoint(_inner)(x, y) * x),
        real(3),
        real(3),
        covers=("remat2",),
    ),
    make(
        "calls/closed_call",
        lambda x, y: weigh(_closed_call(_inner, x, y) * x),
        real(3),
        real(3),
        covers=(jex_primitives.closed_call_p.name,),
    ),
    make(
        "calls/custom_jvp_elementwise",
        lambda x: weigh(two_term_cube(x) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/custom_jvp_not_elementwise",
        lambda x: weigh(normalised(x) * x),
        positive(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/custom_jvp_two_results",
        lambda x, y: weigh(jnp.stack(sine_and_product(x, y))),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make("calls/custom_jvp_same_operand", _twice, real(3), covers=("custom_jvp_call",)),
    make(
        "calls/custom_jvp_ignores_operand",
        lambda x, y: -jnp.sum(jnp.exp(first_only(x, y)) + jnp.exp(y)),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/custom_vjp_ignores_operand",
        lambda x, y: -jnp.sum(jnp.exp(second_only(x, y)) + jnp.exp(x)),
        real(3),
        real(3),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/custom_jvp_nondiff_argnums",
        lambda x: weigh(power_of(x, 3) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/custom_jvp_in_jit",
        lambda x: weigh(jax.jit(two_term_cube)(x)),
        real(3),
        covers=("custom_jvp_call", "jit"),
    ),
    make(
        "calls/custom_vjp_elementwise",
        lambda x: weigh(straight_through(x) * x),
        real(3),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/custom_vjp_two_operands",
        lambda x, y: weigh(reversed_gradient(x, y) * x),
        real(3),
        real(3),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/custom_vjp_not_elementwise",
        lambda x, y: weigh(two_way_matmul(x, y)),
        real(2, 3),
        real(3, 2),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/custom_vjp_same_operand",
        lambda x: weigh(two_way_matmul(x, x)),
        real(3, 3),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/custom_vjp_integer_operand",
        lambda t, i: weigh(looked_up(t, i)),
        real(5, 2),
        Whole([1, 3, 1]),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/relu_dead_and_kink",
        lambda x: weigh(jax.nn.relu(x) * x + jax.nn.relu(x)),
        exactly([-1.0, 0.0, 2.0, -0.5, 3.0]),
        covers=("custom_jvp_call",),
    ),
    make("calls/relu6", lambda x: weigh(jax.nn.relu6(x * 4.0)), real(5)),
    make(
        "calls/softplus",
        lambda x: weigh(jax.nn.softplus(x) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/logaddexp",
        lambda x, y: weigh(jnp.logaddexp(x, y) * x),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/logaddexp_scalar",
        lambda x, s: weigh(jnp.logaddexp(x, s)),
        real(3),
        real(),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/xlogy",
        lambda x, y: weigh(jax.scipy.special.xlogy(x, y)),
        positive(3),
        positive(3),
        covers=("custom_jvp_call",),
    ),
    make("calls/gelu", lambda x: weigh(jax.nn.gelu(x, approximate=False)), real(3)),
    make("calls/gelu_tanh", lambda x: weigh(jax.nn.gelu(x)), real(3)),
    make("calls/silu", lambda x: weigh(jax.nn.silu(x)), real(3)),
    make("calls/elu", lambda x: weigh(jax.nn.elu(x)), exactly([-1.0, 0.5, 2.0])),
    make("calls/leaky_relu", lambda x: weigh(jax.nn.leaky_relu(x)), real(5)),
    make("calls/logsumexp", lambda x: weigh(jax.nn.logsumexp(x, axis=1) ** 2), real(2, 3)),
    make("calls/softmax", lambda x: weigh(jax.nn.softmax(x)), real(2, 3)),
    make(
        "calls/log_softmax_difference",
        lambda x: jax.nn.log_softmax(x)[1] - jax.nn.log_softmax(x)[2],
        real(5),
    ),
    make(
        "calls/custom_jvp_function_operand",
        lambda x: weigh(applied(jnp.tanh, x, 0.5) * x),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/custom_jvp_symbolic_zeros",
        lambda x, y: weigh(lazy_product(x, jnp.ones_like(x)) + lazy_product(x, y)),
        real(3),
        real(3),
        covers=("custom_jvp_call",),
    ),
    make(
        "calls/custom_vjp_pytrees",
        lambda a, b: sum(map(weigh, powered({"a": a, "b": b}, 3).values())),
        real(2),
        real(2),
        covers=("custom_vjp_call",),
    ),
    make(
        "calls/custom_vjp_symbolic_zeros",
        lambda x, y: weigh(lazy_sum(x, jnp.ones_like(x)) * lazy_sum(x, y)),
        real(2),
        real(2),
        covers=("custom_vjp_call",),
    ),
    make("calls/custom_jvp_by_another", lambda x: weigh(outer_rule(x) * x), real(3)),
    make("calls/custom_jvp_under_vmap", lambda x: weigh(jax.vmap(normalised)(x)), positive(2, 3)),
    make("calls/custom_vjp_under_vmap", lambda x: weigh(jax.vmap(inner_rule)(x)), real(2, 3)),
    make("calls/straight_through", lambda x: weigh(_straight_through(x) * x), real(3)),
    make(
        "calls/cross_entropy",
        lambda x, i: weigh(optax.softmax_cross_entropy_with_integer_labels(x, i)),
        real(2, 3),
        Whole([2, 0]),
        strict=False,
    ),
    make(
        "calls/sigmoid_cross_entropy",
        lambda x, y: weigh(optax.sigmoid_binary_cross_entropy(x, y)),
        real(3),
        real(3, low=0.0, high=1.0),
    ),
    make("calls/huber_loss", lambda x, y: weigh(optax.huber_loss(x, y)), real(3), real(3)),
    make("calls/cosine_distance", lambda x, y: optax.cosine_distance(x, y), real(3), real(3)),
    make("calls/norm_at_0", lambda x: optax.safe_norm(x, 1e-3), exactly([0.0, 0.0])),
    make("calls/glu", lambda x: weigh(jax.nn.glu(x)), real(4)),
    make("calls/celu", lambda x: weigh(jax.nn.celu(x)), real(4)),
    make("calls/hard_swish", lambda x: weigh(jax.nn.hard_swish(x * 2.0)), real(5)),
    make("calls/standardize", lambda x: weigh(jax.nn.standardize(x)), real(3)),
    make(
        "calls/dot_product_attention",
        lambda q: weigh(jax.nn.dot_product_attention(q, q, q)),
        real(1, 2, 1, 2),
        rtol=1e-6,  # its softmax is float32
        strict=False,
    ),
]
