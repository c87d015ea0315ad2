"""What the rules rely on in the installed JAX: names, operand order, params, local derivatives.

A renamed param fails loudly anyway; a reordered operand would fail silently. So both are pinned.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Literal
from jax.extend.core import primitives as jex

Array = Any

A23 = np.arange(6.0).reshape(2, 3)
V3 = np.array([1.0, -2.0, 3.0])
V5 = np.arange(5.0)


def _eqn(name: str, f: Callable[..., Any], *args: Any) -> Any:
    """The one equation of that primitive in f's jaxpr, inner jaxprs searched too."""
    found = list(_equations(jax.make_jaxpr(f)(*args), name))
    assert len(found) == 1, (name, len(found))
    return found[0]


def _equations(jaxpr: Any, name: str) -> Any:
    for eqn in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        if eqn.primitive.name == name:
            yield eqn
        for param in eqn.params.values():
            for value in param if isinstance(param, tuple) else (param,):
                if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                    yield from _equations(value, name)


def _shapes(eqn: Any) -> list[tuple[int, ...]]:
    return [tuple(v.aval.shape) for v in eqn.invars]


# primitive: (a call that makes it, the params a rule reads)
_PARAMS: dict[str, tuple[Callable[[], tuple], dict[str, Any]]] = {
    "broadcast_in_dim": (
        lambda: (lambda x: lax.broadcast_in_dim(x, (2, 3, 5), (0, 1)), A23),
        {"shape": (2, 3, 5), "broadcast_dimensions": (0, 1)},
    ),
    "reshape": (
        lambda: (lambda x: x.reshape(3, 2), A23),
        {"new_sizes": (3, 2), "dimensions": None},
    ),
    "transpose": (lambda: (lambda x: x.T, A23), {"permutation": (1, 0)}),
    "squeeze": (lambda: (lambda x: lax.squeeze(x, (0,)), A23[:1]), {"dimensions": (0,)}),
    "slice": (
        lambda: (lambda x: lax.slice(x, (1,), (5,), (2,)), V5),
        {"start_indices": (1,), "limit_indices": (5,), "strides": (2,)},
    ),
    "dynamic_slice": (
        lambda: (lambda x, i: lax.dynamic_slice(x, (i,), (2,)), V5, 1),
        {"slice_sizes": (2,)},
    ),
    "pad": (
        lambda: (lambda x: lax.pad(x, 0.0, ((1, -1, 2),)), V5),
        {"padding_config": ((1, -1, 2),)},
    ),
    "concatenate": (lambda: (lambda x: lax.concatenate([x, x], 1), A23), {"dimension": 1}),
    "split": (lambda: (lambda x: lax.split(x, (1, 2), axis=1), A23), {"axis": 1, "sizes": (1, 2)}),
    "stack": (lambda: (lambda x: lax.stack([x, x], axis=1), A23), {"axis": 1}),
    "unstack": (lambda: (lambda x: lax.unstack(x, axis=1), A23), {"axis": 1}),
    "tile": (lambda: (lambda x: lax.tile(x, (2, 3)), A23), {"reps": (2, 3)}),
    "rev": (lambda: (lambda x: lax.rev(x, (1,)), A23), {"dimensions": (1,)}),
    "convert_element_type": (
        lambda: (lambda x: lax.convert_element_type(x, jnp.float32), V3),
        {"new_dtype": jnp.dtype("float32")},
    ),
    "reduce_sum": (lambda: (lambda x: jnp.sum(x, (0,)), A23), {"axes": (0,)}),
    "reduce_max": (lambda: (lambda x: jnp.max(x, (1,)), A23), {"axes": (1,)}),
    "reduce_min": (lambda: (lambda x: jnp.min(x, (1,)), A23), {"axes": (1,)}),
    "reduce_prod": (lambda: (lambda x: jnp.prod(x, (0, 1)), A23), {"axes": (0, 1)}),
    "cumsum": (
        lambda: (lambda x: lax.cumsum(x, 1, reverse=True), A23),
        {"axis": 1, "reverse": True},
    ),
    "cumlogsumexp": (
        lambda: (lambda x: lax.cumlogsumexp(x, 1), A23),
        {"axis": 1, "reverse": False},
    ),
    "sort": (
        lambda: (lambda x, y: lax.sort((x, y), dimension=0, num_keys=1), A23, A23),
        {"dimension": 0, "num_keys": 1, "is_stable": True},
    ),
    "top_k": (lambda: (lambda x: lax.top_k(x, 2), A23), {"k": 2, "axis": 1}),
    "approx_top_k": (
        lambda: (lambda x: lax.approx_min_k(x, 2), A23),
        {"k": 2, "reduction_dimension": -1, "is_max_k": False, "aggregate_to_topk": True},
    ),
    "triangular_solve": (
        lambda: (lambda a, b: _triangular_solve(a, b), np.eye(3), np.ones((3, 2))),
        {"left_side": True, "lower": True, "transpose_a": True, "unit_diagonal": False},
    ),
    "name": (lambda: (lambda x: checkpoint_name(x, "here"), V3), {"name": "here"}),
    "integer_pow": (lambda: (lambda x: x**3, V3), {"y": 3}),
}


