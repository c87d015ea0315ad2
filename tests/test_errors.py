"""Bad input gets an error of `jax.grad`'s type that names the thing, the line and the way out."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import semigrad as sg

Array = Any
HERE = "test_errors.py"
X = np.array([0.5, -1.0, 2.0])


def _type_of_jax_grad(f: Callable[..., Any], *args: Any, **kwargs: Any) -> type[Exception]:
    """The type of the error that `jax.grad` raises."""
    with pytest.raises(Exception) as caught:
        jax.grad(f, **kwargs)(*args)
    return caught.type


def _raises(error: type[Exception], parts: list[str], call: Callable[[], Any]) -> None:
    """`call` raises exactly this type, and the text contains all parts."""
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    for part in parts:
        assert re.search(part, str(caught.value)), f"{part!r} is not in: {caught.value}"


# --------------------------------------------------------------- outputs, arguments, argnums


@pytest.mark.parametrize(
    ("f", "parts"),
    [
        (lambda x: x * 2.0, ["scalar", r"\(3,\)"]),
        (lambda x: (jnp.sum(x), jnp.sum(x)), ["scalar"]),
        (lambda x: {"loss": jnp.sum(x)}, ["scalar"]),
        (lambda x: jnp.sum(x).astype(jnp.int32), ["int32", "real|float"]),
        (lambda x: jnp.sum(x) > 0, ["bool", "real|float"]),
        (lambda x: jnp.sum(x).astype(jnp.complex128), ["complex128", "real|float"]),
        (lambda x: None, ["scalar"]),
    ],
    ids=["array", "tuple", "dict", "integer", "boolean", "complex", "none"],
)
def test_output(f: Callable[..., Any], parts: list[str]) -> None:
    error = _type_of_jax_grad(f, X)
    assert error is TypeError
    for transformed in (
        sg.backprop(f, sg.Entropy()),
        sg.value_and_backprop(f, sg.SumProduct()),
        sg.top_path(f),
        sg.intermediates(f, sg.Entropy(), at="*"),
        sg.branches(f, sg.Entropy(), at="*"),
    ):
        _raises(error, parts, lambda t=transformed: t(X))


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        (np.arange(3), ["int64", "intermediates"]),
        (np.array([True, False, True]), ["bool"]),
        (2, ["int"]),
        ({"w": X, "ids": np.arange(3)}, ["int64", "ids"]),
        (X.astype(np.complex128), ["complex128"]),
        ("text", ["text|str"]),
    ],
    ids=["integers", "booleans", "python integer", "in a dict", "complex", "string"],
)
def test_argument(argument: Any, parts: list[str]) -> None:
    f = lambda x: jnp.sum(jnp.asarray(jax.tree.leaves(x)[0]).real) * 1.0
    error = TypeError
    if not np.iscomplexobj(argument):  # jax.grad takes those; paths have real weights
        assert _type_of_jax_grad(f, argument) is error
    _raises(error, [*parts, "argument|args"], lambda: sg.backprop(f, sg.Entropy())(argument))
    _raises(error, parts, lambda: sg.top_path(f)(argument))


def test_the_argument_is_named() -> None:
    f = lambda x, y: jnp.sum(x) * 1.0
    call = lambda: sg.backprop(f, sg.Entropy(), argnums=1)(X, {"ids": np.arange(3)})
    _raises(TypeError, ["1", "ids"], call)


@pytest.mark.parametrize("argnums", [2, -3, (0, 5)])
def test_argnums_out_of_range(argnums: Any) -> None:
    f = lambda x, y: jnp.sum(x * y)
    error = _type_of_jax_grad(f, X, X, argnums=argnums)
    call = lambda: sg.backprop(f, sg.Entropy(), argnums)(X, X)
    _raises(error, ["argnums", re.escape(str(argnums)), "2"], call)


@pytest.mark.parametrize("argnums", ["x", 1.0, None, (0, "y")])
def test_argnums_not_integers(argnums: Any) -> None:
    f = lambda x, y: jnp.sum(x * y)
    error = _type_of_jax_grad(f, X, X, argnums=argnums)
    _raises(error, ["argnums"], lambda: sg.backprop(f, sg.Entropy(), argnums)(X, X))


def test_argnums_of_a_keyword_argument() -> None:
    f = lambda x, y: jnp.sum(x * y)
    with pytest.raises(Exception) as caught:
        jax.grad(f, 1)(X, y=X)
    call = lambda: sg.backprop(f, sg.Entropy(), 1)(X, y=X)
    _raises(caught.type, ["argnums", "(?i)keyword"], call)


def test_auxiliary_data_that_is_not_there() -> None:
    f = lambda x: jnp.sum(x)
    error = _type_of_jax_grad(f, X, has_aux=True)
    _raises(error, ["has_aux"], lambda: sg.backprop(f, sg.Entropy(), has_aux=True)(X))


@pytest.mark.parametrize("semiring", [sg.Entropy, "entropy", None, jnp.add])
def test_semiring_that_is_none(semiring: Any) -> None:
    call = lambda: sg.backprop(lambda x: jnp.sum(x), semiring)(X)
    _raises(TypeError, ["(?i)semiring"], call)


# ------------------------------------------------------------------------------- primitives


def _while(x: Array) -> Array:
    with jax.named_scope("looping"):
        return jnp.sum(lax.while_loop(lambda s: jnp.sum(s) < 9.0, lambda s: s * 2.0 + 9.0, x))


def test_while_loop() -> None:
    error = _type_of_jax_grad(_while, X)
    for semiring in (sg.SumProduct(), sg.Entropy()):
        parts = ["while", HERE, "looping", "Python loop|scan|fori_loop"]
        _raises(error, parts, lambda s=semiring: sg.backprop(_while, s)(X))


def _scaled(x: Array) -> Array:
    narrow = jnp.broadcast_to(x[:1], (1, 32, 32)).astype(jnp.float8_e4m3fn)
    scales = jnp.ones((1, 32, 1), jnp.float8_e8m0fnu)
    return jnp.sum(jax.nn.scaled_matmul(narrow, narrow, scales, scales))


def _while_in_a_loop(x: Array) -> Array:
    def step(carry: Array, row: Array) -> tuple[Array, None]:
        with jax.named_scope("inside"):
            return lax.while_loop(lambda s: s < 9.0, lambda s: s * 2.0 + 9.0, carry * row), None

    with jax.named_scope("loop"):
        return lax.scan(step, x[0], x)[0]


def _while_in_a_branch(x: Array) -> Array:
    def branch(y: Array) -> Array:
        with jax.named_scope("inside"):
            return lax.while_loop(lambda s: s < 9.0, lambda s: s * 2.0 + 9.0, y[0])

    with jax.named_scope("loop"):
        return lax.cond(x[0] > 0, branch, lambda y: y[1], x)


@pytest.mark.parametrize("f", [_while_in_a_loop, _while_in_a_branch])
def test_refused_inside_control_flow(f: Any) -> None:
    for transformed in (sg.backprop(f, sg.SumProduct()), sg.top_path(f)):
        _raises(ValueError, ["while", HERE, "loop/inside"], lambda t=transformed: t(X))


def test_a_top_path_of_too_many_steps() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("loop"):
            return lax.scan(lambda c, _: (jnp.sin(c) * 1.1, None), x[0], None, length=30_000)[0]

    parts = ["20000 equations", HERE, "loop", "MaxProduct"]
    _raises(NotImplementedError, parts, lambda: sg.top_path(f)(X))


@pytest.mark.parametrize("custom", ["Rule", None, True])
def test_custom_that_is_neither(custom: Any) -> None:
    for transform in (sg.backprop, sg.value_and_backprop):
        call = lambda t=transform: t(jnp.sum, sg.Count(), custom=custom)
        _raises(ValueError, ["custom", "rule", "descend"], call)
    _raises(ValueError, ["custom"], lambda: sg.nodes(jnp.sum, custom=custom))
    _raises(ValueError, ["custom"], lambda: sg.top_path(jnp.sum, custom=custom))


# What has no edges with real weights, or that JAX cannot differentiate either.
_REFUSED: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "windowed product": (
        "reduce_window",
        lambda x: jnp.sum(lax.reduce_window(x, 1.0, lax.mul, (2,), (1,), "VALID")),
    ),
    "scaled product": ("scaled_matmul", _scaled),
    "fft": ("fft|complex", lambda x: jnp.sum(jnp.abs(jnp.fft.fft(x)))),
    "real fft": ("'fft'.*complex", lambda x: jnp.sum(jnp.abs(jnp.fft.rfft(x)))),
    "inverse real fft": ("complex", lambda x: jnp.fft.irfft(x)[0]),
    "complex": ("complex", lambda x: jnp.sum(jnp.real(lax.complex(x, x) ** 2))),
    "callback": (
        "pure_callback",
        lambda x: jnp.sum(jax.pure_callback(np.sin, jax.ShapeDtypeStruct((3,), x.dtype), x)),
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_refused_by_name_line_and_scope(name: str) -> None:
    primitive, f = _REFUSED[name]

    def scoped(x: Array) -> Array:
        with jax.named_scope("inner_part"):
            return f(x)

    if name in ("callback", "scaled product", "windowed product"):
        error = _type_of_jax_grad(scoped, X)
    else:
        jax.grad(scoped)(X)  # jax.grad knows it: here it is the library that does not
        error = NotImplementedError
    parts = [primitive, HERE, "inner_part"]
    with pytest.raises(Exception) as caught:
        sg.backprop(scoped, sg.Entropy())(X)
    assert issubclass(caught.type, error)
    for part in parts:
        assert re.search(part, str(caught.value)), caught.value


def _apply(x: Array) -> Array:
    return jnp.sum(x.at[0].apply(jnp.sin))


def _no_transpose(x: Array) -> Array:
    return jnp.sum(lax.custom_linear_solve(lambda y: y * 2.0, x, lambda _, b: b / 2.0))


def _indices(x: Array) -> Array:
    operands, initial = (x, lax.iota(jnp.int32, 3)), (x.dtype.type(-9.0), jnp.int32(0))
    keep = lambda a, b: (jnp.maximum(a[0], b[0]), jnp.where(a[0] >= b[0], a[1], b[1]))
    return lax.reduce(operands, initial, keep, (0,))[0]


_NOT_DIFFERENTIABLE: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "householder": (
        "householder_product",
        lambda x: lax.linalg.householder_product(jnp.outer(x, x), x)[0, 0],
    ),
    "schur": ("schur", lambda x: lax.linalg.schur(jnp.outer(x, x))[0][0, 0]),
    "full svd": ("'svd'.*full matrices", lambda x: jnp.linalg.svd(jnp.outer(x, x[:2]))[0][0, 0]),
    "no transpose": ("custom_linear_solve.*transpose_solve", _no_transpose),
    "scatter apply": (r"scatter.*x\.at\[i\]\.set", _apply),
    "factors that meet": (
        "scatter-mul.*unique_indices=True",
        lambda x: jnp.sum(jnp.ones(3).at[np.array([0, 0, 1])].multiply(x)),
    ),
    "initial value": (
        "reduce.*initial values",
        lambda x: lax.reduce(x, x[0], lambda a, b: a * b + a + b, (0,)),
    ),
    "indices": ("reduce.*integers", _indices),
}


@pytest.mark.parametrize("name", _NOT_DIFFERENTIABLE)
def test_refused_where_jax_has_no_derivative(name: str) -> None:
    part, f = _NOT_DIFFERENTIABLE[name]

    def scoped(x: Array) -> Array:
        with jax.named_scope("inner_part"):
            return f(x)

    with pytest.raises((NotImplementedError, TypeError)):
        jax.grad(scoped)(X)
    parts = [part, HERE, "inner_part", "jax.grad", "stop_gradient"]
    for semiring in (sg.SumProduct(), sg.Entropy()):
        _raises(NotImplementedError, parts, lambda s=semiring: sg.backprop(scoped, s)(X))


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("cholesky", lambda x: jnp.sum(lax.linalg.cholesky(x))),
        ("custom_linear_solve", lambda x: jnp.sum(jnp.linalg.inv(x))),
    ],
)
def test_jacobian_that_is_too_large(name: str, f: Callable[[Array], Array]) -> None:
    parts = [name, HERE, "1600 x 1600", "1048576", r"\(40, 40\)", "register_rule", "stop_gradient"]
    _raises(NotImplementedError, parts, lambda: sg.backprop(f, sg.Count())(np.eye(40)))


def test_lanes_do_not_make_a_jacobian_larger() -> None:
    x = np.tile(np.eye(3), (2000, 1, 1))
    f = lambda x: jnp.sum(lax.linalg.cholesky(x))
    np.testing.assert_allclose(sg.backprop(f, sg.SumProduct())(x), jax.grad(f)(x), atol=1e-12)


@pytest.mark.parametrize("name", ["fft", "complex"])
def test_refused_by_every_function(name: str) -> None:
    primitive, f = _REFUSED[name]

    def g(x: Array) -> Array:
        with jax.named_scope("early"):
            h = jnp.sin(x)
        return f(h)

    for transformed in (
        sg.top_path(g),
        sg.intermediates(g, sg.Entropy(), at="early"),
        sg.branches(g, sg.SumProduct(), at="early"),
        jax.jit(sg.backprop(g, sg.MaxProduct())),
        lambda x: jax.vmap(sg.backprop(g, sg.MaxProduct()))(x[None]),
    ):
        _raises(NotImplementedError, [primitive, HERE], lambda t=transformed: t(X))


def test_what_is_refused_may_stand_off_the_path() -> None:
    """Only equations between the inputs and the output need rules; the others are run."""

    def f(x: Array) -> Array:
        fixed = lax.stop_gradient(x)
        a = lax.scan(lambda c, s: (c + s, s), 0.0, fixed)[0]
        b = lax.while_loop(lambda s: s < 9.0, lambda s: s * 2.0 + 9.0, fixed[0])
        c = lax.cond(fixed[0] > 0, lambda y: y * 2.0, lambda y: y, fixed[1])
        order = jnp.argsort(fixed)
        return jnp.sum(x * a + jnp.sort(fixed)) + b * x[1] + c * x[2] + x[order[0]]

    got = sg.backprop(f, sg.SumProduct())(X)
    np.testing.assert_allclose(got, jax.grad(f)(X), rtol=1e-12)


def test_what_is_refused_may_stand_behind_named_values() -> None:
    """What comes before a named value is not differentiated in."""

    def f(x: Array) -> Array:
        with jax.named_scope("embed"):
            h = jnp.sin(lax.scan(lambda c, s: (c + s, c * s), 0.0, x)[1])
        return jnp.sum(h * h)

    got = sg.intermediates(f, sg.SumProduct(), at="embed")(X)["embed"]
    assert got.shape == (3,)


def test_unknown_primitive() -> None:
    from jax.extend.core import Primitive
    from jax.interpreters import mlir

    double = Primitive("semigrad_test_double")
    double.def_abstract_eval(lambda x: x)
    double.def_impl(lambda x: x * 2.0)
    mlir.register_lowering(double, mlir.lower_fun(lambda x: x * 2.0, multiple_results=False))

    def f(x: Array) -> Array:
        with jax.named_scope("mine"):
            return jnp.sum(double.bind(x))

    parts = ["semigrad_test_double", HERE, "mine", "register_rule"]
    _raises(_type_of_jax_grad(f, X), parts, lambda: sg.backprop(f, sg.Entropy())(X))
    _raises(NotImplementedError, parts, lambda: sg.backprop(f, sg.SumProduct())(X))
    # off the path it is simply run
    g = lambda x: jnp.sum(x * double.bind(lax.stop_gradient(x)))
    np.testing.assert_allclose(sg.backprop(g, sg.SumProduct())(X), 2.0 * X)


def test_backward_function_that_is_not_linear() -> None:
    """It has no edges: what it does to a cotangent depends on the cotangent."""

    @jax.custom_vjp
    def clipped(x: Array) -> Array:
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, ct: (jnp.clip(ct, -1.0, 1.0),))

    def f(x: Array) -> Array:
        with jax.named_scope("mine"):
            return jnp.sum(clipped(x) * 3.0)

    _raises(NotImplementedError, ["linear", HERE, "mine"], lambda: sg.backprop(f, sg.Count())(X))


# --------------------------------------------------------------------------------- patterns


def _named(x: Array) -> Array:
    with jax.named_scope("encoder"):
        with jax.named_scope("layer_0"):
            x = jnp.sin(x)
        with jax.named_scope("layer_1"):
            x = jnp.cos(x)
    return jnp.sum(x * x)


@pytest.mark.parametrize("make", [sg.intermediates, sg.branches])
def test_pattern_that_matches_nothing(make: Callable[..., Any]) -> None:
    call = lambda: make(_named, sg.Entropy(), at="encoder/layer_7")(X)
    _raises(ValueError, ["encoder/layer_7", "encoder/layer_0", "encoder/layer_1", "nodes"], call)


def test_one_of_several_patterns_matches_nothing() -> None:
    at = ["encoder/*", "decoder/*"]
    call = lambda: sg.intermediates(_named, sg.Entropy(), at=at)(X)
    _raises(ValueError, [r"decoder/\*"], call)


def test_pattern_where_nothing_is_named() -> None:
    f = lambda x: jnp.sum(x)
    call = lambda: sg.intermediates(f, sg.Entropy(), at="layer")(X)
    _raises(ValueError, ["layer", "named_scope"], call)


def test_errors_come_under_jit_as_well() -> None:
    with pytest.raises(TypeError, match="scalar"):
        jax.jit(sg.backprop(lambda x: x, sg.Entropy()))(X)
