"""The top gradient path is the oracle's best path, step by step."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from cases import BY_NAME, REPRESENTATIVE, Case
from sliced import FUNCTIONS, W, X, two_logits

import semigrad as sg

Array = Any

# The best path is the only one of its weight: it can be compared step by step.
_UNIQUE = [
    "elementwise/max",
    "elementwise/zero_literal",
    "elementwise/size_1_axes",
    "routing/dynamic_update_slice",
    "routing/pad_interior_active_value",
    "routing/gather_elements",
    "routing/select_n_three_cases",
    "scatter/add_repeated",
    "cumulative/cumsum_reverse",
    "contractions/three_factors",
    "contractions/same_operand",
    "calls/jit_nested",
    "calls/softmax",
    "models/attention_plus_skip",
    "models/mlp",
]
_WITH_PATHS = [case for case in REPRESENTATIVE if case.name != "no_edge/argument_is_result"]


# Which argument, flat index, weight, and (primitive, flat index, edge weight) of each step.
Best = tuple[int, int, float, list[tuple[str, int, float]]]


def _best(case: Case, sample: int) -> Best:
    return _best_of(case.f, case.arguments(sample), case.argnums)


def _best_of(f: Callable[..., Array], args: Sequence[Array], argnums: tuple[int, ...]) -> Best:
    graph = oracles.trace(f, *args, argnums=argnums)
    ids = np.concatenate([nodes.ravel() for nodes in graph.inputs.values()])
    start, weight, edges = oracles.best_path(graph, ids)
    steps = []
    for edge in edges:
        equation = graph.equations[edge.equation]
        index = next(
            int(np.flatnonzero(made.ravel() == edge.target)[0])
            for made in equation.makes
            if made is not None and np.any(made == edge.target)
        )
        steps.append((equation.primitive, index, edge.weight))
    sizes = [nodes.size for nodes in graph.inputs.values()]
    ends = np.cumsum(sizes)
    argument = int(np.searchsorted(ends, start, side="right"))
    return argument, start - int(ends[argument] - sizes[argument]), weight, steps


def _steps(path: sg.Path) -> list[tuple[str, int, float]]:
    return [
        (path.steps[i].primitive, int(path.index[i]), float(path.edge_weight[i]))
        for i in np.flatnonzero(path.visited)
    ]


def _product(path: sg.Path) -> float:
    return float(np.prod(np.asarray(path.edge_weight, np.float64)[np.asarray(path.visited)]))


@pytest.mark.parametrize("name", _UNIQUE)
def test_is_the_best_path_step_by_step(name: str) -> None:
    case = BY_NAME[name]
    path = jax.jit(sg.top_path(case.f, case.argnums))(*case.arguments())
    argument, start, weight, steps = _best(case, sample=0)
    assert int(path.start) == argument
    assert int(path.start_index) == start
    np.testing.assert_allclose(path.weight, weight, rtol=1e-9)
    found = _steps(path)
    assert [step[:2] for step in found] == [step[:2] for step in steps]
    np.testing.assert_allclose([s[2] for s in found], [s[2] for s in steps], rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("case", _WITH_PATHS[::3], ids=lambda c: c.name)
def test_weight_is_the_product_and_the_maximum(case: Case) -> None:
    args = case.arguments()
    path = jax.jit(sg.top_path(case.f, case.argnums))(*args)
    tops = jax.jit(sg.backprop(case.f, sg.MaxProduct(), case.argnums))(*args)
    flat = np.concatenate([np.ravel(top.max) for top in tops])
    np.testing.assert_allclose(path.weight, flat.max(), rtol=case.rtol)
    np.testing.assert_allclose(_product(path), path.weight, rtol=case.rtol)


@pytest.mark.parametrize("name", ["contractions/matmul_square", "routing/select_n_three_cases"])
def test_vmap_finds_each_rows_path(name: str) -> None:
    case = BY_NAME[name]
    paths = jax.jit(jax.vmap(sg.top_path(case.f, case.argnums)))(*case.batch())
    for sample in range(2):
        argument, start, weight, steps = _best(case, sample)
        path = paths[sample]
        assert (int(path.start), int(path.start_index)) == (argument, start)
        np.testing.assert_allclose(path.weight, weight, rtol=1e-9)
        assert [step[:2] for step in _steps(path)] == [step[:2] for step in steps]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_what_is_read_in_part_only(f: Callable[..., Array]) -> None:
    """Slices are moved up, but the path is told as if they were not: steps, indices, shapes."""
    args = (jnp.asarray(X), jnp.asarray(W))
    path = jax.jit(sg.top_path(f, (0, 1)))(*args)
    argument, start, weight, steps = _best_of(f, args, (0, 1))
    assert (int(path.start), int(path.start_index)) == (argument, start)
    np.testing.assert_allclose([path.weight, _product(path)], weight, rtol=1e-9)
    found = _steps(path)
    assert [step[:2] for step in found] == [step[:2] for step in steps]
    np.testing.assert_allclose([s[2] for s in found], [s[2] for s in steps], rtol=1e-9)


def test_traced_slices_under_vmap() -> None:
    at = np.array([[2, 0, 4], [-1, -2, 0], [0, 1, 3]])
    paths = jax.jit(jax.vmap(sg.top_path(two_logits, (0, 1)), (None, None, 0, 0, 0)))(X, W, *at.T)
    for row, where in enumerate(at.tolist()):
        f = lambda x, w, where=where: two_logits(x, w, *where)
        _, start, weight, steps = _best_of(f, (jnp.asarray(X), jnp.asarray(W)), (0, 1))
        assert int(paths[row].start_index) == start
        np.testing.assert_allclose(paths[row].weight, weight, rtol=1e-9)
        own = [step[:2] for step in _steps(paths[row])]
        # With traced positions slices are dynamic.
        assert [i for _, i in own] == [i for _, i in (step[:2] for step in steps)]


@pytest.mark.parametrize(
    "name", ["elementwise/max", "models/attention_plus_skip", "models/mlp", "routing/split"]
)
def test_plain_is_jit(name: str) -> None:
    """Outside `jit` equations that the path does not visit are skipped, but listed."""
    case = BY_NAME[name]
    plain = sg.top_path(case.f, case.argnums)(*case.arguments())
    jitted = jax.jit(sg.top_path(case.f, case.argnums))(*case.arguments())
    assert _steps(plain) == _steps(jitted)
    assert plain.steps == jitted.steps
    assert jax.tree.map(jax.typeof, plain) == jax.tree.map(jax.typeof, jitted)
    np.testing.assert_array_equal(plain.visited, jitted.visited)
    np.testing.assert_array_equal(plain.edge_weight, jitted.edge_weight)


def test_path_is_a_pytree() -> None:
    path = sg.top_path(lambda x: jnp.sum(jnp.sin(x)))(jnp.arange(3.0))
    copied = jax.tree.map(lambda leaf: leaf + 0 if leaf.dtype != bool else leaf, path)
    assert str(copied) == str(path)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(path))


@pytest.mark.parametrize(
    ("f", "x", "start"),
    [
        (lambda x: jnp.sum(x), [1.0, 1.0, 1.0], 0),
        (lambda x: jnp.sum(x * np.array([1.0, 2.0, 2.0])), [1.0, 1.0, 1.0], 1),
        (lambda x: jnp.max(x), [1.0, 2.0, 2.0], 1),
        (lambda x: jnp.sum(-x), [1.0, 1.0, 1.0], 0),
        (lambda x: jnp.sum(x * 0.0), [1.0, 1.0, 1.0], 0),
    ],
    ids=["all equal", "two equal", "tied maximum", "all negative", "all zero"],
)
def test_lowest_start_wins_a_tie(f: Any, x: list[float], start: int) -> None:
    path = sg.top_path(f)(jnp.asarray(x))
    assert int(path.start_index) == start


def test_first_argument_wins_a_tie() -> None:
    path = sg.top_path(lambda x, y: jnp.sum(x + y), argnums=(0, 1))(jnp.ones(2), jnp.ones(2))
    assert (int(path.start), int(path.start_index)) == (0, 0)


def test_lowest_index_wins_a_tie_on_the_way() -> None:
    """From the one start three nodes are equally good; the path goes through the first."""
    f = lambda x: jnp.sum(jnp.broadcast_to(x[None], (3,)) * 2.0)
    path = sg.top_path(f)(jnp.float64(1.0))
    assert [int(path.index[i]) for i in np.flatnonzero(path.visited)][:-1] == [0] * (
        int(np.sum(path.visited)) - 1
    )


def test_every_path_negative() -> None:
    f = lambda x: -jnp.sum(jnp.exp(x) * np.array([2.0, 1.0, 3.0]))
    path = sg.top_path(f)(jnp.zeros(3))
    np.testing.assert_allclose(path.weight, -1.0)
    assert int(path.start_index) == 1
    np.testing.assert_allclose(_product(path), -1.0)


def test_two_negatives_make_a_top_path() -> None:
    f = lambda x: jnp.sum(x * np.array([-2.0, 1.0])) * -3.0
    path = sg.top_path(f)(jnp.ones(2))
    np.testing.assert_allclose(path.weight, 6.0)
    assert int(path.start_index) == 0


def test_a_path_of_weight_zero_beats_a_negative_one() -> None:
    f = lambda x: jnp.sum(jnp.maximum(x, 0.0) - 2.0 * x)
    path = sg.top_path(f)(jnp.asarray([-1.0]))
    assert float(path.weight) == 0.0
    weights = [float(path.edge_weight[i]) for i in np.flatnonzero(path.visited)]
    assert 0.0 in weights
    assert "max" in [path.steps[i].primitive for i in np.flatnonzero(path.visited)]


def test_zero_edge_to_a_negative_rest_and_no_edge_are_told_apart() -> None:
    """The zero edge leads to nodes behind which every path is negative; where there is no edge
    there is nothing to go to."""
    f = lambda x: -jnp.sum(jnp.exp(x @ jnp.asarray([[0.0, 1.0], [1.0, 0.0]])))
    path = sg.top_path(f)(jnp.zeros(2))
    assert float(path.weight) == 0.0
    visited = [path.steps[i].primitive for i in np.flatnonzero(path.visited)]
    assert "dot_general" in visited
    assert int(path.index[[s.primitive for s in path.steps].index("dot_general")]) == 0


def test_parallel_edges_are_walked_one_at_a_time() -> None:
    path = sg.top_path(lambda x: x * x)(jnp.float64(3.0))
    np.testing.assert_allclose(path.weight, 3.0)
    np.testing.assert_allclose(_product(path), 3.0)


def test_pytrees_and_auxiliary_data() -> None:
    def f(params: dict[str, Array], x: Array) -> tuple[Array, Array]:
        return jnp.sum(params["w"] @ x) * params["b"], x

    params = {"b": jnp.float64(2.0), "w": jnp.asarray([[1.0, 5.0], [2.0, 3.0]])}
    path = sg.top_path(f, has_aux=True)(params, jnp.asarray([3.0, 1.0]))
    # d/db = sum(w @ x) has one path per product w_ij x_j, but b's own edge comes last
    np.testing.assert_allclose(path.weight, 17.0)
    name, shape = path.sources[int(path.start)]
    assert "b" in name
    assert shape == ()


def test_no_path() -> None:
    path = sg.top_path(lambda x: jnp.sum(jax.lax.stop_gradient(x)))(jnp.ones(3))
    assert float(path.weight) == -np.inf
    assert "no path" in str(path)


def test_argument_that_is_the_result() -> None:
    path = sg.top_path(lambda x: x)(jnp.float64(2.0))
    assert float(path.weight) == 1.0
    assert not np.any(path.visited)


def test_prints_every_step() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("hidden"):
            h = jnp.tanh(x)
        with jax.named_scope("readout"):
            return jnp.sum(h * np.array([[1.0, 2.0], [4.0, 3.0]]))

    path = sg.top_path(f)(jnp.zeros((2, 2)))
    text = str(path)
    for part in ("tanh[1, 0]", "mul[1, 0]", "reduce_sum", "hidden", "readout", "test_top_path.py"):
        assert part in text, text
    assert "weight 4" in text
    lines = [line for line in text.splitlines() if "tanh" in line or "mul" in line]
    assert [line.split()[0] for line in lines] == ["1", "4"]


def test_prints_something_for_a_batch_and_under_jit() -> None:
    f = lambda x: jnp.sum(jnp.sin(x))
    assert "path[i]" in str(jax.vmap(sg.top_path(f))(jnp.ones((2, 3))))
    printed = []
    jax.jit(lambda x: printed.append(str(sg.top_path(f)(x))))(jnp.ones(3))
    assert printed


@pytest.mark.float32
def test_top_path_of_bert() -> None:
    import bert

    params = bert.model(layers=1).params
    embeddings = params["bert"]["embeddings"]["word_embeddings"]["embedding"]

    def f(table: Array) -> Array:
        own = jax.tree.map(lambda p: p, params)
        own["bert"]["embeddings"]["word_embeddings"]["embedding"] = table
        return bert.logit_difference(bert.model(layers=1), own, bert.IDS)

    path = jax.jit(sg.top_path(f))(embeddings)
    assert path.weight > 0
    np.testing.assert_allclose(_product(path), path.weight, rtol=1e-5)
    token = np.unravel_index(int(path.start_index), embeddings.shape)[0]
    assert token in {*bert.IDS[0].tolist(), 5, 6}  # read by the input, or by the tied head
