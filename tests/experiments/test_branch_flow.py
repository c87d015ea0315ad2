"""Branch flow: against plain loops, without padding, and what BERT's structure forces."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import semigrad as sg
from experiments.common import branch_flow as bf
from experiments.common.batching import Batch, make_batches
from experiments.common.encoding import Example, encode
from experiments.common.models import MaskedLM, load_masked_lm

SKIP, KEY, QUERY, VALUE = range(4)


@pytest.fixture(scope="module")
def masked_lm(tinier_bert) -> MaskedLM:
    return load_masked_lm(str(tinier_bert))


@pytest.fixture(scope="module")
def examples(masked_lm, generated) -> list[Example]:
    examples, left_out = encode(generated, masked_lm.tokenizer)
    assert not left_out
    return examples


@pytest.fixture(scope="module")
def batch(examples) -> Batch:
    return make_batches(examples, batch_size=4)[0]


@pytest.fixture(scope="module")
def compute(masked_lm):
    return bf.branch_flow(masked_lm.model, "logit", "oplus")


@pytest.fixture(scope="module")
def flow(compute, masked_lm, batch):
    assert len(batch.rows) == len(batch.mask)  # no filler
    return np.asarray(compute(masked_lm.model.params, *batch.arrays)[0])


def oplus_by_loops(top: np.ndarray) -> np.ndarray:
    """[token, unit, branch] -> [token, branch]."""
    result = np.zeros((top.shape[0], top.shape[2]), top.dtype)
    for token, by_unit in enumerate(top):
        unit = max(range(len(by_unit)), key=lambda unit: by_unit[unit].max())
        branch = int(np.argmax(by_unit[unit]))
        result[token, branch] = by_unit[unit][branch]
    return result


def bucket_sum_by_loops(top: np.ndarray) -> np.ndarray:
    result = np.zeros((top.shape[0], top.shape[2]), top.dtype)
    for token, by_unit in enumerate(top):
        for values in by_unit:
            result[token, int(np.argmax(values))] += values.max()
    return result


@pytest.mark.parametrize(
    ("aggregate", "loops"), [(bf.oplus, oplus_by_loops), (bf.bucket_sum, bucket_sum_by_loops)]
)
@pytest.mark.parametrize("units", [1, 7])
def test_aggregates_equal_plain_loops(aggregate, loops, units):
    top = np.random.default_rng(units).exponential(size=(5, units, 4)).astype(np.float32)
    top[1] = 0
    top[2, :, 1:] = 0
    np.testing.assert_allclose(aggregate(jnp.asarray(top)), loops(top), rtol=1e-6)


def test_neither_padding_nor_batching_changes_a_sentence(masked_lm, examples, batch, flow):
    model = masked_lm.model
    names = bf.layer_inputs(model)
    branches = sg.branches(bf.quantity_of_interest(model, "logit"), sg.MaxProduct(), at=names)
    example = examples[batch.rows[0]]
    length = len(example.input_ids)
    assert length < batch.input_ids.shape[1]
    elements = jax.jit(branches)(
        model.params,
        example.input_ids,
        np.ones(length, np.int32),
        example.mask,
        example.right,
        example.wrong,
    )
    for layer, name in enumerate(names):
        attention = f"FlaxBertForMaskedLMModule/bert/encoder/layer/{layer}/attention"
        scopes = ("output", "self/key", "self/query", "self/value")
        found = [elements[name][f"{attention}/{scope}"].max[0] for scope in scopes]
        expected = oplus_by_loops(np.maximum(np.stack(found, axis=-1), 0))
        np.testing.assert_allclose(flow[0, layer, :length], expected, rtol=2e-5)
        assert not flow[0, layer, length:].any()


def test_in_the_last_layer_only_mask_has_skip_and_query(batch, flow):
    for place, mask in enumerate(batch.mask):
        others = np.delete(flow[place, -1], mask, axis=0)
        assert not others[:, [SKIP, QUERY]].any()
        assert others[:, [KEY, VALUE]].any()


def test_a_projection_of_zeros_carries_nothing(masked_lm, batch):
    """Tells the branches apart by their weights instead of by their names."""
    compute = bf.branch_flow(masked_lm.model, "log_prob", "bucket_sum")
    intact, _ = compute(masked_lm.model.params, *batch.arrays)
    for branch in ("key", "query", "value"):
        params = jax.tree.map(jnp.asarray, masked_lm.model.params)
        projections = params["bert"]["encoder"]["layer"]["0"]["attention"]["self"]
        projections[branch]["kernel"] = jnp.zeros_like(projections[branch]["kernel"])
        flow, _ = compute(params, *batch.arrays)
        assert intact[:, 0, :, bf.BRANCHES.index(branch)].any()
        assert not flow[:, 0, :, bf.BRANCHES.index(branch)].any()


def test_preference_is_the_models(compute, masked_lm, examples, batch):
    _, preference = compute(masked_lm.model.params, *batch.arrays)
    model = jax.jit(lambda *inputs: masked_lm.model(*inputs).logits)
    logits = model(batch.input_ids, batch.attention_mask)
    for place, row in enumerate(batch.rows):
        scores = logits[place, examples[row].mask]
        expected = scores[examples[row].right] - scores[examples[row].wrong]
        np.testing.assert_allclose(preference[place], expected, rtol=1e-4, atol=1e-5)


def test_log_prob_is_another_quantity_of_the_same_value(masked_lm, batch):
    args = (batch.input_ids[0], batch.attention_mask[0], batch.mask[0])
    forms = (batch.right[0], batch.wrong[0])
    logit, log_prob = (
        jax.jit(bf.quantity_of_interest(masked_lm.model, qoi))(
            masked_lm.model.params, *args, *forms
        )
        for qoi in ("logit", "log_prob")
    )
    np.testing.assert_allclose(logit, log_prob, rtol=1e-4)


def test_a_value_that_is_not_finite_is_refused(compute, masked_lm, examples, batch):
    params = jax.tree.map(lambda leaf: leaf * np.nan, masked_lm.model.params)
    flow, _ = compute(params, *batch.arrays)
    with pytest.raises(FloatingPointError, match=r"grammar:1: the weight .* is not finite"):
        bf.require_finite(examples[0], flow[0])


def test_tidy_has_a_row_for_each_token_layer_and_branch_and_none_for_padding(examples):
    flows = [
        np.random.default_rng(row).random((2, 40, 4)).astype(np.float32)
        for row in range(len(examples))
    ]
    table = bf.tidy(examples, flows)
    lengths = [len(example.input_ids) for example in examples]
    assert len(table) == sum(lengths) * 2 * 4
    keys = ["sentence", "position", "layer", "branch"]
    assert not table.duplicated(keys).any()
    for row in table.sample(50, random_state=0).to_dict("records"):
        example = examples[row["sentence"]]
        branch = bf.BRANCHES.index(row["branch"])
        assert row["value"] == flows[row["sentence"]][row["layer"], row["position"], branch]
        assert row["token"] == example.tokens[row["position"]]
        assert row["role"] == bf.roles(example)[row["position"]]


def test_roles(examples):
    example = dataclasses.replace(examples[0], mask=5, subject=2, attractors=(3, 4))
    roles = bf.roles(example)
    assert roles[:6] == ["other", "other", "subject", "attractor", "attractor", "mask"]
    assert set(roles[6:]) == {"other"}
    assert "subject" not in bf.roles(dataclasses.replace(example, subject=None))
