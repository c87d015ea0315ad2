"""The binary: what it writes, what it refuses, and that a killed and resumed run is the same."""

import json
import pathlib
import socket
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pandas as pd
import processes
import pytest
from absl import flags
from absl.testing import flagsaver
from interrupting import Parts

from experiments import sva_top_path
from experiments.common import branch_flow
from experiments.common.models import load_masked_lm
from experiments.common.sentences import Sentence

RESULTS = [
    "ablation.csv", "figure.pdf", "figure.png", "run.json", "section.md", "sentences.csv",
    "summary.csv", "table.csv",
]  # fmt: skip


def run(*arguments: str) -> None:
    """Runs the binary within this process."""
    with flagsaver.flagsaver():
        flags.FLAGS([sva_top_path.__file__, *arguments])
        sva_top_path.main([sva_top_path.__file__])


@pytest.fixture(scope="module")
def arguments(tiny_bert, tmp_path_factory) -> list[str]:
    cache = tmp_path_factory.mktemp("cache")
    return [
        f"--model={tiny_bert}",
        f"--cache_dir={cache}",
        "--limit=12",
        "--batch_size=4",
        "--spacy_model=",
        "--controls=1",
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory, arguments) -> pathlib.Path:
    """The folder of a run on 12 generated sentences."""
    folder = tmp_path_factory.mktemp("done")
    run(f"--output={folder}", *arguments)
    return folder


@pytest.fixture(scope="module")
def few(arguments, tinier_bert) -> list[str]:
    """Arguments of a run without untrained models and cuts, of a model of one layer."""
    return [*arguments, f"--model={tinier_bert}", "--controls=0", "--noablation"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, few) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(f"--output={folder}", *few)
    return folder


def read_table(path: pathlib.Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def test_results_are_there_and_nothing_else(done):
    assert sorted(entry.name for entry in done.iterdir()) == RESULTS


def test_table_has_every_token_and_no_padding(done, generated):
    table = read_table(done / "table.csv")
    columns = ["sentence", "position", "token", "role", "layer", "branch", "value"]
    assert list(table.columns) == columns
    # Every word of these sentences is one word piece; [CLS] and [SEP] are around them.
    tokens = sum(len(sentence.words) + 2 for sentence in generated)
    assert len(table) == tokens * 2 * len(branch_flow.BRANCHES)
    first = table[(table.sentence == 0) & (table.layer == 0) & (table.branch == "skip")]
    sentence = generated[0]
    words = [word if word == "[MASK]" else word.lower() for word in sentence.words]
    assert first.token.tolist() == ["[CLS]", *words, "[SEP]"]
    role = {sentence.verb: "mask", sentence.subject: "subject"}
    role |= dict.fromkeys(sentence.attractors or (), "attractor")
    assert first.role.tolist() == [
        role.get(place, "other") for place in range(-1, len(sentence.words) + 1)
    ]


def test_each_token_takes_one_branch_in_each_layer(done):
    table = read_table(done / "table.csv")
    taken = (table.value > 0).groupby([table.sentence, table.position, table.layer]).sum()
    assert (taken <= 1).all()
    assert (taken == 1).any()
    others = table.query("layer == 1 and role != 'mask'")
    assert not others.query("branch in ['skip', 'query']")["value"].any()


def test_summary_is_of_the_table(done):
    table, summary = read_table(done / "table.csv"), pd.read_csv(done / "summary.csv")
    assert summary.weights.value_counts().to_dict() == {
        weights: 3 * 2 * len(branch_flow.BRANCHES) for weights in ("trained", "random 1")
    }
    for row in summary.query("weights == 'trained'").to_dict("records"):
        cell = table[(table.layer == row["layer"]) & (table.branch == row["branch"])]
        role = {"all tokens": None, "subject": "subject", "attractors": "attractor"}[row["tokens"]]
        cell = cell if role is None else cell[cell.role == role]
        assert row["n"] == len(cell)
        assert row["mean"] == pytest.approx(cell.value.mean())


def test_random_weights_are_others(done):
    summary = pd.read_csv(done / "summary.csv").set_index(["tokens", "layer", "branch"])
    trained, drawn = (summary[summary.weights == name] for name in ("trained", "random 1"))
    assert (trained["n"] == drawn["n"]).all()
    assert not np.isclose(trained.loc["subject"]["mean"].max(), drawn.loc["subject"]["mean"].max())


def test_cuts_are_of_the_subjects_top_paths(done):
    table, cuts = read_table(done / "table.csv"), pd.read_csv(done / "ablation.csv")
    top = table[(table.role == "subject") & (table.value > 0)]
    expected = top.sort_values(["sentence", "layer"])[["sentence", "layer", "branch"]]
    marked = cuts[cuts.top][["unit", "layer", "branch"]]
    np.testing.assert_array_equal(marked.to_numpy(), expected.to_numpy())
    assert set(cuts[cuts.layer == 1].branch) == {"key", "value"}
    assert (cuts.change != 0).all()


def test_section_sets_what_came_out_beside_the_paper(done):
    section = (done / "section.md").read_text()
    record = json.loads((done / "run.json").read_text())
    assert "![5.2, Figure 4" in section
    assert f"(figures/{done.name}.png)" in section
    for finding in record["findings"]:
        assert finding["here"] in section
    claims = {finding["what"]: finding for finding in record["findings"]}
    assert claims["subject, key, layers 0 to 1"]["paper"].split()[-1] == "0.115"
    assert "of 1 draws" in claims["queries carry less than 2 % in every layer"]["why"]


def test_smoke_trains_computes_and_writes_everything(tmp_path, capsys):
    run(f"--output={tmp_path / 'run'}", f"--cache_dir={tmp_path / 'cache'}", "--smoke")
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == RESULTS
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["flags"]["smoke"], record["sentences"]["analysed"]) == (True, 24)
    assert "holds" in capsys.readouterr().out


