"""Subject and attractors are found by a real spaCy pipeline, trained here on the grammar."""

import dataclasses
import random

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from experiments.common import grammar, parsing
from experiments.common.errors import ModelError
from experiments.common.sentences import MASK, Sentence

_TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 64,
        "attrs": ["NORM"],
        "rows": [500],
        "include_static_vectors": False,
    },
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 64,
        "window_size": 1,
        "maxout_pieces": 2,
        "depth": 4,
    },
}
_PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "parser",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": True,
    "nO": None,
    "tok2vec": _TOK2VEC,
}


@pytest.fixture(scope="module")
def pipeline() -> Language:
    """A tagger and a parser of words that were trained in seconds."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": _TOK2VEC}}
    )
    nlp.add_pipe("parser", config={"model": _PARSER})
    derivations = grammar.derive(seed=1, attractors=(0, 1, 2), split="train")
    examples = [_example(nlp, next(derivations)) for _ in range(400)]
    optimizer = nlp.initialize(lambda: examples)
    rng = random.Random(0)
    for _ in range(10):
        rng.shuffle(examples)
        for start in range(0, len(examples), 25):
            nlp.update(examples[start : start + 25], sgd=optimizer)
    return nlp


def _example(nlp: Language, derivation: grammar.Derivation) -> Example:
    nodes = list(derivation.root)
    number = {id(node): i for i, node in enumerate(nodes)}
    heads = list(range(len(nodes)))
    for node in nodes:
        for dependent in (*node.left, *node.right):
            heads[number[id(dependent)]] = number[id(node)]
    gold = {
        "tags": [node.tag for node in nodes],
        "heads": heads,
        "deps": ["ROOT" if heads[i] == i else node.relation for i, node in enumerate(nodes)],
    }
    return Example.from_dict(Doc(nlp.vocab, words=[node.text for node in nodes]), gold)


def _without_roles(sentence: Sentence) -> Sentence:
    return dataclasses.replace(sentence, subject=None, attractors=None)


def test_finds_the_roles_that_the_grammar_knows(pipeline: Language) -> None:
    sentences = grammar.generate(seed=2, num=100, attractors=(0, 1, 2))
    found = parsing.find_roles([_without_roles(s) for s in sentences], pipeline, progress=False)
    subjects = [f.subject == s.subject for f, s in zip(found, sentences, strict=True)]
    roles = [
        (f.subject, f.attractors) == (s.subject, s.attractors)
        for f, s in zip(found, sentences, strict=True)
    ]
    assert sum(subjects) >= 90
    assert sum(roles) >= 90


def test_leaves_known_roles_alone(pipeline: Language) -> None:
    known = Sentence(("dogs", MASK, "."), 1, "run", "runs", 0, (), 0, "test:1")
    assert parsing.find_roles([known], pipeline, progress=False) == [known]


def _parsed(words: str, heads: list[int], deps: list[str], tags: list[str]) -> Language:
    """Returns a pipeline that finds this parse in whatever it is given."""
    nlp = spacy.blank("en")

    def parse(doc: Doc) -> Doc:
        return Doc(doc.vocab, words=words.split(), heads=heads, deps=deps, tags=tags)

    name = f"parse of {words}"  # components are registered by name, for good
    Language.component(name, func=parse)
    nlp.add_pipe(name)
    return nlp


@pytest.mark.parametrize(
    ("words", "heads", "deps", "tags", "subject", "attractors"),
    [
        pytest.param(
            "the keys near the door are old",
            [1, 6, 4, 4, 1, 6, 6],
            ["det", "nsubj", "case", "det", "nmod", "cop", "ROOT"],
            ["DT", "NNS", "IN", "DT", "NN", "VBP", "JJ"],
            1,
            (4,),
            id="copula: the subject hangs on the adjective",
        ),
        pytest.param(
            "keys that the guard holds are lost",
            [6, 4, 3, 4, 0, 6, 6],
            ["nsubjpass", "dobj", "det", "nsubj", "relcl", "auxpass", "ROOT"],
            ["NNS", "WDT", "DT", "NN", "VBZ", "VBP", "VBN"],
            0,
            (3,),
            id="spaCy's labels: passive auxiliary",
        ),
        pytest.param(
            "the doors with locks that are old open",
            [1, 7, 3, 1, 6, 6, 3, 7],
            ["det", "nsubj", "case", "nmod", "nsubj", "cop", "acl:relcl", "ROOT"],
            ["DT", "NNS", "IN", "NNS", "WDT", "VBP", "JJ", "VBP"],
            3,
            (),
            id="relative pronoun: the antecedent",
        ),
        pytest.param(
            "keys shine and are old",
            [1, 1, 4, 4, 1],
            ["nsubj", "ROOT", "cc", "cop", "conj"],
            ["NNS", "VBP", "CC", "VBP", "JJ"],
            0,
            (),
            id="second of two coordinated verbs",
        ),
        pytest.param(
            "near the door are keys",
            [2, 2, 3, 3, 3],
            ["case", "det", "obl", "ROOT", "nsubj"],
            ["IN", "DT", "NN", "VBP", "NNS"],
            None,
            (),
            id="subject after the verb: not found",
        ),
    ],
)
def test_reads_a_parse(
    words: str,
    heads: list[int],
    deps: list[str],
    tags: list[str],
    subject: int | None,
    attractors: tuple[int, ...],
) -> None:
    verb = words.split().index("are")
    masked = tuple(MASK if i == verb else word for i, word in enumerate(words.split()))
    sentence = Sentence(masked, verb, "are", "is", None, None, 0, "test:1")
    nlp = _parsed(words, heads, deps, tags)
    (found,) = parsing.find_roles([sentence], nlp, progress=False)
    assert (found.subject, found.attractors) == (subject, attractors)


@pytest.mark.parametrize(
    ("right", "wrong", "singular"),
    [
        ("is", "are", True),
        ("have", "has", False),
        ("was", "were", True),
        ("Runs", "run", True),
        ("pass", "passes", False),
        ("does", "do", True),
    ],
)
def test_number_of_a_verb(right: str, wrong: str, singular: bool) -> None:
    assert parsing.is_singular(right, wrong) is singular


def test_missing_pipeline_says_how_to_install_one() -> None:
    with pytest.raises(ModelError, match="python -m spacy download"):
        parsing.load_pipeline("no_such_pipeline")


def test_pipeline_without_parser_is_refused(tmp_path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ModelError, match="no dependency parser"):
        parsing.load_pipeline(str(tmp_path / "blank"))
