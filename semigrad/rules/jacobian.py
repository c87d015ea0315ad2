"""Bundles of edges: a primitive's local Jacobian, taken row by row, in bounded memory.

A row holds the derivatives of one result element. It comes from `jax.vjp` with a one-hot
cotangent; each of its entries that is an edge is `scale`d with the cotangent of that element, and
rows are joined by `plus`, a chunk of them at a time. Leading axes that operands and results share
are lanes: no edge joins two lanes, so that one pull gives a row of each.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from semigrad.registry import Site
from semigrad.semirings.base import Element, Semiring

# How many entries of a Jacobian are held at a time (one row at least).
CHUNK_ENTRIES = 1 << 18
# The largest Jacobian of a lane, in entries, that is followed at all.
LIMIT_ENTRIES = 1 << 20
LIMIT = f"refused where a matrix has more than {LIMIT_ENTRIES} edges to its results"

# From the values of active operands to the floating-point results.
Function = Callable[..., Sequence[Any]]
# For each result and active operand: which entries [rows, columns] are edges; None means all.
Tables = Sequence[Sequence[Any]]


def local_jacobian(
    site: Site, cts: list[Element | None], *operands: Any, **_: Any
) -> list[Element | None]:
    """A rule: the equation is one bundle of edges, the non-zero entries of its local Jacobian.

    For a function that should be one equation, because what is inside has no real nodes (the
    complex numbers of an FFT, say) or is of no interest. An edge stands where the derivative is
    not zero at the operands or near them. A Jacobian of more than 2^20 entries is refused: apply
    such a function to a row at a time, with `jax.lax.map`.

    Example:
      >>> @jax.jit
      ... def power(x): return jnp.abs(jnp.fft.rfft(x)) ** 2
      >>> _ = sg.register_rule("jit(power)", multiple_results=True)(sg.local_jacobian)
    """
    active = [index for index, is_active in enumerate(site.active) if is_active]
    return through_found(site, cts, operands, active)


def through(
    site: Site,
    cts: list[Element | None],
    operands: Sequence[Any],
    active: Sequence[int],
    results: Sequence[int],
    lanes: int,
    find_edges: Callable[[], Tables],
) -> list[Element | None]:
    """Takes some results' cotangents back to some operands, if the Jacobian is not too large."""
    followed = [operands[index] for index in active]
    check_size(site, [site.out_avals[index] for index in results], followed, lanes)
    fun = part(site.bind, operands, active, results)
    check_differentiable(site, fun, followed)
    own_cts = [cts[index] for index in results]
    pulled = pull_rows(site, own_cts, fun, followed, lanes, find_edges())
    in_cts: list[Element | None] = [None] * len(operands)
    for index, ct in zip(active, pulled, strict=True):
        in_cts[index] = ct
    return in_cts


def part(
    bind: Callable[..., Any],
    operands: Sequence[Any],
    active: Sequence[int],
    results: Sequence[int],
) -> Function:
    """Returns the function from some operands to some results."""

    def part(*own: Any) -> list[Any]:
        full = list(operands)
        for index, x in zip(active, own, strict=True):
            full[index] = x
        out = bind(*full)
        return [out[index] for index in results]

    return part


def through_found(
    site: Site, cts: list[Element | None], operands: Sequence[Any], active: Sequence[int]
) -> list[Element | None]:
    """Takes cotangents back through edges that are found at the operands and near them."""
    results = [index for index, ct in enumerate(cts) if ct is not None]

    def find_edges() -> Tables:
        near = [_near(number, x) for number, x in enumerate(operands)]
        here, there = (
            supports(part(site.bind, at, active, results), [at[index] for index in active], 0)
            for at in (operands, near)
        )
        return jax.tree.map(jnp.logical_or, here, there)

    return through(site, cts, operands, active, results, 0, find_edges)


