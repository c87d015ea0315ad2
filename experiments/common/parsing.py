"""Finds subject and attractors of a masked verb with a spaCy dependency parser.

Two label sets are understood: Universal Dependencies' (`nsubj:pass`, NOUN, `Number=Plur`) and the
one of spaCy's own English pipelines (`nsubjpass`, NNS).
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Token
from tqdm import tqdm

from experiments.common.errors import ModelError
from experiments.common.sentences import Sentence, plain_word

_SUBJECTS = ("nsubj", "nsubjpass")
_AUXILIARIES = ("aux", "auxpass", "cop")
_RELATIVE_CLAUSES = ("relcl", "acl:relcl")
_RELATIVE_TAGS = ("WDT", "WP")
_NUMBER_OF_TAG = {"NN": "Sing", "NNP": "Sing", "NNS": "Plur", "NNPS": "Plur"}


def load_pipeline(name_or_path: str | os.PathLike[str]) -> Language:
    """Loads a spaCy pipeline.

    Args:
        name_or_path: An installed pipeline, e.g. "en_core_web_sm", or a local folder.

    Raises:
        ModelError: There is none of this name, or it has no dependency parser.
    """
    try:
        pipeline = spacy.load(name_or_path)
    except OSError as error:
        raise ModelError(
            f"cannot load the spaCy pipeline {str(name_or_path)!r}: {error} Install one with "
            "`python -m spacy download en_core_web_sm`, or give the folder of a pipeline that was "
            "saved with `to_disk`."
        ) from error
    if "parser" not in pipeline.pipe_names:
        raise ModelError(
            f"the spaCy pipeline {str(name_or_path)!r} has no parser, only "
            f"{', '.join(pipeline.pipe_names) or 'a tokenizer'}; a dependency parser and a tagger "
            "or morphologizer are needed, as en_core_web_sm has."
        )
    return pipeline


def find_roles(
    sentences: Sequence[Sentence],
    pipeline: Language,
    batch_size: int = 64,
    progress: bool = True,
) -> list[Sentence]:
    """Fills in subject and attractors by parsing the sentences with their right verb forms.

    The subject is that of the masked verb by dependency; of a relative clause it is the noun that
    the clause belongs to. Attractors are the nouns before the verb that are not the subject and of
    the other number.

    Args:
        sentences: The sentences; their words are the parser's tokens, none is split.
        pipeline: A spaCy pipeline with a tagger or morphologizer, and a parser.
        batch_size: Sentences the pipeline takes at once.
        progress: Whether to show a progress bar.

    Returns:
        The sentences in the same order. Where no subject is found, it is None and the attractors
        are ().
    """
    docs = pipeline.pipe(_docs(sentences, pipeline), batch_size=batch_size)
    parsed = tqdm(
        zip(sentences, docs, strict=True),
        total=len(sentences),
        desc="parse",
        unit="sentence",
        disable=not progress,
    )
    return [_with_roles(sentence, doc) for sentence, doc in parsed]


def _docs(sentences: Iterable[Sentence], pipeline: Language) -> Iterator[Doc]:
    for sentence in sentences:
        words = [plain_word(word) for word in sentence.words]
        words[sentence.verb] = sentence.right
        # A line is one sentence: without this the parser may put a boundary inside.
        starts = [True] + [False] * (len(words) - 1)
        yield Doc(pipeline.vocab, words=words, sent_starts=starts)


def _with_roles(sentence: Sentence, doc: Doc) -> Sentence:
    subject = find_subject(doc[sentence.verb])
    if subject is None:
        return dataclasses.replace(sentence, subject=None, attractors=())
    attractors = find_attractors(doc[sentence.verb], subject)
    return dataclasses.replace(
        sentence, subject=subject.i, attractors=tuple(token.i for token in attractors)
    )


def find_subject(verb: Token) -> Token | None:
    """Returns the subject of a finite verb or auxiliary, None where the parse has none."""
    clause = verb
    # The subject hangs on the main verb or the predicate, and of joined verbs on the first.
    while _relation(clause) in _AUXILIARIES:
        clause = clause.head
    subject = _subject_in(clause)
    while subject is None and _relation(clause) == "conj":
        clause = clause.head
        subject = _subject_in(clause)
    if subject is not None and _is_relative(subject):
        return _antecedent(clause)
    return subject


def find_attractors(verb: Token, subject: Token) -> list[Token]:
    """Returns the nouns before the verb that are not the subject and of the other number."""
    number = _number(subject) or _number(verb)
    other = {"Sing": "Plur", "Plur": "Sing"}.get(number)
    return [
        token
        for token in verb.doc[: verb.i]
        if token.i != subject.i and _is_noun(token) and _number(token) == other
    ]
