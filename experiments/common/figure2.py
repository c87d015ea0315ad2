"""The paper's Figure 2: its numbers, a summary like it, and its claims as questions to that.

The numbers are those behind the figure. They come from the outputs of the paper's code, and were
computed as `--max_product=published` does.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.common import ablation
from experiments.common.branch_flow import BRANCHES
from experiments.common.report import Finding
from experiments.common.summary import bootstrap_mean

TYPES = ("first", "repeated", "other")
GROUPS = ("all tokens", *TYPES)
# Mean value by branch, as far as they are known.
MEANS: Mapping[str, Mapping[str, float]] = {
    "all tokens": {"skip": 0.0094, "key": 0.0301, "query": 0.0174, "value": 0.0010},
    "first": {"skip": 0.095, "key": 0.095, "query": 0.174, "value": 0.001},
    "repeated": {"skip": 0, "key": 0.269, "query": 0, "value": 0},
    "other": {"skip": 0, "key": 0.009, "query": 0, "value": 0},
}


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim that one mean is larger than others.

    Attributes:
        what: The claim.
        paper: The paper's numbers for it.
        larger: Group and branch of the mean that should be the largest.
        others: Groups and branches of those that it is compared with.
    """

    what: str
    paper: str
    larger: tuple[str, str]
    others: tuple[tuple[str, str], ...]


_EVERY = tuple((group, branch) for group in TYPES for branch in BRANCHES)
CLAIMS = (
    Claim(
        "the key of the repeated token carries more than any other branch of any token",
        "yes; .269 against .174 (query of the first)",
        ("repeated", "key"),
        tuple(cell for cell in _EVERY if cell != ("repeated", "key")),
    ),
    Claim(
        "the first token goes by its query more than by any other branch",
        "yes; .174 against .095 (key, skip)",
        ("first", "query"),
        tuple(("first", branch) for branch in BRANCHES if branch != "query"),
    ),
    # Not in the paper's words: a path by the skip connection passes nothing that could make its
    # weight small, so that within attention the question is a fairer one.
    Claim(
        "within attention, skip left aside, the key of the repeated token carries most",
        "yes; .269 against .174 (query of the first)",
        ("repeated", "key"),
        tuple(cell for cell in _EVERY if cell != ("repeated", "key") and cell[1] != "skip"),
    ),
    Claim(
        "within attention, the first token goes by its query more than by key or value",
        "yes; .174 against .095 (key)",
        ("first", "query"),
        (("first", "key"), ("first", "value")),
    ),
    Claim(
        "the key carries more of the repeated token than of other tokens",
        "yes; .269 against .009",
        ("repeated", "key"),
        (("other", "key"),),
    ),
    Claim(
        "other tokens go by their keys more than by their values",
        "yes; .009 against 0",
        ("other", "key"),
        (("other", "value"),),
    ),
)


def types_of(inputs: np.ndarray) -> np.ndarray:
    """Returns the type of each token, an index into `TYPES`: int [point, position].

    Args:
        inputs: int [point, position], in which the first token is repeated once at most.
    """
    types = np.where(inputs == inputs[:, :1], TYPES.index("repeated"), TYPES.index("other"))
    types[:, 0] = TYPES.index("first")
    return types


def places_of_types(inputs: np.ndarray, seed: int) -> np.ndarray:
    """Returns where a token of each of `TYPES` stands, -1 where none does.

    Args:
        inputs: int [point, position].
        seed: Chooses among tokens of one type.
    """
    types = types_of(inputs)
    order = np.random.default_rng(seed).random(inputs.shape)
    places = []
    for number in range(len(TYPES)):
        is_of = types == number
        place = np.where(is_of, order, 2).argmin(axis=1)
        places.append(np.where(is_of.any(axis=1), place, -1))
    return np.stack(places, axis=1).astype(np.int32)


def tidy(inputs: np.ndarray, labels: np.ndarray, flow: np.ndarray) -> pd.DataFrame:
    """Returns a table of one model with one row for each point, token and branch.

    Args:
        inputs: int [point, position].
        labels: int [point].
        flow: [point, position, branch].
    """
    point, position, branch = (place.ravel() for place in np.indices(flow.shape))
    return pd.DataFrame(
        {
            "point": point,
            "position": position,
            "token": inputs[point, position],
            "label": labels[point],
            "type": np.array(TYPES)[types_of(inputs)[point, position]],
            "branch": np.array(BRANCHES)[branch],
            "value": flow.ravel(),
        }
    )


