"""Is a model's gradient more dispersed on harder tasks? (Paper 5.3, Figure 5.)

    python -m experiments.entropy_vs_mdl --output=results/entropy_vs_mdl

For every synthetic task and seed: how many bits the labels take by online coding, the task's
difficulty, and the entropy of the gradient paths from the embedded tokens to the loss. The full
grid takes two to three hours on two cores, `--preset=quick` a quarter of an hour.
"""

import contextlib
import os
from collections.abc import Sequence

import jax
import pandas as pd
from absl import app, flags

from experiments.common import difficulty, figure5, figures, processes, report, run, task_grid

_PRESET = flags.DEFINE_enum(
    "preset",
    "full",
    list(task_grid.PRESETS),
    "All tasks with three seeds and 50 epochs, or with one seed and shorter training.",
)
_GROUP = flags.DEFINE_integer(
    "models_at_once", 14, "Models that are trained together, on all devices.", lower_bound=1
)

# --help shows the shared flags too.
flags.adopt_module_key_flags(run)

_EXPERIMENT = "entropy_vs_mdl"
_TABLE, _BLOCKS, _EXAMPLES, _SUMMARY = "table.csv", "blocks.csv", "examples.csv", "summary.csv"
_RESULTS = (
    _TABLE, _BLOCKS, _EXAMPLES, _SUMMARY, "figure.png", "figure.pdf", report.SECTION,
)  # fmt: skip
# Of an example: a row of the table, and its tokens' entropies and losses in the parts.
_BYTES_PER_EXAMPLE = 600


def analyse() -> None:
    """Runs the experiment that the flags describe."""
    folder = run.open_folder(_EXPERIMENT, (_PRESET.name, _GROUP.name), _RESULTS)
    if folder.complete:
        print(pd.read_csv(folder.path / _SUMMARY).to_string(index=False))
        print(f"\n{folder.path} was complete already.")
        return
    preset = task_grid.SMOKE if run.SMOKE.value else task_grid.PRESETS[_PRESET.value]
    examples = len(preset.tasks) * preset.seeds * sum(preset.points)
    folder.require_space(examples * _BYTES_PER_EXAMPLE)
    folder.begin()
    group = min(_GROUP.value, len(preset.tasks) * preset.seeds)
    outcomes = task_grid.compute(preset, run.SEED.value, group, folder)
    if not processes.leads():
        return

    table = difficulty.tidy(outcomes, preset.architecture.labels)
    summary = difficulty.summarise(table)
    folder.write_table(_TABLE, table)
    folder.write_table(_BLOCKS, difficulty.block_table(outcomes))
    folder.write_table(_EXAMPLES, difficulty.example_table(outcomes))
    folder.write_table(_SUMMARY, summary)
    said = figure5.make_report(table, preset, _PRESET.value, run.SEED.value)
    figures.save(figure5.plot(table, run.SEED.value), folder, "figure")
    report.write(said, folder, f"figures/{_EXPERIMENT}.png")
    folder.finish(figure5.record(table, said))
    print(summary.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
    print(f"\n{report.as_text(said)}\n\nResults are in {folder.path}.")


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    # A device for each core, unless devices are in use already: models are divided among them,
    # and one program on two cores is slower than a program on each.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    run.main(_EXPERIMENT, analyse, argv)


if __name__ == "__main__":
    app.run(main)
