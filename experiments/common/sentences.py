"""Sentences with a masked verb, and the two file formats they are read from."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

from experiments.common.errors import DataError

MASK = "[MASK]"

_FILE_MASK = "***mask***"
_END_OF_SENTENCE = "<eos>"
_TABLE_COLUMNS = (
    "number of attractors",
    "sentence",
    f"sentence with {_FILE_MASK} for the verb",
    "right form",
    "wrong form",
)
_GOLD_COLUMNS = ("position of the verb", "right form", "wrong form", "number of attractors")

# What the Penn Treebank writes for these characters; no model or parser reads it as it stands.
_PLAIN = {
    "``": '"',
    "''": '"',
    "-lrb-": "(",
    "-rrb-": ")",
    "-lsb-": "[",
    "-rsb-": "]",
    "-lcb-": "{",
    "-rcb-": "}",
}


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence whose verb is masked, with the roles of its words as far as they are known.

    Attributes:
        words: whitespace words, the verb replaced by "[MASK]".
        verb: index of the masked verb in `words`.
        right: the verb form that agrees, as the file gives it but in the case of the text.
        wrong: the form that does not, in the same case.
        subject: index of the subject in `words`; None where it is not known, or where a parser
            found none (then `attractors` is empty, not None).
        attractors: indices of the nouns before the verb that are not the subject and differ from
            it in number; None where they are not known.
        num_attractors: their number as the file or the grammar says.
        source: where the sentence comes from, e.g. "grammar:17" or "file.tsv:12" (1-based line).
    """

    words: tuple[str, ...]
    verb: int
    right: str
    wrong: str
    subject: int | None
    attractors: tuple[int, ...] | None
    num_attractors: int
    source: str


def plain_word(word: str) -> str:
    """Returns the word with Penn Treebank escapes (`` '' -LRB- ...) undone."""
    return _PLAIN.get(word.lower(), word)