def summarise(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Summarises tables of several models.

    Args:
        table: As `tidy` makes it, with the columns `weights` and `model` before.
        seed: Seed of the bootstrap.

    Returns:
        One row for each of `weights`, of `GROUPS` and of the branches: the mean over tokens, its
        95 % bootstrap interval [low, high] over models, the median over tokens, and the numbers of
        tokens and models.
    """
    return pd.DataFrame(list(_rows(table, seed)))


def _rows(table: pd.DataFrame, seed: int) -> Iterator[dict[str, Any]]:
    for weights, of_weights in table.groupby("weights", sort=False):
        for group in GROUPS:
            is_of = of_weights["type"] == group
            cells = of_weights if group == "all tokens" else of_weights[is_of]
            for branch in BRANCHES:
                cell: Any = cells[cells["branch"] == branch]
                values, models = cell["value"].to_numpy(float), cell["model"].to_numpy()
                low, high = bootstrap_mean(values, models, seed)
                yield {
                    "weights": weights,
                    "tokens": group,
                    "branch": branch,
                    "mean": values.mean(),
                    "low": low,
                    "high": high,
                    "median": np.median(values),
                    "n": len(values),
                    "models": len(set(models)),
                }


def by_model(table: pd.DataFrame) -> pd.DataFrame:
    """Returns means over tokens, by `weights`, `model`, `type` and `branch`."""
    keys = ["weights", "model", "type", "branch"]
    means: Any = table.groupby(keys, sort=False)["value"].mean()
    return means.reset_index()


def cuts(
    inputs: np.ndarray, found: Sequence[tuple[str, int, Mapping[str, np.ndarray]]], seed: int
) -> pd.DataFrame:
    """Returns the effects of cuts in the trained models, a model being the unit.

    Args:
        inputs: int [point, position].
        found: For each model what its weights are, its number, and its `flow`
            [point, position, branch] and `effects` [point, type, branch].
        seed: As `places_of_types` was given it.
    """
    places = places_of_types(inputs, seed)
    only = np.array([[branch in ("key", "value") for branch in BRANCHES]])
    units, tokens, effects, flows, matters = [], [], [], [], []
    for weights, number, arrays in found:
        for kind, name in enumerate(TYPES if weights == "trained" else ()):
            rows = np.flatnonzero(places[:, kind] >= 0)
            units += [number] * len(rows)
            tokens += [f"{name} token"] * len(rows)
            effects += list(arrays["effects"][rows, kind][:, None])
            flows += list(arrays["flow"][rows, places[rows, kind]][:, None])
            matters += [np.ones_like(only) if name == "first" else only] * len(rows)
    return ablation.tidy(units, tokens, effects, flows, matters)


def numbers(summary: pd.DataFrame) -> list[Finding]:
    """Sets the means of the trained models beside the paper's."""
    return [
        Finding(
            f"{row['tokens']}, {row['branch']}",
            f"{MEANS[row['tokens']][row['branch']]:.3g}",
            f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}]",
        )
        for row in summary.to_dict("records")
        if row["weights"] == "trained"
    ]


def claims(table: pd.DataFrame, seed: int) -> list[Finding]:
    """Puts the paper's claims to the trained models, and to those that were never trained.

    A claim holds if the difference to the largest of the others is above 0 with all of its 95 %
    bootstrap interval over models.
    """
    means = by_model(table)
    wide: Any = means.pivot(index=["weights", "model"], columns=["type", "branch"], values="value")
    trained, random = (
        wide[wide.index.get_level_values("weights") == name] for name in ("trained", "random")
    )
    return [_put(claim, trained, random, seed) for claim in CLAIMS]


def _put(claim: Claim, trained: pd.DataFrame, random: pd.DataFrame, seed: int) -> Finding:
    others = list(claim.others)
    most: Any = trained[others].mean().idxmax()
    larger = trained[claim.larger].to_numpy()
    more = larger - trained[most].to_numpy()
    low, high = bootstrap_mean(more, np.arange(len(more)), seed)

    def count(wide: pd.DataFrame) -> str:
        holds = wide[claim.larger].to_numpy() > wide[others].to_numpy().max(axis=1)
        return f"{holds.sum()} of {len(wide)}"

    why = f"The difference is {more.mean():.2g} [{low:.2g}, {high:.2g}]; it holds in "
    why += f"{count(trained)} models"
    why += f", with random weights in {count(random)} draws." if len(random) else "."
    second = f" ({most[1]} of {most[0]})" if len(others) > 1 else ""
    here = f"{larger.mean():.3g} against {trained[most].mean():.3g}{second}"
    return Finding(claim.what, claim.paper, here, bool(low > 0), why)


def findings(table: pd.DataFrame, summary: pd.DataFrame, seed: int) -> Sequence[Finding]:
    """Returns claims, then numbers."""
    return [*claims(table, seed), *numbers(summary)]
