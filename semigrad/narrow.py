"""Parts that are read: what is only sliced is computed, and swept, in that slice only.

A difference of two logits at one position reads two numbers of a [tokens, vocabulary] array. The
edges of all others lead nowhere, yet a sweep that takes arrays as wholes would carry their "no
path" through the largest matrix product of the model. So a slice is moved up, before the equations
that make what it is a slice of, as long as a part of their result needs a part of their operands
only (`rules/boxes.py`) and nobody else needs the whole. The nodes on a path, their edges and their
weights stay what they are.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from semigrad.graph import Atom, Constant, Equation, Graph, Variable
from semigrad.rules.boxes import Box, Span, is_pure, part_of, parts_of, sizes, variable_of, whole

# Of an array, so many boxes are computed on their own at most, and so large a part of it.
_MOST_BOXES = 4
_MOST_PART = 0.5


@dataclasses.dataclass(frozen=True)
class Part:
    """What a variable of a narrowed graph is of one of the original graph.

    Attributes:
      shape: the original variable's shape.
      box: which box of it.
    """

    shape: tuple[int, ...]
    box: Box


@dataclasses.dataclass(frozen=True)
class Narrowed:
    """A graph of boxes.

    Attributes:
      graph: its inputs are the original's; its outputs have the same values, up to rounding.
      parts: of each variable that is not the whole of one of the original.
      moved: the results of the slices that were moved up to where they now stand. Where they stood
        there is one still, of the whole.
    """

    graph: Graph
    parts: Mapping[Atom, Part]
    moved: Collection[Atom]


def narrow(graph: Graph) -> Narrowed:
    """Returns the graph with slices moved up and without what nobody reads."""
    made = _Starts(_same_scalars(graph))
    wanted = _wanted(graph, made)
    writer = _Writer(graph, wanted, made)
    for eqn in graph.equations:
        writer.write(eqn)
    outputs = tuple(writer.read(v, whole(v.aval.shape)) for v in graph.outputs)
    equations = _ordered([*made.equations, *writer.equations])
    return Narrowed(Graph(graph.inputs, equations, outputs), writer.parts, writer.moved)


class _Starts:
    """Makes the integers at which boxes start; equal ones once."""

    def __init__(self, same: dict[Atom, Atom]):
        self.equations: list[Equation] = []
        self._same = same
        self._made: dict[Any, Variable] = {}

    def clamped(self, start: Atom, most: int, like: Equation) -> int | Variable:
        """Returns a slice's start as `lax.dynamic_slice` reads it: moved inside."""
        if most == 0:
            return 0
        if _is_known(start):
            return int(np.clip(start.value, 0, most))  # pyright: ignore
        start = self._same.get(start, start)

        def clamp(x: Any) -> Any:
            return jnp.clip(x, 0, most).astype(jnp.int32)

        return self._make("clamp", clamp, (start,), most, like)

    def moved(self, span: Span, like: Equation) -> Atom:
        """Returns where a span starts as one atom."""
        if isinstance(span.start, int):
            return Constant(np.int32(span.start + span.offset))
        if span.offset == 0:
            return span.start
        shift = np.int32(span.offset)
        return self._make("add", lambda x: x + shift, (span.start,), span.offset, like)

    def sum(self, a: Atom, b: Atom, like: Equation) -> Variable:
        return self._make("add", lambda x, y: x + y, (a, b), None, like)

    def _make(
        self, name: str, fun: Callable[..., Any], operands: tuple[Atom, ...], key: Any, like: Any
    ) -> Variable:
        known = self._made.get((name, operands, key))
        if known is None:
            known = Variable(jax.ShapeDtypeStruct((), jnp.int32))
            self._made[name, operands, key] = known
            self.equations.append(
                Equation(
                    name, lambda *xs: [fun(*xs)], {}, operands, (known,), like.scope, like.sources
                )
            )
        return known


# What is wanted of each variable: boxes, in order.
_Wanted = dict[Atom, dict[Box, None]]


