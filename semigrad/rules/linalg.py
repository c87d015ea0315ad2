"""Linear algebra: every result element may depend on every operand element of its matrix.

Such a primitive is one bundle of edges, its local Jacobian (see jacobian.py); leading axes are
lanes. An entry is an edge if it is not zero for all operands: of `cholesky`, the upper triangle of
the result is always zero, as is the derivative by the triangle that a `triangular_solve` does not
read. This is found at random operands, in float64, while the function is traced. A
`custom_linear_solve` or `custom_root` may do anything with its operands, so that its edges are
found at the operands themselves and near them.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import primitives

from semigrad.registry import Site, register_rule
from semigrad.rules import jacobian
from semigrad.semirings.base import Element

_FAMILY = "linear algebra"

# At how many random points the edges are looked for.
_POINTS = 3


def _any_matrix(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _positive_definite(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    root = rng.standard_normal(shape)
    return root @ root.T / shape[0] + np.eye(shape[0])


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What must be known of a primitive to find its edges.

    Attributes:
      sample: makes a random operand in its domain, of a shape without lanes.
      tolerance: up to this times the largest entry of a Jacobian, an entry is roundoff.
      core: how many axes of the first operand are no lanes.
      pivots: whether rows of the operand are exchanged, so that any may take another's place.
    """

    sample: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = _any_matrix
    tolerance: float = 0.0
    core: int = 2
    pivots: bool = False


# Factors are computed with terms that cancel; solutions of triangular systems are not.
_ROUNDOFF = 1e-10

_KINDS = {
    "cholesky": _Kind(_positive_definite, _ROUNDOFF),
    "eigh": _Kind(_positive_definite, _ROUNDOFF),
    "lu": _Kind(tolerance=_ROUNDOFF, pivots=True),
    "qr": _Kind(tolerance=_ROUNDOFF),
    "svd": _Kind(tolerance=_ROUNDOFF),
    "triangular_solve": _Kind(),
    "tridiagonal_solve": _Kind(core=1),
}


def _dense(
    name: str, site: Site, cts: list[Element | None], *operands: Any, **params: Any
) -> list[Element | None]:
    lanes = operands[0].ndim - _KINDS[name].core
    active = tuple(index for index, is_active in enumerate(site.active) if is_active)
    results = tuple(index for index, ct in enumerate(cts) if ct is not None)
    return jacobian.through(
        site,
        cts,
        operands,
        active,
        results,
        lanes,
        lambda: _edges(
            name,
            frozenset(params.items()),
            tuple(x.shape[lanes:] for x in operands),
            active,
            results,
        ),
    )


def _dense_single(
    name: str, site: Site, ct: Element, *operands: Any, **params: Any
) -> list[Element | None]:
    def bind(*values: Any) -> list[Any]:
        return [site.bind(*values)]

    return _dense(name, dataclasses.replace(site, bind=bind), [ct], *operands, **params)


@functools.lru_cache(maxsize=256)
def _edges(
    name: str,
    params: frozenset[tuple[str, Any]],
    shapes: tuple[tuple[int, ...], ...],
    active: tuple[int, ...],
    results: tuple[int, ...],
) -> jacobian.Tables:
    """Finds the edges of one lane: what is not zero at some of a few random operands."""
    kind, primitive = _KINDS[name], getattr(primitives, f"{name}_p")

    def bind(*values: Any) -> Sequence[Any]:
        out = primitive.bind(*values, **dict(params))
        return out if primitive.multiple_results else [out]

    def look(*point: Any) -> list[list[Any]]:
        own = [point[index] for index in active]
        return jacobian.supports(
            jacobian.part(bind, point, active, results), own, 0, kind.tolerance
        )

    rng = np.random.default_rng(0)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        jitted = jax.jit(look)
        found = [jitted(*(kind.sample(rng, shape) for shape in shapes)) for _ in range(_POINTS)]
        tables = jax.tree.map(lambda *at: np.logical_or.reduce([np.asarray(a) for a in at]), *found)
    return (
        [[_exchange_rows(t, shapes[0]) for t in row] for row in tables] if kind.pivots else tables
    )


def _exchange_rows(table: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    wide = table.reshape(table.shape[0], *shape)
    return np.broadcast_to(wide.any(1, keepdims=True), wide.shape).reshape(table.shape)


for _name in ["eigh", "lu", "qr", "svd"]:
    register_rule(_name, family=_FAMILY, multiple_results=True, limit=jacobian.LIMIT)(
        functools.partial(_dense, _name)
    )
for _name in ["cholesky", "triangular_solve", "tridiagonal_solve"]:
    register_rule(_name, family=_FAMILY, limit=jacobian.LIMIT)(
        functools.partial(_dense_single, _name)
    )


@register_rule(
    "custom_linear_solve",
    family=_FAMILY,
    multiple_results=True,
    limit=f"{jacobian.LIMIT}, or it has no `transpose_solve`",
)
def _custom_linear_solve(
    site: Site,
    cts: list[Element | None],
    *operands: Any,
    const_lengths: Any,
    jaxprs: Any,
) -> list[Element | None]:
    """Edges lead from the right-hand side, and from what the matrix product reads.

    What else `solve` reads, factors of the matrix say, has no derivative by definition.
    """
    if jaxprs.transpose_solve is None:
        raise site.refusal(
            "it was given no `transpose_solve`, so that `jax.grad` refuses it too. Give it one, "
            "say that it is symmetric, or keep it out of the differentiated path with "
            "`jax.lax.stop_gradient`."
        )
    active = [index for index in range(const_lengths.matvec) if site.active[index]]
    rhs = range(sum(const_lengths), len(operands))
    if any(site.active[index] for index in rhs):
        # JAX fails where only some parts of it have a tangent, so none is left out.
        active += [i for i in rhs if jnp.issubdtype(site.in_avals[i].dtype, jnp.floating)]
    return jacobian.through_found(site, cts, operands, active)


@register_rule("call_hi_primitive", family=_FAMILY, multiple_results=True, limit=jacobian.LIMIT)
def _call_hi_primitive(
    site: Site, cts: list[Element | None], *operands: Any, **_: Any
) -> list[Element | None]:
    """A primitive defined outside JAX's core; from JAX 0.12 on, `jax.lax.custom_root` is one."""
    active = [index for index, is_active in enumerate(site.active) if is_active]
    return jacobian.through_found(site, cts, operands, active)
