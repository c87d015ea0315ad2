"""The phrases of the grammar, as dependency trees.

Labels are those of Universal Dependencies, parts of speech those of the Penn Treebank.
"""

import dataclasses
import random
from collections.abc import Iterator, Sequence

from experiments.common import lexicon

NOUN_TAGS = ("NN", "NNS")  # as with Forms, the index is the number
VERB_TAGS = ("VBZ", "VBP")


@dataclasses.dataclass(eq=False)
class Node:
    """A word of a dependency tree and what depends on it, to its left and to its right.

    Attributes:
        text: the word.
        tag: part of speech, Penn Treebank.
        relation: dependency to the word it hangs on, Universal Dependencies.
        left: dependents before the word, in order.
        right: dependents after it, in order.
    """

    text: str
    tag: str
    relation: str
    left: list["Node"] = dataclasses.field(default_factory=list)
    right: list["Node"] = dataclasses.field(default_factory=list)

    def __iter__(self) -> Iterator["Node"]:
        """The words of the tree in the order of the sentence."""
        for dependent in self.left:
            yield from dependent
        yield self
        for dependent in self.right:
            yield from dependent


# The head of a clause yet without subject, its finite verb, and that verb's forms.
Predicate = tuple[Node, Node, lexicon.Forms]


def word(rng: random.Random, words: Sequence[str], tag: str, relation: str) -> Node:
    """Makes a word drawn from a list."""
    return Node(rng.choice(words), tag, relation)


def person(rng: random.Random, number: int, relation: str) -> Node:
    """Makes "the (old) guard"."""
    return _noun_phrase(rng, rng.choice(lexicon.PEOPLE), number, relation)


def anything(rng: random.Random, number: int, relation: str) -> Node:
    """Makes "the (old) guard" or "the (old) key"."""
    nouns = rng.choice((lexicon.PEOPLE, lexicon.THINGS))
    return _noun_phrase(rng, rng.choice(nouns), number, relation)


def _noun_phrase(rng: random.Random, forms: lexicon.Forms, number: int, relation: str) -> Node:
    head = Node(forms[number], NOUN_TAGS[number], relation)
    head.left = [word(rng, lexicon.DETERMINERS, "DT", "det")]
    if rng.random() < 0.25:
        head.left.append(word(rng, lexicon.ADJECTIVES, "JJ", "amod"))
    return head


def _prepositional(rng: random.Random, number: int, relation: str) -> Node:
    """Makes "near the key"."""
    head = anything(rng, number, relation)
    head.left.insert(0, word(rng, lexicon.PREPOSITIONS, "IN", "case"))
    return head


def _agent(rng: random.Random, number: int) -> Node:
    """Makes "by the guard"."""
    head = person(rng, number, "obl:agent")
    head.left.insert(0, Node("by", "IN", "case"))
    return head


def modify(rng: random.Random, host: Node, numbers: Sequence[int]) -> None:
    """Hangs nouns of the given numbers on a noun, each modifier on the noun before it."""
    rest = list(numbers)
    while rest:
        if len(rest) <= 2 and rng.random() < 0.4:
            host.right.append(_object_relative(rng, host, rest))
            return
        kinds = [_nominal, _nominal, _participle]
        if _is_person(host):
            kinds.append(_subject_relative)
        modifier, last = rng.choice(kinds)(rng, rest.pop(0))
        host.right.append(modifier)
        host = last


def _nominal(rng: random.Random, number: int) -> tuple[Node, Node]:
    """Makes "near the key"; returns the modifier and its noun, as the next two do."""
    head = _prepositional(rng, number, "nmod")
    return head, head


def _participle(rng: random.Random, number: int) -> tuple[Node, Node]:
    """Makes "found by the guard"."""
    participle = word(rng, lexicon.PARTICIPLES, "VBN", "acl")
    participle.right = [_agent(rng, number)]
    return participle, participle.right[0]


def _subject_relative(rng: random.Random, number: int) -> tuple[Node, Node]:
    """Makes "who found the key"; the verb's past tense hides the number of who."""
    relative = word(rng, lexicon.PAST_TRANSITIVE, "VBD", "acl:relcl")
    relative.left = [rng.choice((Node("who", "WP", "nsubj"), Node("that", "WDT", "nsubj")))]
    relative.right = [anything(rng, number, "obj")]
    return relative, relative.right[0]


def _object_relative(rng: random.Random, host: Node, numbers: Sequence[int]) -> Node:
    """Makes "that the guards (near the door) lost", with one noun or two."""
    relative = word(rng, lexicon.PAST_TRANSITIVE, "VBD", "acl:relcl")
    named = Node("who", "WP", "obj") if _is_person(host) else Node("which", "WDT", "obj")
    subject = person(rng, numbers[0], "nsubj")
    subject.right = [_prepositional(rng, number, "nmod") for number in numbers[1:]]
    relative.left = [rng.choice((named, Node("that", "WDT", "obj"))), subject]
    return relative


def _is_person(noun: Node) -> bool:
    return any(noun.text in forms for forms in lexicon.PEOPLE)


def _nothing(rng: random.Random, clause: Node, numbers: Sequence[int]) -> Node:
    return clause


def _place(rng: random.Random, clause: Node, numbers: Sequence[int]) -> Node:
    """Puts "near the old house," before the clause."""
    clause.left[:0] = [_prepositional(rng, numbers[0], "obl"), Node(",", ",", "punct")]
    return clause


