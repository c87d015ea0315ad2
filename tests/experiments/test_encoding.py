"""Positions and ids are those of the tokenizer; what cannot be used is left out and counted."""

import dataclasses
import pathlib

import numpy as np
import pytest
from transformers import BertTokenizerFast

from experiments.common.encoding import encode
from experiments.common.sentences import MASK, Sentence

_PIECES = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("the", "key", "##s", "cabinet", "to", "is", "are", "(", ")", ",", "open", "##er"),
)
_SENTENCE = Sentence(
    words=("The", "key", "-LRB-", "to", "cabinet", "-RRB-", MASK, "open"),
    verb=6,
    right="Is",
    wrong="are",
    subject=1,
    attractors=(4,),
    num_attractors=1,
    source="file:1",
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    vocabulary = pathlib.Path(tmp_path_factory.mktemp("tokenizer"), "vocab.txt")
    vocabulary.write_text("\n".join(_PIECES))
    return BertTokenizerFast(vocab_file=str(vocabulary))


def test_positions_and_ids(tokenizer: BertTokenizerFast) -> None:
    sentence = dataclasses.replace(_SENTENCE, words=("keys", *_SENTENCE.words[1:]))
    (example,), left_out = encode([sentence], tokenizer)
    content = ("key", "##s", "key", "(", "to", "cabinet", ")", "[MASK]", "open")
    expected = ("[CLS]", *content, "[SEP]")
    assert example.tokens == expected
    np.testing.assert_array_equal(example.input_ids, [_PIECES.index(t) for t in expected])
    assert example.input_ids.dtype == np.int32
    assert (example.mask, example.subject, example.attractors) == (8, 3, (6,))
    assert (_PIECES[example.right], _PIECES[example.wrong]) == ("is", "are")
    assert left_out == {}


def test_unknown_roles_are_kept(tokenizer: BertTokenizerFast) -> None:
    sentence = dataclasses.replace(_SENTENCE, subject=None, attractors=None)
    (example,), left_out = encode([sentence], tokenizer)
    assert (example.subject, example.attractors, left_out) == (None, (), {})


def test_a_mask_in_the_text_is_not_the_verb(tokenizer: BertTokenizerFast) -> None:
    sentence = dataclasses.replace(_SENTENCE, words=(MASK, *_SENTENCE.words[1:]))
    (example,), _ = encode([sentence], tokenizer)
    assert example.mask == 7


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"right": "opener"}, "verb form is several word pieces"),
        ({"wrong": "be"}, "verb form is not in the vocabulary"),
        ({"wrong": "IS"}, "right and wrong form are the same piece"),
        ({"words": ("the", "keys", *_SENTENCE.words[2:])}, "subject is several word pieces"),
        ({"words": ("the", "lock", *_SENTENCE.words[2:])}, "subject is not in the vocabulary"),
        ({"subject": 3, "attractors": (0, 8), "words": (*_SENTENCE.words, "keys")},
         "attractor is several word pieces"),
        ({"subject": None, "attractors": ()}, "no subject found"),
        ({"words": (*_SENTENCE.words, *("the",) * 20)}, "too long"),
    ],
)  # fmt: skip
def test_left_out_and_counted(
    tokenizer: BertTokenizerFast, changes: dict[str, object], reason: str
) -> None:
    changed = dataclasses.replace(_SENTENCE, **changes)
    examples, left_out = encode([changed, _SENTENCE, changed], tokenizer, max_length=20)
    assert [example.sentence for example in examples] == [_SENTENCE]
    assert left_out == {reason: 2}


def test_no_sentences(tokenizer: BertTokenizerFast) -> None:
    assert encode([], tokenizer) == ([], {})
