"""The run folder: whose results it holds, what may go on, and files that are whole or absent."""

import copy
import json
import os
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.common.results import RunError, RunFolder, digest, versions

IDENTITY: dict[str, Any] = {
    "experiment": "test",
    "flags": {"seed": 0, "limit": 3},
    "versions": {"jax": "1.0"},
}
RESULTS = ("table.csv",)


def begun(path, **options: bool) -> RunFolder:
    folder = RunFolder(path, IDENTITY, RESULTS, **options)
    folder.begin()
    return folder


def test_a_new_run_records_what_it_is_and_what_it_found(tmp_path):
    folder = begun(tmp_path / "deep" / "run")
    record = folder.path / "run.json"
    expected = {**IDENTITY, "files": ["table.csv"], "status": "running"}
    assert json.loads(record.read_text()) == expected
    folder.write_part(0, "inputs", value=np.ones(2))
    folder.finish({"accuracy": 0.5})
    assert json.loads(record.read_text()) == {**expected, "accuracy": 0.5, "status": "complete"}
    assert os.listdir(folder.path) == ["run.json"]


def test_opening_changes_nothing(tmp_path):
    begun(tmp_path).write_table("table.csv", pd.DataFrame({"a": [1]}))
    before = {entry.name: entry.stat().st_mtime_ns for entry in tmp_path.iterdir()}
    RunFolder(tmp_path, IDENTITY, RESULTS, overwrite=True)
    assert {entry.name: entry.stat().st_mtime_ns for entry in tmp_path.iterdir()} == before


def test_a_folder_with_another_run_is_refused(tmp_path):
    begun(tmp_path)
    with pytest.raises(RunError, match="holds the results of another run; give --resume"):
        RunFolder(tmp_path, IDENTITY, RESULTS)


def test_results_without_a_record_are_refused(tmp_path):
    (tmp_path / "table.csv").write_text("mine")
    with pytest.raises(RunError, match=r"holds table\.csv of an unknown run"):
        RunFolder(tmp_path, IDENTITY, RESULTS, resume=True)


def test_overwrite_deletes_the_other_run_and_nothing_else(tmp_path):
    old = begun(tmp_path)
    old.write_table("table.csv", pd.DataFrame({"a": [1]}))
    old.write_part(0, "inputs", value=np.ones(2))
    (tmp_path / "notes.txt").write_text("mine")
    new = begun(tmp_path, overwrite=True)
    assert new.read_part(0, "inputs") is None
    assert sorted(os.listdir(tmp_path)) == ["notes.txt", "parts", "run.json"]


def test_overwrite_deletes_files_that_only_the_other_run_writes(tmp_path):
    other = RunFolder(tmp_path, {**IDENTITY, "experiment": "other"}, ["other.csv"])
    other.begin()
    other.write_table("other.csv", pd.DataFrame({"a": [1]}))
    begun(tmp_path, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["parts", "run.json"]


def test_resume_goes_on_from_the_parts(tmp_path):
    begun(tmp_path).write_part(3, "inputs", value=np.arange(4.0))
    resumed = begun(tmp_path, resume=True)
    assert not resumed.complete
    assert resumed.read_part(0, "inputs") is None
    part = resumed.read_part(3, "inputs")
    assert part is not None
    np.testing.assert_array_equal(part["value"], np.arange(4.0))


def test_resume_of_a_complete_run_says_so(tmp_path):
    begun(tmp_path).finish({})
    assert RunFolder(tmp_path, IDENTITY, RESULTS, resume=True).complete


def test_resume_where_nothing_is_starts(tmp_path):
    assert not begun(tmp_path, resume=True).complete


@pytest.mark.parametrize(
    ("group", "name", "value", "message"),
    [
        ("flags", "seed", 1, "seed was 0, now is 1"),
        ("flags", "qoi", "logit", "qoi was None, now is 'logit'"),
        ("versions", "jax", "2.0", "jax was '1.0', now is '2.0'"),
    ],
)
def test_resume_of_a_run_that_differs_is_refused(tmp_path, group, name, value, message):
    begun(tmp_path)
    other = copy.deepcopy(IDENTITY)
    other[group][name] = value
    with pytest.raises(RunError, match=f"cannot be resumed.*{message}"):
        RunFolder(tmp_path, other, RESULTS, resume=True)


def test_resume_of_another_experiment_is_refused(tmp_path):
    begun(tmp_path)
    with pytest.raises(RunError, match="experiment was 'test', now is 'other'"):
        RunFolder(tmp_path, {**IDENTITY, "experiment": "other"}, RESULTS, resume=True)


def test_resume_with_other_inputs_is_refused(tmp_path):
    begun(tmp_path).write_part(0, "inputs", value=np.ones(2))
    with pytest.raises(RunError, match="the sentences or the model changed"):
        begun(tmp_path, resume=True).read_part(0, "other inputs")


def test_a_damaged_part_is_named(tmp_path):
    folder = begun(tmp_path)
    folder.write_part(0, "inputs", value=np.ones(2))
    part = tmp_path / "parts" / "00000.npz"
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(RunError, match=r"00000\.npz is damaged"):
        folder.read_part(0, "inputs")


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json cannot be read"):
        RunFolder(tmp_path, IDENTITY, RESULTS, resume=True)


def test_overwrite_and_resume_exclude_each_other(tmp_path):
    with pytest.raises(RunError, match="give one of them"):
        RunFolder(tmp_path, IDENTITY, RESULTS, overwrite=True, resume=True)


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write to --output"):
        RunFolder(tmp_path / "file" / "run", IDENTITY, RESULTS)


def test_too_little_space_is_an_error_before_the_work(tmp_path):
    with pytest.raises(RunError, match="MB free and the results need about"):
        begun(tmp_path).require_space(1 << 62)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    folder = begun(tmp_path)
    (tmp_path / "table.csv").write_bytes(b"old")

    def fill_the_disk(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"cannot write .*table\.csv: No space left on device"):
        folder.write("table.csv", fill_the_disk)
    assert (tmp_path / "table.csv").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["parts", "run.json", "table.csv"]


def test_versions_name_python_semigrad_and_what_is_asked_for():
    assert {"python", "semigrad", "jax", "scipy", "device"} <= versions("scipy").keys()


def test_digest_tells_values_shapes_and_types_apart():
    trees = [
        np.zeros(4),
        np.zeros((2, 2)),
        np.zeros(4, np.float32),
        np.ones(4),
        "text",
        ["text", 1],
    ]
    assert len({digest(tree) for tree in trees}) == len(trees)
    assert digest({"a": np.zeros(4)}) == digest({"a": np.zeros(4)})


def test_digest_of_what_has_no_bytes_of_its_own_is_refused():
    with pytest.raises(TypeError, match="not of <class 'object'>"):
        digest({"a": object()})
