"""The binaries of Figures 6a and 7: what they write, and that a stopped run goes on."""

import json
import pathlib

import numpy as np
import pandas as pd
import pytest
from absl import flags
from absl.testing import flagsaver
from interrupting import Parts

from experiments import entropy_vs_length, sva_entropy
from experiments.common import figure7, path_entropy

FILES = [
    "figure.pdf", "figure.png", "run.json", "section.md", "sentences.csv", "summary.csv",
    "table.csv",
]  # fmt: skip


def run(binary, *arguments: str) -> None:
    """Runs a binary within this process."""
    with flagsaver.flagsaver():
        flags.FLAGS([binary.__file__, *arguments])
        binary.main([binary.__file__])


@pytest.fixture(scope="module")
def arguments(tinier_bert, tmp_path_factory) -> list[str]:
    cache = tmp_path_factory.mktemp("cache")
    small = ["--smoke", "--limit=12", "--batch_size=4", "--spacy_model="]
    return [f"--model={tinier_bert}", f"--cache_dir={cache}", *small]


@pytest.fixture(scope="module")
def by_length(tmp_path_factory, arguments) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("by_length")
    run(entropy_vs_length, f"--output={folder}", *arguments)
    return folder


@pytest.fixture
def stand_in(monkeypatch) -> None:
    """Numbers that take no time, for what is not about them."""

    def token_paths(model, qoi):
        def compute(params, input_ids, attention_mask, mask, right, wrong):
            return path_entropy.TokenPaths(input_ids + 1.0, input_ids + 2.0, right - wrong + 0.5)

        return compute

    monkeypatch.setattr(path_entropy, "token_paths", token_paths)


def test_every_token_has_a_row_and_every_sentence_its_means(by_length, generated):
    assert sorted(entry.name for entry in by_length.iterdir()) == FILES
    table = pd.read_csv(by_length / "table.csv", keep_default_na=False)
    sentences = pd.read_csv(by_length / "sentences.csv")
    lengths = [len(sentence.words) + 2 for sentence in generated]
    assert len(table) == sum(lengths)
    assert sentences.length.tolist() == lengths
    assert sentences.num_attractors.tolist() == [s.num_attractors for s in generated]
    for row in sentences.itertuples():
        tokens = table[table.sentence == row.sentence]
        assert tokens.token.tolist()[0] == "[CLS]"
        assert row.entropy == pytest.approx(tokens.entropy.mean())
        assert row.ratio == pytest.approx((tokens.entropy / tokens.log_paths).mean())


def test_length_bins_hold_the_sentences(by_length):
    sentences = pd.read_csv(by_length / "sentences.csv")
    summary = pd.read_csv(by_length / "summary.csv").query("measure == 'entropy'")
    assert summary.sentences.sum() == len(sentences)
    for row in summary.itertuples():
        inside = sentences[(sentences.length > row.longer_than) & (sentences.length <= row.up_to)]
        assert row.sentences == len(inside)
        assert row.mean == pytest.approx(inside.entropy.mean())


def test_record_and_section_say_what_was_found(by_length):
    record = json.loads((by_length / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["quantity_of_interest"].startswith("logit of the right form")
    assert "word embeddings" in record["node"]
    rises = record["findings"][1]
    assert rises["what"].startswith("entropy rises with length")
    assert isinstance(rises["holds"], bool)
    section = (by_length / "section.md").read_text()
    assert "(figures/entropy_vs_length.png)" in section
    assert "--model=tinier_bert0" in section and str(by_length.parent) not in section


@pytest.mark.usefixtures("stand_in")
def test_correlations_are_within_bins_and_too_few_are_said_to_be(tmp_path, arguments):
    run(sva_entropy, f"--output={tmp_path}", *arguments, "--bins=8,40,50")
    found = pd.read_csv(tmp_path / "correlations.csv")
    assert found.n.tolist() == [12, 12, 0, 0]
    assert found.value.isna().all()  # 12 sentences are too few
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["bins"] == [[8, 40], [40, 50]]
    assert record["findings"][0]["here"].startswith("too few sentences (12)")
    assert record["findings"][-1]["holds"] is None


def test_correlation_of_a_bin_is_of_its_sentences():
    rng = np.random.default_rng(0)
    length = np.repeat([12, 18, 25], 30)
    table = pd.DataFrame({"length": length, "num_attractors": rng.integers(1, 5, 90)})
    table["entropy"] = table.num_attractors + 10.0 * length
    found = figure7.correlations(table, [(10, 12), (12, 20), (30, 40)], seed=0)
    assert found.n.tolist() == [30, 30, 30, 30, 0, 0]
    assert found.query("given == ''").value.tolist()[:2] == pytest.approx([1, 1])


@pytest.mark.usefixtures("stand_in")
def test_a_stopped_run_goes_on_to_the_same_tables(tmp_path, arguments, monkeypatch):
    undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    run(entropy_vs_length, f"--output={undisturbed}", *arguments)
    parts = Parts(monkeypatch, stop_after=1)
    with pytest.raises(SystemExit, match="stopped; --resume goes on from here"):
        run(entropy_vs_length, f"--output={stopped}", *arguments)
    parts.stop_after = None
    run(entropy_vs_length, f"--output={stopped}", *arguments, "--resume")
    assert parts.written == list(range(len(parts.written)))
    for name in ("table.csv", "sentences.csv", "summary.csv", "run.json"):
        assert (stopped / name).read_bytes() == (undisturbed / name).read_bytes(), name


@pytest.mark.parametrize("bins", ["10", "20,10", "10,x", "10,10"])
def test_bins_that_are_none_are_refused(tmp_path, bins):
    with pytest.raises(flags.IllegalFlagValueError, match="bins"), flagsaver.flagsaver():
        flags.FLAGS([sva_entropy.__file__, f"--output={tmp_path}", f"--bins={bins}"])
