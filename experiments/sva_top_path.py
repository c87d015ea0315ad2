"""Which branches of BERT's layers the top gradient path of agreement takes (paper 5.2, Figure 4).

    python -m experiments.sva_top_path --output=results/sva_top_path

For every sentence with a masked verb, every token and every layer: the max-product of the
preference for the right verb form at [MASK], split over skip connection, keys, queries and values.
Without further flags it generates the sentences, trains a small stock Flax BERT on others like
them, and analyses it.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd
from absl import app, flags
from tqdm import tqdm

from experiments.common import agreement, branch_flow, figures, run, summary
from experiments.common.batching import make_batches
from experiments.common.results import RunFolder, digest

_QOI = flags.DEFINE_enum(
    "qoi", "logit", list(branch_flow.QUANTITIES), "What is compared between the two verb forms."
)
_AGGREGATE = flags.DEFINE_enum(
    "aggregate",
    "oplus",
    list(branch_flow.AGGREGATES),
    "From a token's hidden units to its numbers: the largest unit's branch takes all (oplus), or "
    "every unit adds to its own branch (bucket_sum).",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Sentences at a time.", lower_bound=1)

# --help shows the shared flags too.
flags.adopt_module_key_flags(agreement)
flags.adopt_module_key_flags(run)

_EXPERIMENT = "sva_top_path"
_TABLE, _SUMMARY, _SENTENCES = "table.csv", "summary.csv", "sentences.csv"
_RESULTS = (_TABLE, _SUMMARY, _SENTENCES, "figure.png", "figure.pdf")
_UNITS = {"logit": "logits", "log_prob": "nats"}
_LABELS = {
    "oplus": "mean weight of a token's top gradient path",
    "bucket_sum": "mean weight of top gradient paths, summed over units",
}
# A row of the table takes about this much, its share of the parts and of the rest included.
_BYTES_PER_ROW = 80


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    names = (*agreement.FLAG_NAMES, *(flag.name for flag in (_QOI, _AGGREGATE, _BATCH_SIZE)))
    folder = run.open_folder(_EXPERIMENT, names, _RESULTS)
    if folder.complete:
        print(summary.as_text(pd.read_csv(folder.path / _SUMMARY)))
        print(f"\n{folder.path} was complete already.")
        return
    task = agreement.load_task()
    model = task.masked_lm.model
    cost = branch_flow.shape_cost(model)
    batches = make_batches(task.examples, _BATCH_SIZE.value, cost)
    tokens = sum(len(example.tokens) for example in task.examples)
    rows = tokens * model.config.num_hidden_layers * len(branch_flow.BRANCHES)
    folder.require_space(rows * _BYTES_PER_ROW)
    folder.begin()
    flows, preference = _flows(task, batches, folder)
    _report(task, flows, preference, folder)


def _flows(
    task: agreement.Task, batches: Sequence[branch_flow.Batch], folder: RunFolder
) -> tuple[list[np.ndarray], np.ndarray]:
    """Computes each sentence's [layer, token, branch] and preference, or reads them from parts."""
    model = task.masked_lm.model
    inputs = digest((model.params, [dataclasses.astuple(batch) for batch in batches]))
    compute = branch_flow.branch_flow(model, _QOI.value, _AGGREGATE.value)
    params = jax.device_put(model.params)
    flows: dict[int, np.ndarray] = {}
    preference = np.zeros(len(task.examples))
    with tqdm(total=len(task.examples), desc="top paths", unit="sentence") as progress:
        for number, batch in enumerate(batches):
            part = folder.read_part(number, inputs)
            if part is None:
                flow, preferred = branch_flow.run_batch(compute, params, batch)
                for row, values in zip(batch.rows, flow, strict=True):
                    branch_flow.require_finite(task.examples[row], values)
                part = {"flow": flow, "preference": preferred}
                folder.write_part(number, inputs, **part)
            flows.update(zip(batch.rows, part["flow"], strict=True))
            preference[list(batch.rows)] = part["preference"]
            progress.update(len(batch.rows))
    return [flows[row] for row in range(len(task.examples))], preference


def _report(
    task: agreement.Task, flows: Sequence[np.ndarray], preference: np.ndarray, folder: RunFolder
) -> None:
    """Writes the tables, the figure and the record, and prints the summary."""
    table = branch_flow.tidy(task.examples, flows)
    folder.write_table(_TABLE, table)
    folder.write_table(_SENTENCES, agreement.sentence_table(task.examples, preference))
    means = summary.summarise(table, run.SEED.value)
    folder.write_table(_SUMMARY, means)
    correct = agreement.accuracy(task.examples, preference)
    quantity = branch_flow.QUANTITIES[_QOI.value]
    label = f"{_LABELS[_AGGREGATE.value]}\n({_UNITS[_QOI.value]} per unit of layer input)"
    name = task.masked_lm.name
    name = pathlib.Path(name).name if pathlib.Path(name).is_dir() else name
    title = f"Top gradient path by branch: {name}, {len(task.examples):,} sentences"
    figures.save(figures.plot_branches(means, label, title), folder, "figure")
    folder.finish(
        {
            "quantity_of_interest": quantity,
            "model": {
                "name": task.masked_lm.name,
                "config": task.masked_lm.model.config.to_diff_dict(),
                "held_out_accuracy": task.masked_lm.accuracy,
            },
            "sentences": {"analysed": len(task.examples), "left_out": task.left_out},
            "accuracy": correct,
        }
    )
    print(summary.as_text(means))
    print(f"\nQuantity of interest: {quantity}.")
    print(_account(task, correct))
    print(f"Results are in {folder.path}.")


def _account(task: agreement.Task, correct: dict[str, Any]) -> str:
    """Says how many sentences were analysed and left out, and how often the model is right."""
    by_number = ", ".join(
        f"{number}: {entry['accuracy']:.1%} of {entry['sentences']}"
        for number, entry in correct["by_attractors"].items()
    )
    left_out = [f"\nLeft out: {count} ({reason})." for reason, count in task.left_out.items()]
    return (
        f"Model {task.masked_lm.name}: right on {correct['overall']:.1%} of {len(task.examples)} "
        f"sentences (by number of attractors {by_number}).{''.join(left_out)}"
    )


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
