"""Finds the top path: a walk forward over the graph, from values that a reverse sweep left.

At each node the walk takes the edge whose weight times the best weight behind it is the node's own
best. An equation's edges out of one node are its rule's sum-product sweep transposed and applied
to a one-hot vector, so no back-pointers are stored. Positions are traced, the equations are not:
`jit` and `vmap` carry the walk.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from semigrad import interpreter
from semigrad.graph import Atom, Constant, Equation, Variable
from semigrad.interpreter import Program, Values
from semigrad.rules.boxes import (
    Box,
    index_in_whole,
    part_of,
    read_box,
    sizes,
    unravel,
    variable_of,
    whole,
)
from semigrad.rules.reach import reach
from semigrad.semirings.base import Array
from semigrad.semirings.max_product import Extremes, MaxProduct
from semigrad.semirings.sum_product import SumProduct
from semigrad.uses import COPY


@dataclasses.dataclass(frozen=True)
class _Position:
    """Where the walk stands on one variable, if it does: traced scalars."""

    here: Array
    index: Array
    wants_max: Array

    def unravel(self, shape: Sequence[int]) -> Sequence[Array]:
        """Returns the index along each axis."""
        return unravel(self.index, shape)


@dataclasses.dataclass(frozen=True)
class Record:
    """One equation's part of the path, and the shapes of its results.

    Where it is not visited, the rest says nothing.
    """

    eqn: Equation
    shapes: tuple[tuple[int, ...], ...]
    visited: Array
    result: Array
    index: Array
    edge_weight: Array


class Walk:
    """Walks forward along the best path; positions are traced, the equations are not."""

    def __init__(
        self,
        program: Program,
        values: Values,
        best: Mapping[Variable, Extremes],
        copies: Mapping[Variable, Sequence[Variable]],
    ):
        self._program, self._values, self._best, self._copies = program, values, best, copies
        self._positions: dict[Atom, _Position] = {}

    def begin(self, inputs: Sequence[Variable]) -> tuple[Array, Array, Array]:
        """Stands on the best node of the inputs; returns its weight, variable and flat index."""
        found = [(n, v) for n, v in enumerate(inputs) if v in self._best and v.aval.size]
        if not found:
            none = jnp.zeros((), jnp.int32)
            return jnp.full((), -jnp.inf, self._program.graph.outputs[0].aval.dtype), none, none
        tops = [self._best[v].max.reshape(-1) for _, v in found]
        indices = [jnp.argmax(top).astype(jnp.int32) for top in tops]
        dtype = self._program.graph.outputs[0].aval.dtype
        weights = jnp.stack([jnp.max(top).astype(dtype) for top in tops])
        choice = jnp.argmax(weights)
        exists = weights[choice] > -jnp.inf
        for number, (_, v) in enumerate(found):
            here = exists & (choice == number)
            self._stand(v, _Position(here, indices[number], jnp.asarray(True)))
        numbers = jnp.asarray([n for n, _ in found], jnp.int32)
        return weights[choice], numbers[choice], jnp.stack(indices)[choice]

    def follow(self, eqn: Equation) -> Record | None:
        """Goes through an equation if the path does; None if no path could."""
        slots = [v for v in dict.fromkeys(eqn.invars) if v in self._positions]
        results = [(n, v) for n, v in enumerate(eqn.outvars) if v in self._best and v.aval.size]
        if not slots or not results or eqn.name == COPY:
            return None
        positions = [self._positions[v] for v in slots]
        visited = functools.reduce(jnp.logical_or, (p.here for p in positions))
        shapes = tuple(v.aval.shape for v in eqn.outvars)
        if _is_known_false(visited):
            for _, v in results:
                self._stand(v, _Position(visited, _zero(), visited))
            return Record(eqn, shapes, visited, _zero(), _zero(), _zero())
        wants_max = functools.reduce(jnp.logical_or, (p.here & p.wants_max for p in positions))
        bundles = self._bundles(eqn, slots, [n for n, _ in results])
        weights = [_decode(bundle.weights) for bundle in bundles]
        several = sum(bundle.weights.size for bundle in bundles) > 1
        choice = self._choose(eqn, bundles, weights, wants_max) if several else _zero()
        chosen = jnp.concatenate([jnp.where(w.is_edge, w.value, 0) for w in weights])[choice]
        result, index = self._reached(eqn, bundles, choice)
        negative = chosen < 0
        if several and isinstance(visited, Tracer):
            visited, result, index, negative = _apart(visited, result, index, negative)
        for n, v in results:
            self._stand(v, _Position(visited & (result == n), index, wants_max ^ negative))
        return Record(eqn, shapes, visited, result, index, chosen)

    def _choose(
        self,
        eqn: Equation,
        bundles: "Sequence[_Bundle]",
        weights: "Sequence[_Weights]",
        wants_max: Array,
    ) -> Array:
        """Returns which of all edges is the best, int32."""
        scores = [
            _score(weight, self._best_in(eqn.outvars[bundle.result], bundle.box), wants_max)
            for weight, bundle in zip(weights, bundles, strict=True)
        ]
        return jnp.argmax(jnp.concatenate(scores)).astype(jnp.int32)

    def _reached(
        self, eqn: Equation, bundles: "Sequence[_Bundle]", choice: Array
    ) -> tuple[Array, Array]:
        """Returns which result an edge leads to, and the flat index of the node there."""
        result, index = _zero(), choice
        offsets = itertools.accumulate((bundle.weights.size for bundle in bundles), initial=0)
        for bundle, (start, stop) in zip(bundles, itertools.pairwise(offsets), strict=True):
            inside = (start <= choice) & (choice < stop) if len(bundles) > 1 else True
            shape = eqn.outvars[bundle.result].aval.shape
            own = index_in_whole(choice - start, bundle.box, shape, _value)
            result = jnp.where(inside, np.int32(bundle.result), result)
            index = jnp.where(inside, own, index)
        return result, index

    def _best_in(self, variable: Variable, box: Box) -> Extremes:
        return jax.tree.map(lambda x: read_box(x, box, _value).reshape(-1), self._best[variable])

    def _stand(self, variable: Variable, position: _Position) -> None:
        """Stands on a variable; of its uses, on the copy that the best path goes through."""
        self._positions[variable] = position
        copies = [c for c in self._copies.get(variable, ()) if c in self._best]
        if not copies:
            return
        if _is_known_false(position.here):
            self._positions.update((copy, position) for copy in copies)
            return
        index = jnp.minimum(position.index, variable.aval.size - 1)
        scores = jnp.stack(
            [
                jnp.where(
                    position.wants_max,
                    self._best[c].max.reshape(-1)[index],
                    -self._best[c].min.reshape(-1)[index],
                )
                for c in copies
            ]
        )
        choice = jnp.argmax(scores)
        for number, copy in enumerate(copies):
            here = position.here & (choice == number)
            self._positions[copy] = dataclasses.replace(position, here=here)

    def _bundles(
        self, eqn: Equation, slots: Sequence[Atom], results: Sequence[int]
    ) -> "list[_Bundle]":
        """Returns the edges out of where the walk stands on operands of an equation."""
        operands = [interpreter.read(self._values, v) for v in eqn.invars]
        bundles, rest = [], {}
        alone = len(slots) == 1
        for slot in slots:
            number, position = eqn.invars.index(slot), self._positions[slot]
            at = [Constant(x.astype(jnp.int32)) for x in position.unravel(slot.aval.shape)]
            part = reach(eqn, number, at) if len(eqn.outvars) == 1 else None
            if part is None:
                rest[slot] = _one_hot(slot, position, whole(slot.aval.shape), alone)
                continue
            boxes = zip(eqn.invars, part.operands, strict=True)
            invars = [variable_of(box, v.aval.dtype) for v, box in boxes]
            outvar = variable_of(part.result, eqn.outvars[0].aval.dtype)
            own = part_of(eqn, part.changed, invars, outvar)
            values = [
                read_box(jnp.asarray(x), box, _value)
                for x, box in zip(operands, part.operands, strict=True)
            ]
            hot = _one_hot(slot, position, part.operands[number], alone)
            (weights,) = self._edges(own, values, {invars[number]: hot})
            bundles.append(_Bundle(0, part.result, weights))
        if rest:
            weights = self._edges(eqn, operands, rest)
            bundles += [_Bundle(n, whole(eqn.outvars[n].aval.shape), weights[n]) for n in results]
        return bundles

    def _edges(
        self, eqn: Equation, operands: Sequence[Any], hot: Mapping[Variable, Array]
    ) -> list[Array]:
        """Returns the encoded weights of the edges out of one node, to each result's nodes.

        Args:
          eqn: the equation.
          operands: its operands' values.
          hot: for each operand that the node may be of, an array of 0 but for 1 at the node.
        """
        active = dataclasses.replace(self._program, active=frozenset(hot))
        site = interpreter.make_site(eqn, _Edges(), active)
        floats = [v.is_float for v in eqn.outvars]

        def reverse(cts: list[Array]) -> list[Array]:
            own = iter(cts)
            full = [next(own) if is_float else None for is_float in floats]
            in_cts = interpreter.apply_rule(eqn, site, full, operands)
            found = {
                v: jnp.zeros(v.aval.shape, v.aval.dtype) if ct is None else ct
                for v, ct in zip(eqn.invars, in_cts, strict=True)
                if v in hot
            }
            return [found[v] for v in hot]  # pyright: ignore[reportArgumentType]

        like = [jnp.zeros(v.aval.shape, v.aval.dtype) for v in eqn.outvars if v.is_float]
        weights = iter(jax.linear_transpose(reverse, like)([*hot.values()])[0])
        return [next(weights).reshape(-1) if is_float else jnp.zeros(0) for is_float in floats]


def _is_known_false(x: Array) -> bool:
    """Whether an array is known while the walk is made, as it is outside `jit`, and is False."""
    return not isinstance(x, Tracer) and not x


def _zero() -> Array:
    return jnp.zeros((), jnp.int32)


def _apart(*scalars: Array) -> tuple[Array, ...]:
    """Returns its arguments, from a loop of one round: XLA fuses nothing across it.

    Otherwise it would compute each step of the walk anew in every step that follows.
    """
    packed = jnp.stack([x.astype(jnp.int32) for x in scalars])
    unpacked, _ = lax.while_loop(
        lambda state: state[0][0] != state[1][0],
        lambda state: (state[1], state[1]),
        (packed - 1, packed),
    )
    return tuple(x.astype(like.dtype) for x, like in zip(unpacked, scalars, strict=True))


def _value(atom: Atom) -> Array:
    """Returns the number at which a box around a node starts."""
    assert isinstance(atom, Constant)
    return atom.value


def _one_hot(variable: Atom, position: _Position, box: Box, certain: bool) -> Array:
    """Returns a box around the node: 0 but for 1 at the node, if the walk stands there.

    Args:
      variable: what the node is of.
      position: where the walk stands on it.
      box: the box.
      certain: to take it that the walk does stand there.
    """
    shape, dtype = sizes(box), variable.aval.dtype
    at = position.unravel(variable.aval.shape)
    own = tuple(0 if size == 1 else i for i, size in zip(at, shape, strict=True))
    if certain and math.prod(shape) == 1:
        return jnp.ones(shape, dtype)
    here = jnp.ones((), dtype) if certain else position.here.astype(dtype)
    return jnp.zeros(shape, dtype).at[own].set(here, mode="drop")


@dataclasses.dataclass(frozen=True)
class _Bundle:
    """Edges to the nodes of a box of a result, their encoded weights flat."""

    result: int
    box: Box
    weights: Array


@dataclasses.dataclass(frozen=True)
class _Edges(SumProduct):
    """Sum-product over weights in which an edge of weight 0 can be told from no edge."""

    def lift(self, weight: Array) -> Array:
        limits = jnp.finfo(weight.dtype)
        finite = jnp.clip(weight, float(limits.min), float(limits.max))
        return jnp.where(weight == 0, float(limits.tiny), finite)

    def contract(self, weight: Array, a: Array, precision: Any = None) -> Array:
        return super().contract(self.lift(weight), a, lax.Precision.HIGHEST)


@dataclasses.dataclass(frozen=True)
class _Weights:
    """Edge weights to the nodes of a result, and where there is an edge."""

    value: Array
    is_edge: Array


def _decode(encoded: Array) -> _Weights:
    limits = jnp.finfo(encoded.dtype)
    infinite = jnp.abs(encoded) >= float(limits.max)
    value = jnp.where(infinite, jnp.sign(encoded) * jnp.inf, encoded)
    return _Weights(jnp.where(encoded == float(limits.tiny), 0, value), encoded != 0)


def _score(weights: _Weights, best: Extremes, wants_max: Array) -> Array:
    """Returns what the path would weigh through each node, sign turned if the least is wanted."""
    through = MaxProduct().scale(weights.value, jax.tree.map(lambda x: x.reshape(-1), best))
    score = jnp.where(wants_max, through.max, -through.min)
    return jnp.where(weights.is_edge, score, -jnp.inf)