def pull_rows(
    site: Site,
    cts: Sequence[Element | None],
    fun: Function,
    operands: Sequence[Any],
    lanes: int,
    tables: Tables,
) -> list[Element]:
    """Takes cotangents of the results back to operands, through every edge of the Jacobian.

    Args:
      site: the equation.
      cts: one per result of `fun`.
      fun: the primitive as a function of `operands`.
      operands: the values of the active operands.
      lanes: how many leading axes are lanes.
      tables: which entries are edges.

    Returns:
      One cotangent per operand, of its shape.
    """
    semiring = site.semiring
    results, weigh = _rows(fun, operands, lanes)
    out: list[Element] = [semiring.zero(x.shape, x.dtype) for x in operands]
    for number, ct in enumerate(cts):
        if ct is not None and results[number].size:
            row = functools.partial(weigh, number)
            through = _pull(semiring, ct, results[number], row, operands, lanes, tables[number])
            out = [semiring.plus(a, b) for a, b in zip(out, through, strict=True)]
    return out


def check_size(site: Site, results: Sequence[Any], operands: Sequence[Any], lanes: int) -> None:
    """Refuses a Jacobian of more than `LIMIT_ENTRIES` per lane."""
    rows, columns = (sum(_columns(x, lanes) for x in xs) for xs in (results, operands))
    if rows * columns > LIMIT_ENTRIES:
        shapes = [[tuple(x.shape) for x in xs] for xs in (operands, results)]
        raise site.refusal(
            f"every element of its results may depend on every element of its operands, and {rows} "
            f"x {columns} edges are more than the {LIMIT_ENTRIES} that semigrad takes one by one "
            f"(operands {shapes[0]}, results {shapes[1]}). Use smaller matrices, write the "
            "function with matrix products, give the primitive a rule with "
            "`semigrad.register_rule`, or keep it out of the differentiated path with "
            "`jax.lax.stop_gradient`."
        )


def check_differentiable(site: Site, fun: Function, operands: Sequence[Any]) -> None:
    """Refuses parameters and shapes for which JAX has no derivatives."""
    try:
        jax.eval_shape(lambda *xs: jax.vjp(fun, *xs)[0], *operands)
    except NotImplementedError as error:
        raise site.refusal(
            f"JAX has no derivatives for it with these parameters and shapes ({error}), so that "
            "`jax.grad` refuses it too. Change them, or keep it out of the differentiated path "
            "with `jax.lax.stop_gradient`."
        ) from error


def supports(
    fun: Function, operands: Sequence[Any], lanes: int, tolerance: float = 0.0
) -> list[list[Any]]:
    """Finds the entries of a Jacobian that are not zero at a point.

    Args:
      fun: from active operands to floating-point results.
      operands: the point.
      lanes: how many leading axes are lanes; an entry counts if it does in any lane.
      tolerance: an entry of up to this times the largest is roundoff.

    Returns:
      For each result and operand a boolean array [rows, columns].
    """
    results, weigh = _rows(fun, operands, lanes)
    found = []
    for number, result in enumerate(results):
        rows, chunk = _columns(result, lanes), _chunk(operands)
        row = functools.partial(weigh, number)
        if rows <= chunk:
            jacobians = row(jnp.arange(rows))
        else:
            each = functools.partial(_single, row)
            jacobians = lax.map(each, jnp.arange(rows), batch_size=chunk)
        found.append([_support(jacobian, tolerance) for jacobian in jacobians])
    return found


def _single(rows: Callable[[Any], list[Any]], id_: Any) -> list[Any]:
    return [weights[0] for weights in rows(id_[None])]


def _support(jacobian: Any, tolerance: float) -> Any:
    size = jnp.abs(jacobian)
    largest = jnp.max(jnp.where(jnp.isfinite(size), size, 0), initial=0)
    present = ~(size <= tolerance * largest)  # a NaN is no zero
    return jnp.any(present, axis=tuple(range(1, jacobian.ndim - 1)))


def _rows(
    fun: Function, operands: Sequence[Any], lanes: int
) -> tuple[Sequence[Any], Callable[[int, Any], list[Any]]]:
    """Returns the results, and a function from ids of rows to their [ids, *lanes, columns]."""
    results, pull = jax.vjp(fun, *operands)

    def row(number: int, id_: Any) -> Sequence[Any]:
        cts = [jnp.zeros_like(result) for result in results]
        core = cts[number].shape[lanes:]
        hot = (jnp.arange(math.prod(core)) == id_).reshape(core)
        cts[number] = jnp.broadcast_to(hot, cts[number].shape).astype(cts[number].dtype)
        return pull(cts)

    def rows(number: int, ids: Any) -> list[Any]:
        weights = jax.vmap(lambda id_: row(number, id_))(ids)
        return [w.reshape(*w.shape[: 1 + lanes], _columns(x, lanes))
                for w, x in zip(weights, operands, strict=True)]  # fmt: skip

    return results, rows


