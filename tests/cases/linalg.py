"""Cases of the family 'linear algebra': matrices of 2 or 3, well conditioned."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.sparse.linalg
from jax import lax

from cases.case import Array, exactly, make, real, weigh

_A2 = exactly([[2.0, 0.5], [-0.3, 1.5]])
_A3 = exactly([[2.0, 0.4, -0.3], [0.7, 3.0, 0.2], [-0.5, 0.6, 4.0]])
_TWO = exactly([[[2.0, 0.5], [-0.3, 1.5]], [[3.0, -0.4], [0.2, 1.0]]])
_TALL = exactly([[2.0, 0.4], [0.7, -3.0], [-0.5, 0.6]])


def _all(parts: Any) -> Array:
    """A scalar from all floating-point parts of a result."""
    floats = [x for x in jax.tree.leaves(parts) if jnp.issubdtype(x.dtype, jnp.floating)]
    return sum((weigh(x * x + x) for x in floats[1:]), weigh(floats[0]))


def _symmetric(x: Array) -> Array:
    return (x + x.mT) * 0.5


def _cube_root(x: Array) -> Array:
    """By `custom_root`; the steps are those of a loop over integers, off the path."""

    def solve(f: Any, guess: Array) -> Array:
        return lax.fori_loop(0, 60, lambda _, y: y - f(y) / (3.0 * y * y), guess)

    def tangent_solve(g: Any, y: Array) -> Array:
        return y / g(jnp.ones_like(y))

    return lax.custom_root(lambda y: y**3 - x, jnp.ones_like(x) * 1.5, solve, tangent_solve)


def _linear_solve(a: Array, b: Array) -> Array:
    """By `custom_linear_solve`, of two right-hand sides in a dictionary at once."""

    def multiply(x: dict[str, Array]) -> dict[str, Array]:
        return {"u": a @ x["u"], "v": a @ x["v"] * 2.0}

    def solve(_: Any, rhs: dict[str, Array]) -> dict[str, Array]:
        inverse = jnp.linalg.inv(lax.stop_gradient(a))
        return {"u": inverse @ rhs["u"], "v": inverse @ rhs["v"] * 0.5}

    def transposed(_: Any, rhs: dict[str, Array]) -> dict[str, Array]:
        inverse = jnp.linalg.inv(lax.stop_gradient(a)).T
        return {"u": inverse @ rhs["u"], "v": inverse @ rhs["v"] * 0.5}

    return lax.custom_linear_solve(multiply, {"u": b, "v": b * b}, solve, transposed)


LINALG = [
    make(
        "linear algebra/cholesky",
        lambda x: _all(lax.linalg.cholesky(x @ x.T, symmetrize_input=False)),
        _A3,
        covers=("cholesky",),
    ),
    make(
        "linear algebra/cholesky_lanes",
        lambda x: _all(jnp.linalg.cholesky(_symmetric(x))),
        _TWO,
        covers=("cholesky",),
    ),
    make(
        "linear algebra/cholesky_diagonal",
        lambda x: _all(jnp.linalg.cholesky(jnp.diag(x * x))),
        real(3, low=1.0),
        covers=("cholesky",),
    ),
    make(
        "linear algebra/triangular_solve",
        lambda a, b: _all(lax.linalg.triangular_solve(a, b, left_side=True, lower=True)),
        _A3,
        real(3, 2),
        covers=("triangular_solve",),
    ),
    make(
        "linear algebra/triangular_solve_right_unit_lanes",
        lambda a, b: _all(lax.linalg.triangular_solve(a, b, unit_diagonal=True, transpose_a=True)),
        _TWO,
        real(2, 3, 2),
        covers=("triangular_solve",),
    ),
    make(
        "linear algebra/triangular_solve_zeros",
        lambda a: _all(lax.linalg.triangular_solve(a, a * 0.0 + jnp.eye(3, dtype=a.dtype))),
        exactly([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]]),
        covers=("triangular_solve",),
    ),
    make("linear algebra/lu", lambda x: _all(lax.linalg.lu(x)[0]), _A3, covers=("lu",)),
    make(
        "linear algebra/lu_lanes_tall",
        lambda x: _all(lax.linalg.lu(x)[0]),
        exactly([[[0.5, 2.0], [3.0, 1.0], [1.0, 1.0]], [[2.0, 0.1], [1.0, 2.0], [-1.0, 3.0]]]),
        covers=("lu",),
    ),
    make("linear algebra/qr", lambda x: _all(jnp.linalg.qr(x)), _A3, covers=("qr",), rtol=1e-8),
    make("linear algebra/qr_tall", lambda x: _all(jnp.linalg.qr(x)), _TALL, covers=("qr",)),
    make("linear algebra/eigh", lambda x: _all(jnp.linalg.eigh(x)), _A3, covers=("eigh",)),
    make(
        "linear algebra/eigenvalues_lanes",
        lambda x: _all(jnp.linalg.eigvalsh(x)),
        _TWO,
        covers=("eigh",),
    ),
    make(
        "linear algebra/svd_tall",
        lambda x: _all(jnp.linalg.svd(x, full_matrices=False)),
        _TALL,
        covers=("svd",),
    ),
    make(
        "linear algebra/singular_values",
        lambda x: _all(jnp.linalg.svd(x, compute_uv=False)),
        _A2,
        covers=("svd",),
    ),
    make(
        "linear algebra/tridiagonal_solve",
        lambda lower, middle, upper, b: _all(lax.linalg.tridiagonal_solve(lower, middle, upper, b)),
        exactly([0.0, 0.5, -0.7]),
        exactly([2.0, 3.0, 4.0]),
        exactly([0.3, -0.6, 0.0]),
        real(3, 2),
        covers=("tridiagonal_solve",),
    ),
    make(
        "linear algebra/solve",
        lambda a, b: _all(jnp.linalg.solve(a, b)),
        _A3,
        real(3),
        covers=("custom_linear_solve",),
    ),
    make(
        "linear algebra/solve_diagonal",
        lambda x, b: _all(jnp.linalg.solve(jnp.diag(jnp.exp(x)), b)),
        real(3),
        real(3),
        covers=("custom_linear_solve",),
    ),
    make(
        "linear algebra/solve_lanes",
        lambda a, b: _all(jnp.linalg.solve(a, b)),
        _TWO,
        real(2, 2, 2),
        covers=("custom_linear_solve",),
    ),
    make(
        "linear algebra/solve_constant_matrix",
        lambda b: _all(jnp.linalg.solve(jnp.asarray([[2.0, 0.5], [-0.3, 1.5]], b.dtype), b)),
        real(2),
        covers=("custom_linear_solve",),
    ),
    make(
        "linear algebra/custom_linear_solve",
        lambda a, b: _all(_linear_solve(a, b)),
        _A2,
        real(2),
        covers=("custom_linear_solve",),
    ),
    make(
        "linear algebra/conjugate_gradients",
        lambda a, b: _all(jax.scipy.sparse.linalg.cg(lambda x: a.T @ (a @ x), b, maxiter=5)[0]),
        _A2,
        real(2),
        covers=("custom_linear_solve",),
        rtol=1e-6,
        rtol32=1e-3,
        strict=False,
    ),
    make("linear algebra/custom_root", lambda x: weigh(_cube_root(x) * x), real(3, low=0.5)),
    make("linear algebra/inverse", lambda a: _all(jnp.linalg.inv(a)), _A2),
    make("linear algebra/determinant", lambda a: jnp.linalg.det(a), _A2),
    make("linear algebra/log_determinant", lambda a: jnp.linalg.slogdet(a)[1], _A3),
    make(
        "linear algebra/gaussian_likelihood",
        lambda x, y: jnp.sum(
            jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(x @ x.T), True), y) * y
        ),
        _A2,
        real(2),
        strict=False,
    ),
    make(
        "linear algebra/sizes_0_and_1",
        lambda x, y: (
            jnp.sum(jnp.linalg.cholesky(x))
            + _all(jnp.linalg.cholesky(y))
            + _all(jnp.linalg.solve(y, y))
        ),
        real(0, 0),
        real(1, 1, low=0.5),
        covers=("cholesky", "custom_linear_solve"),
    ),
]
