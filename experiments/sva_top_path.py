"""Which branches of BERT's layers the top gradient path of agreement takes (paper 5.2, Figure 4).

    python -m experiments.sva_top_path --output=results/sva_top_path

For every sentence with a masked verb, every token and every layer: the max-product of the
preference for the right verb form at [MASK], split over skip connection, keys, queries and values.
Without further flags it generates the sentences, trains a small stock Flax BERT on others like
them, and analyses it.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from absl import app, flags
from tqdm import tqdm

from experiments.common import (
    ablation,
    agreement,
    branch_figure,
    branch_flow,
    figure4,
    figures,
    models,
    processes,
    report,
    run,
    spread,
    summary,
    top_path_flags,
)
from experiments.common.batching import Batch, make_batches
from experiments.common.results import RunFolder
from experiments.common.sentence_parts import SentenceParts

_AGGREGATE = flags.DEFINE_enum(
    "aggregate",
    "oplus",
    list(branch_flow.AGGREGATES),
    "From a token's hidden units to its numbers: the largest unit's branch takes all (oplus), or "
    "every unit adds to its own branch (bucket_sum).",
)
_ABLATION = flags.DEFINE_bool(
    "ablation", True, "Cut each branch for the subject, to compare the top path's with the others."
)
_ABOUT = flags.DEFINE_multi_string(
    "about", [], "A sentence for section.md about the data or the model, as often as need be."
)

# --help shows the shared flags too.
flags.adopt_module_key_flags(agreement)
flags.adopt_module_key_flags(run)
flags.adopt_module_key_flags(top_path_flags)

_EXPERIMENT = "sva_top_path"
_FLAGS = (
    *agreement.FLAG_NAMES,
    *top_path_flags.FLAG_NAMES,
    *(flag.name for flag in (_AGGREGATE, _ABLATION)),
)
_TABLE, _SUMMARY, _SENTENCES, _CUTS = "table.csv", "summary.csv", "sentences.csv", "ablation.csv"
_RESULTS = (
    _TABLE, _SUMMARY, _SENTENCES, _CUTS, "figure.png", "figure.pdf", report.SECTION,
)  # fmt: skip
_TRAINED = "trained"
_UNITS = {"logit": "logits", "log_prob": "nats"}
_LABELS = {
    "oplus": "mean weight of a token's top gradient path",
    "bucket_sum": "mean weight of top gradient paths, summed over units",
}
# A row of the table takes about this much, its share of the parts and of the rest included.
_BYTES_PER_ROW = 80


@dataclasses.dataclass(frozen=True)
class Found:
    """What was computed.

    Attributes:
        flows: For the model, and for each draw of random weights: for each sentence
            [layer, token, branch].
        preference: [sentence], the model's quantity of interest.
        effects: For each sentence what cutting a branch for its subject changes: [layer, branch];
            empty if that was not asked for.
        seconds: How long the computing took, compiling included, in all runs that did part of it.
    """

    flows: dict[str, list[np.ndarray]]
    preference: np.ndarray
    effects: list[np.ndarray]
    seconds: float


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, _FLAGS, _RESULTS)
    if folder.complete:
        everything = pd.read_csv(folder.path / _SUMMARY)
        print(summary.as_text(everything.query(f"weights == {_TRAINED!r}")))
        print(f"\n{folder.path} was complete already.")
        return
    task = agreement.load_task()
    model = task.masked_lm.model
    batches = make_batches(task.examples, agreement.BATCH_SIZE.value, branch_flow.shape_cost(model))
    tokens = sum(len(example.tokens) for example in task.examples)
    rows = tokens * model.config.num_hidden_layers * len(branch_flow.BRANCHES)
    folder.require_space(rows * (1 + _num_controls()) * _BYTES_PER_ROW)
    folder.begin()
    found = _compute(task, batches, folder)
    if processes.leads():
        _report(task, found, folder)


def _num_controls() -> int:
    return (
        min(top_path_flags.CONTROLS.value, 1) if run.SMOKE.value else top_path_flags.CONTROLS.value
    )


def _draws(model: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names and parameters of what is analysed: the model, then untrained ones."""
    yield _TRAINED, model.params
    for draw in range(1, _num_controls() + 1):
        (seed,) = np.random.SeedSequence([run.SEED.value, draw]).generate_state(1)
        yield f"random {draw}", models.random_params(model, int(seed) % 2**31)


