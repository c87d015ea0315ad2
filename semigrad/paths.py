"""The top gradient path itself: which nodes it visits, and the weight of each edge.

A reverse sweep with `MaxProduct` gives every node the weight of its best path to the output. The
path is then walked forward from the best start (`walk.py`). Which equations a path may visit is
known when the function is traced; whether it does is an array, so `jit` and `vmap` can carry it.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from semigrad import api, checks, interpreter
from semigrad.narrow import Narrowed, narrow
from semigrad.rules.boxes import index_in_whole
from semigrad.semirings.base import Array
from semigrad.semirings.max_product import MaxProduct
from semigrad.unroll import unroll
from semigrad.uses import split_by_use
from semigrad.walk import Record, Walk


@dataclasses.dataclass(frozen=True)
class Step:
    """An equation that a path may go through.

    Attributes:
      primitive: its name.
      scope: its scope, "" if it has none.
      line: the user's line, `file:line:column (function)`.
      shapes: the shapes of its results.
    """

    primitive: str
    scope: str
    line: str
    shapes: tuple[tuple[int, ...], ...]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["weight", "start", "start_index", "visited", "result", "index", "edge_weight"],
    meta_fields=["sources", "steps"],
)
@dataclasses.dataclass(frozen=True)
class Path:
    """The most positive gradient path from the chosen arguments to the output; a pytree.

    Under `vmap` the arrays have leading batch axes; `path[i]` is one path of the batch.

    Attributes:
      weight: the path's weight: the product of its edges' weights, and the `MaxProduct` value of
        its start; -inf where there is no path.
      start: int32, which of `sources` the path starts at.
      start_index: int32, the flat index of its first node there.
      visited: bool [steps], whether the path goes through the equation.
      result: int32 [steps], which result of the equation it goes through.
      index: int32 [steps], the flat index of the node that it reaches there.
      edge_weight: [steps], the weight of the edge to that node; 1 where not visited.
      sources: name and shape of each array that the path may start at.
      steps: the equations in the order of evaluation; one of which several parts are read stands
        there for each.
    """

    weight: Array
    start: Array
    start_index: Array
    visited: Array
    result: Array
    index: Array
    edge_weight: Array
    sources: tuple[tuple[str, tuple[int, ...]], ...]
    steps: tuple[Step, ...]

    def __getitem__(self, index: Any) -> "Path":
        """Returns one path of a batch."""
        return jax.tree.map(lambda x: x[index], self)

    def __str__(self) -> str:
        if isinstance(self.weight, Tracer):
            return f"Path(<traced>, {len(self.steps)} equations)"
        if jnp.ndim(self.weight):
            return f"batch of paths of shape {jnp.shape(self.weight)}: print(path[i]) shows one"
        if np.isneginf(self.weight):
            return "no path"
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        name, shape = self.sources[int(self.start)]
        rows = [("", f"{name}{_node(self.start_index, shape)}", "", "")]
        for number in np.flatnonzero(self.visited):
            step = self.steps[number]
            node = _node(self.index[number], step.shapes[int(self.result[number])])
            weight = f"{float(self.edge_weight[number]):.6g}"
            rows.append((weight, f"{step.primitive}{node}", step.scope, step.line))
        head = ("edge weight", "node", "scope", "line")
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(4)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (head, *rows)
        ]
        return [f"top path: weight {float(self.weight):.6g}, {len(rows) - 1} edges", *table]


def top_path(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    custom: checks.Custom = "rule",
) -> Callable[..., Path]:
    """Returns a function that finds the most positive gradient path of `f`.

    The path is the one whose weight `backprop(f, MaxProduct(), argnums)` reports as the largest
    `max` of all elements of the chosen arguments. Among equals the lowest flat index wins at the
    start, and at every step the first use of the node, then the lowest flat index. Loops are
    written out step by step, so that compile time grows with their length. Outside `jit` nothing is
    compiled as a whole and equations off the path are skipped: for a few paths of a large model
    that is the sooner way, for many `jit` is.

    Args:
      f: a function whose result is a floating-point scalar (with `has_aux`, a pair of such a
        scalar and anything).
      argnums: the positional arguments that the path may start in.
      has_aux: whether `f` returns a pair; its second part is ignored.
      custom: as in `backprop`.

    Returns:
      A function of f's arguments that returns a `Path`. It works under `jit` and `vmap`.

    Raises:
      TypeError, ValueError, NotImplementedError: as `backprop`.
    """
    checks.check_custom(custom)

    @functools.wraps(f)
    def top_path_f(*args: Any, **kwargs: Any) -> Path:
        traced = api.trace_arguments(f, args, kwargs, argnums, has_aux, custom)
        inputs = traced.graph.inputs
        narrowed = narrow(unroll(interpreter.plan(traced.graph, inputs)))
        split, copies = split_by_use(interpreter.plan(narrowed.graph, inputs))
        program = interpreter.plan(split, inputs)
        values = interpreter.evaluate(program, traced.inputs)
        best = interpreter.sweep(program, values, MaxProduct(), keep=program.active)
        walk = Walk(program, values, best, copies)
        weight, start, start_index = walk.begin(inputs)
        records = [record for eqn in split.equations if (record := walk.follow(eqn)) is not None]
        records = [_in_whole(r, narrowed, values) for r in records if not _is_moved(r, narrowed)]
        sources = tuple((n, v.aval.shape) for n, v in zip(traced.paths, inputs, strict=True))
        return _assemble(weight, start, start_index, records, sources)

    return top_path_f


def _node(index: Any, shape: tuple[int, ...]) -> str:
    """Writes a flat index as an index into a shape."""
    return f"[{', '.join(str(i) for i in np.unravel_index(int(index), shape))}]" if shape else ""


def _is_moved(record: Record, narrowed: Narrowed) -> bool:
    return record.eqn.outvars[0] in narrowed.moved


def _in_whole(record: Record, narrowed: Narrowed, values: interpreter.Values) -> Record:
    """Tells a node's place in the array that the equation would make if nothing were narrowed."""
    part = narrowed.parts.get(record.eqn.outvars[0])
    if part is None:
        return record
    value_of = functools.partial(interpreter.read, values)
    index = index_in_whole(record.index, part.box, part.shape, value_of)
    return dataclasses.replace(record, index=index, shapes=(part.shape,))


def _assemble(
    weight: Array,
    start: Array,
    start_index: Array,
    records: Sequence[Record],
    sources: tuple[tuple[str, tuple[int, ...]], ...],
) -> Path:
    def stack(values: list[Array], dtype: Any) -> Array:
        return jnp.stack([x.astype(dtype) for x in values]) if values else jnp.zeros(0, dtype)

    visited = stack([r.visited for r in records], bool)
    return Path(
        weight=weight,
        start=start,
        start_index=start_index,
        visited=visited,
        result=stack([r.result for r in records], jnp.int32),
        index=stack([r.index for r in records], jnp.int32),
        edge_weight=jnp.where(visited, stack([r.edge_weight for r in records], weight.dtype), 1),
        sources=sources,
        steps=tuple(Step(r.eqn.name, r.eqn.scope, r.eqn.line, r.shapes) for r in records),
    )
