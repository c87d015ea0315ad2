"""Both file formats are read, and each kind of malformed line is refused with its place."""

import pathlib
import re

import pytest

from experiments.common.errors import DataError
from experiments.common.sentences import MASK, plain_word, read_sentences

_TEXT = "the keys to the cabinet are old . <eos>\nwhy `` is he here . <eos>\n"
_GOLD = "5\tare\tis\t1\n2\tIs\tAre\t0\n"
_ROW = "1\tThe keys to it are old .\tThe keys to it ***mask*** old .\tare\tis\n"


def _pair(folder: pathlib.Path, text: str = _TEXT, gold: str = _GOLD) -> pathlib.Path:
    (folder / "x.text").write_bytes(text.encode())
    (folder / "x.gold").write_bytes(gold.encode())
    return folder


@pytest.mark.parametrize("name", ["", "x.text", "x.gold"])
def test_reads_a_pair_by_folder_or_either_file(tmp_path: pathlib.Path, name: str) -> None:
    first, second = read_sentences(_pair(tmp_path) / name)
    assert first.words == ("the", "keys", "to", "the", "cabinet", MASK, "old", ".")
    assert (first.verb, first.right, first.wrong) == (5, "are", "is")
    assert (first.subject, first.attractors, first.num_attractors) == (None, None, 1)
    assert first.source == "x.text:1"
    assert second.source == "x.text:2"


def test_forms_take_the_case_of_the_text(tmp_path: pathlib.Path) -> None:
    _, lower = read_sentences(_pair(tmp_path))
    assert (lower.right, lower.wrong) == ("is", "are")
    table = tmp_path / "x.tsv"
    table.write_text("0\tAre they here ?\t***mask*** they here ?\tare\tis\n")
    (capitalised,) = read_sentences(table)
    assert (capitalised.right, capitalised.wrong) == ("Are", "Is")


def test_reads_the_table(tmp_path: pathlib.Path) -> None:
    table = tmp_path / "lgd.tsv"
    table.write_bytes(b"\xef\xbb\xbf" + _ROW.encode() + _ROW.replace("\n", "\r\n").encode())
    first, second = read_sentences(table)
    assert first.words == ("The", "keys", "to", "it", MASK, "old", ".")
    assert (first.verb, first.num_attractors, first.source) == (4, 1, "lgd.tsv:1")
    assert second.words == first.words


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1\ta b\ta ***mask***\tb\n", "4 tab-separated columns; expected 5: number of attractors"),
        (_ROW.replace("***mask***", "are"), "has 0 words ***mask***; expected exactly one"),
        (_ROW.replace(" old .\tare", " ***mask*** .\tare"), "has 2 words ***mask***"),
        (_ROW.replace("***mask***", "***mask***,"), "has 0 words ***mask***"),
        (_ROW.replace("The keys to it are", "The keys are"), "differ in more than the verb"),
        (_ROW.replace("1\t", "one\t", 1), "the number of attractors is 'one'; expected a whole"),
        (_ROW.replace("\tare\tis", "\thave\thas"), "has 'are' where the right form is 'have'"),
        (_ROW.replace("\tis\n", "\t\n"), "the wrong form is ''; expected a verb form of one word"),
        ("\n", "1 tab-separated columns"),
    ],
)
def test_malformed_row_is_named(tmp_path: pathlib.Path, row: str, message: str) -> None:
    table = tmp_path / "x.tsv"
    table.write_text(_ROW + row + _ROW)
    with pytest.raises(DataError, match=re.escape(f"{table}, line 2: ")) as caught:
        read_sentences(table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ("5\tare\tis\t1\n9\tis\tare\t0\n", "x.gold, line 2: the position of the verb is 9"),
        ("5\tare\tis\t1\n-1\tis\tare\t0\n", "x.gold, line 2: the position of the verb is '-1'"),
        ("5\tare\tis\t1\n2\tis\tare\n", "x.gold, line 2: 3 tab-separated columns; expected 4"),
        ("5\tare\tis\t1\n", "x.text, line 2: x.text has 2 lines, x.gold 1"),
        (_GOLD + "0\tis\tare\t0\n", "x.gold, line 3: x.text has 2 lines, x.gold 3"),
    ],
)
def test_malformed_pair_is_named(tmp_path: pathlib.Path, gold: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read_sentences(_pair(tmp_path, gold=gold))


def test_unreadable_files_say_what_is_expected(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match=r"none\.tsv: cannot be read .* a folder with one such"):
        read_sentences(tmp_path / "none.tsv")
    with pytest.raises(DataError, match=r"expected one pair .* found 0 \(none\)"):
        read_sentences(tmp_path)
    (tmp_path / "x.tsv").write_bytes(_ROW.encode() + b"1\tcaf\xe9\n")
    with pytest.raises(DataError, match=r"x\.tsv, line 2: byte 6 of the line is not UTF-8"):
        read_sentences(tmp_path / "x.tsv")
    (tmp_path / "empty.tsv").write_text("\n")
    with pytest.raises(DataError, match="the file is empty"):
        read_sentences(tmp_path / "empty.tsv")


def test_penn_treebank_escapes_are_undone() -> None:
    assert [plain_word(w) for w in ("``", "''", "-LRB-", "-rsb-", "key")] == [*'""(]', "key"]
