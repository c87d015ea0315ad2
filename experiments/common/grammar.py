"""A grammar of agreement sentences that knows subject, attractors and verb of what it makes.

A sentence is made as a dependency tree: a subject, other nouns of either number between it and its
verb or before it, and one of several kinds of predicate. Only the subject tells the number of the
verb: determiners, adjectives and relative clauses (past tense) do not vary with number, nouns after
the verb have numbers of their own, and where 1 to 4 attractors take turns, counting the nouns
before the verb is no better than guessing.
"""

import dataclasses
import random
import zlib
from collections.abc import Iterator, Sequence
from typing import Literal

from experiments.common import lexicon, phrases
from experiments.common.sentences import MASK, Sentence

Split = Literal["train", "heldout"]

MAX_ATTRACTORS = 4
VOCABULARY: tuple[str, ...] = lexicon.WORDS

_HELDOUT_SHARE = 4  # one sentence in so many is held out


@dataclasses.dataclass(frozen=True, eq=False)
class Derivation:
    """A sentence as a tree, with the three words that agreement is about.

    Attributes:
        root: the tree.
        subject: the subject of `verb`.
        verb: the verb that will be masked, in its right form.
        wrong: the form of the verb that does not agree.
    """

    root: phrases.Node
    subject: phrases.Node
    verb: phrases.Node
    wrong: str


def generate(
    seed: int,
    num: int,
    attractors: Sequence[int] = tuple(range(1, MAX_ATTRACTORS + 1)),
    split: Split = "heldout",
) -> list[Sentence]:
    """Generates sentences that differ from each other before the verb; a pure function.

    The numbers of attractors and of the subject take turns, so that every prefix of the list is
    balanced. Whatever the seeds, the two splits have no sentence in common, nor two that are the
    same up to the verb.

    Args:
        seed: of the random choices.
        num: how many sentences.
        attractors: the numbers of attractors (0 to 4) that take turns.
        split: which part of all sentences to draw from; the models here are trained on "train".

    Returns:
        The sentences, sources "grammar:1", "grammar:2", ...

    Raises:
        ValueError: a number of attractors out of range, or none.
    """
    derivations = derive(seed, attractors, split)
    return [_sentence(next(derivations), number) for number in range(1, num + 1)]


def derive(seed: int, attractors: Sequence[int], split: Split = "heldout") -> Iterator[Derivation]:
    """Yields the trees of the sentences of `generate`, without end."""
    if not attractors or not all(0 <= n <= MAX_ATTRACTORS for n in attractors):
        raise ValueError(
            f"attractors must be numbers from 0 to {MAX_ATTRACTORS}, at least one of them; got "
            f"{tuple(attractors)}."
        )
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        for num_attractors in attractors:
            for number in (0, 1):
                yield _new_derivation(rng, number, num_attractors, split, seen)


def _new_derivation(
    rng: random.Random, number: int, num_attractors: int, split: Split, seen: set[str]
) -> Derivation:
    """Draws until the words before the verb are of the split and not seen; notes them as seen."""
    while True:
        derivation = _derivation(rng, number, num_attractors)
        words = [node.text for node in derivation.root]
        before = " ".join(words[: list(derivation.root).index(derivation.verb)])
        heldout = zlib.crc32(before.encode()) % _HELDOUT_SHARE == 0
        if before not in seen and heldout == (split == "heldout"):
            seen.add(before)
            return derivation


def _sentence(derivation: Derivation, number: int) -> Sentence:
    nodes = list(derivation.root)
    verb, subject = nodes.index(derivation.verb), nodes.index(derivation.subject)
    attractors = tuple(
        index
        for index, node in enumerate(nodes[:verb])
        if node.tag in phrases.NOUN_TAGS and node.tag != derivation.subject.tag
    )
    return Sentence(
        words=tuple(MASK if node is derivation.verb else node.text for node in nodes),
        verb=verb,
        right=derivation.verb.text,
        wrong=derivation.wrong,
        subject=subject,
        attractors=attractors,
        num_attractors=len(attractors),
        source=f"grammar:{number}",
    )


def _derivation(rng: random.Random, number: int, num_attractors: int) -> Derivation:
    """Draws a sentence with a subject of the given number and so many attractors."""
    num_distractors = rng.randrange(MAX_ATTRACTORS)
    numbers = [1 - number] * num_attractors + [number] * num_distractors
    rng.shuffle(numbers)
    open_clause, taken = rng.choice([o for o in phrases.OPENINGS if o[1] <= len(numbers)])
    subject = phrases.anything(rng, number, "nsubj")
    phrases.modify(rng, subject, numbers[taken:])
    clause, verb, forms = rng.choice(phrases.PREDICATES)(rng, number)
    if verb.relation == "aux:pass":
        subject.relation = "nsubj:pass"
    adverb = [phrases.word(rng, lexicon.ADVERBS, "RB", "advmod")] if rng.random() < 0.2 else []
    clause.left[:0] = [subject, *adverb]
    root = open_clause(rng, clause, numbers[:taken])
    root.right.append(phrases.Node(".", ".", "punct"))
    return Derivation(root, subject, verb, forms[1 - number])
