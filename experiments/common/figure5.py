"""Figure 5: entropy of the gradient graph against difficulty, drawn and set beside the paper's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.common.difficulty import LEAST_ACCURACY, correlate, curvature
from experiments.common.report import Finding, Report, as_records
from experiments.common.task_grid import Preset
from experiments.common.token_entropy import QUANTITY

_FAMILIES = (
    "BinCountOnes", "ContainsTokenSet", "ContainsTokenSetOOD", "Contains1",
    "FirstTokenRepeatedImmediately", "FirstTokenRepeatedLast", "AdjacentDuplicate",
)  # fmt: skip
_MARKERS: dict[str, str] = dict(zip(_FAMILIES, "osPX^vD", strict=True))

# Section 5.3: medians of what the code adds up, in nats, and entropies summed over 36 tokens.
_PAPER_NATS = {2: 12.6, 3: 17.9, 4: 22.0, 6: 27.0, 9: 32.6, 12: 36.9, 18: 41.6, 36: 50.8}
_PAPER_ENTROPY = {
    "BinCountOnes": "2170 to 2381",
    "ContainsTokenSet": "2155 to 2368",
    "Contains1": "2241 to 2294",
    "FirstTokenRepeatedImmediately": "2056 to 2197",
    "FirstTokenRepeatedLast": "2110 to 2141",
}
_BINARY, _COUNTED = "family != 'BinCountOnes'", "family == 'BinCountOnes'"


def plot(table: pd.DataFrame, seed: int) -> Figure:
    """Draws a mark for each run that is kept: of its task's family, coloured by classes.

    Args:
        table: As `difficulty.tidy` makes it.
        seed: Of the bootstrap of the correlations.
    """
    kept = table.query("kept")
    classes = sorted(table["classes"].unique())
    colours = dict(zip(classes, sns.color_palette("colorblind", len(classes)), strict=True))
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axis = figure.subplots()
    for row in kept.to_dict("records"):
        axis.scatter(
            row["code_length_bits"], row["entropy_sum_nats"], s=55, alpha=0.9, linewidth=0.5,
            marker=_MARKERS[row["family"]], color=colours[row["classes"]], edgecolor="white",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("difficulty: online code length of the training labels (bits, log scale)")
    axis.set_ylabel("mean entropy of the gradient paths of an example,\nsummed over tokens (nats)")
    axis.set_title("Entropy of the gradient graph against difficulty of the task", pad=12)
    marks = [
        Line2D([], [], marker=_MARKERS[family], color="0.4", linestyle="", label=family)
        for family in _FAMILIES
        if family in set(kept["family"])
    ]
    hues = [
        Line2D([], [], marker="o", color=colours[number], linestyle="", label=str(number))
        for number in classes
    ]
    heading = Line2D([], [], linestyle="", label="classes")
    axis.legend(
        handles=[*marks, heading, *hues], loc="center left", bbox_to_anchor=(1.01, 0.5),
        frameon=False,
    )  # fmt: skip
    dropped = len(table) - len(kept)
    figure.supxlabel(
        f"One mark a run; {dropped} of {len(table)} runs, right on {LEAST_ACCURACY:.0%} or less of "
        "the validation points, are left out. Spearman's rho with 95 % bootstrap intervals over "
        f"tasks:\nall {correlate(kept, seed)}; two classes {correlate(kept.query(_BINARY), seed)}; "
        f"BinCountOnes {correlate(kept.query(_COUNTED), seed)}.",
        fontsize=8,
    )
    sns.despine(ax=axis)
    return figure


def make_report(table: pd.DataFrame, preset: Preset, name: str, seed: int) -> Report:
    """Sets what was found beside the paper's.

    Args:
        table: As `difficulty.tidy` makes it.
        preset: What was computed.
        name: Of the preset.
        seed: Of the bootstrap.
    """
    kept = table.query("kept")
    return Report(
        title="5.3, Figure 5: entropy of the gradient graph against difficulty",
        command=f"python -m experiments.entropy_vs_mdl --preset={name} "
        "--output=results/entropy_vs_mdl",
        setup=_setup(preset, table),
        findings=[*_correlations(kept, seed), *_counts(table), *_code_lengths(kept),
                  *_entropies(kept)],
        notes=[
            "The code length is in bits: the first block uniform over all labels of the model, "
            "then each block's summed loss. It is what the figure shows. The paper's code adds up "
            "the mean loss of each block instead, in nats; `published_nats` in the table is that.",
            "A node is a position's word embedding. The paper's code pools the rows of the "
            "embedding table, so that equal tokens of an example are one node there; and its "
            "graph has other nodes inside some operations. Absolute entropies differ, therefore.",
            "Forced by the architecture: much of an entropy of this size is the number of paths, "
            "which is the same for all tasks. Compare differences between tasks.",
            "No sequence is in a data set twice, so the one sequence of nothing but ones is there "
            "once: BinCountOnes(36) has one point of its last class, the paper's data about 120. "
            "ContainsTokenSetOOD is in the paper's code, not in its text; with it there are 81 "
            "runs.",
        ],
    )  # fmt: skip


def record(table: pd.DataFrame, said: Report) -> dict[str, Any]:
    """Returns what run.json tells besides flags and versions."""
    return {
        "quantity_of_interest": QUANTITY,
        "code_length": "bits, prequential, first block uniform over all labels of the model",
        "entropy": "nats, of the paths from the word embedding of each position, Eq. 3 over units",
        "runs": {"all": len(table), "kept": int(np.count_nonzero(table["kept"]))},
        "findings": as_records(said),
    }


def _setup(preset: Preset, table: pd.DataFrame) -> Sequence[str]:
    shape = preset.architecture
    epochs = f"{preset.epochs} epochs"
    if preset.enough_steps is not None:
        epochs = (
            f"at most {preset.epochs} epochs: no more than {preset.enough_steps} steps take, and "
            f"at least {preset.fewest_epochs} (the paper: {preset.epochs} for all)"
        )
    return [
        f"{len(preset.tasks)} tasks, {preset.seeds} model seed(s) each, {len(table)} runs; "
        f"{preset.points[0]} points for training and online coding, {preset.points[1]} for "
        "validation, accuracy and entropy.",
        f"Stock Flax BERT, {shape.layers} layers of width {shape.hidden}, {shape.heads} heads, "
        f"intermediate {shape.intermediate}, {shape.labels} labels, no dropout; Adam 1e-3, batch "
        f"32, {epochs}.",
        f"Quantity of interest: {QUANTITY}. Entropy of the paths from each position's word "
        "embedding, its hidden units joined by Eq. 3, summed over the positions.",
    ]


def _correlations(kept: pd.DataFrame, seed: int) -> list[Finding]:
    every, binary = (correlate(rows, seed) for rows in (kept, kept.query(_BINARY)))
    found = [
        Finding(
            "entropy does not rise with code length, Spearman over all kept runs",
            "no positive correlation",
            str(every),
            _known(every.rho, not every.low > 0),
        ),
        Finding(
            "entropy falls with code length among tasks of two classes, Spearman",
            "negative",
            str(binary),
            _known(binary.rho, binary.high < 0),
            "" if binary.high < 0 or np.isnan(binary.rho) or binary.rho >= 0
            else "the sign agrees, but the interval reaches 0",
        ),
    ]  # fmt: skip
    return [*found, *_valley(kept.query(_COUNTED))]


def _valley(counted: pd.DataFrame) -> list[Finding]:
    """Is entropy a parabola of the number of classes with a lowest point among them?

    Some number of classes always has the lowest entropy: so curvature must be beyond chance.
    """
    entropy = counted.groupby("classes")["entropy_sum_nats"].median().to_dict()
    if len(entropy) < 5:
        return []
    logs = np.log2(list(entropy))
    square, low, high, vertex = curvature(logs, np.array(list(entropy.values())))
    within = logs.min() < vertex < logs.max()
    here = ", ".join(f"{value:.0f} at {number}" for number, value in entropy.items())
    return [
        Finding(
            "BinCountOnes: entropy falls, then rises with the number of classes C",
            "2343-2381 nats at C = 2, 2170-2232 at 6, 2308-2322 at 36",
            f"{here} nats; coefficient of log2(C)^2 {square:.1f} [{low:.1f}, {high:.1f}]",
            bool(low > 0 and within),
            "" if low > 0 else "the interval of the parabola's curvature reaches 0",
        )
    ]


def _counts(table: pd.DataFrame) -> list[Finding]:
    duplicate = table.query("family == 'AdjacentDuplicate'")
    found = [
        Finding(
            f"runs kept (validation accuracy above {LEAST_ACCURACY:.0%})",
            "68 of 81",
            f"{table['kept'].sum()} of {len(table)}; dropped: {_dropped(table)}",
        )
    ]
    if len(duplicate):
        found.append(
            Finding(
                "AdjacentDuplicate is never learned",
                "dropped",
                "accuracy " + ", ".join(f"{value:.2f}" for value in duplicate["accuracy"]),
                not np.any(duplicate["kept"]),
            )
        )
    return found


def _code_lengths(kept: pd.DataFrame) -> list[Finding]:
    counted = kept.query(_COUNTED).groupby("classes")
    found = []
    for column, what, paper in (
        (
            "published_nats",
            "BinCountOnes: the paper's sum of mean losses grows with the classes, nats",
            ", ".join(f"{number}: {value}" for number, value in _PAPER_NATS.items()),
        ),
        ("code_length_bits", "BinCountOnes: code length grows with the classes, bits", ""),
    ):
        medians = counted[column].median()
        if len(medians) < 2:
            continue
        grows = bool((np.diff(medians) > 0).all())
        here = ", ".join(f"{number}: {value:.4g}" for number, value in medians.items())
        found.append(Finding(what, paper, here, grows))
    return found


def _entropies(kept: pd.DataFrame) -> list[Finding]:
    return [
        Finding(
            f"{family}: entropy summed over tokens, nats",
            paper,
            f"{rows.min():.0f} to {rows.max():.0f}",
        )
        for family, paper in _PAPER_ENTROPY.items()
        if len(rows := kept.query("family == @family")["entropy_sum_nats"])
    ]


def _dropped(table: pd.DataFrame) -> str:
    counts = table.loc[~table["kept"], "task"].value_counts(sort=False)
    return ", ".join(f"{task} x{number}" for task, number in counts.items()) or "none"


def _known(rho: float, holds: bool) -> bool | None:
    """Returns a verdict, or None where no correlation is defined."""
    return None if np.isnan(rho) else bool(holds)
