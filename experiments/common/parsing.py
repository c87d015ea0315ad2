"""Finds subject and attractors in real sentences, with a spaCy pipeline.

The subject is that of the masked verb by dependency; attractors are the nouns before the verb,
other than the subject, whose number is not the verb's (Linzen et al. 2016). Labels may be those of
Universal Dependencies or of spaCy's own English pipelines.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Token
from tqdm import tqdm

from experiments.common.errors import ModelError
from experiments.common.sentences import Sentence, plain_word

_SUBJECT = {
    *("nsubj", "nsubj:outer", "nsubj:pass", "nsubjpass"),
    *("csubj", "csubj:outer", "csubj:pass", "csubjpass"),
}
_CARRIES_VERB = {"aux", "aux:pass", "auxpass", "cop"}  # the subject hangs on the verb's head
_RELATIVE_CLAUSE = {"acl:relcl", "relcl"}
_RELATIVE_PRONOUNS = {"that", "which", "who"}
_NOUNS = {"NOUN", "PROPN"}
_PLURAL_TAGS, _SINGULAR_TAGS = {"NNS", "NNPS"}, {"NN", "NNP"}
_SINGULAR_FORMS, _PLURAL_FORMS = {"is", "was", "has"}, {"are", "were", "have"}


def load_pipeline(name_or_path: str) -> Language:
    """Loads a spaCy pipeline by its package's name or its folder.

    Raises:
        ModelError: there is none, or it has no parser; the message says how to install one.
    """
    try:
        pipeline = spacy.load(name_or_path)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"there is no spaCy pipeline {name_or_path!r}: neither an installed package nor a "
            f"folder. `python -m spacy download en_core_web_sm` installs spaCy's small English "
            "one; --spacy_model also takes a folder, and --spacy_model= does without."
        ) from error
    if "parser" not in pipeline.pipe_names:
        raise ModelError(
            f"the spaCy pipeline {name_or_path!r} has no dependency parser, which finds the "
            f"subject; it has {', '.join(pipeline.pipe_names) or 'no parts'}."
        )
    return pipeline


def find_roles(
    sentences: Sequence[Sentence], pipeline: Language, batch_size: int = 64, progress: bool = True
) -> list[Sentence]:
    """Fills in subject and attractors where a sentence does not tell them.

    The parser reads the sentence's own words, with the right form in the verb's place.

    Args:
        sentences: sentences with a masked verb.
        pipeline: a pipeline with a parser, and a tagger or morphologizer.
        batch_size: sentences parsed at a time.
        progress: whether to show a progress bar.

    Returns:
        The sentences in order. Where no subject before the verb is found, the subject is None
        and the attractors are ().
    """
    unknown = [s for s in sentences if s.subject is None or s.attractors is None]
    docs = pipeline.pipe((_doc(s, pipeline) for s in unknown), batch_size=batch_size)
    parsed: Iterable[Doc] = tqdm(
        docs, total=len(unknown), desc="parse", unit="sentence", disable=not progress
    )
    found = {id(s): _with_roles(s, doc) for s, doc in zip(unknown, parsed, strict=True)}
    return [found.get(id(s), s) for s in sentences]


def _doc(sentence: Sentence, pipeline: Language) -> Doc:
    words = [plain_word(word) for word in sentence.words]
    words[sentence.verb] = sentence.right
    # All of it is one sentence: without this the parser may put a boundary inside.
    starts: list[bool | int | None] = [True, *[False] * (len(words) - 1)]
    return Doc(pipeline.vocab, words=words, sent_starts=starts)


def _with_roles(sentence: Sentence, doc: Doc) -> Sentence:
    subject = _subject(doc[sentence.verb])
    if subject is None or subject.i >= sentence.verb:
        return dataclasses.replace(sentence, subject=None, attractors=())
    other = "Plur" if is_singular(sentence.right, sentence.wrong) else "Sing"
    attractors = tuple(
        token.i
        for token in doc[: sentence.verb]
        if token.i != subject.i and _is_noun(token) and _number(token) == other
    )
    return dataclasses.replace(sentence, subject=subject.i, attractors=attractors)


def is_singular(right: str, wrong: str) -> bool:
    """Whether the right one of two forms of a present-tense verb is the third person singular."""
    right, wrong = right.lower(), wrong.lower()
    if right in _SINGULAR_FORMS | _PLURAL_FORMS:
        return right in _SINGULAR_FORMS
    return len(right) > len(wrong)  # an s is added: runs, passes, goes


def _subject(verb: Token) -> Token | None:
    """Returns the noun before a verb that it agrees with."""
    clause = verb.head if verb.dep_ in _CARRIES_VERB else verb
    dependents = (*clause.children, *verb.children)
    own = [t for t in dependents if t.dep_ in _SUBJECT and t.i < verb.i]
    if own:
        return _antecedent(own[0], clause)
    if clause.dep_ == "conj" and clause.head is not clause:  # "the keys are old and open doors"
        return _subject(clause.head)
    return None


def _antecedent(subject: Token, clause: Token) -> Token:
    """Returns what a relative pronoun that is the subject stands for, or the subject."""
    is_relative = subject.lower_ in _RELATIVE_PRONOUNS and clause.dep_ in _RELATIVE_CLAUSE
    return clause.head if is_relative else subject


def _is_noun(token: Token) -> bool:
    return token.pos_ in _NOUNS or token.tag_ in _PLURAL_TAGS | _SINGULAR_TAGS


def _number(token: Token) -> str:
    """Returns "Sing", "Plur" or "" by morphology, or by tag where there is none."""
    number = token.morph.get("Number", [])
    if number:
        return number[0]
    return "Plur" if token.tag_ in _PLURAL_TAGS else "Sing" if token.tag_ in _SINGULAR_TAGS else ""
