"""The path entropy of agreement sentences: by token and by sentence, in parts that can be resumed.

Figures 6a and 7 are two views of the same numbers.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from absl import flags
from tqdm import tqdm

from experiments.common import agreement, branch_flow, path_entropy, run, spread
from experiments.common.batching import Batch, make_batches
from experiments.common.encoding import Example
from experiments.common.results import RunFolder
from experiments.common.sentence_parts import SentenceParts

flags.adopt_module_key_flags(agreement)
flags.adopt_module_key_flags(run)
# The flags that decide what comes out.
FLAG_NAMES = agreement.FLAG_NAMES

TABLE, SENTENCES = "table.csv", "sentences.csv"
# A token's row of the table takes about this much, its share of the parts and of the rest included.
_BYTES_PER_TOKEN = 150
# Compiling one more shape takes as long as computing so many times more tokens than it does for the
# top paths.
_SHAPE_COST = 2


@dataclasses.dataclass(frozen=True)
class Measured:
    """The numbers that a run is about.

    Attributes:
        tokens: A row for each sentence and token: `sentence`, `position`, `token`, `role`,
            `entropy` and `log_paths` in nats, and `ratio`, the one over the other.
        sentences: A row for each sentence: as `agreement.sentence_table` makes it, with its
            `length` in word pieces ([CLS] and [SEP] included) and the means over its tokens of
            `entropy`, `log_paths` and `ratio`.
        seconds: Time that the computation took, compiling included.
    """

    tokens: pd.DataFrame
    sentences: pd.DataFrame
    seconds: float


def measure(task: agreement.Task, folder: RunFolder) -> Measured:
    """Computes what is not yet in the folder's parts.

    Args:
        task: The sentences and the model.
        folder: Of the run, as it was opened; it is begun here.

    Raises:
        FloatingPointError: A number is not finite.
        RunError: The folder has too little space, or parts of other inputs.
    """
    model = task.masked_lm.model
    batches = make_batches(
        task.examples, agreement.BATCH_SIZE.value, _SHAPE_COST * branch_flow.shape_cost(model)
    )
    folder.require_space(sum(len(e.tokens) for e in task.examples) * _BYTES_PER_TOKEN)
    folder.begin()
    found, seconds = _compute(task, batches, folder)
    tokens = _token_table(task.examples, found)
    preference = np.array([preference for *_, preference in found])
    sentences = _sentence_table(task.examples, tokens, preference)
    return Measured(tokens, sentences, seconds)


def facts(task: agreement.Task, measured: Measured) -> dict[str, Any]:
    """Returns what a run's record says of its data, model and quantity of interest."""
    return {
        "quantity_of_interest": branch_flow.QUANTITIES[agreement.QOI.value],
        "node": path_entropy.NODE,
        "model": {
            "name": task.masked_lm.name,
            "config": task.masked_lm.model.config.to_diff_dict(),
            "held_out_accuracy": task.masked_lm.accuracy,
        },
        "sentences": {"analysed": len(task.examples), "left_out": task.left_out},
        "accuracy": agreement.accuracy(task.examples, measured.sentences["preference"].to_numpy()),
    }


def setup(task: agreement.Task, measured: Measured) -> list[str]:
    """Says in sentences what was computed, for a report."""
    lengths, correct = measured.sentences["length"], measured.sentences["correct"].mean()
    config = task.masked_lm.model.config
    counts = measured.sentences["num_attractors"].value_counts().sort_index()
    by_number = ", ".join(f"{number}: {count}" for number, count in counts.items())
    left_out = "; ".join(f"{reason}: {count}" for reason, count in task.left_out.items())
    return [
        f"Sentences: {len(task.examples):,} ({agreement.source()}) of {lengths.min()} to "
        f"{lengths.max()} word pieces, mean {lengths.mean():.1f}; by number of attractors "
        f"{by_number}." + (f" Left out: {left_out}." if left_out else ""),
        f"Model: {agreement.model_name(task)}, {config.num_hidden_layers} layers, hidden size "
        f"{config.hidden_size}, {config.num_attention_heads} heads; right on {correct:.1%}.",
        f"Quantity of interest: {branch_flow.QUANTITIES[agreement.QOI.value]}.",
        f"Entropy of a token: of the paths from the {path_entropy.NODE}; of a sentence: the mean "
        "over all its tokens, [CLS] and [SEP] included. float32.",
        f"Time: {measured.seconds:.0f} s for entropies and numbers of paths, compiling included.",
    ]


def _compute(
    task: agreement.Task, batches: Sequence[Batch], folder: RunFolder
) -> tuple[list[tuple[Any, ...]], float]:
    """Returns of each sentence entropy, log_paths and preference, and the seconds that it took."""
    statistics = path_entropy.token_paths(task.masked_lm.model, agreement.QOI.value)

    def finish(batch: Batch, elements: path_entropy.TokenPaths) -> spread.Part:
        found = path_entropy.of_sentences(elements, batch)
        for row, *values in zip(batch.rows, found.entropy, found.log_paths, strict=True):
            path_entropy.require_finite(task.examples[row], *values)
        return found._asdict()

    with tqdm(total=len(task.examples), desc="path entropy", unit="sentence") as progress:
        parts = SentenceParts(folder, batches, progress)
        on_devices = spread.over_devices(lambda params, batch: statistics(params, *batch))
        found = parts.each(task.masked_lm.model.params, on_devices, finish)
    names = path_entropy.TokenPaths._fields
    return list(zip(*(found[name] for name in names), strict=True)), parts.seconds


def _token_table(
    examples: Sequence[Example], found: Sequence[tuple[np.ndarray, ...]]
) -> pd.DataFrame:
    counts = [len(example.tokens) for example in examples]
    entropy, log_paths = (
        np.concatenate([row[which][:count] for row, count in zip(found, counts, strict=True)])
        for which in (0, 1)
    )
    return pd.DataFrame(
        {
            "sentence": np.repeat(np.arange(len(examples)), counts),
            "position": np.concatenate([np.arange(count) for count in counts]),
            "token": [token for e in examples for token in e.tokens],
            "role": [role for e in examples for role in branch_flow.roles(e)],
            "entropy": entropy,
            "log_paths": log_paths,
            "ratio": entropy / log_paths,
        }
    )


def _sentence_table(
    examples: Sequence[Example], tokens: pd.DataFrame, preference: np.ndarray
) -> pd.DataFrame:
    # Means of float32 numbers in float64.
    wide = tokens.astype(dict.fromkeys(("entropy", "log_paths", "ratio"), float))
    by_sentence: Any = wide.groupby("sentence")[["entropy", "log_paths", "ratio"]]
    means = by_sentence.mean().reset_index(drop=True)
    table = agreement.sentence_table(examples, preference)
    return table.assign(length=[len(example.tokens) for example in examples]).join(means)
