"""Difficulty of tasks and entropy of the models that solve them: tables and correlations."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from experiments.common import online_coding
from experiments.common.task_grid import Outcome

# Models that are not more often right than this are left out, as in the paper.
LEAST_ACCURACY = 0.9
RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation.

    Attributes:
        rho: The correlation; NaN if it is not defined.
        low: Lower end of its 95 % bootstrap interval over tasks.
        high: Upper end.
        runs: Number of runs.
        tasks: Number of tasks, of which the runs are seeds.
    """

    rho: float
    low: float
    high: float
    runs: int
    tasks: int

    def __str__(self) -> str:
        if np.isnan(self.rho):
            return f"not defined ({self.runs} runs)"
        return f"{self.rho:.2f} [{self.low:.2f}, {self.high:.2f}] ({self.runs} runs)"


def tidy(outcomes: Sequence[Outcome], labels: int) -> pd.DataFrame:
    """Returns a table with one row for each task and seed.

    Args:
        outcomes: Of the grid.
        labels: Number of labels that the models tell apart.
    """
    rows = []
    for outcome in outcomes:
        task, first = outcome.run.task, outcome.sizes[0]
        entropy = outcome.entropy.astype(float)
        accuracy = float(outcome.right.mean())
        rows.append(
            {
                "task": task.name,
                "family": task.family,
                "parameter": -1 if task.parameter is None else task.parameter,
                "classes": task.classes,
                "seed": outcome.run.seed,
                "accuracy": accuracy,
                "kept": accuracy > LEAST_ACCURACY,
                "code_length_bits": online_coding.bits(outcome.block_losses, first, labels),
                "published_nats": online_coding.published(outcome.block_losses, first, labels),
                "entropy_sum_nats": entropy.sum(axis=1).mean(),
                "entropy_token_nats": entropy.mean(),
            }
        )
    return pd.DataFrame(rows)


def block_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Returns a table with one row for each task, seed and coded block but the first."""
    rows = [
        {
            "task": outcome.run.task.name,
            "seed": outcome.run.seed,
            "trained_on": size,
            "points": len(loss),
            "bits": loss.sum(dtype=float) / np.log(2),
        }
        for outcome in outcomes
        for size, loss in zip(outcome.sizes[:-1], outcome.block_losses, strict=True)
    ]
    return pd.DataFrame(rows)


def example_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Returns a table with one row for each task, seed and validation point."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "task": outcome.run.task.name,
                    "seed": outcome.run.seed,
                    "example": range(len(outcome.labels)),
                    "label": outcome.labels,
                    "right": outcome.right,
                    "loss_nats": outcome.loss,
                    "entropy_sum_nats": outcome.entropy.sum(axis=1),
                    "entropy_token_nats": outcome.entropy.mean(axis=1),
                }
            )
            for outcome in outcomes
        ],
        ignore_index=True,
    )


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Returns for each task how many of its runs are kept, and medians over those.

    Args:
        table: As `tidy` makes it.
    """
    kept = table.query("kept")
    columns = ["code_length_bits", "published_nats", "entropy_sum_nats", "entropy_token_nats"]
    by_task = table.groupby("task", sort=False)
    summary = by_task.agg(
        classes=("classes", "first"), runs=("kept", "size"), kept=("kept", "sum"),
        accuracy=("accuracy", "median"),
    )  # fmt: skip
    return summary.join(kept.groupby("task")[columns].median()).reset_index()


def correlate(kept: pd.DataFrame, seed: int) -> Correlation:
    """Correlates code length with entropy.

    Args:
        kept: Rows of `tidy`.
        seed: Of the bootstrap, which redraws whole tasks: seeds of one task are no independent
            observations of difficulty.
    """
    tasks = [
        rows[["code_length_bits", "entropy_sum_nats"]].to_numpy()
        for _, rows in kept.groupby("task", sort=False)
    ]

    def rho(chosen: np.ndarray) -> float:
        length, entropy = np.concatenate([tasks[number] for number in chosen]).T
        if np.ptp(length) == 0 or np.ptp(entropy) == 0:
            return np.nan
        # Spearman's is Pearson's of the ranks; scipy's own also tests it, ten times as slowly.
        return float(np.corrcoef(stats.rankdata(length), stats.rankdata(entropy))[0, 1])

    if len(tasks) < 3:
        return Correlation(np.nan, np.nan, np.nan, len(kept), len(tasks))
    draws = np.random.default_rng(seed).integers(len(tasks), size=(RESAMPLES, len(tasks)))
    low, high = np.nanpercentile([rho(draw) for draw in draws], [2.5, 97.5])
    whole = rho(np.arange(len(tasks)))
    return Correlation(whole, float(low), float(high), len(kept), len(tasks))


def curvature(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Fits a parabola by least squares.

    Args:
        x: float [point], at least five different ones.
        y: float [point].

    Returns:
        The coefficient of x^2, the ends of its 95 % interval (Student's t), and the x of the
        vertex.
    """
    (square, linear, _), covariance = np.polyfit(x, y, 2, cov=True)
    margin = stats.t.ppf(0.975, len(x) - 3) * np.sqrt(covariance[0, 0])
    return square, square - margin, square + margin, -linear / (2 * square)
