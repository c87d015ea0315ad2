"""Named values: `nodes`, `intermediates`, `branches`, on functions and on stock Flax BERT."""

import functools
from typing import Any

import bert
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from checks import SEMIRINGS, assert_trees_close, expected, product
from jax.ad_checkpoint import checkpoint_name

import semigrad as sg

Array = Any
NAMES = ("sum", "max", "absmax", "entropy", "count")
_W = np.array([[0.9, -0.4, 0.3], [0.0, 1.2, -0.7], [-0.5, 0.6, 0.2]])


def scoped(x: Array) -> Array:
    """A small attention-like graph: one value, "embed", with four consumers in three scopes."""
    with jax.named_scope("embed"):
        h = jnp.tanh(x)
    with jax.named_scope("layer"):
        with jax.named_scope("query"):
            q = _W @ h
        with jax.named_scope("key"):
            k = h * h
        with jax.named_scope("output"):
            y = jax.jit(lambda q, k: q * k)(q, k) + h
    return jnp.sum(y * y[::-1])


X = np.array([0.4, -1.1, 0.8])


def test_nodes_of_scopes() -> None:
    rows = {row.name: row for row in sg.nodes(scoped)(X)}
    assert list(rows) == ["embed", "layer/query", "layer/key", "layer", "layer/output"]
    assert rows["embed"].shape == (3,)
    assert rows["embed"].dtype == "float64"
    assert list(rows["embed"].consumers) == ["layer/query", "layer/key", "layer/output"]
    assert list(rows["layer/query"].consumers) == ["layer/output"]
    assert rows["layer"].consumers == rows["layer/output"].consumers
    assert "embed" in str(sg.nodes(scoped)(X))


def test_nodes_trace_without_computing() -> None:
    rows = sg.nodes(scoped)(jax.ShapeDtypeStruct((3,), jnp.float64))
    assert rows[0].name == "embed"


@pytest.mark.parametrize(
    ("name", "primitive", "scope"),
    [
        ("embed", "tanh", "embed"),
        ("layer/query", "dot_general", "layer/query"),
        ("layer/key", "mul", "layer/key"),
        ("layer", "add", "layer/output"),
        ("layer/output", "add", "layer/output"),
    ],
)
def test_intermediates_are_the_paths_from_the_value(name: str, primitive: str, scope: str) -> None:
    got = sg.intermediates(scoped, product(NAMES), at=name)(X)
    graph = oracles.trace(scoped, X)
    ids = oracles.find(graph, lambda e: e.primitive == primitive and e.scope == scope)
    assert list(got) == [name]
    assert_trees_close(got[name], expected(NAMES, oracles.statistics_from(graph, ids)))


def test_branches_are_the_paths_by_first_consumer() -> None:
    got = sg.branches(scoped, product(NAMES), at="embed")(X)
    assert list(got) == ["embed"]
    assert list(got["embed"]) == ["layer/query", "layer/key", "layer/output"]
    graph = oracles.trace(scoped, X)
    ids = oracles.find(graph, lambda e: e.scope == "embed")
    assert oracles.consumers(graph, ids) == list(got["embed"])
    for consumer, element in got["embed"].items():
        listed = oracles.statistics_from(graph, ids, consumer)
        assert_trees_close(element, expected(NAMES, listed))


@pytest.mark.parametrize("name", SEMIRINGS)
def test_plus_of_the_branches_is_the_whole(name: str) -> None:
    semiring, _ = SEMIRINGS[name]
    whole = sg.intermediates(scoped, semiring, at="*")(X)
    parts = sg.branches(scoped, semiring, at="*")(X)
    assert list(whole) == list(parts)
    for value, branches in parts.items():
        joined = semiring.zero(whole[value].shape if name == "sum" else (3,), jnp.float64)
        for element in branches.values():
            joined = semiring.plus(joined, element)
        assert_trees_close(joined, whole[value])


def test_intermediates_under_jit_and_vmap() -> None:
    xs = np.stack([X, X[::-1] * 0.5])
    f = sg.intermediates(scoped, product(NAMES), at=["embed", "layer/*"])
    batched = jax.jit(jax.vmap(f))(xs)
    for row, x in enumerate(xs):
        assert_trees_close(jax.tree.map(lambda leaf, r=row: leaf[r], batched), f(x))