def _wanted(graph: Graph, starts: _Starts) -> _Wanted:
    """Finds which boxes of each variable are read."""
    wanted: _Wanted = {}

    def want(v: Atom, box: Box | None = None) -> None:
        wanted.setdefault(v, {})[whole(v.aval.shape) if box is None else box] = None

    for v in graph.outputs:
        want(v)
    for eqn in reversed(graph.equations):
        boxes = list(wanted.get(eqn.outvars[0], ())) if len(eqn.outvars) == 1 else []
        if not any(v in wanted for v in eqn.outvars) and is_pure(eqn):
            continue
        read = _slice_of(eqn, starts)
        if read is not None:
            for box in boxes:
                want(eqn.invars[0], _inside(read, box, eqn, starts))
            for start in eqn.invars[1:]:
                want(start)
            continue
        parts = [parts_of(eqn, box) for box in boxes] if _worthwhile(eqn, boxes) else [None]
        if None in parts:
            for v in eqn.outvars:
                want(v)
            for v in eqn.invars:
                want(v)
        else:
            for part in parts:
                assert part is not None
                for v, box in zip(eqn.invars, part[0], strict=True):
                    want(v, box)
    return wanted


def _worthwhile(eqn: Equation, boxes: Sequence[Box]) -> bool:
    if not 0 < len(boxes) <= _MOST_BOXES or whole(eqn.outvars[0].aval.shape) in boxes:
        return False
    size = math.prod(eqn.outvars[0].aval.shape)
    return sum(math.prod(sizes(box)) for box in boxes) <= _MOST_PART * size


def _slice_of(eqn: Equation, starts: _Starts) -> Box | None:
    """Returns the box of its operand that an equation reads, if it does just that."""
    if eqn.name not in ("slice", "dynamic_slice"):
        return None
    shape, result = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    if eqn.name == "dynamic_slice":
        at = zip(eqn.invars[1:], shape, result, strict=True)
        return tuple(Span(starts.clamped(start, n - m, eqn), m) for start, n, m in at)
    if any(stride != 1 for stride in eqn.params["strides"] or ()):
        return None
    return tuple(Span(s, m) for s, m in zip(eqn.params["start_indices"], result, strict=True))


def _inside(outer: Box, box: Box, like: Equation, starts: _Starts) -> Box:
    """Returns a box of a box as a box of the whole."""

    def span(a: Span, b: Span) -> Span:
        offset = a.offset + b.offset
        if isinstance(b.start, int):
            start, offset = a.start, offset + b.start
        elif isinstance(a.start, int):
            start, offset = b.start, offset + a.start
        else:
            start = starts.sum(a.start, b.start, like)
        return (
            Span(start + offset, b.size) if isinstance(start, int) else Span(start, b.size, offset)
        )

    return tuple(span(a, b) for a, b in zip(outer, box, strict=True))


class _Writer:
    """Writes equations that make the wanted boxes."""

    def __init__(self, graph: Graph, wanted: _Wanted, starts: _Starts):
        self.equations: list[Equation] = []
        self.parts: dict[Atom, Part] = {}
        self.moved: set[Atom] = set()
        self._wanted, self._starts = wanted, starts
        self._values: dict[tuple[Atom, Box], Atom] = {
            (v, whole(v.aval.shape)): v for v in graph.inputs
        }

    def write(self, eqn: Equation) -> None:
        # Wanted boxes were found from the last use to the first.
        boxes = [*self._wanted.get(eqn.outvars[0], ())][::-1] if len(eqn.outvars) == 1 else []
        read = _slice_of(eqn, self._starts)
        if read is not None:
            for box in boxes:
                source = self.read(eqn.invars[0], _inside(read, box, eqn, self._starts), eqn)
                self.equations.append(_nothing_left(eqn, source, self._part(eqn.outvars[0], box)))
        elif not any(v in self._wanted for v in eqn.outvars) and is_pure(eqn):
            pass
        elif not boxes or whole(eqn.outvars[0].aval.shape) in boxes:
            operands = tuple(self.read(v, whole(v.aval.shape), eqn) for v in eqn.invars)
            self.equations.append(dataclasses.replace(eqn, invars=operands))
            self._values.update({(v, whole(v.aval.shape)): v for v in eqn.outvars})
        else:
            for box in boxes:
                self._write_part(eqn, box)

    def _write_part(self, eqn: Equation, box: Box) -> None:
        part = parts_of(eqn, box)
        assert part is not None
        operand_boxes, changed = part
        own = self._part(eqn.outvars[0], box)
        operands = [self.read(v, b, eqn) for v, b in zip(eqn.invars, operand_boxes, strict=True)]
        self.equations.append(part_of(eqn, changed, operands, own))

    def _part(self, v: Variable, box: Box) -> Variable:
        """Makes the variable that is a box of one of the original graph."""
        shape, own = v.aval.shape, v
        if box != whole(shape):
            own = variable_of(box, v.aval.dtype)
            self.parts[own] = Part(shape, box)
        self._values[v, box] = own
        return own

    def read(self, v: Atom, box: Box, like: Equation | None = None) -> Atom:
        """Returns a box of a variable: made as such, or a slice of the whole."""
        all_of_it = whole(v.aval.shape)
        if isinstance(v, Constant) and box == all_of_it:
            return v
        if (v, box) not in self._values:
            assert like is not None, "what is returned is wanted whole"
            source = v if isinstance(v, Constant) else self._values[v, all_of_it]
            self._values[v, box] = self._slice(source, box, like)
        return self._values[v, box]

    def _slice(self, source: Atom, box: Box, like: Equation) -> Variable:
        own = variable_of(box, source.aval.dtype)
        self.moved.add(own)
        if all(isinstance(span.start, int) for span in box):
            starts = [span.start + span.offset for span in box]  # pyright: ignore
            stops = [start + span.size for start, span in zip(starts, box, strict=True)]
            made = Equation(
                "slice",
                lambda x: [lax.slice(x, starts, stops)],
                {"start_indices": starts, "limit_indices": stops, "strides": None},
                (source,),
                (own,),
                like.scope,
                like.sources,
            )
        else:
            made = Equation(
                "dynamic_slice",
                lambda x, *at: [lax.dynamic_slice(x, at, sizes(box))],
                {"slice_sizes": sizes(box)},
                (source, *(self._starts.moved(span, like) for span in box)),
                (own,),
                like.scope,
                like.sources,
            )
        self.equations.append(made)
        return own


