"""The paper's Figure 4: its numbers, and its claims as questions to a summary.

The numbers are those behind the figure. They come from the outputs of the paper's code, and were
computed as `--max_product=published` does.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.common.branch_flow import BRANCHES
from experiments.common.report import Finding
from experiments.common.summary import GROUPS, bootstrap_difference

ACCURACY = "95.6 %; by attractors 1 to 4: 95.8, 94.7, 93.9, 100 %"
# Mean value by layer.
MEANS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "all tokens": {
        "skip": (0.142, 0.106, 0.125, 0.124, 0.117, 0.066),
        "key": (0.0185, 0.0081, 0.0067, 0.0207, 0.0189, 0.0355),
        "query": (0, 0, 0, 0, 0, 0.0006),
        "value": (0.0040, 0.0024, 0.0022, 0.0075, 0.0202, 0.0360),
    },
    "subject": {
        "skip": (0.299, 0.205, 0.211, 0.211, 0.131, 0),
        "key": (0.0195, 0.0006, 0.0014, 0.0140, 0.0800, 0.1145),
        "query": (0, 0, 0, 0, 0, 0),
        "value": (0, 0.0000, 0.0000, 0.0003, 0.0085, 0.0359),
    },
    "attractors": {
        "skip": (0.190, 0.128, 0.119, 0.034, 0.058, 0),
        "key": (0.0314, 0.0053, 0.0107, 0.0899, 0.0099, 0.0385),
        "query": (0, 0, 0, 0, 0, 0),
        "value": (0.0012, 0.0005, 0.0010, 0.0048, 0.0039, 0.0187),
    },
}

# Mean of each group, layer and branch: [layer, branch].
Means = Mapping[str, np.ndarray]
SKIP, KEY, QUERY, VALUE = (BRANCHES.index(name) for name in ("skip", "key", "query", "value"))


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim about the means.

    Attributes:
        what: The claim.
        groups: The groups of tokens that it is about.
        paper: What the paper says of it.
        here: Says what the means are that it is about.
        holds: Whether it is true of the means.
    """

    what: str
    groups: tuple[str, ...]
    paper: str
    here: Callable[[Means], str]
    holds: Callable[[Means], bool]


def means_of(summary: pd.DataFrame) -> Means:
    """Reads the means out of a summary of one model."""
    by_group = {}
    for group, rows in summary.groupby("tokens", sort=False):
        table = rows.pivot(index="layer", columns="branch", values="mean")
        by_group[str(group)] = table[list(BRANCHES)].to_numpy()
    return by_group


def shares(means: np.ndarray) -> np.ndarray:
    """Returns each branch's share of its layer's sum; NaN where that is 0."""
    total = means.sum(axis=-1, keepdims=True)
    return np.divide(means, total, out=np.full_like(means, np.nan), where=total > 0)


def numbers(means: Means) -> list[Finding]:
    """Sets the means by layer beside the paper's, for each group of tokens and branch."""
    rows = []
    for group, by_branch in MEANS.items():
        if group not in means:
            continue
        for branch in BRANCHES:
            here = means[group][:, BRANCHES.index(branch)]
            what = f"{group}, {branch}, layers 0 to {len(here) - 1}"
            rows.append(Finding(what, _row(by_branch[branch]), _row(here)))
    return rows


def claims(
    means: Means, controls: Sequence[Means], more: Mapping[str, tuple[float, float, float]]
) -> list[Finding]:
    """Puts the paper's claims to the means, and to those of models that were never trained.

    Args:
        means: Of the model.
        controls: Of models with random weights.
        more: Of claims that one thing is more than another, by how much it is, and the 95 %
            interval of that: unless all of it is above 0 such a claim does not hold.
    """
    found = []
    for claim in CLAIMS:
        if not all(group in means for group in claim.groups):
            continue
        holds, why = claim.holds(means), []
        if claim.what in more:
            difference, low, high = more[claim.what]
            holds = low > 0
            why.append(f"The difference is {difference:.2g} [{low:.2g}, {high:.2g}].")
        if controls:
            also = sum(claim.holds(control) for control in controls)
            why.append(f"With random weights it holds in {also} of {len(controls)} draws.")
        found.append(
            Finding(claim.what, claim.paper, claim.here(means), bool(holds), " ".join(why))
        )
    return found


