"""The oracle: it lists every path of a small gradient graph, one by one, in float64.

Written apart from the library and sharing no code with it. A function is traced to a jaxpr, calls
are inlined, and every scalar element of a float variable that depends on the chosen inputs becomes
a node. The weights of an equation's edges are the entries of `jax.jvp` of its primitive at the
point, one operand slot at a time. Which entries are edges at all is found by looking: the union of
the supports of the local Jacobians at many random values of the float operands, the discrete
operands held fixed. A sort or a selection copies elements, to where a discrete value says: its
edges are those at the point.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex

PATH_LIMIT = 200_000

_INLINED = {"jit", "pjit", "remat2", "checkpoint", "closed_call", "eval_jaxpr", "call", "core_call"}
_CUSTOM = {"custom_jvp_call", "custom_vjp_call", "linear_call"}
_CHOOSING = {"sort", "top_k", "approx_top_k"}
_NOT_BATCHED = {"linear_call", "ragged_dot_general"}  # by JAX, unless all operands are
# Of a symmetric, positive definite matrix; and those whose Jacobians have roundoff in place of
# zeros, to tell from entries by its size.
_SYMMETRIC = {"cholesky", "eigh"}
_ROUNDED = {"cholesky", "eigh", "lu", "qr", "svd"}
_ROUNDOFF = 1e-9

Ids = np.ndarray  # node numbers, in the shape of the variable; None stands for "no node"


class TooManyPathsError(ValueError):
    """The graph has more paths than the oracle is willing to list."""


@dataclasses.dataclass(frozen=True)
class Equation:
    """One equation of the inlined program, by the nodes it reads and makes."""

    primitive: str
    scope: str
    reads: tuple[Ids | None, ...]
    makes: tuple[Ids | None, ...]


@dataclasses.dataclass(frozen=True)
class Edge:
    """One edge; `equation` indexes `Graph.equations`."""

    source: int
    target: int
    weight: float
    equation: int


class Graph:
    """The scalar gradient graph of one evaluation of a function.

    Attributes:
        edges: every edge.
        equations: the equations, in the order of the inlined program.
        inputs: node numbers per differentiated argument position.
        output: node number of the output, None where it depends on no chosen input.
    """

    def __init__(self) -> None:
        self.edges: list[Edge] = []
        self.equations: list[Equation] = []
        self.inputs: dict[int, Ids] = {}
        self.output: int | None = None
        self._size = 0
        self._out_edges: dict[int, list[Edge]] | None = None
        self._path_counts: dict[int, int] = {}

    def new_nodes(self, shape: Sequence[int]) -> Ids:
        size = int(np.prod(shape, dtype=np.int64))
        ids = np.arange(self._size, self._size + size, dtype=np.int64).reshape(tuple(shape))
        self._size += size
        return ids

    def connect(self, sources: Ids, targets: Ids, weights: np.ndarray, present: np.ndarray) -> None:
        """Add the edges of one Jacobian; `weights` and `present` are [sources, targets]."""
        sources, targets = sources.ravel(), targets.ravel()
        for i, j in zip(*np.nonzero(present), strict=True):
            edge = Edge(int(sources[i]), int(targets[j]), float(weights[i, j]), len(self.equations))
            self.edges.append(edge)

    def out_edges(self, node: int) -> list[Edge]:
        if self._out_edges is None:
            self._out_edges = {}
            for edge in self.edges:
                self._out_edges.setdefault(edge.source, []).append(edge)
        return self._out_edges.get(node, [])

    def path_count(self, node: int) -> int:
        """The number of paths to the output, to know beforehand whether listing is wise."""
        if self.output is None:
            return 0
        if node not in self._path_counts:
            counts = self._path_counts
            stack = [node]
            while stack:
                top = stack[-1]
                waiting = [e.target for e in self.out_edges(top) if e.target not in counts]
                if waiting:
                    stack.extend(waiting)
                    continue
                below = sum(counts[e.target] for e in self.out_edges(top))
                counts[top] = below + (top == self.output)
                stack.pop()
        return self._path_counts[node]

    def paths(self, node: int) -> Iterator[tuple[Edge, ...]]:
        """List the paths from `node` to the output one by one, depth first."""
        count = self.path_count(node)
        if count > PATH_LIMIT:
            raise TooManyPathsError(f"{count} paths from node {node}")
        if not count:
            return
        if node == self.output:
            yield ()
        trail: list[Edge] = []
        pending = [iter(self.out_edges(node))]
        while pending:
            edge = next(pending[-1], None)
            if edge is None:
                pending.pop()
                if trail:
                    trail.pop()
                continue
            if not self.path_count(edge.target):
                continue
            trail.append(edge)
            if edge.target == self.output:
                yield tuple(trail)
            pending.append(iter(self.out_edges(edge.target)))

    def weights(self, node: int, consumer: str | None = None) -> np.ndarray:
        """The weight of every path from `node`; with `consumer`, of those that it starts."""
        listed = []
        for path in self.paths(node):
            if consumer is not None and self._first_scope(path) != consumer:
                continue
            listed.append(np.prod([edge.weight for edge in path], dtype=np.float64))
        return np.array(listed, dtype=np.float64)

    def _first_scope(self, path: tuple[Edge, ...]) -> str | None:
        return self.equations[path[0].equation].scope if path else None


# ----------------------------------------------------------------------------- building the graph


def trace(f: Callable[..., Any], *args: Any, argnums: Sequence[int] | int = 0) -> Graph:
    """Build the scalar gradient graph of `f` (scalar output) at `args`, all of them arrays."""
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    closed = jax.make_jaxpr(f)(*args)
    graph = Graph()
    ids: list[Ids | None] = [None] * len(args)
    for position in wanted:
        ids[position] = graph.inputs[position] = graph.new_nodes(np.shape(args[position]))
    _, out_ids = _walk(graph, closed, [jnp.asarray(a) for a in args], ids, "")
    (out,) = out_ids
    if out is not None:
        assert out.shape == (), f"the output has shape {out.shape}"
        graph.output = int(out)
    return graph


def _walk(
    graph: Graph, closed: Any, args: Sequence[Any], arg_ids: Sequence[Ids | None], scope: str
) -> tuple[list[Any], list[Ids | None]]:
    """Evaluate a jaxpr eagerly and add its edges; returns values and nodes of its results."""
    jaxpr = getattr(closed, "jaxpr", closed)
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    ids: dict[Any, Ids | None] = {}
    values.update(zip(jaxpr.invars, args, strict=True))
    ids.update(zip(jaxpr.invars, arg_ids, strict=True))

    def value(atom: Any) -> Any:
        if isinstance(atom, jex.Literal):
            return jnp.asarray(atom.val, dtype=atom.aval.dtype)
        return values[atom]

    def node(atom: Any) -> Ids | None:
        return None if isinstance(atom, jex.Literal) else ids.get(atom)

    for eqn in jaxpr.eqns:
        operands = [value(v) for v in eqn.invars]
        operand_ids = [node(v) for v in eqn.invars]
        inner = "/".join(s for s in (scope, str(eqn.source_info.name_stack)) if s)
        if eqn.primitive.name in _INLINED:
            sub = _closed(eqn.params.get("jaxpr", eqn.params.get("call_jaxpr")))
            results, result_ids = _walk(graph, sub, operands, operand_ids, inner)
        elif eqn.primitive.name == "scan":
            results, result_ids = _scan(graph, eqn, operands, operand_ids, inner)
        elif eqn.primitive.name == "cond":
            branches = eqn.params["branches"]
            taken = _closed(branches[int(np.clip(operands[0], 0, len(branches) - 1))])
            results, result_ids = _walk(graph, taken, operands[1:], operand_ids[1:], inner)
        else:
            results, result_ids = _equation(graph, eqn, operands, operand_ids, inner)
        values.update(zip(eqn.outvars, results, strict=True))
        ids.update(zip(eqn.outvars, result_ids, strict=True))
    return [value(v) for v in jaxpr.outvars], [node(v) for v in jaxpr.outvars]


def _scan(
    graph: Graph, eqn: Any, operands: Sequence[Any], operand_ids: Sequence[Ids | None], scope: str
) -> tuple[list[Any], list[Ids | None]]:
    """Runs a loop step by step; a slice's nodes are those of the whole."""
    body = _closed(eqn.params["jaxpr"])
    inner = getattr(body, "jaxpr", body)

    def whole(outer: Sequence[Any], own: Sequence[Any]) -> list[bool]:
        return [len(a.aval.shape) == len(b.aval.shape) for a, b in zip(outer, own, strict=True)]

    enters, leaves = whole(eqn.invars, inner.invars), whole(eqn.outvars, inner.outvars)
    carries = sum(leaves)
    first = sum(enters) - carries
    values, ids = list(operands), list(operand_ids)
    rows: list[list[tuple[Any, Ids | None]]] = [[] for _ in eqn.outvars]
    steps = range(eqn.params["length"])
    for step in reversed(steps) if eqn.params["reverse"] else steps:
        here = [x if w else x[step] for x, w in zip(values, enters, strict=True)]
        here_ids = [n if w or n is None else n[step] for n, w in zip(ids, enters, strict=True)]
        results, result_ids = _walk(graph, body, here, here_ids, scope)
        values[first : first + carries] = results[:carries]
        ids[first : first + carries] = result_ids[:carries]
        for row, result, result_id in zip(rows, results, result_ids, strict=True):
            row.append((result, result_id))
    out_values, out_ids = values[first : first + carries], ids[first : first + carries]
    for row, var in zip(rows[carries:], eqn.outvars[carries:], strict=True):
        ordered = row[::-1] if eqn.params["reverse"] else row
        shape = var.aval.shape[1:]
        out_values.append(jnp.stack([v for v, _ in ordered]) if row else jnp.zeros(var.aval.shape))
        nodes = [graph.new_nodes(shape) if n is None else n for _, n in ordered]
        some = any(n is not None for _, n in ordered)
        out_ids.append(np.stack(nodes) if some else None)
    return out_values, out_ids