def _nothing_left(eqn: Equation, source: Atom, own: Variable) -> Equation:
    """Writes a slice whose operand is the slice by now."""
    shape = own.aval.shape
    starts: tuple[Atom, ...] = ()
    params: dict[str, Any] = {"slice_sizes": shape}
    if eqn.name == "slice":
        zeros = (0,) * len(shape)
        params = {"start_indices": zeros, "limit_indices": shape, "strides": None}
    else:
        starts = (Constant(np.int32(0)),) * len(shape)

    def evaluate(x: Any, *_: Any) -> list[Any]:
        return [x]

    operands = (source, *starts)
    return Equation(eqn.name, evaluate, params, operands, (own,), eqn.scope, eqn.sources)


def _same_scalars(graph: Graph) -> dict[Atom, Atom]:
    """Finds scalars that are no floats and equal to an earlier one, computed in the same way.

    Each indexing writes the same few equations again that make its index non-negative.
    """
    same: dict[Atom, Atom] = {}
    known: dict[Any, Variable] = {}

    def name(v: Atom) -> Any:
        if _is_known(v) and v.aval.size == 1:
            return str(v.aval), np.asarray(v.value).tobytes()  # pyright: ignore
        return same.get(v, v)

    for eqn in graph.equations:
        if len(eqn.outvars) != 1 or not is_pure(eqn):
            continue
        (out,) = eqn.outvars
        if (
            out.is_float
            or out.is_complex
            or out.aval.shape
            or not all(jnp.issubdtype(v.aval.dtype, np.generic) for v in eqn.invars)
        ):
            continue
        key = (eqn.name, tuple(map(name, eqn.invars)), str(sorted(eqn.params.items())))
        if key in known:
            same[out] = known[key]
        else:
            known[key] = out
    return same


def _is_known(v: Atom) -> bool:
    """Whether the value is a number while the function is traced."""
    return isinstance(v, Constant) and not isinstance(v.value, Tracer)


def _ordered(equations: Sequence[Equation]) -> tuple[Equation, ...]:
    """Puts equations after those that they read from, and else leaves them in order."""
    maker = {v: eqn for eqn in equations for v in eqn.outvars}
    ordered: dict[Equation, None] = {}
    for eqn in equations:
        waiting = [eqn]
        while waiting:
            sources = (maker[v] for v in waiting[-1].invars if v in maker)
            missing = [source for source in sources if source not in ordered]
            if missing:
                waiting.extend(missing)
            else:
                ordered[waiting.pop()] = None
    return tuple(ordered)