def _triangular_solve(a: Array, b: Array) -> Array:
    return lax.linalg.triangular_solve(a, b, left_side=True, lower=True, transpose_a=True)


@pytest.mark.parametrize("name", _PARAMS)
def test_params(name: str) -> None:
    make, wanted = _PARAMS[name]
    params = _eqn(name, *make()).params
    for key, value in wanted.items():
        assert params[key] == value, (key, params[key])


def test_dot_general_params_and_result_order() -> None:
    """Contracting before batch dimensions; the result is batch, left free, right free."""
    x, y = np.ones((2, 3, 5)), np.ones((5, 2, 7))
    f = lambda x, y: lax.dot_general(x, y, (((2,), (0,)), ((0,), (1,))))
    eqn = _eqn("dot_general", f, x, y)
    assert eqn.params["dimension_numbers"] == (((2,), (0,)), ((0,), (1,)))
    assert _shapes(eqn) == [(2, 3, 5), (5, 2, 7)]
    assert eqn.outvars[0].aval.shape == (2, 3, 7)
    assert {"precision", "preferred_element_type"} <= set(eqn.params)


def test_operand_order_of_select_n() -> None:
    """The selector first, then the cases by number: on_false before on_true."""
    p = np.array([True, False, True])
    eqn = _eqn("select_n", lambda p, x, y: jnp.where(p, x, y), p, V3, V3 + 1)
    assert [v.aval.dtype.name for v in eqn.invars] == ["bool", "float64", "float64"]
    got = lax.select_n(p, np.zeros(3), np.ones(3))
    np.testing.assert_array_equal(got, [1.0, 0.0, 1.0])
    got = lax.select_n(np.array([2, 0, 1], np.int32), V3, V3 + 10, V3 + 20)
    np.testing.assert_array_equal(got, [21.0, -2.0, 13.0])


def test_operand_order_of_indexed_primitives() -> None:
    index = np.int32(1)
    eqn = _eqn("dynamic_slice", lambda x, i: lax.dynamic_slice(x, (i, i), (1, 2)), A23, index)
    assert _shapes(eqn) == [(2, 3), (), ()]
    update = lambda x, u, i: lax.dynamic_update_slice(x, u, (i, i))
    eqn = _eqn("dynamic_update_slice", update, A23, A23[:1, :2], index)
    assert _shapes(eqn) == [(2, 3), (1, 2), (), ()]
    eqn = _eqn("pad", lambda x, p: lax.pad(x, p, ((1, 1, 0),)), V3, np.float64(0))
    assert _shapes(eqn) == [(3,), ()]
    eqn = _eqn("clamp", lambda lo, x, hi: lax.clamp(lo, x, hi), 0.0, V3, 1.0)
    assert _shapes(eqn) == [(), (3,), ()]


