"""Which parts of its operands a part of a primitive's result is computed from.

A part is a box: for each axis a start and a size. Here are the primitives whose result, in a box,
is the same primitive of boxes of the operands, with parameters that follow the box. Of any other
primitive the whole result is computed.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes, lax

from semigrad import registry
from semigrad.graph import Atom, Equation, Variable


@dataclasses.dataclass(frozen=True)
class Span:
    """A box's extent along one axis.

    Attributes:
      start: a number, or the atom of an int32 scalar that is known to lie inside.
      size: how many elements.
      offset: what is added to `start`.
    """

    start: int | Atom
    size: int
    offset: int = 0


Box = tuple[Span, ...]
# The operands' boxes, and the parameters that change.
Parts = tuple[Sequence[Box], dict[str, Any]]


def whole(shape: Sequence[int]) -> Box:
    """Returns the box of a whole array."""
    return tuple(Span(0, size) for size in shape)


def sizes(box: Box) -> tuple[int, ...]:
    """Returns the shape of a box."""
    return tuple(span.size for span in box)


def start(span: Span, value_of: Callable[[Atom], Any]) -> Any:
    """Returns the number at which a span starts, int32, given the values of atoms."""
    known = span.start if isinstance(span.start, int) else value_of(span.start)
    return jnp.asarray(known, jnp.int32) + np.int32(span.offset)


def index_in_whole(
    index: Any, box: Box, shape: Sequence[int], value_of: Callable[[Atom], Any]
) -> Any:
    """Takes a flat index in a box to that in the whole array, int32."""
    if box == whole(shape):
        return index
    starts = [start(span, value_of) for span in box]
    at = [i + s for i, s in zip(unravel(index, sizes(box)), starts, strict=True)]
    flat = jnp.zeros((), jnp.int32)
    for i, size in zip(at, shape, strict=True):
        flat = flat * np.int32(size) + i
    return flat


def unravel(index: Any, shape: Sequence[int]) -> list[Any]:
    """Returns the index along each axis, int32; the flat index is known to lie inside.

    Of unsigned numbers: a quotient of signed ones is many operations more.
    """
    rest, at = jnp.asarray(index).astype(jnp.uint32), []
    for size in reversed(shape):
        at.append(lax.rem(rest, jnp.full_like(rest, size)).astype(jnp.int32))
        rest = lax.div(rest, jnp.full_like(rest, size))
    return at[::-1]


def read_box(x: Any, box: Box, value_of: Callable[[Atom], Any]) -> Any:
    """Returns the part of an array that lies in a box."""
    if box == whole(jnp.shape(x)):
        return x
    return lax.dynamic_slice(x, [start(span, value_of) for span in box], sizes(box))


def parts_of(eqn: Equation, box: Box) -> Parts | None:
    """Returns what a box of the one result of an equation is computed from; None if of all."""
    rule = _RULES.get(eqn.name)
    if rule is None and registry.lookup(eqn.name).family == "elementwise":
        rule = _elementwise
    if rule is None or any(jnp.issubdtype(v.aval.dtype, dtypes.extended) for v in eqn.invars):
        return None
    parts = rule(eqn, box)
    if parts is None:
        return None
    boxes, changed = parts
    return [_whole_axes(b, v) for b, v in zip(boxes, eqn.invars, strict=True)], changed


def variable_of(box: Box, dtype: Any) -> Variable:
    """Makes a variable with the shape of a box."""
    return Variable(jax.ShapeDtypeStruct(sizes(box), dtype))


def part_of(
    eqn: Equation, changed: dict[str, Any], invars: Sequence[Atom], outvar: Variable
) -> Equation:
    """Writes the equation that computes a box of its result from boxes of its operands."""
    return dataclasses.replace(
        eqn,
        evaluate=functools.partial(eqn.evaluate, **changed),
        params=eqn.params | changed,
        invars=tuple(invars),
        outvars=(outvar,),
    )


def _whole_axes(box: Box, v: Atom) -> Box:
    """Lets an axis that is read whole start at 0, however that was said."""
    return tuple(Span(0, n) if s.size == n else s for s, n in zip(box, v.aval.shape, strict=True))


def is_pure(eqn: Equation) -> bool:
    """Whether the equation may be left out if nobody reads its result."""
    known = eqn.name in _RULES or eqn.name in ("slice", "dynamic_slice")
    return known or registry.lookup(eqn.name).family == "elementwise"


def _elementwise(eqn: Equation, box: Box) -> Parts:
    """Operands have the result's shape but for axes of size 1, or are scalars."""

    def own(shape: Sequence[int]) -> Box:
        return tuple(
            Span(0, 1) if size == 1 else span for size, span in zip(shape, box, strict=True)
        )

    return [own(v.aval.shape) if v.aval.shape else () for v in eqn.invars], {}


