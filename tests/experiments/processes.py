"""Starts runs of a binary in processes of their own, and kills them."""

import importlib
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import jax
from absl import app

# When a run is killed, one after the other.
MOMENTS: Mapping[str, Callable[[pathlib.Path], bool]] = {
    "the run is recorded": lambda folder: (folder / "run.json").exists(),
    "a part is there": lambda folder: (folder / "parts/00000.npz").exists(),
    "the table is written": lambda folder: any(folder.glob("*table.csv*")),
}


def start(
    binary: ModuleType,
    folder: pathlib.Path,
    arguments: Sequence[str],
    num_devices: int = 1,
    environment: Mapping[str, str] | None = None,
):
    """Starts a run, or goes on with it, on CPU devices; returns the process."""
    # A fork server imports JAX and the rest once, before any run, so each run starts at once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["experiments.sva_top_path"])
    command = [str(binary.__file__), f"--output={folder}", "--resume", *arguments]
    own = (binary.__name__, command, num_devices, environment or {})
    process = context.Process(target=_run, args=own)
    process.start()
    return process


def _run(name: str, command: list[str], num_devices: int, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    jax.config.update("jax_num_cpu_devices", num_devices)
    app.run(importlib.import_module(name).main, command)


def kill_again_and_again(
    binary: ModuleType, folder: pathlib.Path, arguments: Sequence[str]
) -> None:
    """Kills a run with SIGKILL at each of `MOMENTS`, goes on with it, and lets it end at last."""
    for name, reached in MOMENTS.items():
        process = start(binary, folder, arguments)
        while process.is_alive() and not reached(folder):
            time.sleep(0.0005)
        process.kill()
        process.join()
        assert process.exitcode == -9, f"the run ended before {name}"
        for path in folder.rglob("*.csv"):
            assert path.read_bytes().endswith(b"\n")
    process = start(binary, folder, arguments)
    process.join()
    assert process.exitcode == 0


def assert_same(folder: pathlib.Path, other: pathlib.Path) -> None:
    """Asserts that two runs wrote the same tables and records, to the byte."""
    names = sorted(path.name for path in other.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        if name.endswith((".csv", ".json")):
            assert (folder / name).read_bytes() == (other / name).read_bytes(), name