def test_gather() -> None:
    """Operand, then indices whose last axis is the index vector; the fill value in params."""
    rows = np.array([1, 9], np.int32)
    f = lambda x, i: jnp.asarray(x).at[i].get(mode="fill", fill_value=7.0)
    eqn = _eqn("gather", f, A23, rows)
    assert _shapes(eqn) == [(2, 3), (2, 1)]
    assert eqn.params["slice_sizes"] == (1, 3)
    assert eqn.params["mode"] == lax.GatherScatterMode.FILL_OR_DROP
    dims = eqn.params["dimension_numbers"]
    assert (dims.offset_dims, dims.collapsed_slice_dims, dims.start_index_map) == ((1,), (0,), (0,))
    assert {"fill_value", "unique_indices", "indices_are_sorted"} <= set(eqn.params)
    np.testing.assert_array_equal(f(A23, rows)[1], np.full(3, 7.0))


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("scatter", lambda x, i, u: jnp.asarray(x).at[i].set(u)),
        ("scatter-add", lambda x, i, u: jnp.asarray(x).at[i].add(u)),
    ],
)
def test_scatter(name: str, f: Callable[..., Array]) -> None:
    """Operand, indices, updates; out of bounds is dropped."""
    eqn = _eqn(name, f, A23, np.array([1], np.int32), np.ones((1, 3)))
    assert _shapes(eqn) == [(2, 3), (1, 1), (1, 3)]
    dims = eqn.params["dimension_numbers"]
    assert (dims.update_window_dims, dims.inserted_window_dims) == ((1,), (0,))
    assert dims.scatter_dims_to_operand_dims == (0,)
    assert {"mode", "unique_indices", "indices_are_sorted"} <= set(eqn.params)
    np.testing.assert_array_equal(f(A23, np.array([9], np.int32), np.ones((1, 3))), A23)


def test_size_1_axes_are_broadcast_by_elementwise_primitives() -> None:
    eqn = _eqn("mul", lambda x, y: lax.mul(x, y), A23[:, :1], A23[:1])
    assert _shapes(eqn) == [(2, 1), (1, 3)]
    assert eqn.outvars[0].aval.shape == (2, 3)
    eqn = _eqn("mul", lambda x, s: x * s, A23, np.float64(2.0))
    assert _shapes(eqn) == [(2, 3), ()]


@pytest.mark.parametrize("name", ["scatter-mul", "scatter-min", "scatter-max", "scatter-sub"])
def test_scatters_that_combine_have_the_layout_of_scatter_add(name: str) -> None:
    method = {"sub": "subtract"}.get(name[8:], name[8:])
    f = lambda x, i, u: getattr(jnp.asarray(x).at[i], method)(u)
    eqn = _eqn(name, f, A23, np.array([1], np.int32), np.ones((1, 3)))
    assert _shapes(eqn) == [(2, 3), (1, 1), (1, 3)]
    assert set(eqn.params) == set(
        _eqn("scatter-add", lambda x, i, u: jnp.asarray(x).at[i].add(u), *_SCATTERED).params
    )


_SCATTERED = (A23, np.array([1], np.int32), np.ones((1, 3)))


def test_sort_moves_all_operands_by_its_keys() -> None:
    """As many results as operands; the first `num_keys` are compared, in this order; stable."""
    keys, values = np.array([1.0, 0.0, 1.0, 0.0]), np.array([5.0, 6.0, 7.0, 8.0])
    eqn = _eqn("sort", lambda k, v: lax.sort((k, v), num_keys=1), keys, values)
    assert len(eqn.outvars) == 2
    sorted_keys, moved = lax.sort((keys, values), num_keys=1)
    np.testing.assert_array_equal(sorted_keys, [0, 0, 1, 1])
    np.testing.assert_array_equal(moved, [6, 8, 5, 7])
    moved, _ = lax.sort((values, keys[::-1]), num_keys=1)
    np.testing.assert_array_equal(moved, [5, 6, 7, 8])


