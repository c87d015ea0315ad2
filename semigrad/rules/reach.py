"""Which part of an equation the edges out of one node lie in.

Of many primitives an axis of the result follows one of an operand: an edge out of a node stays at
its index. So all the edges out of a node lead into a box, and they are those of the same primitive
applied to boxes of the operands. Of any other primitive they may lead anywhere.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from semigrad import registry
from semigrad.graph import Atom, Equation
from semigrad.rules.boxes import Box, Span, parts_of, whole


@dataclasses.dataclass(frozen=True)
class Reach:
    """A part of an equation.

    Attributes:
      result: the box of its result.
      operands: the boxes of its operands.
      changed: the parameters that change.
    """

    result: Box
    operands: Sequence[Box]
    changed: dict[str, Any]


def reach(eqn: Equation, operand: int, at: Sequence[Atom]) -> Reach | None:
    """Returns the part of an equation with the edges out of a node; None if that is all of it.

    Args:
      eqn: has one result.
      operand: the number of the operand that the node belongs to.
      at: the node's index in it, int32 scalars.
    """
    followed = _followed(eqn, operand)
    shape = eqn.outvars[0].aval.shape
    if followed is None or all(axis is None for axis in followed):
        return None
    result = tuple(
        Span(0, size) if axis is None or size == 1 else Span(at[axis], 1)
        for size, axis in zip(shape, followed, strict=True)
    )
    parts = parts_of(eqn, result)
    if result == whole(shape) or parts is None:
        return None
    operands, changed = parts
    if eqn.name == "dot_general":
        operands = _one_term(eqn, operand, at, operands)
    return Reach(result, operands, changed)


# For each axis of the result the operand's axis that it follows, None where there is no such one.
_Axes = Sequence[int | None]


def _followed(eqn: Equation, operand: int) -> _Axes | None:
    rule = _RULES.get(eqn.name)
    if rule is None and registry.lookup(eqn.name).family == "elementwise":
        rule = _elementwise
    return rule and rule(eqn, operand)


def _elementwise(eqn: Equation, operand: int) -> _Axes:
    shape, result = eqn.invars[operand].aval.shape, eqn.outvars[0].aval.shape
    if not shape:
        return [None] * len(result)
    return [axis if n == m else None for axis, (n, m) in enumerate(zip(shape, result, strict=True))]


def _broadcast_in_dim(eqn: Equation, operand: int) -> _Axes:
    shape, result = eqn.invars[operand].aval.shape, eqn.outvars[0].aval.shape
    own = {to: axis for axis, to in enumerate(eqn.params["broadcast_dimensions"])}
    return [
        own[to] if to in own and shape[own[to]] == size else None for to, size in enumerate(result)
    ]


def _reduce(eqn: Equation, operand: int) -> _Axes:
    ndim = len(eqn.invars[operand].aval.shape)
    return [axis for axis in range(ndim) if axis not in eqn.params["axes"]]


def _dot_general(eqn: Equation, operand: int) -> _Axes:
    contracted, batch = eqn.params["dimension_numbers"]
    free = [
        [n for n in range(len(v.aval.shape)) if n not in (*contracted[side], *batch[side])]
        for side, v in enumerate(eqn.invars)
    ]
    own = [axis if side == operand else None for side in range(2) for axis in free[side]]
    return [*batch[operand], *own]


def _one_term(
    eqn: Equation, operand: int, at: Sequence[Atom], boxes: Sequence[Box]
) -> Sequence[Box]:
    """Leaves of each sum of products the one with the node."""
    contracted, _ = eqn.params["dimension_numbers"]
    index = [at[axis] for axis in contracted[operand]]

    def own(side: int) -> Box:
        starts = dict(zip(contracted[side], index, strict=True))
        sizes = eqn.invars[side].aval.shape
        return tuple(
            Span(starts[axis], 1) if axis in starts and sizes[axis] > 1 else span
            for axis, span in enumerate(boxes[side])
        )

    return [own(side) for side in range(2)]


_RULES: dict[str, Callable[[Equation, int], _Axes]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "dot_general": _dot_general,
    "squeeze": lambda eqn, _: [
        axis
        for axis in range(len(eqn.invars[0].aval.shape))
        if axis not in eqn.params["dimensions"]
    ],
    "transpose": lambda eqn, _: eqn.params["permutation"],
    **dict.fromkeys(["reduce_max", "reduce_min", "reduce_prod", "reduce_sum"], _reduce),
    **dict.fromkeys(["convert_element_type", "copy", "reduce_precision", "select_n"], _elementwise),
}