def read_sentences(path: str | pathlib.Path) -> list[Sentence]:
    """Reads agreement sentences from a file, telling its format from the name.

    Two formats are known. A pair of line-aligned files, `X.text` (a sentence a line) and `X.gold`
    (tab-separated: position of the verb, right form, wrong form, number of attractors), as
    published by Gulordava et al. (2018); `path` is either of them or a folder that holds one such
    pair. Anything else is read as the tab-separated table of Goldberg (2019): number of attractors,
    sentence, sentence with `***mask***` for the verb, right form, wrong form.

    Args:
        path: a file of either format, or a folder with one `.text` and `.gold` pair.

    Returns:
        The sentences in the order of the file, subject and attractors not known.

    Raises:
        DataError: the file cannot be read, or a line is malformed.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        return list(_read_pair(_pair_in(path)))
    if path.suffix in (".text", ".gold"):
        return list(_read_pair(path.with_suffix(".text")))
    return list(_read_table(path))


@dataclasses.dataclass(frozen=True)
class _Line:
    """A line of a data file, which knows its place for the message when something is wrong."""

    path: pathlib.Path
    number: int
    text: str

    def error(self, wrong: str, expected: str) -> DataError:
        return DataError(f"{self.path}, line {self.number}: {wrong}; expected {expected}.")

    def columns(self, names: Sequence[str]) -> list[str]:
        fields = [field.strip() for field in self.text.split("\t")]
        if len(fields) != len(names):
            raise self.error(
                f"{len(fields)} tab-separated columns", f"{len(names)}: {', '.join(names)}"
            )
        return fields

    def count(self, name: str, field: str) -> int:
        if not (field.isascii() and field.isdigit()):
            raise self.error(f"the {name} is {field!r}", "a whole number, 0 or more")
        return int(field)


def _pair_in(folder: pathlib.Path) -> pathlib.Path:
    """Returns the `.text` file of the only pair in a folder."""
    texts = sorted(p for p in folder.glob("*.text") if p.with_suffix(".gold").exists())
    if len(texts) != 1:
        found = ", ".join(p.name for p in texts) or "none"
        raise DataError(
            f"{folder}: expected one pair of files X.text and X.gold in this folder, found "
            f"{len(texts)} ({found}); name the file that is meant."
        )
    return texts[0]


def _read_pair(path: pathlib.Path) -> Iterator[Sentence]:
    texts, golds = _lines(path), _lines(path.with_suffix(".gold"))
    if len(texts) != len(golds):
        longer = max(texts, golds, key=len)
        raise longer[min(len(texts), len(golds))].error(
            f"{texts[0].path.name} has {len(texts)} lines, {golds[0].path.name} {len(golds)}",
            "a line of the one for each line of the other",
        )
    for text, gold in zip(texts, golds, strict=True):
        words = _words(text.text)
        position, right, wrong, attractors = gold.columns(_GOLD_COLUMNS)
        verb = gold.count("position of the verb", position)
        if verb >= len(words):
            raise gold.error(
                f"the position of the verb is {verb} but the sentence has {len(words)} words",
                "a 0-based position in whitespace words",
            )
        source = f"{path.name}:{text.number}"
        yield _sentence(gold, source, words, verb, right, wrong, attractors)


def _read_table(path: pathlib.Path) -> Iterator[Sentence]:
    for line in _lines(path):
        attractors, full, masked, right, wrong = line.columns(_TABLE_COLUMNS)
        words, masked_words = _words(full), _words(masked)
        if masked_words.count(_FILE_MASK) != 1:
            raise line.error(
                f"the masked sentence has {masked_words.count(_FILE_MASK)} words {_FILE_MASK}",
                "exactly one, a word of its own where the verb was",
            )
        verb = masked_words.index(_FILE_MASK)
        if words[:verb] + words[verb + 1 :] != masked_words[:verb] + masked_words[verb + 1 :]:
            raise line.error(
                "sentence and masked sentence differ in more than the verb",
                "the same words in both, one of them masked",
            )
        source = f"{path.name}:{line.number}"
        yield _sentence(line, source, words, verb, right, wrong, attractors)


def _sentence(
    line: _Line,
    source: str,
    words: Sequence[str],
    verb: int,
    right: str,
    wrong: str,
    attractors: str,
) -> Sentence:
    """Makes a sentence of unmasked words, after the checks that both formats share."""
    for name, form in (("right", right), ("wrong", wrong)):
        if len(form.split()) != 1:
            raise line.error(f"the {name} form is {form!r}", "a verb form of one word")
    if right.lower() != words[verb].lower():
        raise line.error(
            f"the sentence has {words[verb]!r} where the right form is {right!r}",
            "the right form where the verb stands",
        )
    return Sentence(
        words=(*words[:verb], MASK, *words[verb + 1 :]),
        verb=verb,
        right=_in_case_of(words[verb], right),
        wrong=_in_case_of(words[verb], wrong),
        subject=None,
        attractors=None,
        num_attractors=line.count("number of attractors", attractors),
        source=source,
    )


def _in_case_of(word: str, form: str) -> str:
    """Returns the form in upper, title or lower case, as the word is."""
    if len(word) > 1 and word.isupper():
        return form.upper()
    return form.capitalize() if word[:1].isupper() else form.lower()


def _words(text: str) -> list[str]:
    words = text.split()
    return words[:-1] if words and words[-1] == _END_OF_SENTENCE else words


def _lines(path: pathlib.Path) -> list[_Line]:
    """Returns the lines of a UTF-8 file; a newline alone ends a line, as in the published files."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); expected a pair of files X.text and "
            f"X.gold, a folder with one such pair, or a tab-separated file of "
            f"{len(_TABLE_COLUMNS)} columns: {', '.join(_TABLE_COLUMNS)}."
        ) from error
    if not raw.strip():
        raise DataError(f"{path}: the file is empty; expected a sentence a line.")
    lines = raw.removesuffix(b"\n").split(b"\n")
    return [_decoded(path, number, line) for number, line in enumerate(lines, start=1)]


def _decoded(path: pathlib.Path, number: int, raw: bytes) -> _Line:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Line(path, number, "").error(
            f"byte {error.start + 1} of the line is not UTF-8", "a text file in UTF-8"
        ) from error
    return _Line(path, number, text.removeprefix("\ufeff").removesuffix("\r"))
