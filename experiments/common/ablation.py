"""Does the branch that the top gradient path takes matter more than the others? Cut each and see.

To cut a branch at one layer for one token, that token's row of what the branch reads is replaced by
the mean row of the input's tokens, and of nothing else: a projection (query, key, value) reads the
mean for this token while the other branches read the token itself; cutting the skip connection
changes the residual addition only. What the token has in common with the others stays, what is its
own is gone. The change of the quantity of interest is the effect of the cut.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import linen as nn
from transformers import FlaxBertForMaskedLM

from experiments.common import branch_flow
from experiments.common.batching import Batch
from experiments.common.branch_flow import BRANCH_OF_SCOPE, BRANCHES
from experiments.common.encoding import Example
from experiments.common.report import Finding
from experiments.common.summary import bootstrap_mean

COLUMNS = ("unit", "tokens", "token", "layer", "branch", "change", "top")

_PLACE = re.compile(rf"layer/(\d+)/({'|'.join(BRANCH_OF_SCOPE)})$")


def effects_of_cuts(
    quantity: Callable[..., jax.Array], num_layers: int
) -> Callable[..., jax.Array]:
    """Returns what each cut changes: `f(position, tokens, *args) -> [layer, branch]`.

    Args:
        quantity: The scalar of interest, a function of `args`, of a stock Flax BERT applied to a
            batch of one.
        num_layers: How many layers it has.

    Returns:
        A function of the token's position (int32 []), of which positions hold tokens ([length], 1
        or 0), and of the arguments of `quantity`. It returns the quantity with the cut minus that
        without, in the quantity's unit.
    """
    # The first cuts nothing: what the same program computes is compared, to the last bit.
    layer, branch = (np.r_[-1, place.ravel()] for place in np.indices((num_layers, len(BRANCHES))))

    def effects(position: jax.Array, tokens: jax.Array, *args: Any) -> jax.Array:
        def with_cut(cut: tuple[jax.Array, jax.Array]) -> jax.Array:
            with nn.intercept_methods(_cutting(*cut, position, tokens)):
                return quantity(*args)

        values = jax.lax.map(with_cut, (jnp.asarray(layer), jnp.asarray(branch)))
        return (values[1:] - values[0]).reshape(num_layers, len(BRANCHES))

    return effects


def of_sentences(model: FlaxBertForMaskedLM, qoi: str) -> Callable[..., jax.Array]:
    """Returns the jitted effects of cuts in a batch of sentences.

    Args:
        model: A stock masked LM. Its parameters are an argument of what is returned.
        qoi: A key of `branch_flow.QUANTITIES`.

    Returns:
        `(params, subjects, input_ids, attention_mask, mask, right, wrong) -> effects`
        [batch, layer, branch]: `subjects` are the positions of the tokens, then come the arguments
        of `branch_flow.quantity_of_interest`.
    """
    quantity = branch_flow.quantity_of_interest(model, qoi)
    effects = effects_of_cuts(quantity, model.config.num_hidden_layers)

    def sentence(
        params: Any, subject: jax.Array, ids: jax.Array, own: jax.Array, *rest: Any
    ) -> Any:
        return effects(subject, own.astype(float), params, ids, own, *rest)

    return jax.jit(jax.vmap(sentence, in_axes=(None, 0, 0, 0, 0, 0, 0)))


def subjects(batch: Batch, examples: Sequence[Example]) -> np.ndarray:
    """Returns where the subjects of a batch's sentences are, int32 [batch].

    Of a sentence without a subject, and of filler, it is the first token.
    """
    found = np.zeros(len(batch.mask), np.int32)
    found[: len(batch.rows)] = [examples[row].subject or 0 for row in batch.rows]
    return found


def _cutting(
    layer: jax.Array, branch: jax.Array, position: jax.Array, tokens: jax.Array
) -> Callable[..., Any]:
    """Makes the interceptor that cuts a branch, all of whose places are traced numbers."""

    def cut(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
        place = _PLACE.search("/".join(context.module.path))
        if place is None or context.method_name != "__call__":
            return next_fun(*args, **kwargs)
        own = BRANCH_OF_SCOPE[place[2]]
        reads = 1 if own == "skip" else 0  # the residual addition reads its second argument
        rows = args[reads]
        mean = jnp.einsum("btu,t->bu", rows, tokens / tokens.sum())[:, None]
        here = (layer == int(place[1])) & (branch == BRANCHES.index(own))
        at = (jnp.arange(rows.shape[1]) == position)[None, :, None]
        rows = jnp.where(here & at, mean, rows)
        return next_fun(*args[:reads], rows, *args[reads + 1 :], **kwargs)

    return cut


def tidy(
    units: Sequence[Any],
    tokens: Sequence[str],
    effects: Sequence[np.ndarray],
    flows: Sequence[np.ndarray],
    matters: Sequence[np.ndarray],
) -> pd.DataFrame:
    """Returns a table with one row for each token, layer and branch that was cut.

    Args:
        units: For each token, what it comes from: a sentence, or a seed's model.
        tokens: For each token, the group that it is of.
        effects: For each token [layer, branch], of `effects_of_cuts`.
        flows: For each token [layer, branch], the weight of its top path by branch.
        matters: For each token bool [layer, branch], False where the architecture forces that
            nothing changes; such branches are left out.

    Returns:
        Columns `COLUMNS`: `token` numbers the tokens, `top` marks the branch that the top path
        takes. Layers where no path of the token is positive are left out.
    """
    rows = []
    each = zip(units, tokens, effects, flows, matters, strict=True)
    for token, (unit, group, effect, flow, counts) in enumerate(each):
        top = np.where(flow.max(axis=1) > 0, flow.argmax(axis=1), -1)
        for layer, branch in np.argwhere(counts & (top >= 0)[:, None]):
            change, is_top = effect[layer, branch], branch == top[layer]
            rows.append((unit, group, token, layer, BRANCHES[branch], change, is_top))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summarise(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compares the top path's branch with the other branches, and with one drawn at random.

    Args:
        table: As `tidy` makes it; the branches of a token and layer stand one after another.
        seed: Seed of the drawn branches and of the bootstrap.

    Returns:
        One row for each group of tokens and layer, and one for all layers ("all"): the mean
        magnitude of the change by the cut of the `top` path's branch, of the `others` (their mean)
        and of one at `random` (of all, the top one included); by how much the top one's is
        `more_than_others` and `more_than_random`; each with its 95 % bootstrap interval over units
        (`_low`, `_high`; of the differences a paired one); how often the top branch's cut changes
        most (`largest`), and would by `chance`; and the median of the first difference.
    """
    paired = _paired(table, np.random.default_rng(seed))
    return pd.DataFrame(list(_rows(paired, seed)))