def _compute(task: agreement.Task, batches: Sequence[Batch], folder: RunFolder) -> Found:
    """Computes everything batch by batch, or reads it from parts."""
    model, count = task.masked_lm.model, len(task.examples)
    has_subjects = any(example.subject is not None for example in task.examples)
    ablates = _ABLATION.value and has_subjects
    flow_of = branch_flow.branch_flow(
        model, agreement.QOI.value, _AGGREGATE.value, top_path_flags.MAX_PRODUCT.value
    )
    effects_of = ablation.of_sentences(model, agreement.QOI.value)

    def finish_flow(batch: Batch, found: Any) -> spread.Part:
        flow, preference = (values[: len(batch.rows)] for values in found)
        for row, value in zip(batch.rows, flow, strict=True):
            branch_flow.require_finite(task.examples[row], value)
        return {"flow": flow, "preference": preference}

    def finish_cuts(batch: Batch, effects: np.ndarray) -> spread.Part:
        return {"effects": effects[: len(batch.rows)]}

    flows: dict[str, list[np.ndarray]] = {}
    preference, effects = np.zeros(count), []
    total = count * (1 + _num_controls() + ablates)
    with tqdm(total=total, desc="top paths", unit="sentence") as progress:
        parts = SentenceParts(folder, batches, progress)
        on_devices = spread.over_devices(lambda params, batch: flow_of(params, *batch))
        for name, draw in _draws(model):
            found = parts.each(draw, on_devices, finish_flow)
            flows[name] = found["flow"]
            if name == _TRAINED:
                preference = np.array(found["preference"])
        if ablates:
            found = parts.each(
                model.params,
                spread.over_devices(lambda params, batch: effects_of(params, *batch)),
                finish_cuts,
                lambda batch: (ablation.subjects(batch, task.examples), *batch.arrays),
            )
            effects = found["effects"]
    return Found(flows, preference, effects, parts.seconds)


def _report(task: agreement.Task, found: Found, folder: RunFolder) -> None:
    """Writes the tables, the figure, the section and the record, and prints the summary."""
    table = branch_flow.tidy(task.examples, found.flows[_TRAINED])
    folder.write_table(_TABLE, table)
    folder.write_table(_SENTENCES, agreement.sentence_table(task.examples, found.preference))
    means, *controls = (
        summary.summarise(branch_flow.tidy(task.examples, flows), run.SEED.value)
        for flows in found.flows.values()
    )
    each = zip(found.flows, (means, *controls), strict=True)
    everything = [table.assign(weights=name) for name, table in each]
    folder.write_table(_SUMMARY, pd.concat(everything, ignore_index=True))
    cut_table = _cut_table(task, found)
    folder.write_table(_CUTS, cut_table)
    cuts = ablation.summarise(cut_table, run.SEED.value)
    correct = agreement.accuracy(task.examples, found.preference)
    name = agreement.model_name(task)
    label = f"{_LABELS[_AGGREGATE.value]}\n({_UNITS[agreement.QOI.value]} per unit of layer input)"
    how = top_path_flags.title_suffix()
    title = f"Top gradient path by branch{how}: {name}, {len(task.examples):,} sentences"
    figure = branch_figure.plot(means, controls, cuts, label, _UNITS[agreement.QOI.value], title)
    figures.save(figure, folder, "figure")
    said = report.Report(
        title=f"5.2, Figure 4: which branches agreement takes{how} ({name})",
        command=run.command(_EXPERIMENT, _FLAGS),
        setup=_setup(task, len(controls), name, found.seconds),
        findings=[
            report.Finding(
                "sentences with the right form preferred", figure4.ACCURACY, _rates(correct)
            ),
            *figure4.claims(
                figure4.means_of(means),
                [figure4.means_of(control) for control in controls],
                figure4.differences(table, run.SEED.value),
            ),
            *ablation.findings(cuts, _UNITS[agreement.QOI.value]),
            *figure4.numbers(figure4.means_of(means)),
        ],
        notes=_notes(),
    )
    report.write(said, folder, f"figures/{folder.path.name}.png")
    folder.finish(
        {
            "quantity_of_interest": branch_flow.QUANTITIES[agreement.QOI.value],
            "max_product": top_path_flags.method(),
            "model": {
                "name": task.masked_lm.name,
                "config": task.masked_lm.model.config.to_diff_dict(),
                "held_out_accuracy": task.masked_lm.accuracy,
            },
            "sentences": {"analysed": len(task.examples), "left_out": task.left_out},
            "accuracy": correct,
            "findings": report.as_records(said),
        }
    )
    print(summary.as_text(means))
    print(f"\n{report.as_text(said)}")
    print(f"\nResults are in {folder.path}.")


