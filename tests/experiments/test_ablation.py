"""Cuts: against a model whose weights are edited instead; and what is said about them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from experiments.common import ablation
from experiments.common import branch_flow as bf
from experiments.common.batching import make_batches
from experiments.common.encoding import encode
from experiments.common.models import load_masked_lm


@pytest.fixture(scope="module")
def cut(tiny_bert, generated):
    """The first sentence's arguments, its subject, and what each cut of it changes."""
    masked_lm = load_masked_lm(tiny_bert)
    examples, _ = encode(generated, masked_lm.tokenizer)
    batch = make_batches(examples, 4)[0]
    quantity = bf.quantity_of_interest(masked_lm.model, "logit")
    place = 1
    args = tuple(
        array[place]
        for array in (batch.input_ids, batch.attention_mask, batch.mask, batch.right, batch.wrong)
    )
    subject = examples[batch.rows[place]].subject
    compute = jax.jit(ablation.effects_of_cuts(quantity, 2))
    return masked_lm, quantity, args, subject, compute


def test_a_cut_gives_one_consumer_the_mean_row(cut):
    """The first layer's input is known: the cut of its key is an edit of the keys that come out."""
    masked_lm, _, args, subject, compute = cut
    params = masked_lm.model.params
    effects = compute(subject, args[1], params, *args)
    module = masked_lm.model.module
    ids, mask = args[0][None], args[1][None]

    def run():
        position = jnp.arange(ids.shape[1])[None]
        inputs = (ids, mask, jnp.zeros_like(ids), position, None)
        return module.apply({"params": params}, *inputs, capture_intermediates=True)

    plain, state = jax.jit(run)()
    seen = state["intermediates"]["bert"]
    entering = seen["embeddings"]["__call__"][0][0]
    mean = entering[: mask.sum()].mean(axis=0)
    attention = params["bert"]["encoder"]["layer"]["0"]["attention"]["self"]
    own = seen["encoder"]["layer"]["0"]["attention"]["self"]
    heads = {
        name: np.array(own[name]["__call__"][0][0]).reshape(len(ids[0]), 2, 4)
        for name in ("query", "key", "value")
    }
    edited = mean @ attention["key"]["kernel"] + attention["key"]["bias"]
    heads["key"][subject] = edited.reshape(2, 4)
    scores = np.einsum("qhd,khd->hqk", heads["query"], heads["key"]) / 2
    scores[:, :, mask.sum() :] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    attended = np.einsum("hqk,khd->qhd", weights, heads["value"]).reshape(1, len(ids[0]), 8)

    def replaced(next_fun, args, kwargs, context):
        out = next_fun(*args, **kwargs)
        path = "/".join(context.module.path)
        if path.endswith("layer/0/attention/self") and context.method_name == "__call__":
            return (jnp.asarray(attended), *out[1:])
        return out

    with nn.intercept_methods(replaced):
        changed, _ = jax.jit(lambda: run())()  # a function of its own, or it would be cached
    at, right, wrong = args[2:]

    def preference(out):
        return out.logits[0, at, right] - out.logits[0, at, wrong]

    expected = preference(changed) - preference(plain)
    assert abs(expected) > 1e-4
    np.testing.assert_allclose(effects[0, bf.BRANCHES.index("key")], expected, rtol=2e-3)


def test_what_cannot_matter_changes_nothing(cut):
    masked_lm, _, args, subject, compute = cut
    effects = np.asarray(compute(subject, args[1], masked_lm.model.params, *args))
    assert effects.shape == (2, 4)
    forced = [bf.BRANCHES.index(branch) for branch in ("skip", "query")]
    assert not effects[1, forced].any()
    assert (effects[0] != 0).all()
    assert (effects[1, [bf.BRANCHES.index(branch) for branch in ("key", "value")]] != 0).all()


def make_table(effects, flows, matters=None):
    count = len(effects)
    matters = np.ones(effects[0].shape, bool) if matters is None else matters
    return ablation.tidy(range(count), ["subject"] * count, effects, flows, [matters] * count)


def test_table_marks_the_branch_of_the_top_path():
    effects = [np.array([[1.0, -2.0, 0.5, 0.0], [0.0, 3.0, 0.0, -1.0]])]
    flows = [np.array([[0.0, 0.7, 0.0, 0.0], [0.0, 0.0, 0.0, 0.2]])]
    matters = np.array([[True] * 4, [False, True, False, True]])
    table = make_table(effects, flows, matters)
    assert table.branch.tolist() == [*bf.BRANCHES, "key", "value"]
    assert table.query("top")[["layer", "branch", "change"]].values.tolist() == [
        [0, "key", -2.0],
        [1, "value", -1.0],
    ]
    row = ablation.summarise(table, seed=0).set_index("layer").loc[0]
    assert (row.top, row.others) == (2.0, 0.5)
    assert (row.largest, row.chance) == (1.0, 0.25)
    assert ablation.summarise(table, seed=0).set_index("layer").loc["all", "top"] == 1.5


def test_a_token_without_a_top_path_is_left_out():
    table = make_table([np.ones((1, 4))] * 2, [np.zeros((1, 4)), np.eye(4)[:1]])
    assert table.token.unique().tolist() == [1]
    assert ablation.summarise(table[:0], seed=0).empty


def test_interval_is_of_the_paired_difference():
    """Sentences differ by far more than branches do: only in pairs is the difference seen."""
    rng = np.random.default_rng(0)
    base = rng.exponential(10, size=80)
    flows = [np.eye(4)[:1]] * 80
    effects = [
        np.array([[size + 0.1 + 0.02 * noise, size, -size, size]])
        for size, noise in zip(base, rng.normal(size=80), strict=True)
    ]
    row = ablation.summarise(make_table(effects, flows), seed=0).iloc[0]
    assert 0.09 < row.more_than_others_low < row.more_than_others < row.more_than_others_high < 0.11
    assert 0 < row.more_than_random < row.more_than_others
    none = [np.abs(effect[:, [1, 1, 2, 3]]) for effect in effects]
    row = ablation.summarise(make_table(none, flows), seed=0).iloc[0]
    assert row.more_than_others == pytest.approx(0, abs=1e-12)
