"""From flags to sentences: which are taken, and how accuracy is counted."""

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from experiments.common import agreement
from experiments.common.encoding import encode
from experiments.common.errors import DataError
from experiments.common.models import load_masked_lm


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> str:
    """Thirty sentences, told apart by a number, with 0, 1 and 2 attractors in turn."""
    path = tmp_path_factory.mktemp("data") / "table.tsv"
    rows = [
        f"{number % 3}\tkey {number} pales here\tkey {number} ***mask*** here\tpales\tpale\n"
        for number in range(30)
    ]
    path.write_text("".join(rows))
    return str(path)


def load(tiny_bert, *arguments: str) -> agreement.Task:
    with flagsaver.flagsaver():
        flags.FLAGS(["test", "--output=unused", f"--model={tiny_bert}", *arguments])
        return agreement.load_task()


def test_sentences_are_generated_without_a_dataset(tiny_bert, generated):
    task = load(tiny_bert, "--limit=12")
    assert [example.sentence for example in task.examples] == generated
    assert task.left_out == {}


def test_sample_is_a_function_of_the_seed_and_in_the_order_of_the_file(table):
    samples = []
    for seed in (0, 0, 1):
        with flagsaver.flagsaver():
            flags.FLAGS(
                ["t", "--output=unused", f"--dataset={table}", "--limit=9", f"--seed={seed}"]
            )
            chosen, _ = agreement.choose_sentences()
        samples.append([int(sentence.words[1]) for sentence in chosen])
    assert samples[0] == samples[1] != samples[2]
    assert all(len(sample) == 9 and sample == sorted(sample) for sample in samples)


def test_sentences_with_too_few_attractors_are_counted(table):
    with flagsaver.flagsaver():
        flags.FLAGS(["t", "--output=unused", f"--dataset={table}", "--min_attractors=2"])
        chosen, too_few = agreement.choose_sentences()
    assert {sentence.num_attractors for sentence in chosen} == {2}
    assert (len(chosen), too_few) == (10, 20)


def test_no_sentence_left_is_an_error_that_says_why(tiny_bert, table):
    with pytest.raises(DataError, match="no sentence is left to analyse") as error:
        load(tiny_bert, f"--dataset={table}", "--min_attractors=1", "--spacy_model=")
    assert "fewer than 1 attractors (10)" in str(error.value)
    assert "verb form is not in the vocabulary (20)" in str(error.value)


def test_accuracy_is_counted_by_number_of_attractors(tiny_bert, generated):
    examples, _ = encode(generated, load_masked_lm(tiny_bert).tokenizer)
    attractors = np.array([sentence.num_attractors for sentence in generated])
    preference = np.where(attractors == 1, -1.0, 1.0)
    found = agreement.accuracy(examples, preference)
    counts = {number: int((attractors == number).sum()) for number in (1, 2, 3, 4)}
    assert found["overall"] == np.mean(attractors != 1)
    assert found["by_attractors"] == {
        str(number): {"accuracy": float(number != 1), "sentences": count}
        for number, count in counts.items()
    }
