"""A CPU kernel for max-product contractions, which semigrad uses where this package is installed.

The functions are XLA FFI handlers; `semigrad.kernels.native` calls them.
"""

import ctypes
import functools
import importlib.machinery
import pathlib
from typing import Any

TARGETS = ("semigrad_strongest", "semigrad_hull")
INSTRUCTION_SETS = ("portable", "avx2", "avx512")


@functools.cache
def library() -> Any:
    """Returns the compiled library.

    Raises:
      ImportError: it was not built, or cannot be loaded.
    """
    folder = pathlib.Path(__file__).parent
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / f"_contract{suffix}"
        if path.exists():
            try:
                return ctypes.CDLL(str(path))
            except OSError as error:
                raise ImportError(f"semigrad_native's library cannot be loaded: {error}") from error
    raise ImportError("semigrad_native's library was not built: install the package anew")


def widest() -> str:
    """Returns the widest instruction set that this processor has."""
    return INSTRUCTION_SETS[library().semigrad_widest()]


def use(instruction_set: str) -> str:
    """Chooses an instruction set, at most the widest; returns the one that is now in use."""
    return INSTRUCTION_SETS[library().semigrad_use(INSTRUCTION_SETS.index(instruction_set))]
