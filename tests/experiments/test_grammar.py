"""What the grammar says of its sentences is so, and guesses that ignore the subject fail."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.common import grammar, lexicon
from experiments.common.sentences import MASK, Sentence

_NUMBER = {
    form: number
    for forms in (*lexicon.PEOPLE, *lexicon.THINGS)
    for number, form in enumerate(forms)
}
_VERBS = (
    lexicon.COPULA,
    lexicon.PERFECT,
    lexicon.DO,
    *lexicon.LINKING,
    *lexicon.INTRANSITIVE,
    *lexicon.TRANSITIVE,
)
_SEEDS = st.integers(0, 2**32)


def _subject_number(sentence: Sentence) -> int:
    assert sentence.subject is not None
    return _NUMBER[sentence.words[sentence.subject]]


@settings(max_examples=40)
@given(_SEEDS, st.sets(st.integers(0, 4), min_size=1).map(sorted))
def test_roles_are_as_told(seed: int, attractors: list[int]) -> None:
    for sentence in grammar.generate(seed, 10, attractors):
        number = _subject_number(sentence)
        assert sentence.words[sentence.verb] == MASK
        assert sentence.words.count(MASK) == 1
        (forms,) = [f for f in _VERBS if sentence.right in f]
        assert (sentence.right, sentence.wrong) == (forms[number], forms[1 - number])
        before = range(sentence.verb)
        assert sentence.subject in before
        assert sentence.attractors == tuple(
            i for i in before if _NUMBER.get(sentence.words[i]) == 1 - number
        )
        assert sentence.num_attractors == len(sentence.attractors)
        assert sentence.num_attractors in attractors
        words = {*sentence.words, sentence.right, sentence.wrong} - {MASK}
        assert words <= set(grammar.VOCABULARY)
        assert len(sentence.words) + 2 <= 64


@settings(max_examples=10)
@given(_SEEDS, _SEEDS)
def test_splits_have_no_sentence_in_common(seed: int, other: int) -> None:
    train = grammar.generate(seed, 200, range(5), split="train")
    heldout = grammar.generate(other, 200, range(5), split="heldout")
    until_verb = [{s.words[: s.verb] for s in split} for split in (train, heldout)]
    assert not until_verb[0] & until_verb[1]
    assert [len(split) for split in until_verb] == [200, 200]  # nor any twice


@settings(max_examples=10)
@given(_SEEDS, st.integers(0, 30))
def test_is_pure_and_a_longer_list_begins_with_the_shorter(seed: int, num: int) -> None:
    assert grammar.generate(seed, 30)[:num] == grammar.generate(seed, num)


def test_numbers_are_balanced() -> None:
    cells = collections.Counter(
        (s.num_attractors, _subject_number(s)) for s in grammar.generate(0, 80)
    )
    assert cells == {(n, number): 10 for n in (1, 2, 3, 4) for number in (0, 1)}


def test_guesses_without_the_subject_fail() -> None:
    sentences = grammar.generate(0, 2000)
    nouns = [[_NUMBER[w] for w in s.words[: s.verb] if w in _NUMBER] for s in sentences]
    subjects = np.array([_subject_number(s) for s in sentences])
    most = np.array([np.mean(numbers) for numbers in nouns])
    majority = np.where(most == 0.5, 0.5, (most > 0.5) == subjects)
    first, last = (np.array([numbers[i] for numbers in nouns]) == subjects for i in (0, -1))
    for guess in (first, last, majority):
        assert 0.3 < guess.mean() < 0.7


def test_sentences_are_diverse() -> None:
    sentences = grammar.generate(0, 400)
    assert len({s.words for s in sentences}) == 400
    assert len({s.verb for s in sentences}) > 15
    assert len({s.right for s in sentences}) > 30
    assert len(grammar.VOCABULARY) > 200


@pytest.mark.parametrize("attractors", [(), (5,), (-1, 2)])
def test_bad_attractors_are_refused(attractors: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="attractors must be numbers from 0 to 4, at least one"):
        grammar.generate(0, 1, attractors)