def test_branches_under_jit_and_vmap() -> None:
    xs = np.stack([X, X[::-1] * 0.5])
    f = sg.branches(scoped, product(NAMES), at="embed")
    batched = jax.jit(jax.vmap(f))(xs)
    for row, x in enumerate(xs):
        assert_trees_close(jax.tree.map(lambda leaf, r=row: leaf[r], batched), f(x))


def test_intermediates_are_differentiable() -> None:
    f = sg.intermediates(scoped, sg.Entropy(), at="embed")
    total = lambda x: jnp.sum(f(x)["embed"].entropy)
    step = 1e-5
    shifted = [total(X + step * np.eye(3)[i]) - total(X - step * np.eye(3)[i]) for i in range(3)]
    np.testing.assert_allclose(jax.grad(total)(X), np.array(shifted) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("embed", ["embed"]),
        ("lay*", ["layer/query", "layer/key", "layer", "layer/output"]),
        ("*/[kq]*", ["layer/query", "layer/key"]),
        ("layer/???", ["layer/key"]),
        (["layer/key", "emb*"], ["embed", "layer/key"]),
        (("embed", "embed"), ["embed"]),
    ],
)
def test_patterns(patterns: Any, names: list[str]) -> None:
    assert list(sg.intermediates(scoped, sg.Count(), at=patterns)(X)) == names


def test_checkpoint_names() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("block"):
            h = checkpoint_name(jnp.sin(x), "hidden")
        return jnp.sum(h * h)

    assert "block/hidden" in [row.name for row in sg.nodes(f)(X)]
    got = sg.intermediates(f, sg.SumProduct(), at="*hidden")(X)
    np.testing.assert_allclose(got["block/hidden"], 2 * np.sin(X))


def test_several_values_that_leave_a_scope_have_indices() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("pair"):
            a, b = jnp.sin(x), jnp.cos(x)
        return jnp.sum(2.0 * a + 3.0 * b)

    got = sg.intermediates(f, sg.SumProduct(), at="pair*")(X)
    assert list(got) == ["pair", "pair:1"]
    np.testing.assert_allclose(got["pair"], np.full(3, 2.0))
    np.testing.assert_allclose(got["pair:1"], np.full(3, 3.0))


def test_a_scope_used_twice_names_two_values() -> None:
    def f(x: Array) -> Array:
        for _ in range(2):
            with jax.named_scope("again"):
                x = jnp.sin(x)
            x = x * 2.0
        return jnp.sum(x)

    got = sg.intermediates(f, sg.SumProduct(), at="again*")(X)
    assert list(got) == ["again", "again:1"]
    np.testing.assert_allclose(got["again:1"], np.full(3, 2.0))
    np.testing.assert_allclose(got["again"], 2.0 * np.cos(2.0 * np.sin(X)) * 2.0)


def test_a_value_without_path_is_zero() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("cut"):
            h = jnp.sin(x)
        return jnp.sum(x * jax.lax.stop_gradient(h))

    semiring = sg.MaxProduct()
    got = sg.intermediates(f, semiring, at="cut")(X)["cut"]
    assert_trees_close(got, semiring.zero((3,), jnp.float64))


def test_a_returned_value_is_one() -> None:
    def f(x: Array) -> Array:
        with jax.named_scope("last"):
            return jnp.sum(x)

    got = sg.intermediates(f, sg.MaxProduct(), at="last")(X)["last"]
    assert_trees_close(got, sg.MaxProduct().one((), jnp.float64))


def test_integer_arguments_are_allowed() -> None:
    def f(table: Array, ids: Array) -> Array:
        with jax.named_scope("embed"):
            h = table[ids]
        return jnp.sum(h * h)

    table, ids = jnp.arange(10.0).reshape(5, 2), jnp.array([1, 3, 1])
    got = sg.intermediates(f, sg.SumProduct(), at="embed")(table, ids)
    np.testing.assert_allclose(got["embed"], 2 * np.asarray(table)[np.asarray(ids)])
    assert list(sg.intermediates(lambda i: f(table, i), sg.Count(), at="embed")(ids)) == ["embed"]


def test_keywords_are_passed_on() -> None:
    f = lambda x, scale: scale * scoped(x)
    got = sg.intermediates(f, sg.SumProduct(), at="embed")(X, scale=2.0)
    want = sg.intermediates(scoped, sg.SumProduct(), at="embed")(X)
    np.testing.assert_allclose(got["embed"], 2 * want["embed"])


# ------------------------------------------------------------------------- stock Flax BERT