def test_top_k_gives_values_and_their_positions() -> None:
    """The values in descending order, of equal ones the first; then int32 positions."""
    x = np.array([1.0, 3.0, 2.0, 3.0])
    eqn = _eqn("top_k", lambda x: lax.top_k(x, 3), x)
    assert [v.aval.dtype.name for v in eqn.outvars] == ["float64", "int32"]
    values, positions = lax.top_k(x, 3)
    np.testing.assert_array_equal(values, [3, 3, 2])
    np.testing.assert_array_equal(positions, [1, 3, 2])


_WINDOW = {
    "window_dimensions": (2, 1),
    "window_strides": (1, 2),
    "padding": ((0, 1), (1, 0)),
    "base_dilation": (1, 2),
    "window_dilation": (2, 1),
}


@pytest.mark.parametrize(
    ("name", "start", "join"),
    [
        ("reduce_window_sum", 0.0, lax.add),
        ("reduce_window_max", -np.inf, lax.max),
        ("reduce_window_min", np.inf, lax.min),
    ],
)
def test_reduce_window_of_a_monoid(name: str, start: float, join: Any) -> None:
    """One operand, and the params of `_WINDOW`; padding is as if by the neutral element."""
    f = lambda x: lax.reduce_window(x, start, join, **_WINDOW)
    eqn = _eqn(name, f, A23)
    assert dict(eqn.params) == _WINDOW
    assert _shapes(eqn) == [(2, 3)]
    np.testing.assert_array_equal(
        lax.reduce_window(V3, start, join, (2,), (1,), ((1, 0),))[0], V3[0]
    )


def test_reduce_window_of_anything() -> None:
    """Operands, then as many initial values; the body reads a pair of each."""
    f = lambda x: lax.reduce_window(x, 1.0, lax.mul, **_WINDOW)
    eqn = _eqn("reduce_window", f, A23)
    assert _shapes(eqn) == [(2, 3), ()]
    assert {**_WINDOW}.items() <= dict(eqn.params).items()
    assert {"jaxpr", "consts"} <= set(eqn.params)


def test_reduce_of_anything() -> None:
    """Operands, then as many initial values; the body reads a pair of each."""
    eqn = _eqn("reduce", lambda x: lax.reduce(x, 1.0, lambda a, b: a * b + a, (1,)), A23)
    assert _shapes(eqn) == [(2, 3), ()]
    assert eqn.params["dimensions"] == (1,)
    assert "jaxpr" in eqn.params


def test_select_and_gather_or_scatter_add() -> None:
    """To gather: tangents, then operand. To scatter: what the windows send, then the operand."""
    window = {key: _WINDOW[key] for key in ("window_dimensions", "window_strides", "padding")}
    pooled = lambda x: lax.reduce_window(x, -np.inf, lax.max, **window)
    tangent = lambda x, t: jax.jvp(pooled, (x,), (t,))[1]
    eqn = _eqn("select_and_gather_add", tangent, A23, A23.astype(np.float64))
    assert _shapes(eqn) == [(2, 3), (2, 3)]
    assert {**window, "base_dilation": (1, 1)}.items() <= dict(eqn.params).items()
    eqn = _eqn("select_and_scatter_add", jax.grad(lambda x: jnp.sum(pooled(x))), A23)
    assert _shapes(eqn) == [(2, 2), (2, 3)]
    assert eqn.outvars[0].aval.shape == (2, 3)
    assert window.items() <= dict(eqn.params).items()
    assert eqn.params["select_prim"].name == "ge"