def _time(rng: random.Random, clause: Node, numbers: Sequence[int]) -> Node:
    """Puts "when the guard smiled," or "when the guard saw the door," before the clause."""
    verbs = lexicon.PAST_TRANSITIVE if len(numbers) == 2 else lexicon.PAST_INTRANSITIVE
    event = word(rng, verbs, "VBD", "advcl")
    event.left = [word(rng, lexicon.SUBORDINATORS, "IN", "mark"), person(rng, numbers[0], "nsubj")]
    event.right = [anything(rng, number, "obj") for number in numbers[1:]]
    clause.left[:0] = [event, Node(",", ",", "punct")]
    return clause


def _saying(rng: random.Random, clause: Node, numbers: Sequence[int]) -> Node:
    """Puts "the guard said that" before the clause."""
    clause.relation = "ccomp"
    clause.left.insert(0, Node("that", "IN", "mark"))
    return _before(rng, lexicon.SAYING, numbers[0], clause)


def _joined(rng: random.Random, clause: Node, numbers: Sequence[int]) -> Node:
    """Puts "the guard smiled and" before the clause."""
    clause.relation = "conj"
    clause.left.insert(0, word(rng, lexicon.COORDINATORS, "CC", "cc"))
    return _before(rng, lexicon.PAST_INTRANSITIVE, numbers[0], clause)


def _before(rng: random.Random, verbs: Sequence[str], number: int, clause: Node) -> Node:
    main = word(rng, verbs, "VBD", "ROOT")
    main.left, main.right = [person(rng, number, "nsubj")], [clause]
    return main


# What comes before the subject and how many nouns it takes. Most often there is nothing.
OPENINGS = (
    *4 * [(_nothing, 0)],
    (_place, 1),
    (_time, 1),
    (_time, 2),
    (_saying, 1),
    (_joined, 1),
)


def _copular(rng: random.Random, number: int) -> Predicate:
    """Makes "is (very) old"."""
    verb = _finite(lexicon.COPULA, number, "cop")
    degree = [word(rng, lexicon.DEGREES, "RB", "advmod")] if rng.random() < 0.5 else []
    clause = word(rng, lexicon.ADJECTIVES, "JJ", "ROOT")
    clause.left = [verb, *degree]
    return clause, verb, lexicon.COPULA


def _linking(rng: random.Random, number: int) -> Predicate:
    """Makes "seems old"."""
    forms = rng.choice(lexicon.LINKING)
    verb = _finite(forms, number, "ROOT")
    verb.right = [word(rng, lexicon.ADJECTIVES, "JJ", "xcomp")]
    return verb, verb, forms


def _transitive(rng: random.Random, number: int) -> Predicate:
    """Makes "needs the keys"."""
    forms = rng.choice(lexicon.TRANSITIVE)
    verb = _finite(forms, number, "ROOT")
    verb.right = [anything(rng, rng.choice((0, 1)), "obj")]
    return verb, verb, forms


def _intransitive(rng: random.Random, number: int) -> Predicate:
    """Makes "waits today" or "waits near the doors"."""
    forms = rng.choice(lexicon.INTRANSITIVE)
    verb = _finite(forms, number, "ROOT")
    verb.right = [
        word(rng, lexicon.FINAL_ADVERBS, "RB", "advmod")
        if rng.random() < 0.5
        else _prepositional(rng, rng.choice((0, 1)), "obl")
    ]
    return verb, verb, forms


def _negated(rng: random.Random, number: int) -> Predicate:
    """Makes "does not need the keys"."""
    verb = _finite(lexicon.DO, number, "aux")
    clause = Node(rng.choice(lexicon.TRANSITIVE).plural, "VB", "ROOT")
    clause.left = [verb, Node("not", "RB", "advmod")]
    clause.right = [anything(rng, rng.choice((0, 1)), "obj")]
    return clause, verb, lexicon.DO


def _perfect(rng: random.Random, number: int) -> Predicate:
    """Makes "has arrived"."""
    verb = _finite(lexicon.PERFECT, number, "aux")
    clause = word(rng, lexicon.PERFECT_PARTICIPLES, "VBN", "ROOT")
    clause.left = [verb]
    return clause, verb, lexicon.PERFECT


def _progressive(rng: random.Random, number: int) -> Predicate:
    """Makes "is waiting here"."""
    verb = _finite(lexicon.COPULA, number, "aux")
    clause = word(rng, lexicon.GERUNDS, "VBG", "ROOT")
    clause.left = [verb]
    clause.right = [word(rng, lexicon.FINAL_ADVERBS, "RB", "advmod")]
    return clause, verb, lexicon.COPULA


def _passive(rng: random.Random, number: int) -> Predicate:
    """Makes "is admired by the guards"."""
    verb = _finite(lexicon.COPULA, number, "aux:pass")
    clause = word(rng, lexicon.PARTICIPLES, "VBN", "ROOT")
    clause.left = [verb]
    clause.right = [_agent(rng, rng.choice((0, 1)))]
    return clause, verb, lexicon.COPULA


PREDICATES = (
    _copular,
    _linking,
    _transitive,
    _intransitive,
    _negated,
    _perfect,
    _progressive,
    _passive,
)


def _finite(forms: lexicon.Forms, number: int, relation: str) -> Node:
    return Node(forms[number], VERB_TAGS[number], relation)
