"""Compile time, run time and memory of programs, side by side in one process."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import tqdm


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a program cost.

    Attributes:
        compile_s: Seconds to trace, lower and compile it, with no cache; the median.
        run_s: Seconds of each run.
        memory: Bytes that the compiled program holds at most, beside its arguments.
    """

    compile_s: float
    run_s: Sequence[float]
    memory: int

    @property
    def median(self) -> float:
        return float(np.median(self.run_s))

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the run time."""
        low, high = np.quantile(self.run_s, [0.25, 0.75])
        return float(low), float(high)


def measure(
    programs: Mapping[str, Callable[..., Any]],
    arguments: Sequence[Any],
    rounds: int,
    seconds: float,
    compilations: int = 1,
) -> dict[str, Measurement]:
    """Compiles programs in turn and runs them in turn, so that what disturbs one disturbs all.

    Args:
        programs: The programs by name.
        arguments: What all of them are applied to.
        rounds: How often each is run at most.
        seconds: When the rounds end at the latest, three of them at the least.
        compilations: How often each is compiled.
    """
    compiled: dict[str, Any] = {}
    compile_s: dict[str, list[float]] = {name: [] for name in programs}
    for name in tqdm.tqdm([*programs] * compilations, desc="compiling", leave=False):
        jax.clear_caches()
        start = time.perf_counter()
        compiled[name] = jax.jit(programs[name]).lower(*arguments).compile()
        compile_s[name].append(time.perf_counter() - start)
    run_s: dict[str, list[float]] = {name: [] for name in programs}
    for program in compiled.values():
        jax.block_until_ready(program(*arguments))
    begin = time.perf_counter()
    for number in tqdm.trange(rounds, desc="running", leave=False):
        if number >= 3 and time.perf_counter() - begin > seconds:
            break
        for name, program in compiled.items():
            start = time.perf_counter()
            jax.block_until_ready(program(*arguments))
            run_s[name].append(time.perf_counter() - start)
    return {
        name: Measurement(float(np.median(compile_s[name])), run_s[name], _memory(program))
        for name, program in compiled.items()
    }


def _memory(program: Any) -> int:
    sizes = program.memory_analysis()
    return int(sizes.temp_size_in_bytes + sizes.output_size_in_bytes)