def _closed(jaxpr: Any) -> Any:
    """A jaxpr with its constants: `remat2` carries an open one in JAX 0.10."""
    return jaxpr if hasattr(jaxpr, "consts") else jex.ClosedJaxpr(jaxpr, ())


def _bind(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    result = eqn.primitive.bind(*operands, **eqn.primitive.get_bind_params(eqn.params))
    return list(result) if eqn.primitive.multiple_results else [result]


def _is_float(x: Any) -> bool:
    dtype = x.dtype
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise NotImplementedError("complex numbers")
    return jnp.issubdtype(dtype, jnp.floating)


def _equation(
    graph: Graph,
    eqn: Any,
    operands: Sequence[Any],
    operand_ids: Sequence[Ids | None],
    scope: str,
) -> tuple[list[Any], list[Ids | None]]:
    """Evaluate one equation and add its edges; returns its results and their nodes."""
    active = [i for i, nodes in enumerate(operand_ids) if nodes is not None]
    if eqn.primitive.name == "custom_linear_solve":  # what its solvers read has no derivative
        lengths = eqn.params["const_lengths"]
        solvers = range(lengths.matvec, sum(lengths))
        active = [i for i in active if i not in solvers]
    float_results = [j for j, var in enumerate(eqn.outvars) if _is_float(var.aval)]
    result_ids: list[Ids | None] = [None] * len(eqn.outvars)
    if active and float_results:
        results, jacobians = _local_jacobians(eqn, operands, active)
        custom = eqn.primitive.name in _CUSTOM
        if custom and not _elementwise(operands, results, float_results, jacobians):
            result_ids = _author_program(graph, eqn, operands, operand_ids, results, scope)
        elif any(present.any() for entry in jacobians.values() for _, present in entry):
            for j in float_results:
                result_ids[j] = graph.new_nodes(np.shape(results[j]))
            for i, entry in jacobians.items():
                for j, (weights, present) in zip(float_results, entry, strict=True):
                    sources, targets = operand_ids[i], result_ids[j]
                    assert sources is not None and targets is not None
                    graph.connect(sources, targets, weights, present)
    else:
        results = _bind(eqn, operands)
    record = Equation(eqn.primitive.name, scope, tuple(operand_ids), tuple(result_ids))
    graph.equations.append(record)
    return results, result_ids


Jacobian = tuple[np.ndarray, np.ndarray]  # weights and structure, [operand, result elements]

_jacobian_cache: dict[Any, Callable[..., Any]] = {}


def _local_jacobians(
    eqn: Any, operands: Sequence[Any], slots: Sequence[int]
) -> tuple[list[Any], dict[int, list[Jacobian]]]:
    """The results, and per slot the Jacobian of every float result."""
    floats = [i for i, x in enumerate(operands) if _is_float(x)]
    others = [x for i, x in enumerate(operands) if i not in floats]
    point = [operands[i] for i in floats]
    key = (
        eqn.primitive,
        tuple(sorted((name, str(value)) for name, value in eqn.params.items())),
        tuple((np.shape(x), str(x.dtype)) for x in operands),
        tuple(slots),
        jax.config.jax_enable_x64,
    )
    if eqn.primitive.name in _CUSTOM or key not in _jacobian_cache:

        def full(float_operands: Sequence[Any], rest: Sequence[Any]) -> list[Any]:
            known, rest = dict(zip(floats, float_operands, strict=True)), list(rest)
            return [known[i] if i in known else rest.pop(0) for i in range(len(operands))]

        def compute(float_operands: Any, samples: Any, rest: Any) -> Any:
            results = _bind(eqn, full(float_operands, rest))
            found = {}
            for slot in slots:

                def jacobian(at: Sequence[Any], slot: int = slot) -> list[Any]:
                    return _jacobian(eqn, full(at, rest), slot)

                if not operands[slot].size:
                    continue
                there = _over_rows(eqn, jacobian)(samples[slot])
                noise = _ROUNDOFF if eqn.primitive.name in _ROUNDED else 0.0
                present = [jnp.any(_not_zero(t, noise), axis=0) for t in there]
                found[slot] = (jacobian(float_operands), present)
            return results, found

        _jacobian_cache[key] = jax.jit(compute)
    samples = {slot: _samples(point, floats.index(slot)) for slot in slots}
    if eqn.primitive.name in _SYMMETRIC:
        samples = {slot: [_positive_definite(x) for x in xs] for slot, xs in samples.items()}
    results, found = _jacobian_cache[key](point, samples, others)
    jacobians: dict[int, list[Jacobian]] = {}
    for slot in slots:
        if slot not in found:
            sizes = [int(v.aval.size) for v in eqn.outvars if _is_float(v.aval)]
            jacobians[slot] = [(np.zeros((0, n)), np.zeros((0, n), bool)) for n in sizes]
            continue
        jacobians[slot] = []
        for weights, present in zip(*found[slot], strict=True):
            w = np.asarray(weights, np.float64)
            here = np.isfinite(w) & (w != 0)
            if eqn.primitive.name in _ROUNDED:
                here = np.asarray(present)
            elif eqn.primitive.name not in _CHOOSING:
                here |= np.asarray(present)
            jacobians[slot].append((w, here))
    return results, jacobians


def _jacobian(eqn: Any, operands: Sequence[Any], slot: int) -> list[Any]:
    """d(float results) / d(operand `slot`), each [operand elements, result elements]."""

    def of_slot(x: Any) -> list[Any]:
        outs = _bind(eqn, [*operands[:slot], x, *operands[slot + 1 :]])
        return [out for out in outs if _is_float(out)]

    x = operands[slot]
    if eqn.primitive.name in ("custom_vjp_call", "linear_call"):  # what counts is the backward rule
        outs, pull = jax.vjp(of_slot, x)
        columns = []
        for j, out in enumerate(outs):
            basis = [jnp.zeros((out.size, *o.shape), o.dtype) for o in outs]
            basis[j] = jnp.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape)
            pulled = _over_rows(eqn, lambda ct: pull(ct)[0])(basis)
            columns.append(pulled.reshape(out.size, x.size).T)
        return columns
    basis = jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    others = [i for i in _linked(eqn) if i != slot and _is_float(operands[i])]

    def of_slot_and_others(x: Any, *xs: Any) -> list[Any]:
        full = dict(zip(others, xs, strict=True))
        outs = _bind(eqn, [x if i == slot else full.get(i, o) for i, o in enumerate(operands)])
        return [out for out in outs if _is_float(out)]

    def tangent(t: Any) -> list[Any]:
        rest = [operands[i] for i in others]
        zeros = [jnp.zeros_like(o) for o in rest]
        return jax.jvp(of_slot_and_others, (x, *rest), (t, *zeros))[1]

    tangents = _over_rows(eqn, tangent)(basis)
    return [t.reshape(x.size, t.size // x.size) for t in tangents]


def _over_rows(eqn: Any, f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` for each row of its argument."""
    if eqn.primitive.name in _NOT_BATCHED:
        return lambda rows: jax.lax.map(f, rows)
    return jax.vmap(f)


def _linked(eqn: Any) -> Sequence[int]:
    """Operands of which JAX fails if only some have a tangent: a zero one will do."""
    if eqn.primitive.name == "reduce":
        return range(len(eqn.outvars))
    if eqn.primitive.name == "custom_linear_solve":
        return range(sum(eqn.params["const_lengths"]), len(eqn.invars))
    return ()


def _not_zero(jacobians: Any, noise: float) -> Any:
    """Which entries of a stack of Jacobians are more than noise."""
    size = jnp.where(jnp.isfinite(jacobians), jnp.abs(jacobians), 0)
    return size > noise * jnp.max(size, axis=(1, 2), keepdims=True, initial=0)


def _positive_definite(x: np.ndarray) -> np.ndarray:
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


def _samples(point: Sequence[Any], slot: int) -> list[np.ndarray]:
    """Random float operands, stacked: wide, within (0, 1), above 1, every ordering of the operands
    (so that a clamp takes each of its branches), and each element of the slot in turn the extreme.
    """
    rng = np.random.default_rng(20240719)
    shapes = [np.shape(x) for x in point]
    batches = [[rng.normal(0.0, 2.0, s) for s in shapes] for _ in range(8)]
    batches += [[rng.uniform(0.1, 0.9, s) for s in shapes] for _ in range(6)]
    batches += [[rng.uniform(1.1, 3.0, s) for s in shapes] for _ in range(3)]
    if len(shapes) <= 3:
        for order in itertools.permutations(range(len(shapes))):
            for base in (-1.5, 0.5):
                step = [
                    base + level + rng.uniform(0.1, 0.4, s)
                    for level, s in zip(order, shapes, strict=True)
                ]
                batches.append(step)
    for extreme in (-20.0, 20.0):
        for element in range(int(np.prod(shapes[slot], dtype=int))):
            batch = [rng.normal(0.0, 2.0, s) for s in shapes]
            batch[slot].flat[element] = extreme
            batches.append(batch)
    return [
        np.stack([batch[i] for batch in batches]).astype(point[i].dtype) for i in range(len(shapes))
    ]


def _elementwise(
    operands: Sequence[Any],
    results: Sequence[Any],
    float_results: Sequence[int],
    jacobians: dict[int, list[tuple[np.ndarray, np.ndarray]]],
) -> bool:
    """Whether every result element depends on no operand element but its own."""
    for i, entry in jacobians.items():
        shape = np.shape(operands[i])
        for j, (_, present) in zip(float_results, entry, strict=True):
            try:
                own = np.broadcast_to(
                    np.arange(operands[i].size).reshape(shape), np.shape(results[j])
                )
            except ValueError:
                return False
            allowed = np.arange(operands[i].size)[:, None] == own.ravel()[None, :]
            if (present & ~allowed).any():
                return False
    return True


def _author_program(
    graph: Graph,
    eqn: Any,
    operands: Sequence[Any],
    operand_ids: Sequence[Ids | None],
    results: Sequence[Any],
    scope: str,
) -> list[Ids | None]:
    """The edges of the author's tangent program, or of the backward program read in reverse."""
    floats = [i for i, x in enumerate(operands) if _is_float(x)]

    def of_floats(*xs: Any) -> list[Any]:
        full = dict(zip(floats, xs, strict=True))
        return _bind(eqn, [full.get(i, x) for i, x in enumerate(operands)])

    primals = [operands[i] for i in floats]
    if eqn.primitive.name == "custom_jvp_call":

        def tangents(*ts: Any) -> list[Any]:
            outs, out_ts = jax.jvp(of_floats, tuple(primals), ts)
            return [t for out, t in zip(outs, out_ts, strict=True) if _is_float(out)]

        program = jax.make_jaxpr(tangents)(*primals)
        _, made = _walk(graph, program, primals, [operand_ids[i] for i in floats], scope)
        rest = iter(made)
        return [next(rest) if _is_float(out) else None for out in results]

    float_outs = [out for out in results if _is_float(out)]

    def backward(*cts: Any) -> Any:
        outs, pull = jax.vjp(of_floats, *primals)
        rest = iter(cts)
        return pull(
            [next(rest) if _is_float(o) else np.zeros(o.shape, jax.dtypes.float0) for o in outs]
        )

    program = jax.make_jaxpr(backward)(*float_outs)
    reverse = Graph()
    reverse._size = graph._size
    ct_ids = [reverse.new_nodes(out.shape) for out in float_outs]
    _, ct_in_ids = _walk(reverse, program, float_outs, list(ct_ids), scope)
    graph._size = reverse._size
    first = len(graph.equations)
    graph.equations += reverse.equations
    graph.edges += [Edge(e.target, e.source, e.weight, first + e.equation) for e in reverse.edges]
    for i, entered in zip(floats, ct_in_ids, strict=True):
        own = operand_ids[i]
        if own is not None and entered is not None:
            one = np.eye(own.size)
            graph.connect(own, entered, one, one.astype(bool))
    rest = iter(ct_ids)
    return [next(rest) if _is_float(out) else None for out in results]


# ----------------------------------------------------------------------------- reading it out


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What the paths from each element of one array say; arrays have the array's shape."""

    lists: np.ndarray  # object array: the path weights of each element

    def _each(self, read: Callable[[np.ndarray], float]) -> np.ndarray:
        return np.array([read(w) for w in self.lists.ravel()], np.float64).reshape(self.lists.shape)

    @property
    def sum(self) -> np.ndarray:
        return self._each(np.sum)

    @property
    def max(self) -> np.ndarray:
        return self._each(lambda w: np.max(w, initial=-np.inf))

    @property
    def min(self) -> np.ndarray:
        return self._each(lambda w: np.min(w, initial=np.inf))

    @property
    def negated(self) -> "Statistics":
        lists = np.empty(self.lists.size, object)
        lists[:] = [-w for w in self.lists.ravel()]
        return Statistics(lists.reshape(self.lists.shape))

    @property
    def absmax(self) -> np.ndarray:
        return self._each(lambda w: np.max(np.abs(w), initial=0.0))

    @property
    def number(self) -> np.ndarray:
        """How many paths there are, zero weights included."""
        return self._each(len)

    @property
    def log_count(self) -> np.ndarray:
        return self._each(lambda w: _log(np.count_nonzero(w)))

    @property
    def log_mass(self) -> np.ndarray:
        return self.log_sum(1.0)

    def log_sum(self, power: float) -> np.ndarray:
        """The log of the sum of abs(w)^power over the paths of non-zero weight."""

        def read(w: np.ndarray) -> float:
            logs = power * np.log(np.abs(w[w != 0]))
            top = np.max(logs, initial=-np.inf)
            return float(top + _log(np.sum(np.exp(logs - top)))) if len(logs) else -np.inf

        return self._each(read)

    @property
    def entropy(self) -> np.ndarray:
        """In nats; 0 where no path has mass."""

        def read(w: np.ndarray) -> float:
            p = np.abs(w[w != 0])
            p = p / np.sum(p)
            return float(-np.sum(p * np.log(p)))

        return self._each(read)

    def log_signed(self, sign: int) -> np.ndarray:
        """The log of the mass of the paths of one sign, 1 or -1."""
        return self._each(lambda w: _log(np.sum(np.abs(w[np.sign(w) == sign]))))

    def top(self, k: int) -> np.ndarray:
        """The k largest weights, descending, filled with -inf."""
        rows = [
            np.concatenate([np.sort(w)[::-1], np.full(k, -np.inf)])[:k] for w in self.lists.ravel()
        ]
        return np.array(rows, np.float64).reshape(*self.lists.shape, k)

    def over(self, axis: int | Sequence[int] | None) -> "Statistics":
        """All paths along axes as those of one node: Eq. 3."""
        lists = self.lists
        axes = range(lists.ndim) if axis is None else np.atleast_1d(np.array(axis, int))
        kept = [a for a in range(lists.ndim) if a not in {int(a) % lists.ndim for a in axes}]
        merged = np.empty([lists.shape[a] for a in kept], object)
        for index in np.ndindex(merged.shape):
            merged[index] = np.empty(0)
        for index in np.ndindex(lists.shape):
            into = tuple(index[a] for a in kept)
            merged[into] = np.concatenate([merged[into], lists[index]])
        return Statistics(merged)


def _log(x: float) -> float:
    return float(np.log(x)) if x > 0 else -np.inf


def statistics_from(graph: Graph, ids: Ids, consumer: str | None = None) -> Statistics:
    """The statistics of given nodes; with `consumer`, of the paths whose first edge is in it."""
    lists = np.empty(ids.size, object)
    for position, node in enumerate(ids.ravel()):
        lists[position] = graph.weights(int(node), consumer)
    return Statistics(lists.reshape(ids.shape))


def statistics(
    f: Callable[..., Any], *args: Any, argnums: Sequence[int] | int = 0
) -> dict[int, Statistics]:
    """The statistics of every path from every element of the chosen arguments."""
    graph = trace(f, *args, argnums=argnums)
    return {position: statistics_from(graph, ids) for position, ids in graph.inputs.items()}


def find(graph: Graph, wanted: Callable[[Equation], bool]) -> Ids:
    """The nodes of the first result of the one equation that `wanted` accepts."""
    matching = [equation for equation in graph.equations if wanted(equation)]
    assert len(matching) == 1, [(e.primitive, e.scope) for e in matching]
    made = matching[0].makes[0]
    assert made is not None
    return made


def find_each(graph: Graph, wanted: Callable[[Equation], bool]) -> Ids:
    """The nodes of the first result of each equation that `wanted` accepts, stacked in order."""
    made = [equation.makes[0] for equation in graph.equations if wanted(equation)]
    assert made
    return np.stack(made)  # pyright: ignore[reportArgumentType]


def consumers(graph: Graph, ids: Ids) -> list[str]:
    """The scopes of the equations that read these nodes, in program order, each once."""
    first = int(ids.ravel()[0])
    reading = [
        equation.scope
        for equation in graph.equations
        if any(
            read is not None and read.size and read.ravel()[0] == first for read in equation.reads
        )
    ]
    return list(dict.fromkeys(reading))


def best_path(graph: Graph, ids: Ids) -> tuple[int, float, tuple[Edge, ...]]:
    """The path of greatest weight from any of `ids`: (flat index of its start, weight, edges).

    The lowest start wins a tie.
    """
    best: tuple[int, float, tuple[Edge, ...]] | None = None
    for position, node in enumerate(ids.ravel()):
        for path in graph.paths(int(node)):
            weight = float(np.prod([edge.weight for edge in path], dtype=np.float64))
            if best is None or weight > best[1]:
                best = (position, weight, path)
    assert best is not None, "no path"
    return best