def _pull(
    semiring: Semiring,
    ct: Element,
    result: Any,
    weigh: Callable[[Any], Sequence[Any]],
    operands: Sequence[Any],
    lanes: int,
    tables: Sequence[Any],
) -> list[Element]:
    """Takes one result's cotangent back."""
    lane_shape, dtype = result.shape[:lanes], result.dtype
    rows = math.prod(result.shape[lanes:])
    chunk = min(rows, _chunk(operands))
    steps = -(-rows // chunk)

    def pack(leaf: Any, fill: Any) -> Any:
        leaf = jnp.moveaxis(leaf.reshape(*lane_shape, rows), -1, 0)
        leaf = lax.pad(leaf, fill, [(0, steps * chunk - rows, 0)] + [(0, 0, 0)] * lanes)
        return leaf.reshape(steps, chunk, *lane_shape)

    def step(totals: list[Element], at: tuple[Element, Any]) -> tuple[list[Element], None]:
        row_cts, ids = at
        through = [
            _join(semiring, weight.astype(dtype), row_cts, _read(table, ids, lanes))
            for weight, table in zip(weigh(ids), tables, strict=True)
        ]
        return [semiring.plus(a, b) for a, b in zip(totals, through, strict=True)], None

    ids = jnp.arange(steps * chunk).reshape(steps, chunk)
    packed = semiring.map(pack, ct, semiring.zero((), dtype))
    totals = [semiring.zero((*lane_shape, _columns(x, lanes)), dtype) for x in operands]
    if steps == 1:
        first = semiring.map(lambda leaf: leaf[0], packed)
        totals, _ = step(totals, (first, ids[0]))
    else:
        totals, _ = lax.scan(step, totals, (packed, ids))
    return [
        semiring.map(
            lambda leaf, fill, x=x: leaf.reshape(x.shape).astype(fill.dtype),
            total,
            semiring.zero((), x.dtype),
        )
        for total, x in zip(totals, operands, strict=True)
    ]


def _join(semiring: Semiring, weight: Any, row_cts: Element, is_edge: Any) -> Element:
    """Extends the paths from a chunk of rows by their edges, and joins the rows."""
    spread = semiring.map(lambda leaf: jnp.broadcast_to(leaf[..., None], weight.shape), row_cts)
    scaled = semiring.scale(weight, spread)
    if is_edge is not None:
        # A NaN shows, whatever it should have been.
        is_edge = is_edge | jnp.isnan(weight)
        scaled = semiring.map(
            lambda leaf, fill: jnp.where(is_edge, leaf, fill),
            scaled,
            semiring.zero((), weight.dtype),
        )
    return semiring.sum(scaled, 0)


def _read(table: Any, ids: Any, lanes: int) -> Any:
    """Returns a table's rows, to broadcast against [ids, *lanes, columns]."""
    if table is None:
        return None
    rows = jnp.asarray(table).at[ids].get(mode="fill", fill_value=False)
    return rows.reshape(rows.shape[0], *(1,) * lanes, rows.shape[1])


def _columns(x: Any, lanes: int) -> int:
    return math.prod(x.shape[lanes:])


def _chunk(operands: Sequence[Any]) -> int:
    return max(1, CHUNK_ENTRIES // max(1, sum(x.size for x in operands)))


def _near(number: int, x: Any) -> Any:
    """Moves a floating-point operand by a hundredth of its largest element."""
    if not jnp.issubdtype(x.dtype, jnp.floating) or not math.prod(x.shape):
        return x
    largest = jnp.max(jnp.abs(x))
    scale = jnp.where(jnp.isfinite(largest) & (largest > 0), largest, 1)
    step = jax.random.normal(jax.random.key(number), x.shape, x.dtype)
    return x + jnp.asarray(0.01, x.dtype) * scale * step
