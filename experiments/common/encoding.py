"""Sentences as a masked language model sees them: token ids, and where the roles stand."""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers import BatchEncoding, PreTrainedTokenizerBase

from experiments.common.sentences import Sentence, plain_word


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One sentence as the model sees it.

    Attributes:
        sentence: the sentence.
        input_ids: int32 [T], with [CLS] and [SEP].
        tokens: the word pieces, T of them.
        mask: position of [MASK] in `tokens`.
        right: vocabulary id of the right verb form.
        wrong: vocabulary id of the wrong one.
        subject: position of the subject in `tokens`; None where it is not known.
        attractors: positions of the attractors in `tokens`; empty where they are not known.
    """

    sentence: Sentence
    input_ids: np.ndarray
    tokens: tuple[str, ...]
    mask: int
    right: int
    wrong: int
    subject: int | None
    attractors: tuple[int, ...]


class _LeftOutError(Exception):
    """A sentence cannot be used; the message is the reason under which it is counted."""


def encode(
    sentences: Sequence[Sentence], tokenizer: PreTrainedTokenizerBase, max_length: int = 512
) -> tuple[list[Example], dict[str, int]]:
    """Encodes the sentences that the analysis can use and counts the others.

    Left out, as in the paper, are sentences whose verb forms, subject or attractors are several
    word pieces; also those that are too long, in which a parser found no subject, or whose two verb
    forms are one to the tokenizer. Penn Treebank escapes such as -LRB- are undone first.

    Args:
        sentences: what to encode.
        tokenizer: a fast tokenizer with a mask token.
        max_length: the longest sentence to keep, in tokens, [CLS] and [SEP] included.

    Returns:
        The examples, in the order of the sentences, and how many were left out for which reason.
    """
    if not sentences:
        return [], {}
    encoding = tokenizer([_words(s, tokenizer) for s in sentences], is_split_into_words=True)
    forms = sorted({form for s in sentences for form in (s.right, s.wrong)})
    form_ids: Any = tokenizer(
        [[form] for form in forms], is_split_into_words=True, add_special_tokens=False
    )["input_ids"]
    pieces_of_form = dict(zip(forms, form_ids, strict=True))

    examples = []
    left_out: collections.Counter[str] = collections.Counter()
    for row, sentence in enumerate(sentences):
        try:
            examples.append(
                _example(sentence, encoding, row, pieces_of_form, tokenizer, max_length)
            )
        except _LeftOutError as reason:
            left_out[str(reason)] += 1
    return examples, dict(left_out)


def _words(sentence: Sentence, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    words = [plain_word(word) for word in sentence.words]
    words[sentence.verb] = str(tokenizer.mask_token)
    return words


def _example(
    sentence: Sentence,
    encoding: BatchEncoding,
    row: int,
    pieces_of_form: dict[str, list[int]],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> Example:
    every_id: Any = encoding["input_ids"]
    ids = every_id[row]
    if len(ids) > max_length:
        raise _LeftOutError("too long")
    if sentence.subject is None and sentence.attractors is not None:
        raise _LeftOutError("no subject found")
    unknown: Any = tokenizer.unk_token_id
    right, wrong = (
        _only("verb form", pieces_of_form[form], unknown)
        for form in (sentence.right, sentence.wrong)
    )
    if right == wrong:
        raise _LeftOutError("right and wrong form are the same piece")

    positions = collections.defaultdict(list)
    for position, word in enumerate(encoding.word_ids(row)):
        positions[word].append(position)

    def position_of(role: str, word: int) -> int:
        _only(role, [ids[position] for position in positions[word]], unknown)
        return positions[word][0]

    subject = sentence.subject
    return Example(
        sentence=sentence,
        input_ids=np.array(ids, np.int32),
        tokens=tuple(encoding.tokens(row)),
        mask=position_of("masked verb", sentence.verb),
        right=right,
        wrong=wrong,
        subject=None if subject is None else position_of("subject", subject),
        attractors=tuple(position_of("attractor", word) for word in sentence.attractors or ()),
    )


def _only(role: str, pieces: Sequence[int], unknown: int | None) -> int:
    """Returns the only piece of a word; without one known piece its sentence is left out."""
    if len(pieces) > 1:
        raise _LeftOutError(f"{role} is several word pieces")
    if not pieces or pieces[0] == unknown:
        raise _LeftOutError(f"{role} is not in the vocabulary")
    return pieces[0]
