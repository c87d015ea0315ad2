"""What every experiment's binary shares: flags for its folder and seed, and how it ends."""

import logging
import os
import pathlib
import platform
import sys
from collections.abc import Callable, Sequence

import jax
from absl import app, flags

from experiments.common import processes
from experiments.common.errors import DataError, ModelError
from experiments.common.results import RunError, RunFolder, versions

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the results.", required=True)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Delete another run's results in --output.")
_RESUME = flags.DEFINE_bool("resume", False, "Go on with a run that was stopped.")
SEED = flags.DEFINE_integer("seed", 0, "Seed of everything that is random.", lower_bound=0)
SMOKE = flags.DEFINE_bool(
    "smoke", False, "So small that it ends in seconds: to see that it runs, not what comes out."
)
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir",
    os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "semigrad"),
    "Folder for what can be used again: trained models and compiled programs.",
)

_PACKAGES = ("flax", "transformers", "numpy", "scipy", "pandas", "spacy")


def cache_dir() -> pathlib.Path:
    """Returns the folder for what later runs can use again."""
    return pathlib.Path(_CACHE_DIR.value).expanduser()


def open_folder(experiment: str, flag_names: Sequence[str], results: Sequence[str]) -> RunFolder:
    """Opens --output for a run.

    Args:
        experiment: Name of the binary.
        flag_names: The flags, beside --seed and --smoke, that decide what comes out.
        results: Names of the files that the run will write.

    Raises:
        RunError: --output cannot be written to, or holds another run.

    Every process of a run opens the folder, and computes; `leads` tells which one reports.
    """
    identity = {
        "experiment": experiment,
        "flags": {name: flags.FLAGS[name].value for name in (*flag_names, SEED.name, SMOKE.name)},
        "versions": versions(*_PACKAGES),
    }
    folder = RunFolder(
        _OUTPUT.value,
        identity,
        results,
        overwrite=_OVERWRITE.value,
        resume=_RESUME.value,
        leads=processes.leads(),
    )
    folder.complete = processes.as_the_first(folder.complete)
    return folder


def command(experiment: str, flag_names: Sequence[str]) -> str:
    """Returns what was typed, for a report: without paths of the machine.

    Args:
        experiment: Name of the binary.
        flag_names: The flags, beside --seed and --smoke, that decide what comes out; those at their
            defaults are not told.
    """
    told = [f"--output=results/{pathlib.Path(_OUTPUT.value).name}"]
    for name in (*flag_names, SEED.name, SMOKE.name):
        flag = flags.FLAGS[name]
        if flag.value == flag.default:
            continue
        if isinstance(flag.value, str) and os.path.exists(flag.value):
            told.append(f"--{name}={pathlib.Path(flag.value).name}")
        else:
            told.append(flag.serialize())
    return " ".join(["python -m", f"experiments.{experiment}", *told])


def main(experiment: str, run: Callable[[], None], argv: Sequence[str]) -> None:
    """Runs an experiment; what the user can mend becomes one line on stderr and exit status 1."""
    if len(argv) > 1:
        raise app.UsageError(f"not a flag: {' '.join(argv[1:])}")
    # Missing accelerators and each vain attempt to reach the network: an error says what matters.
    for library in ("jax", "huggingface_hub"):
        logging.getLogger(library).setLevel(logging.ERROR)
    _keep_compiled_programs()
    processes.join()
    try:
        run()
    except (DataError, ModelError, RunError, FloatingPointError, OSError) as error:
        sys.exit(f"{experiment}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{experiment}: stopped; --resume goes on from here")


def _keep_compiled_programs() -> None:
    """Keeps them for runs that are resumed or repeated, unless the user keeps them elsewhere."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        # A program is compiled for one machine's processor; several may share the cache folder.
        folder = cache_dir() / f"compiled-{platform.node()}"
        jax.config.update("jax_compilation_cache_dir", os.fspath(folder))
