"""The agreement task, from flags to examples: sentences, who is who in them, and the model."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from absl import flags

from experiments.common import branch_flow, grammar, models, parsing, sentences, training
from experiments.common.encoding import Example, encode
from experiments.common.errors import DataError
from experiments.common.run import SEED, SMOKE, cache_dir
from experiments.common.sentences import Sentence

_DATASET = flags.DEFINE_string(
    "dataset",
    None,
    "File of sentences: bert-syntax's .tsv, or colorlessgreenRNNs' .text beside its .gold. "
    "Without it, sentences are generated.",
)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Name or folder of a BERT masked LM. Without it, a small one is trained on generated "
    "sentences.",
)
_SPACY_MODEL = flags.DEFINE_string(
    "spacy_model",
    "en_core_web_sm",
    "Name or folder of the spaCy pipeline that finds subject and attractors where the data do not "
    "tell; empty: only all tokens are looked at.",
)
_LIMIT = flags.DEFINE_integer(
    "limit",
    1000,
    "How many sentences to take, at random where there are more.",
    lower_bound=1,
)
_MIN_ATTRACTORS = flags.DEFINE_integer(
    "min_attractors", 0, "Leave out sentences with fewer attractors.", lower_bound=0
)
QOI = flags.DEFINE_enum(
    "qoi", "logit", list(branch_flow.QUANTITIES), "What is compared between the two verb forms."
)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Sentences at a time.", lower_bound=1)
# The flags here, all of which decide what comes out.
FLAG_NAMES = ("dataset", "model", "spacy_model", "limit", "min_attractors", "qoi", "batch_size")

# With --smoke: so many sentences, and a model that has learnt nothing.
_SMOKE_LIMIT = 24
_SMOKE_RECIPE = training.Recipe(
    layers=1, hidden=8, heads=2, intermediate=16, first_steps=0, steps=1, first_sentences=16,
    sentences=16, heldout=8,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be analysed.

    Attributes:
        masked_lm: The model, with its tokenizer.
        examples: The sentences left, tokenized.
        left_out: How many sentences were left out, by reason.
    """

    masked_lm: models.MaskedLM
    examples: list[Example]
    left_out: dict[str, int]


def load_task() -> Task:
    """Makes ready what the flags ask for: sentences with their roles, the model, the tokens.

    Raises:
        DataError: The sentences cannot be read, or none is left.
        ModelError: The model or the spaCy pipeline cannot be loaded.
    """
    chosen, too_few = choose_sentences()
    if _SPACY_MODEL.value and any(sentence.attractors is None for sentence in chosen):
        chosen = parsing.find_roles(chosen, parsing.load_pipeline(_SPACY_MODEL.value))
    if _MODEL.value is None:
        masked_lm = models.train_masked_lm(
            SEED.value, cache_dir(), recipe=_SMOKE_RECIPE if SMOKE.value else None
        )
    else:
        masked_lm = models.load_masked_lm(_MODEL.value)
    examples, left_out = encode(
        chosen, masked_lm.tokenizer, masked_lm.model.config.max_position_embeddings
    )
    if too_few:
        left_out = {f"fewer than {_MIN_ATTRACTORS.value} attractors": too_few, **left_out}
    if not examples:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in left_out.items())
        raise DataError(f"no sentence is left to analyse; left out: {reasons}")
    return Task(masked_lm, examples, left_out)


def choose_sentences() -> tuple[list[Sentence], int]:
    """Returns at most --limit sentences, and how many had too few attractors."""
    limit = min(_LIMIT.value, _SMOKE_LIMIT) if SMOKE.value else _LIMIT.value
    if _DATASET.value is None:
        found = grammar.generate(SEED.value, limit)
    else:
        found = sentences.read_sentences(_DATASET.value)
    kept = [sentence for sentence in found if sentence.num_attractors >= _MIN_ATTRACTORS.value]
    too_few = len(found) - len(kept)
    if len(kept) > limit:
        sample = np.random.default_rng(SEED.value).choice(len(kept), limit, replace=False)
        kept = [kept[row] for row in sorted(sample)]
    return kept, too_few


def accuracy(examples: Sequence[Example], preference: np.ndarray) -> dict[str, Any]:
    """Returns the share of sentences with the right form preferred, by number of attractors too."""
    right = preference > 0
    attractors = np.array([example.sentence.num_attractors for example in examples])
    counts = sorted(Counter(attractors.tolist()).items())
    return {
        "overall": float(right.mean()),
        "by_attractors": {
            str(number): {
                "accuracy": float(right[attractors == number].mean()),
                "sentences": count,
            }
            for number, count in counts
        },
    }


def sentence_table(examples: Sequence[Example], preference: np.ndarray) -> pd.DataFrame:
    """Returns a row for each sentence: its text, verb forms, attractors, and what the model says.

    Args:
        examples: The sentences.
        preference: [sentence], the quantity of interest; the model is right where it is positive.
    """
    return pd.DataFrame(
        {
            "sentence": range(len(examples)),
            "source": [example.sentence.source for example in examples],
            "text": [" ".join(example.sentence.words) for example in examples],
            "right": [example.sentence.right for example in examples],
            "wrong": [example.sentence.wrong for example in examples],
            "num_attractors": [example.sentence.num_attractors for example in examples],
            "preference": preference,
            "correct": preference > 0,
        }
    )


def generated() -> bool:
    """Tells whether the sentences come from the grammar."""
    return _DATASET.value is None


def source() -> str:
    """Says where the sentences come from, without paths of the machine."""
    dataset = _DATASET.value
    return "from the grammar" if dataset is None else f"from {pathlib.Path(dataset).name}"


def model_name(task: Task) -> str:
    """Returns the name of the model, without paths of the machine."""
    path = pathlib.Path(task.masked_lm.name)
    return path.name if path.is_dir() else task.masked_lm.name