def differences(table: pd.DataFrame, seed: int) -> dict[str, tuple[float, float, float]]:
    """Measures what the claims about the last layer compare, with 95 % bootstrap intervals.

    Args:
        table: As `branch_flow.tidy` makes it.
        seed: Seed of the bootstrap, which redraws sentences.

    Returns:
        By claim the difference of the means and its interval, where there are such tokens.
    """
    last: Any = table[table["layer"] == table["layer"].max()]
    cells = {
        (role, branch): last[(last["role"] == role) & (last["branch"] == branch)]
        for role in ("subject", "attractor")
        for branch in ("key", "value")
    }
    compared = {
        KEY_OF_SUBJECT: (("subject", "key"), ("subject", "value")),
        KEY_OF_ATTRACTORS: (("attractor", "key"), ("attractor", "value")),
        SUBJECT_OVER_ATTRACTORS: (("subject", "key"), ("attractor", "key")),
    }
    return {
        claim: bootstrap_difference(_sums(cells[first], table), _sums(cells[second], table), seed)
        for claim, (first, second) in compared.items()
        if len(cells[first]) and len(cells[second])
    }


def _sums(cell: pd.DataFrame, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Returns sums and numbers of a cell's values by sentence."""
    sentence, size = cell["sentence"].to_numpy(), int(table["sentence"].to_numpy().max()) + 1
    values = np.bincount(sentence, weights=cell["value"].to_numpy(float), minlength=size)
    return values, np.bincount(sentence, minlength=size)


def _row(values: Sequence[float] | np.ndarray) -> str:
    return " ".join("0" if value == 0 else f"{value:.3g}" for value in values)


def _percents(values: Any) -> str:
    return ", ".join("-" if np.isnan(value) else f"{value:.1%}" for value in values)


def _skip_leads(group: str, stop: int | None) -> tuple[Callable[[Means], str], Any]:
    def here(means: Means) -> str:
        return f"shares of skip: {_percents(shares(means[group])[:stop, SKIP])}"

    def holds(means: Means) -> bool:
        return bool((means[group][:stop].argmax(axis=1) == SKIP).all())

    return here, holds


def _last_split(group: str) -> tuple[Callable[[Means], str], Any]:
    def here(means: Means) -> str:
        key, value = shares(means[group])[-1, [KEY, VALUE]]
        return f"key {key:.1%}, value {value:.1%}"

    def holds(means: Means) -> bool:
        return bool(means[group][-1, KEY] > means[group][-1, VALUE])

    return here, holds


def _query_share(means: Means) -> np.ndarray:
    return np.array([np.nanmax(shares(of_group)[:, QUERY]) for of_group in means.values()])


def _last_keys(means: Means) -> tuple[float, float]:
    return means["subject"][-1, KEY], means["attractors"][-1, KEY]


SUBJECT_OVER_ATTRACTORS = "last layer: more by the subject's key than by an attractor's"
KEY_OF_SUBJECT = "subject: in the last layer more by key than by value"
KEY_OF_ATTRACTORS = "attractors: in the last layer more by key than by value"

CLAIMS = (
    Claim(
        "all tokens: skip carries most in every layer",
        ("all tokens",),
        f"yes; {_percents(shares(np.array(list(MEANS['all tokens'].values())).T)[:, SKIP])}",
        *_skip_leads("all tokens", None),
    ),
    Claim(
        "subject: skip carries most in every layer but the last",
        ("subject",),
        f"yes; {_percents(shares(np.array(list(MEANS['subject'].values())).T)[:-1, SKIP])}",
        *_skip_leads("subject", -1),
    ),
    Claim(KEY_OF_SUBJECT, ("subject",), "yes; key 76.1 %, value 23.9 %", *_last_split("subject")),
    Claim(
        KEY_OF_ATTRACTORS,
        ("attractors",),
        "yes; key 67.3 %, value 32.7 %",
        *_last_split("attractors"),
    ),
    Claim(
        SUBJECT_OVER_ATTRACTORS,
        ("subject", "attractors"),
        "yes; .1145 against .0385",
        lambda means: "{:.3g} against {:.3g}".format(*_last_keys(means)),
        lambda means: bool(np.greater(*_last_keys(means))),
    ),
    Claim(
        "queries carry less than 2 % in every layer",
        ("all tokens",),
        "yes; at most 0.4 %",
        lambda means: f"at most {max(_query_share(means)):.1%}",
        lambda means: bool((_query_share(means) < 0.02).all()),
    ),
)

assert set(MEANS) == set(GROUPS)
