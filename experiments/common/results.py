"""The folder of a run: not another run's, resumable, and never left with half a file."""

import hashlib
import io
import json
import os
import pathlib
import platform
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, BinaryIO

import jax
import numpy as np
import pandas as pd

import semigrad as sg

RECORD = "run.json"
PARTS = "parts"
# What must not change under a run that is resumed.
_IDENTITY = ("experiment", "flags", "versions")


class RunError(ValueError):
    """A run cannot start, go on or be written; the message says why and what to do."""


def versions(*packages: str) -> dict[str, str]:
    """Returns the versions of Python, of semigrad and of `packages`, and the device kind."""
    return {
        "python": platform.python_version(),
        "semigrad": sg.__version__,
        **{name: metadata.version(name) for name in ("jax", "jaxlib", *packages)},
        "device": jax.devices()[0].device_kind,
    }


def digest(tree: Any) -> str:
    """Returns the SHA-256 of the arrays, numbers and strings in a pytree.

    Raises:
        TypeError: There is something else in it, whose bytes would be its address.
    """
    state = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(leaf)
        if array.dtype.hasobject:
            raise TypeError(f"a digest is of arrays, numbers and strings, not of {type(leaf)}")
        state.update(f"{array.dtype}{array.shape}".encode())
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


class RunFolder:
    """A folder for the results of one run.

    Every file is written whole or not at all. Finished parts of the work lie in a sub-folder until
    the run is complete, so that a run that was killed can go on from them.

    Attributes:
        path: The folder.
        complete: Whether the run had already ended when the folder was opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        identity: Mapping[str, Any],
        results: Sequence[str],
        *,
        overwrite: bool = False,
        resume: bool = False,
        leads: bool = True,
    ):
        """Opens the folder, made if need be, and changes nothing in it yet.

        Args:
            path: The folder.
            identity: "experiment", "flags" and "versions", which tell one run from another.
            results: Names of the files that the run will write.
            overwrite: Whether results of another run may be deleted.
            resume: Whether to go on with a run that was stopped; where none is, a new one starts.
            leads: Whether this process begins and ends the run; of several processes one does, and
                the others only write parts.

        Raises:
            RunError: The folder cannot be written to, or what it holds forbids this run.
        """
        self.path = pathlib.Path(path)
        self.complete = False
        self._identity = json.loads(json.dumps({key: identity[key] for key in _IDENTITY}))
        self._results = tuple(results)
        self._resumes = False
        if overwrite and resume:
            raise RunError("--overwrite starts anew and --resume goes on: give one of them")
        self._make()
        self._leads = leads
        if leads and not overwrite:
            self._inspect(resume)

    def begin(self) -> None:
        """Claims the folder for this run; unless it resumes, deletes the results of any other."""
        if self._resumes or not self._leads:
            return
        stale = {*self._results, *_files_of(self.path / RECORD)}
        # The record goes first: from here on no half-deleted run can be taken for a whole one.
        for name in (RECORD, *stale):
            (self.path / name).unlink(missing_ok=True)
        for part in self._parts():
            part.unlink()
        (self.path / PARTS).mkdir(exist_ok=True)
        self._record("running", {})

    def finish(self, findings: Mapping[str, Any]) -> None:
        """Records that the run is complete, with what it found, and deletes its parts."""
        self._record("complete", findings)
        for part in self._parts():
            part.unlink()
        (self.path / PARTS).rmdir()

    def require_space(self, size: int) -> None:
        """Raises `RunError` if fewer than `size` bytes are free, before work is spent on them."""
        free = os.statvfs(self.path)
        available = free.f_bavail * free.f_frsize
        if available < size:
            raise RunError(
                f"{self.path} has {available / 1e6:.0f} MB free "
                f"and the results need about {size / 1e6:.0f} MB"
            )

    def write(self, name: str, writer: Callable[[BinaryIO], None]) -> None:
        """Writes a file that appears under its name only when it is whole and on the disk."""
        target = self.path / name
        temporary = target.with_name(f".{target.name}.tmp")
        try:
            with open(temporary, "wb") as file:
                writer(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
            _sync_folder(target.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise RunError(f"cannot write {target}: {error.strerror}") from error

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes JSON for people to read."""
        self.write_text(name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of text."""
        self.write(name, lambda file: _write_bytes(file, text.encode()))

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Writes a table as CSV."""
        self.write(
            name, lambda file: table.to_csv(file, index=False, lineterminator="\n", mode="wb")
        )

    def write_part(self, number: int, digest: str, **arrays: np.ndarray) -> None:
        """Keeps a finished part of the work; `digest` tells the inputs that it was made from."""
        part: dict[str, Any] = {"digest": np.array(digest), **arrays}
        self.write(self._part(number), lambda file: np.savez(file, **part))

    def read_part(self, number: int, digest: str) -> dict[str, np.ndarray] | None:
        """Returns a part that was kept, or None.

        Raises:
            RunError: It was made from other inputs, or is damaged.
        """
        path = self.path / self._part(number)
        if not path.exists():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes())) as stored:
                part = dict(stored)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{path} is damaged: delete it, and --resume makes it anew") from error
        if str(part.pop("digest")) != digest:
            raise RunError(
                f"{self.path}: the sentences or the model changed since this run began; "
                "give --overwrite or another --output"
            )
        return part

    def _record(self, status: str, findings: Mapping[str, Any]) -> None:
        self.write_json(
            RECORD,
            {**self._identity, **findings, "files": list(self._results), "status": status},
        )

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise RunError(f"cannot write to --output={self.path}: {error.strerror}") from error

    def _inspect(self, resume: bool) -> None:
        """Decides by what the folder holds whether this run may use it, and whether it resumes."""
        record = self.path / RECORD
        if not record.exists():
            stray = [name for name in self._results if (self.path / name).exists()]
            if stray:
                raise RunError(
                    f"{self.path} holds {stray[0]} of an unknown run; "
                    "give --overwrite or another --output"
                )
            return
        if not resume:
            raise RunError(
                f"{self.path} holds the results of another run; give --resume to go on with it, "
                "--overwrite to delete it, or another --output"
            )
        try:
            stored = json.loads(record.read_text())
        except (OSError, ValueError) as error:
            raise RunError(
                f"{record} cannot be read; give --overwrite or another --output"
            ) from error
        changed = _differences(stored, self._identity)
        if changed:
            raise RunError(
                f"{self.path} cannot be resumed, since the run there differs: {'; '.join(changed)}"
            )
        self._resumes = True
        self.complete = stored.get("status") == "complete"

    def _part(self, number: int) -> str:
        return f"{PARTS}/{number:05d}.npz"

    def _parts(self) -> list[pathlib.Path]:
        return sorted((self.path / PARTS).glob("*.npz")) + sorted(
            (self.path / PARTS).glob(".*.tmp")
        )


def _files_of(record: pathlib.Path) -> list[str]:
    """Returns the names of the files that a run wrote beside its record, if the record tells."""
    try:
        names = json.loads(record.read_text())["files"]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [name for name in names if pathlib.Path(name).name == name]


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Names what differs between two identities, as `name was this, now is that`."""
    found = []
    for key in _IDENTITY:
        old, new = stored.get(key), wanted[key]
        if not (isinstance(old, dict) and isinstance(new, dict)):
            old, new = {key: old}, {key: new}
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                found.append(f"{name} was {old.get(name)!r}, now is {new.get(name)!r}")
    return found


def _write_bytes(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def _sync_folder(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