def _cut_table(task: agreement.Task, found: Found) -> pd.DataFrame:
    """Returns the effects of the cuts for the subject of each sentence that has one."""
    examples = task.examples if found.effects else []
    rows = [row for row, example in enumerate(examples) if example.subject is not None]
    matters = np.full((task.masked_lm.model.config.num_hidden_layers, 4), True)
    matters[-1] = [branch in ("key", "value") for branch in branch_flow.BRANCHES]
    return ablation.tidy(
        units=rows,
        tokens=["subject"] * len(rows),
        effects=[found.effects[row] for row in rows],
        flows=[found.flows[_TRAINED][row][:, task.examples[row].subject] for row in rows],
        matters=[matters] * len(rows),
    )


def _setup(task: agreement.Task, controls: int, name: str, seconds: float) -> list[str]:
    config = task.masked_lm.model.config
    left_out = "; ".join(f"{count}: {reason}" for reason, count in task.left_out.items())
    heldout = task.masked_lm.accuracy
    return [
        f"Sentences: {len(task.examples):,} {agreement.source()}"
        + (f"; left out {left_out}." if left_out else "; none left out."),
        f"Model: {name}, a stock Flax BERT for masked language modelling, "
        f"{config.num_hidden_layers} layers, hidden size {config.hidden_size}, "
        f"{config.num_attention_heads} heads"
        + (f"; right on {heldout:.1%} of held-out sentences." if heldout is not None else "."),
        f"Quantity of interest: {branch_flow.QUANTITIES[agreement.QOI.value]}.",
        f"A token's number: {top_path_flags.method()}, by the branch through which "
        f'it enters the layer, from its hidden units by "{_AGGREGATE.value}"; in '
        f"{_UNITS[agreement.QOI.value]} per unit of layer input; 0 where no path is positive.",
        f"Controls: random weights from the model's own initialiser, draws: {controls}.",
        f"Time: {seconds / 60:.1f} minutes on {os.cpu_count()} cores, compiling included, training "
        "and parsing not.",
        *_ABOUT.value,
    ]


def _notes() -> list[str]:
    return [
        "The architecture forces that in the last layer skip and query are 0 for every token but "
        "[MASK], which alone feeds the output: the finding there is key against value.",
        "A claim that holds with random weights as well is the architecture's, not the training's.",
        "Cutting a branch of the subject: what that branch reads of the subject is replaced by the "
        "mean over the sentence's tokens, at one layer. What is compared is the magnitude of the "
        "change of the quantity of interest, in pairs within a sentence and layer.",
        *top_path_flags.differences_from_paper(),
    ]


def _rates(correct: dict[str, Any]) -> str:
    """Says how often the model is right, in all and by the number of attractors."""
    by_number = ", ".join(
        f"{number}: {entry['accuracy']:.1%} of {entry['sentences']}"
        for number, entry in correct["by_attractors"].items()
    )
    return f"{correct['overall']:.1%}; by attractors {by_number}"


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