def test_conv_general_dilated() -> None:
    """The input, then the kernel; specs list the axes of batch (or out), feature (or in), space.

    Axes of space are in the kernel's order, in the specs as in strides, padding and dilations.
    """
    x, kernel = np.ones((5, 1, 4, 6)), np.ones((2, 3, 6, 2))
    f = lambda x, k: lax.conv_general_dilated(
        x, k, (1, 2), ((0, 1), (1, 0)), (1, 2), (2, 1), ("HNCW", "IWOH", "NCHW"), 2
    )
    eqn = _eqn("conv_general_dilated", f, x, kernel)
    assert _shapes(eqn) == [(5, 1, 4, 6), (2, 3, 6, 2)]
    params = eqn.params
    assert params["dimension_numbers"].lhs_spec == (1, 2, 3, 0)
    assert params["dimension_numbers"].rhs_spec == (2, 0, 1, 3)
    assert params["dimension_numbers"].out_spec == (0, 1, 3, 2)
    assert params["window_strides"] == (1, 2)
    assert params["padding"] == ((0, 1), (1, 0))
    assert params["lhs_dilation"] == (1, 2)
    assert params["rhs_dilation"] == (2, 1)
    assert params["feature_group_count"] == 2
    assert params["batch_group_count"] == 1
    assert {"precision", "preferred_element_type"} <= set(params)


def test_convolution_does_not_flip_the_kernel() -> None:
    x, kernel = np.array([[[1.0, 10.0, 100.0]]]), np.array([[[1.0, 2.0]]])
    got = lax.conv_general_dilated(x, kernel, (1,), "VALID")
    np.testing.assert_array_equal(got, [[[21.0, 210.0]]])


def test_ragged_dot_general() -> None:
    """The rows in groups, a matrix per group, and the sizes of the groups."""
    x, w, sizes = np.ones((5, 3)), np.stack([np.ones((3, 2)), np.full((3, 2), 2.0)]), [1, 3]
    eqn = _eqn("ragged_dot_general", lax.ragged_dot, x, w, np.array(sizes, np.int32))
    assert _shapes(eqn) == [(5, 3), (2, 3, 2), (2,)]
    dims = eqn.params["ragged_dot_dimension_numbers"]
    assert dims.dot_dimension_numbers == (((1,), (1,)), ((), ()))
    assert list(dims.lhs_ragged_dimensions) == [0]
    assert list(dims.rhs_group_dimensions) == [0]
    assert {"precision", "preferred_element_type", "group_offset"} <= set(eqn.params)
    got = lax.ragged_dot(x, w, np.array(sizes, np.int32))
    np.testing.assert_array_equal(got[:, 0], [3, 6, 6, 6, 0])  # no group: 0


def test_cond() -> None:
    """An int32 branch number, then the operands of all branches; number 0 is the false branch."""
    eqn = _eqn("cond", lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x), True, V3)
    assert [str(v.aval.dtype) for v in eqn.invars] == ["int32", "float64"]
    first, second = eqn.params["branches"]
    assert list(_equations(first, "cos")) and list(_equations(second, "sin"))
    assert not list(_equations(first, "sin"))
    branches = [jnp.sin, jnp.cos, jnp.tan]
    eqn = _eqn("cond", lambda n, x: lax.switch(n, branches, x), np.int32(9), V3)
    assert [bool(list(_equations(b, "tan"))) for b in eqn.params["branches"]] == [
        False,
        False,
        True,
    ]
    # Numbers outside are clamped, before the equation.
    np.testing.assert_array_equal(lax.switch(9, branches, V3), jnp.tan(V3))
    np.testing.assert_array_equal(lax.switch(-9, branches, V3), jnp.sin(V3))


def _scanned(k: Array, c: Array, xs: Array) -> tuple[Array, tuple[Array, Array]]:
    return lax.scan(lambda c, x: (c * x * k, (c + x[:1], 2.0 * x)), c, xs, reverse=True)


def test_scan() -> None:
    """Constants, carry, scanned operands; the body reads and returns them in this order.

    The body has scanned values without their first axis, and the same ranks otherwise: the way to
    tell them apart that holds in every JAX version.
    """
    k, c, xs = np.float64(2.0), np.ones(3), np.ones((5, 3))
    eqn = _eqn("scan", _scanned, k, c, xs)
    assert _shapes(eqn) == [(), (3,), (5, 3)]
    assert [v.aval.shape for v in eqn.outvars] == [(3,), (5, 3), (5, 3)]
    body = eqn.params["jaxpr"]
    assert [a.shape for a in body.in_avals] == [(), (3,), (3,)]
    assert [a.shape for a in body.out_avals] == [(3,), (3,), (3,)]
    assert (eqn.params["length"], eqn.params["reverse"]) == (5, True)
    assert "unroll" in eqn.params