def _paired(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Returns one row for each token and layer: magnitudes for the top, other, random branch."""
    if table.empty:
        return pd.DataFrame(columns=["unit", "tokens", "layer", "top", "others", "random"])
    keys = table[["token", "layer"]].to_numpy(dtype=int)
    starts = np.flatnonzero(np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)])
    counts = np.diff(np.r_[starts, len(table)])
    size = np.abs(table["change"].to_numpy(dtype=float))
    top = table["top"].to_numpy(dtype=bool)
    of_top = np.add.reduceat(np.where(top, size, 0), starts)
    others = (np.add.reduceat(size, starts) - of_top) / np.maximum(counts - 1, 1)
    paired = table.iloc[starts][["unit", "tokens", "layer"]].reset_index(drop=True)
    return paired.assign(
        top=of_top,
        others=others,
        random=size[starts + rng.integers(counts)],
        largest=of_top >= np.maximum.reduceat(size, starts),
        chance=1 / counts,
    )


def _rows(paired: pd.DataFrame, seed: int) -> Iterator[dict[str, Any]]:
    for group, of_group in paired.groupby("tokens", sort=False):
        layers = [("all", of_group), *of_group.groupby("layer")]
        for layer, cell in layers[1:] + layers[:1]:
            row: dict[str, Any] = {"tokens": group, "layer": layer}
            compared = {name: cell[name] for name in ("top", "others", "random")}
            for name in ("others", "random"):
                compared[f"more_than_{name}"] = cell["top"] - cell[name]
            for name, values in compared.items():
                low, high = bootstrap_mean(values.to_numpy(), cell["unit"].to_numpy(), seed)
                row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
            row |= {name: cell[name].mean() for name in ("largest", "chance")}
            row["median_more_than_others"] = (cell["top"] - cell["others"]).median()
            yield row | {"n": len(cell), "units": cell["unit"].nunique()}


def findings(summary: pd.DataFrame, unit: str) -> list[Finding]:
    """Says for each group of tokens whether the top path's branch matters more than the others.

    Args:
        summary: As `summarise` makes it.
        unit: Unit of the quantity of interest.
    """
    found = []
    for row in summary.to_dict("records"):
        if row["layer"] != "all":
            continue
        layers = summary.query(f"tokens == {row['tokens']!r} and layer != 'all'")
        for name, what in (("others", "another"), ("random", "one at random")):
            low, high = row[f"more_than_{name}_low"], row[f"more_than_{name}_high"]
            found.append(
                Finding(
                    f"{row['tokens']}: cutting the top path's branch changes more than {what}",
                    "",
                    f"{row['top']:.3g} against {row[name]:.3g} {unit}, by "
                    f"{row[f'more_than_{name}']:.2g} [{low:.2g}, {high:.2g}]",
                    bool(low > 0),
                    _by_layer(layers, row) if name == "others" else "",
                )
            )
    return found


def _by_layer(layers: pd.DataFrame, row: dict[Any, Any]) -> str:
    above = layers.query("more_than_others_low > 0")["layer"]
    named = ", ".join(map(str, above)) or "none"
    by_layer = f"by layer, above 0 with its interval in: {named}; " if len(layers) > 1 else ""
    return (
        f"{by_layer}the median difference is {row['median_more_than_others']:.2g}; the top path's "
        f"cut changes most in {row['largest']:.0%} of cases, by chance {row['chance']:.0%}. "
        "Branches that the architecture keeps from mattering are left out."
    )
