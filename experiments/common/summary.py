"""Means over tokens with bootstrap intervals over sentences, as a table and as text."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from experiments.common.branch_flow import BRANCHES

# Panel or block title -> the role its tokens have; None is any.
GROUPS = {"all tokens": None, "subject": "subject", "attractors": "attractor"}
RESAMPLES = 1000


def bootstrap_mean(
    values: np.ndarray, sentences: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Returns the 95 % percentile interval of the mean of `values` as whole sentences are redrawn.

    Tokens of one sentence depend on one another, so sentences are what is resampled: each draw's
    mean is the sum of its values over their number.

    Args:
        values: [token].
        sentences: [token], which sentence each value comes from.
        seed: Seed of the resampling.
        resamples: Number of draws.

    Returns:
        Lower and upper end; NaN if there are fewer than two sentences.
    """
    _, index = np.unique(sentences, return_inverse=True)
    sums = np.bincount(index, weights=values)
    counts = np.bincount(index)
    if len(sums) < 2:
        return np.nan, np.nan
    interval = stats.bootstrap(
        (sums, counts),
        lambda total, number, axis: total.sum(axis) / number.sum(axis),
        n_resamples=resamples,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def bootstrap_difference(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """Returns the difference of two means over tokens of the same sentences, and its interval.

    Args:
        first: The sum of the values in each sentence, and their number.
        second: The same of the values to subtract.
        seed: Seed of the resampling, which draws whole sentences.
        resamples: Number of draws.

    Returns:
        The difference and the ends of its 95 % percentile interval; NaN for these if there are
        fewer than two sentences.
    """

    def difference(*sums: np.ndarray, axis: int = -1) -> np.ndarray:
        totals = [part.sum(axis) for part in sums]
        with np.errstate(invalid="ignore"):  # a draw may have no such token
            return totals[0] / totals[1] - totals[2] / totals[3]

    sums = (*first, *second)
    if len(sums[0]) < 2:
        return float(difference(*sums)), np.nan, np.nan
    draws = stats.bootstrap(
        sums,
        difference,
        n_resamples=resamples,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(difference(*sums)), float(low), float(high)


def summarise(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Summarises a tidy table of branch flow.

    Args:
        table: As `branch_flow.tidy` makes it.
        seed: Seed of the bootstrap.

    Returns:
        One row for each of `GROUPS`, layer and branch: the mean over tokens, its 95 % interval
        [low, high], the median, the branch's share of the layer's mean, and the numbers of tokens
        and sentences.
    """
    return pd.DataFrame(list(_rows(table, seed)))


def _rows(table: pd.DataFrame, seed: int) -> Iterator[dict[str, object]]:
    names = ("role", "layer", "branch", "value", "sentence")
    role, layer, branch, value, sentence = (table[name].to_numpy() for name in names)
    for group, wanted in GROUPS.items():
        in_group = np.full(len(table), True) if wanted is None else role == wanted
        for number in np.unique(layer[in_group]):
            cells = {b: in_group & (layer == number) & (branch == b) for b in BRANCHES}
            means = {b: value[cell].mean(dtype=float) for b, cell in cells.items()}
            total = sum(means.values())
            for b, cell in cells.items():
                low, high = bootstrap_mean(value[cell], sentence[cell], seed)
                yield {
                    "tokens": group,
                    "layer": number,
                    "branch": b,
                    "mean": means[b],
                    "low": low,
                    "high": high,
                    "median": np.median(value[cell]),
                    "share": means[b] / total if total else np.nan,
                    "n": cell.sum(),
                    "sentences": len(np.unique(sentence[cell])),
                }


def as_text(summary: pd.DataFrame) -> str:
    """Lays a summary out for reading: a block for each group, a line for each layer and branch."""
    blocks = []
    for group in GROUPS:
        rows = summary.query("tokens == @group").to_dict("records")
        if not rows:
            blocks.append(f"{group}: none")
            continue
        lines = [f"{group} (n = {rows[0]['n']} tokens in {rows[0]['sentences']} sentences)"]
        lines.append("layer  branch       mean  [95 % interval]          median   share")
        for row in rows:
            interval = f"[{_cell(row['low'], '.3g')}, {_cell(row['high'], '.3g')}]"
            lines.append(
                f"{row['layer']:>5}  {row['branch']:<6}  {row['mean']:>9.3g}  {interval:<21}"
                f"{row['median']:>10.3g}  {_cell(row['share'], '.1%'):>6}"
            )
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _cell(value: float, form: str) -> str:
    """Formats a number that may be undefined: an interval from one sentence, a share of 0."""
    return "-" if np.isnan(value) else format(value, form)