def _broadcast_in_dim(eqn: Equation, box: Box) -> Parts | None:
    if len(eqn.invars) != 1:
        return None
    shape = eqn.invars[0].aval.shape
    axes = zip(shape, eqn.params["broadcast_dimensions"], strict=True)
    return [tuple(Span(0, 1) if n == 1 else box[axis] for n, axis in axes)], {"shape": sizes(box)}


def _reshape(eqn: Equation, box: Box) -> Parts | None:
    """Axes that are kept keep their spans; those that are split or joined must be whole."""
    if len(eqn.invars) != 1 or eqn.params["dimensions"] is not None:
        return None
    old, new = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    if 0 in old:
        return None
    own: list[Span] = [Span(0, size) for size in old]
    i = j = 0
    while i < len(old) or j < len(new):
        i_end, j_end = _group(old, i), _group(new, j)
        while (a := math.prod(old[i:i_end])) != (b := math.prod(new[j:j_end])):
            if a < b:
                i_end = _group(old, i_end)
            else:
                j_end = _group(new, j_end)
        kept = [axis for axis in range(i, i_end) if old[axis] != 1]
        spans = [box[axis] for axis in range(j, j_end) if new[axis] != 1]
        if len(kept) == len(spans) == 1:
            own[kept[0]] = spans[0]
        elif any(span != Span(0, new[j + k]) for k, span in enumerate(box[j:j_end])):
            return None
        i, j = i_end, j_end
    return [tuple(own)], {"new_sizes": sizes(box)}


def _group(shape: Sequence[int], start: int) -> int:
    """Returns the end of a run of axes of size 1 and the first other axis after it."""
    end = start
    while end < len(shape) and shape[end] == 1:
        end += 1
    return min(end + 1, len(shape))


def _squeeze(eqn: Equation, box: Box) -> Parts:
    spans, removed = iter(box), eqn.params["dimensions"]
    ndim = len(eqn.invars[0].aval.shape)
    return [tuple(Span(0, 1) if axis in removed else next(spans) for axis in range(ndim))], {}


def _transpose(eqn: Equation, box: Box) -> Parts:
    own = dict(zip(eqn.params["permutation"], box, strict=True))
    return [tuple(own[axis] for axis in range(len(box)))], {}


def _reduce(eqn: Equation, box: Box) -> Parts:
    spans, shape = iter(box), eqn.invars[0].aval.shape
    reduced = eqn.params["axes"]
    return [
        tuple(Span(0, n) if axis in reduced else next(spans) for axis, n in enumerate(shape))
    ], {}


def _dot_general(eqn: Equation, box: Box) -> Parts:
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = eqn.params["dimension_numbers"]
    batch, free = box[: len(lhs_batch)], iter(box[len(lhs_batch) :])

    def own(v: Atom, batch_axes: Sequence[int], contracted: Sequence[int]) -> Box:
        spans = dict(zip(batch_axes, batch, strict=True))
        for axis, size in enumerate(v.aval.shape):
            if axis not in spans:
                spans[axis] = Span(0, size) if axis in contracted else next(free)
        return tuple(spans[axis] for axis in range(len(spans)))

    lhs, rhs = eqn.invars
    return [own(lhs, lhs_batch, lhs_contract), own(rhs, rhs_batch, rhs_contract)], {}


_RULES: dict[str, Callable[[Equation, Box], Parts | None]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "dot_general": _dot_general,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "transpose": _transpose,
    **dict.fromkeys(["reduce_max", "reduce_min", "reduce_prod", "reduce_sum"], _reduce),
    **dict.fromkeys(
        [
            "and", "convert_element_type", "copy", "eq", "ge", "gt", "is_finite", "le", "lt", "ne",
            "not", "or", "reduce_precision", "select_n", "sign", "stop_gradient",
        ],
        _elementwise,
    ),
}  # fmt: skip
