"""Cases of the family 'control flow'."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from cases.case import Array, Whole, exactly, make, real, weigh


def _all_kinds(w: Array, start: Array, xs: Array) -> Array:
    """Constants, a carry, slices and stacked results, each on a path and each used twice."""

    def step(carry: Array, x: Array) -> tuple[Array, Array]:
        new = jnp.tanh(carry * w + x)
        return new, new * x

    last, stacked = lax.scan(step, start, xs)
    return weigh(last * start) + weigh(stacked)


def _counting(x: Array) -> Array:
    """A carry that holds an integer and a boolean beside the float."""

    def step(carry: tuple[Array, Array, Array], row: Array) -> tuple[tuple[Array, ...], Array]:
        number, odd, total = carry
        total = jnp.where(odd, total * row, total + row)
        return (number + 1, ~odd, total), number.astype(x.dtype) * row

    (_, _, total), rows = lax.scan(step, (jnp.int32(0), jnp.asarray(True), x[0]), x)
    return total + weigh(rows)


def _random(x: Array) -> Array:
    """A carry that holds a random key, as in dropout; it goes through a branch too."""

    def step(carry: tuple[Array, Array], row: Array) -> tuple[tuple[Array, Array], Array]:
        key, total = carry
        key, own = jax.random.split(key)
        kept = jax.random.bernoulli(own, 0.5, ()).astype(x.dtype)
        return (key, total + total * row * kept), jax.random.key_data(key)

    (key, total), _ = lax.scan(step, (jax.random.key(1), x[0]), x)
    low = lambda pair: (pair[0], pair[1] * x[1])
    return lax.cond(total > 0, low, lambda pair: pair, (key, total))[1]


def _nested(x: Array) -> Array:
    def outer(carry: Array, row: Array) -> tuple[Array, Array]:
        def inner(total: Array, entry: Array) -> tuple[Array, Array]:
            return total * entry + row[0], total

        carry, rows = lax.scan(inner, carry, row, reverse=True)
        return carry, weigh(rows)

    last, rows = lax.scan(outer, x[0, 0], x)
    return last + weigh(rows)


def _delayed(x: Array) -> Array:
    """The first carry is replaced in the first step, and what is stacked is a carry of before."""

    def step(carry: tuple[Array, Array], row: Array) -> tuple[tuple[Array, Array], Array]:
        first, second = carry
        return (row, first * 2.0), second

    (first, second), before = lax.scan(step, (x[0], jnp.ones_like(x[0])), x)
    return first * second + weigh(before)


def _off_the_path(x: Array) -> Array:
    """In the loop, a `while` on a carry that no path goes through."""

    def step(carry: tuple[Array, Array], row: Array) -> tuple[tuple[Array, Array], None]:
        total, free = carry
        free = lax.while_loop(lambda s: s < 1.0, lambda s: s + 1.0, free)
        return (total * row + free, free), None

    return lax.scan(step, (x[0], jnp.zeros_like(x[0])), x)[0][0]


def _constant_results(x: Array) -> Array:
    """A result that is a literal, one that is an operand, one that is there twice."""

    def step(carry: Array, row: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        new = carry * row
        return new, (jnp.ones_like(row), row, new)

    last, (ones, rows, news) = lax.scan(step, x[0], x)
    return last + weigh(ones) * weigh(rows * rows) + weigh(news)


def _branches(taken: int) -> Callable[[Array, Array], Array]:
    def f(x: Array, y: Array) -> Array:
        branches = (
            lambda a, b: (jnp.sin(a) * b[0], a[0]),
            lambda a, b: (a[::-1] * 2.0, jnp.zeros_like(b[0])),
            lambda a, b: (jnp.full_like(a, 0.5), weigh(b)),
        )
        out, scalar = lax.switch(taken, branches, x, y)
        return weigh(out * x) + scalar

    return f


def _cond(x: Array) -> Array:
    wide = lambda y: weigh(jnp.tanh(y) * y)
    return lax.cond(x[0] > 0, wide, lambda y: y[0] * y[1], x) * x[2]


def _guarded(x: Array) -> Array:
    """The branch that is not taken makes infinite derivatives."""
    root = lambda y: weigh(jnp.sqrt(y - 5.0))
    return lax.cond(x[0] > 7.0, root, lambda y: weigh(y * y), x)


def _switch_in_scan(x: Array, start: Array) -> Array:
    def step(carry: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        row, which = at
        branches = (lambda c: c * row, lambda c: c + row, lambda c: jnp.full_like(c, 2.0))
        new = lax.switch(which, branches, carry)
        return new, carry

    last, rows = lax.scan(step, start, (x, jnp.asarray([0, 1, 2, 0, 1], jnp.int32)))
    return last + weigh(rows)


def _scan_in_cond(x: Array) -> Array:
    loop = lambda y: lax.scan(lambda c, r: (c * r, c), y[0], y)[0]
    return lax.cond(x[1] < 0, loop, weigh, x) * x[2]


CONTROL_FLOW = [
    make("control_flow/scan_all_kinds", _all_kinds, real(), real(), real(3), covers=("scan",)),
    make(
        "control_flow/scan_of_vectors",
        _all_kinds,
        real(2),
        real(2),
        real(3, 2),
        covers=("scan",),
    ),
    make(
        "control_flow/scan_reverse_unrolled",
        lambda x: weigh(lax.scan(lambda c, r: (c * r, c + r), x[0], x, reverse=True, unroll=2)[1]),
        real(5),
        covers=("scan",),
    ),
    make(
        "control_flow/scan_length_only",
        lambda x: weigh(lax.scan(lambda c, _: (jnp.sin(c) * x, None), x, None, length=3)[0]),
        real(2),
        covers=("scan",),
    ),
    make(
        "control_flow/scan_no_carry",
        lambda x, y: weigh(lax.scan(lambda _, r: (None, r * y), None, x)[1]),
        real(3),
        real(),
        covers=("scan",),
    ),
    make(
        "control_flow/scan_length_0",
        lambda x: weigh(lax.scan(lambda c, r: (c * r, c), x, jnp.zeros((0, 3)))[0] * x),
        real(3),
        covers=("scan",),
        strict=False,
    ),
    make(
        "control_flow/scan_length_1",
        lambda x: weigh(lax.scan(lambda c, r: (c * r, c), x, x[None])[1]),
        real(3),
        covers=("scan",),
    ),
    make("control_flow/scan_integer_carry", _counting, real(3), covers=("scan",)),
    make("control_flow/scan_random_key", _random, real(3), covers=("scan", "cond"), strict=False),
    make("control_flow/scan_nested", _nested, real(2, 3), covers=("scan",)),
    make("control_flow/scan_delayed", _delayed, real(3), covers=("scan",)),
    make("control_flow/scan_while_off_the_path", _off_the_path, real(3), covers=("scan",)),
    make("control_flow/scan_constant_results", _constant_results, real(3), covers=("scan",)),
    make(
        "control_flow/scan_zeros_and_kinks",
        lambda x: lax.scan(lambda c, r: (jnp.maximum(c * r, 0.0), None), x[0], x)[0],
        exactly([1.5, 0.0, -1.0]),
        covers=("scan",),
    ),
    make(
        "control_flow/scan_custom_rules",
        lambda x: lax.scan(lambda c, r: (jax.nn.relu(c) + jax.nn.silu(r), None), x[0], x)[0],
        real(3),
        covers=("scan",),
    ),
    make(
        "control_flow/fori_loop",
        lambda x: weigh(lax.fori_loop(0, 3, lambda i, c: c * x[i] + c, x)),
        real(3),
        covers=("scan",),
    ),
    make(
        "control_flow/map",
        lambda x: weigh(lax.map(lambda row: jnp.sin(row[0]) * row, x)),
        real(3, 2),
        covers=("scan",),
    ),
    make(
        "control_flow/checkpointed_scan",
        lambda x: lax.scan(jax.checkpoint(lambda c, r: (jnp.tanh(c * r), None)), x[0], x)[0],
        real(3),
        covers=("scan",),
    ),
    make(
        "control_flow/associative_scan",
        lambda x: weigh(lax.associative_scan(jnp.multiply, x) * x),
        real(5),
    ),
    make("control_flow/cond_taken", _cond, exactly([0.5, -1.2, 0.7]), covers=("cond",)),
    make("control_flow/cond_not_taken", _cond, exactly([-0.5, -1.2, -0.7]), covers=("cond",)),
    make("control_flow/cond_guards", _guarded, exactly([1.0, 2.0, -3.0]), covers=("cond",)),
    *(
        make(f"control_flow/switch_{name}", _branches(taken), real(3), real(2))
        for name, taken in (("first", 0), ("second", 1), ("third", 2))
    ),
    make(
        "control_flow/switch_clamped",
        lambda x, i: weigh(
            lax.switch(i, (lambda y: y, lambda y: y * y, lambda y: y[::-1] * y), x) * x
        ),
        real(3),
        Whole(7),
        covers=("cond",),
    ),
    make("control_flow/switch_in_scan", _switch_in_scan, real(5), real(), covers=("scan", "cond")),
    make("control_flow/scan_in_cond", _scan_in_cond, exactly([0.5, -1.2, 0.7]), covers=("cond",)),
]