def test_record_tells_flags_versions_quantity_and_accuracy(done, tiny_bert, generated):
    record = json.loads((done / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["experiment"] == "sva_top_path"
    assert record["flags"]["limit"] == 12
    assert record["flags"]["aggregate"] == "oplus"
    assert {"python", "semigrad", "jax", "flax", "transformers"} <= record["versions"].keys()
    assert record["quantity_of_interest"].startswith("logit of the right form")
    assert record["sentences"] == {"analysed": len(generated), "left_out": {}}
    correct = []
    bert = load_masked_lm(tiny_bert)
    tokenizer: Any = bert.tokenizer
    model = jax.jit(lambda **encoded: bert.model(**encoded).logits)
    for sentence in generated:
        text = " ".join(sentence.words)
        encoded = tokenizer(text, padding="max_length", max_length=40, return_tensors="np")
        (mask,) = np.flatnonzero(encoded["input_ids"][0] == tokenizer.mask_token_id)
        right, wrong = tokenizer.convert_tokens_to_ids([sentence.right, sentence.wrong])
        logits = model(**encoded)[0, mask]
        correct.append(bool(logits[right] > logits[wrong]))
    assert record["accuracy"]["overall"] == np.mean(correct)
    assert read_table(done / "sentences.csv").correct.tolist() == correct
    by_attractors = record["accuracy"]["by_attractors"]
    assert sum(entry["sentences"] for entry in by_attractors.values()) == len(generated)


def test_a_complete_run_is_refused_or_shown_again(done, arguments, capsys):
    with pytest.raises(SystemExit, match="holds the results of another run; give --resume"):
        run(f"--output={done}", *arguments)
    capsys.readouterr()
    run(f"--output={done}", *arguments, "--resume")
    shown = capsys.readouterr().out
    assert "was complete already" in shown
    assert "subject (n = 12 tokens in 12 sentences)" in shown


def test_resume_with_other_flags_is_refused(done, arguments):
    with pytest.raises(SystemExit, match="qoi was 'logit', now is 'log_prob'"):
        run(f"--output={done}", *arguments, "--resume", "--qoi=log_prob")


def texts(sentence: Sentence) -> tuple[str, str]:
    """The sentence with its verb, and with the mark that stands for it in files."""
    words = list(sentence.words)
    words[sentence.verb] = sentence.right
    unmasked = " ".join(words)
    words[sentence.verb] = "***mask***"
    return unmasked, " ".join(words)


def test_dataset_log_prob_and_bucket_sum(tmp_path, arguments, generated, capsys):
    rows = [(s.num_attractors, *texts(s), s.right, s.wrong) for s in generated]
    rows.append((0, "the key is here", "the key ***mask*** here", "is", "are"))
    data = tmp_path / "data.tsv"
    data.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    run(
        *arguments,
        f"--output={tmp_path / 'run'}",
        f"--dataset={data}",
        "--min_attractors=1",
        "--qoi=log_prob",
        "--aggregate=bucket_sum",
        "--controls=0",
    )
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["quantity_of_interest"].startswith("log-probability of the right form")
    assert record["sentences"] == {"analysed": 12, "left_out": {"fewer than 1 attractors": 1}}
    table = read_table(tmp_path / "run" / "table.csv")
    assert set(table.role) == {"mask", "other"}
    taken = (table.value > 0).groupby([table.sentence, table.position, table.layer]).sum()
    assert (taken > 1).any()
    assert "subject: none" in capsys.readouterr().out


def test_resume_computes_only_what_is_missing(tmp_path, undisturbed, few, monkeypatch):
    parts = Parts(monkeypatch, stop_after=2)
    with pytest.raises(SystemExit, match="stopped; --resume goes on from here"):
        run(f"--output={tmp_path}", *few)
    assert not (tmp_path / "table.csv").exists()
    parts.stop_after = None
    run(f"--output={tmp_path}", *few, "--resume")
    assert parts.written == list(range(len(parts.written)))
    processes.assert_same(tmp_path, undisturbed)


def test_killed_again_and_again_and_resumed_is_the_same_run(tmp_path, undisturbed, few):
    processes.kill_again_and_again(sva_top_path, tmp_path, few)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == RESULTS
    processes.assert_same(tmp_path, undisturbed)


def test_eight_devices_write_the_same_tables(tmp_path, undisturbed, few):
    """But for rounding: XLA divides work on a CPU by the number of devices too."""
    process = processes.start(sva_top_path, tmp_path / "run", few, num_devices=8)
    process.join()
    assert process.exitcode == 0
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == RESULTS
    for name in ("sentences.csv", "summary.csv", "table.csv"):
        table, other = (pd.read_csv(folder / name) for folder in (tmp_path / "run", undisturbed))
        pd.testing.assert_frame_equal(table, other, rtol=1e-4, atol=1e-7)


def test_two_processes_write_the_same_files(tmp_path, undisturbed, few):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    together = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    own = [{**together, "JAX_PROCESS_ID": str(number)} for number in range(2)]
    runs = [processes.start(sva_top_path, tmp_path / "run", few, environment=e) for e in own]
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == RESULTS
    processes.assert_same(tmp_path / "run", undisturbed)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--dataset=no/such.tsv", r"no/such\.tsv"),
        ("--model=no/such/model", "no/such/model"),
        ("--min_attractors=9", "no sentence is left.*fewer than 9 attractors"),
        ("--overwrite --resume", "give one of them"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(tmp_path, arguments, flag, message):
    with pytest.raises(SystemExit, match=f"sva_top_path: .*{message}"):
        run(f"--output={tmp_path}", *arguments, *flag.split())
    assert not list(tmp_path.iterdir())


def test_a_malformed_line_is_named(tmp_path, arguments):
    data = tmp_path / "data.tsv"
    data.write_text(
        "1\tthe key is here\tthe key ***mask*** here\tis\tare\n1\tno mask\tno mask\tis\tare\n"
    )
    with pytest.raises(SystemExit, match=r"data\.tsv.*2"):
        run(f"--output={tmp_path / 'run'}", *arguments, f"--dataset={data}")


def test_an_output_that_cannot_be_written_is_an_error_before_the_work(tmp_path, arguments):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="cannot write to --output"):
        run(f"--output={tmp_path / 'file' / 'run'}", *arguments)


@pytest.mark.parametrize(
    "flag", ["--batch_size=0", "--limit=0", "--controls=-1", "--qoi=odds", "--max_product=mean"]
)
def test_flags_out_of_range_are_refused(tmp_path, flag):
    with (
        pytest.raises(flags.IllegalFlagValueError, match=flag[2:].split("=")[0]),
        flagsaver.flagsaver(),
    ):
        flags.FLAGS([sva_top_path.__file__, f"--output={tmp_path}", flag])


def test_the_command_ends_with_one_line_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "experiments.sva_top_path"]
    ended = subprocess.run(
        [*command, f"--output={tmp_path}", f"--dataset={tmp_path / 'none.tsv'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("sva_top_path: ")
    assert "Traceback" not in ended.stderr
