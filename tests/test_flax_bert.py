"""Stock `FlaxBertForMaskedLM`: equal to `jax.grad`, blind to padding, finite at depth."""

from typing import Any

import bert
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import assert_trees_close, primitives_of
from transformers import BertConfig
from transformers.models.bert.modeling_flax_bert import FlaxBertLayer

import semigrad as sg

Array = Any

# The primitives of the traced model, on JAX 0.10.2 and on 0.12 (iota numbers the positions).
FORWARD = set(
    """
    add broadcast_in_dim convert_element_type copy div dot_general erfc exp gather gt iota jit lt
    max mul neg reduce_max reduce_sum reshape rsqrt select_n slice sqrt square squeeze
    stop_gradient sub transpose
    """.split()  # noqa: SIM905
)
DROPOUT = {
    "bitcast_convert_type",
    "or",
    "random_bits",
    "random_fold_in",
    "shift_right_logical",
}


def _loss(params: Any, ids: Array) -> Array:
    return bert.logit_difference(bert.model(layers=1), params, ids)


def _dropped(params: Any, ids: Array, key: Array) -> Array:
    out = bert.model(layers=1)(ids, params=params, dropout_rng=key, train=True)
    return out.logits[0, bert.MASK, 5]


@pytest.mark.float32
def test_golden_list_of_primitives() -> None:
    params = bert.model(layers=1).params
    found = primitives_of(jax.make_jaxpr(_loss)(params, bert.IDS))
    assert found == FORWARD
    key = jax.random.key(0)
    dropped = primitives_of(jax.make_jaxpr(_dropped)(params, bert.IDS, key))
    assert dropped <= {*FORWARD, *DROPOUT, "random_wrap", "random_unwrap"}
    assert dropped >= DROPOUT
    numbering = {"iota"}  # reads no operand: nothing to differentiate in
    assert not (found | dropped) - numbering - set(sg.coverage().handled)


@pytest.mark.float32
def test_equals_jax_grad_on_parameters() -> None:
    params = bert.model(layers=1).params
    got = jax.jit(sg.backprop(_loss, sg.SumProduct()))(params, bert.IDS)
    want = jax.jit(jax.grad(_loss))(params, bert.IDS)
    assert_trees_close(got, want, 1e-5)


@pytest.mark.float32
def test_equals_jax_grad_with_dropout() -> None:
    params, key = bert.model(layers=1).params, jax.random.key(3)
    got = jax.jit(sg.backprop(_dropped, sg.SumProduct()))(params, bert.IDS, key)
    want = jax.jit(jax.grad(_dropped))(params, bert.IDS, key)
    assert_trees_close(got, want, 1e-5)


def _on_embeddings(table: Array, ids: Array, mask: Array | None = None) -> Array:
    """The loss as a function of the word embeddings alone."""
    params = jax.tree.map(lambda p: p, bert.model(layers=1).params)
    params["bert"]["embeddings"]["word_embeddings"]["embedding"] = table
    return bert.logit_difference(bert.model(layers=1), params, ids, mask)


def _table() -> Array:
    return bert.model(layers=1).params["bert"]["embeddings"]["word_embeddings"]["embedding"]


@pytest.mark.float32
def test_equals_jax_grad_on_embeddings_jitted_and_vmapped() -> None:
    ids = np.array([[[2, 4, 7]], [[3, 3, 10]], [[0, 9, 1]]], np.int32)
    got = jax.jit(jax.vmap(sg.backprop(_on_embeddings, sg.SumProduct()), (None, 0)))(_table(), ids)
    want = jax.jit(jax.vmap(jax.grad(_on_embeddings), (None, 0)))(_table(), ids)
    assert_trees_close(got, want, 1e-5)


@pytest.mark.float32
def test_padding_changes_nothing() -> None:
    """Sentences of two lengths, padded and mapped: each is as it is by itself."""
    ids = np.array([[[2, 4, 7, 0]], [[3, 3, 10, 8]]], np.int32)
    masks = np.array([[[1, 1, 1, 0]], [[1, 1, 1, 1]]], np.int32)
    semiring = sg.Product(sg.MaxProduct(), sg.SumProduct())
    f = sg.intermediates(_on_embeddings, semiring, at=["*/embeddings", "*/layer/0/attention"])
    batch = jax.jit(jax.vmap(f, (None, 0, 0)))(_table(), ids, masks)
    alone = jax.jit(f)(_table(), ids[0, :, :3], masks[0, :, :3])
    assert set(batch) == set(alone)
    for name, element in batch.items():
        words = jax.tree.map(lambda x: x[0, :, :3], element)
        assert_trees_close(words, alone[name], 1e-5)
        for leaf in (element[0].max, element[0].min, element[1]):
            # nothing reads a padding token: its paths, if any, all have weight 0
            padding = leaf[0, :, 3:]
            assert np.all((padding == 0) | np.isinf(padding))


_DEPTH = 48


def _deep_entropy(dtype: str) -> sg.PathEntropy:
    """The entropy of each token's paths through stock layers, one after another."""
    config = BertConfig(hidden_size=128, num_attention_heads=4, intermediate_size=512)
    layer = FlaxBertLayer(config, dtype=jnp.dtype(dtype))
    rng = np.random.default_rng(0)
    tokens, mask = jnp.asarray(rng.normal(size=(1, 32, 128)), dtype), jnp.ones((1, 32), int)
    shapes = jax.eval_shape(lambda key: layer.init(key, tokens, mask, None), jax.random.key(0))

    def value(path: Any, leaf: Any) -> Array:
        shape = (_DEPTH, *leaf.shape)
        if path[-1].key == "kernel":
            return jnp.asarray(rng.normal(0.0, 0.05, shape), dtype)
        return jnp.full(shape, 1.0 if path[-1].key == "scale" else 0.0, dtype)

    params = jax.tree_util.tree_map_with_path(value, shapes)

    def f(tokens: Array, params: Any) -> Array:
        # in a loop, so that a layer is compiled once
        out, _ = jax.lax.scan(lambda x, p: (layer.apply(p, x, mask, None)[0], None), tokens, params)
        return out[0, bert.MASK, 5] - out[0, bert.MASK, 6]

    element = jax.jit(sg.backprop(f, sg.Entropy()))(tokens, params)
    return sg.Entropy().sum(element, axis=-1)


@pytest.mark.float32
def test_entropy_of_48_layers_in_float32() -> None:
    """Finite, and within 1e-5 of float64, relative."""
    got = _deep_entropy("float32")
    with jax.enable_x64(True):
        want = _deep_entropy("float64")
    assert got.entropy.dtype == np.float32 and want.entropy.dtype == np.float64
    assert np.all(np.isfinite(got.entropy)) and np.all(np.isfinite(got.log_mass))
    assert np.all(np.asarray(want.log_mass) > 89)  # e^89 is not in float32
    np.testing.assert_allclose(got.entropy, want.entropy, rtol=1e-5)
    np.testing.assert_allclose(got.log_mass, want.log_mass, rtol=1e-5)