def test_scan_in_reverse_keeps_places() -> None:
    """Step i reads and writes row i, from the last to the first."""
    last, (carries, rows) = _scanned(np.float64(1.0), np.ones(1), np.array([[2.0], [3.0], [5.0]]))
    np.testing.assert_array_equal(last, [30.0])
    np.testing.assert_array_equal(carries[:, 0], [15 + 2, 5 + 3, 1 + 5])
    np.testing.assert_array_equal(rows[:, 0], [4, 6, 10])


def test_while() -> None:
    """Constants of the condition, constants of the body, carry."""
    eqn = _eqn(
        "while",
        lambda n, k, x: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * k), (0, x)),
        np.int64(3),
        np.float64(2.0),
        V3,
    )
    assert [v.aval.shape for v in eqn.invars] == [(), (), (), (3,)]
    assert (eqn.params["cond_nconsts"], eqn.params["body_nconsts"]) == (1, 1)
    assert {"cond_jaxpr", "body_jaxpr"} <= set(eqn.params)


def test_custom_linear_solve() -> None:
    """The constants of matvec, vecmat, solve and transpose_solve, then the right-hand sides."""
    a = np.array([[2.0, 1.0, 0.0], [0.0, 4.0, 1.0], [0.0, 0.0, 5.0]])
    solve = lambda _, b: b / jnp.diag(a)
    f = lambda a, b: lax.custom_linear_solve(lambda v: a @ v, b, solve, solve)
    eqn = _eqn("custom_linear_solve", f, a, V3)
    lengths, jaxprs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    order = ("matvec", "vecmat", "solve", "transpose_solve")
    assert lengths._fields == jaxprs._fields == order
    assert len(eqn.invars) == sum(lengths) + 1
    assert _shapes(eqn)[0] == (3, 3) and _shapes(eqn)[-1] == (3,)
    assert [v.aval.shape for v in eqn.outvars] == [(3,)]


def test_calls_carry_their_body() -> None:
    eqn = _eqn("jit", jax.jit(jnp.sin), V3)
    assert {"jaxpr", "name"} <= set(eqn.params)
    assert hasattr(eqn.params["jaxpr"], "consts")
    eqn = _eqn("remat2", jax.checkpoint(jnp.sin), V3)
    assert "jaxpr" in eqn.params
    assert jex.jit_p.name == "jit" and jex.remat_p.name == "remat2"
    assert jex.closed_call_p.name in ("closed_call", "eval_jaxpr")
    closed = jax.make_jaxpr(jnp.sin)(V3)
    bind = jex.closed_call_p.get_bind_params({"call_jaxpr": closed})
    made = _eqn(jex.closed_call_p.name, lambda x: jex.closed_call_p.bind(x, **bind), V3)
    assert "call_jaxpr" in made.params


def _custom() -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    @jax.custom_jvp
    def f(x: Array) -> Array:
        return jnp.sin(x)

    f.defjvps(lambda t, ans, x: 3.0 * t)

    @jax.custom_vjp
    def g(x: Array) -> Array:
        return jnp.sin(x)

    g.defvjp(lambda x: (jnp.sin(x), None), lambda _, ct: (5.0 * ct,))
    return f, g


def test_custom_calls_can_be_bound_again_from_their_params() -> None:
    """And keep the author's rule: forward for custom_jvp, reverse for custom_vjp."""
    f, g = _custom()
    for name, fun, slope in (("custom_jvp_call", f, 3.0), ("custom_vjp_call", g, 5.0)):
        eqn = _eqn(name, fun, V3)
        assert "call_jaxpr" in eqn.params and eqn.primitive.multiple_results

        def again(x: Array, eqn: Any = eqn) -> Array:
            return eqn.primitive.bind(x, **eqn.primitive.get_bind_params(eqn.params))[0]

        np.testing.assert_array_equal(again(V3), jnp.sin(V3))
        np.testing.assert_array_equal(
            jax.grad(lambda x, h=again: jnp.sum(h(x)))(V3), np.full(3, slope)
        )