_LAYERS = [f"{bert.MODULE}/bert/encoder/layer/{i}" for i in range(2)]
_EMBEDDINGS = f"{bert.MODULE}/bert/embeddings"
_INPUTS = {_LAYERS[0]: _EMBEDDINGS, _LAYERS[1]: _LAYERS[0]}  # a layer: the name of its input


def _difference(params: Any, ids: Array) -> Array:
    return bert.logit_difference(bert.model(), params, ids)


def _four(layer: str) -> list[str]:
    own = [f"{layer}/attention/self/{part}" for part in ("query", "key", "value")]
    return [*own, f"{layer}/attention/output"]


@pytest.mark.float32
def test_bert_names() -> None:
    rows = {row.name: row for row in sg.nodes(_difference)(bert.model().params, bert.IDS)}
    for layer, entering in _INPUTS.items():
        assert list(rows[entering].consumers) == _four(layer)
        assert rows[entering].shape == (1, 3, 4)
        for part in ("attention/output", "intermediate", "output", "attention/self/query"):
            assert f"{layer}/{part}" in rows


_AT = list(_INPUTS.values())
_PARTS = ("sum", "max")


@functools.lru_cache
def _bert_branches() -> dict[str, dict[str, Any]]:
    """The branches at every layer's input; compiled once for the tests below."""
    f = jax.jit(sg.branches(_difference, product(_PARTS), at=_AT))
    return f(bert.model().params, bert.IDS)


@pytest.mark.float32
def test_bert_branches_are_the_four_consumers() -> None:
    parts = _bert_branches()
    f = jax.jit(sg.intermediates(_difference, product(_PARTS), at=_AT))
    whole = f(bert.model().params, bert.IDS)
    assert set(parts) == set(whole) == set(_AT)
    semiring = product(_PARTS)
    for layer, entering in _INPUTS.items():
        assert set(parts[entering]) == set(_four(layer))
        joined = semiring.zero((1, 3, 4), jnp.float32)
        for element in parts[entering].values():
            joined = semiring.plus(joined, element)
        assert_trees_close(joined, whole[entering], 1e-5)


@pytest.mark.float32
def test_bert_intermediates_are_the_gradients_of_zero_perturbations() -> None:
    """Flax itself adds a zero to the outputs of modules; jax.grad differentiates in it."""
    params = bert.model().params
    shapes = {row.name: row.shape for row in sg.nodes(_difference)(params, bert.IDS)}
    names = [
        _EMBEDDINGS,
        *(f"{layer}{part}" for layer in _LAYERS for part in ("", "/attention", "/intermediate")),
        f"{_LAYERS[0]}/attention/self/key",
        f"{_LAYERS[1]}/output/dense",
        f"{bert.MODULE}/cls/predictions/transform",
    ]
    deltas = {name: jnp.zeros(shapes[name]) for name in names}
    f = lambda deltas: bert.perturbed(bert.model(), params, bert.IDS, deltas)
    want = jax.jit(jax.grad(f))(deltas)
    got = jax.jit(sg.intermediates(_difference, sg.SumProduct(), at=names))(params, bert.IDS)
    assert sorted(got) == sorted(names)
    assert_trees_close(got, want, 1e-5)


@pytest.mark.float32
def test_bert_branches_are_the_gradients_in_each_consumers_input() -> None:
    params = bert.model().params
    dense = [name for layer in _LAYERS for name in _four(layer)[:3]]
    deltas = {name: jnp.zeros((1, 3, 4)) for name in dense}
    f = lambda deltas: bert.perturbed(bert.model(), params, bert.IDS, deltas, "input")
    want = jax.jit(jax.grad(f))(deltas)
    for layer, entering in _INPUTS.items():
        for name in _four(layer)[:3]:
            assert_trees_close(_bert_branches()[entering][name][0], want[name], 1e-5)


@pytest.mark.float32
def test_bert_last_layer_reads_only_the_mask() -> None:
    """What the architecture forces: in the last layer query and skip serve MASK alone."""
    parts = {name: element[1] for name, element in _bert_branches()[_LAYERS[0]].items()}
    others = np.array([i for i in range(3) if i != bert.MASK])
    query, key, value, skip = (parts[name] for name in _four(_LAYERS[1]))
    for part in (query, skip):
        other = jax.tree.map(lambda leaf: leaf[0, others], part)
        assert np.all((other.max == 0) | (other.max == -np.inf))
        assert np.any(np.isfinite(part.max[0, bert.MASK]) & (part.max[0, bert.MASK] > 0))
    for part in (key, value):
        assert np.all(part.max[0] > 0)