def test_the_tangent_program_is_the_authors() -> None:
    f, _ = _custom()
    closed = jax.make_jaxpr(lambda x, t: jax.jvp(f, (x,), (t,))[1])(V3, V3)
    assert [str(e.primitive) for e in _equations(closed, "mul")] == ["mul"]
    assert not list(_equations(closed, "cos"))


def test_relu_is_a_custom_jvp() -> None:
    assert list(_equations(jax.make_jaxpr(jax.nn.relu)(V3), "custom_jvp_call"))
    np.testing.assert_array_equal(
        jax.vmap(jax.grad(jax.nn.relu))(np.array([-1.0, 0.0, 1.0])), [0, 0, 1]
    )


def test_stop_gradient_is_an_equation() -> None:
    eqn = _eqn("stop_gradient", lax.stop_gradient, V3)
    assert _shapes(eqn) == [(3,)]


def test_ties_and_kinks_are_jaxs() -> None:
    """The documented choices: halves at ties, 1 for |x| at 0."""
    np.testing.assert_array_equal(jax.grad(jnp.maximum)(2.0, 2.0), 0.5)
    np.testing.assert_array_equal(jax.grad(jnp.max)(np.array([2.0, 1.0, 2.0])), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(jax.grad(jnp.abs)(0.0), 1.0)


@pytest.mark.parametrize(
    ("primitive", "operands"),
    [
        ("add_p", (V3, V3)),
        ("mul_p", (V3, V3)),
        ("max_p", (V3, V3[::-1])),
        ("pow_p", (np.abs(V3), V3)),
        ("select_n_p", (np.array([True, False, True]), V3, V3)),
        ("dot_general_p", (V3, V3)),
    ],
)
def test_jvp_of_bind_takes_one_operand_at_a_time(primitive: str, operands: tuple) -> None:
    """What every local derivative is read with."""
    bind = getattr(jex, primitive).bind
    if primitive == "dot_general_p":
        params = _eqn("dot_general", jnp.dot, V3, V3).params
        bind = lambda *xs: jex.dot_general_p.bind(*xs, **params)
    slot = len(operands) - 1
    of_one = lambda x: bind(*operands[:slot], x)
    x = jnp.asarray(operands[slot])
    _, tangent = jax.jvp(of_one, (x,), (jnp.ones_like(x),))
    assert np.all(np.isfinite(tangent))


def test_literals_and_scopes() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("outer"), jax.named_scope("inner"):
            return x * 2.0

    eqn = _eqn("mul", f, V3)
    assert isinstance(eqn.invars[1], Literal)
    assert str(eqn.source_info.name_stack) == "outer/inner"


def test_scopes_inside_a_call_are_relative_to_it() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("outer"):
            return jax.jit(_in_scope)(x)

    call = _eqn("jit", f, V3)
    assert str(call.source_info.name_stack) == "outer"
    (inner,) = _equations(call.params["jaxpr"], "sin")
    assert str(inner.source_info.name_stack) == "inner"


def _in_scope(x: Array) -> Array:
    with jax.named_scope("inner"):
        return jnp.sin(x)


def test_tracing_again_under_a_scope_or_a_transformation_keeps_scopes_clean() -> None:
    """The name stack of a trace inside jit or vmap does not carry the outside."""
    seen = []

    def g(x: Array) -> Array:
        closed = jax.make_jaxpr(_in_scope)(x)
        seen.extend(str(e.source_info.name_stack) for e in _equations(closed, "sin"))
        return x

    jax.jit(g)(V3)
    jax.vmap(g)(A23)
    assert seen == ["inner", "inner"]
