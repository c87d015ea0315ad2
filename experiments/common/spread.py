"""Batches over all devices and processes; each that is done is a part of the run's folder.

A device computes a whole batch at a time, by the same program however many devices there are: so
the results are the same (to the last bit in any number of processes; XLA divides work on a CPU by
its number of devices too, which may round otherwise). A part is what becomes of one batch, so a run
may be resumed on another number of devices, or in other processes.
"""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.common import processes
from experiments.common.results import RunFolder

# What becomes of a batch: arrays by name.
Part = dict[str, np.ndarray]
_AXIS = "device"


def over_devices(compute: Callable[..., Any]) -> Callable[[Any, Sequence[Any]], list[Any]]:
    """Returns the computation of a batch on each local device at once.

    Args:
        compute: `(shared, batch) -> result`, pytrees of arrays; traced.

    Returns:
        `(shared, batches) -> results`, of at most as many batches as there are local devices, all
        of one shape. Results are NumPy arrays; `shared` is best placed by `replicate`.
    """
    each = PartitionSpec(_AXIS)

    @jax.jit
    @functools.partial(
        jax.shard_map,
        mesh=_mesh(),
        in_specs=(PartitionSpec(), each),
        out_specs=each,
        check_vma=False,
    )
    def on_all(shared: Any, stacked: Any) -> Any:
        result = compute(shared, jax.tree.map(lambda x: x[0], stacked))
        return jax.tree.map(lambda x: x[None], result)

    def call(shared: Any, batches: Sequence[Any]) -> list[Any]:
        filler = [batches[-1]] * (jax.local_device_count() - len(batches))
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *batches, *filler)
        found = jax.device_get(on_all(shared, stacked))
        return [jax.tree.map(lambda x, n=n: x[n], found) for n in range(len(batches))]

    return call


def replicate(tree: Any) -> Any:
    """Places a pytree of arrays on each local device."""
    return jax.device_put(tree, NamedSharding(_mesh(), PartitionSpec()))


def compute_parts(
    folder: RunFolder,
    inputs: str,
    batches: Sequence[Any],
    compute: Callable[[Sequence[int]], Sequence[Part]],
    found: Callable[[int], Any],
    at_once: int | None = None,
    first: int = 0,
) -> list[Part]:
    """Computes what is not yet in the folder, each process its share.

    Args:
        folder: Of the run; its first process has begun it.
        inputs: Digest of all that the results depend on.
        batches: Pytrees of arrays. Those of one shape, one after another, go together.
        compute: Takes the numbers of a few batches of one shape, and returns their parts. The
            `seconds` that each took are added to it.
        found: Called with the number of each part that an earlier run left.
        at_once: How many batches go together at most; None for one on each local device.
        first: Number of the part of the first batch.

    Returns:
        The parts of all batches, in their order.

    Raises:
        RunError: A part is of other inputs, or damaged.
    """
    processes.wait_for_all("the run has begun")
    missing = []
    for number in range(jax.process_index(), len(batches), jax.process_count()):
        if folder.read_part(first + number, inputs) is None:
            missing.append(number)
        else:
            found(number)
    for group in _groups(missing, batches, at_once or jax.local_device_count()):
        start = time.perf_counter()
        parts = compute(group)
        seconds = np.array((time.perf_counter() - start) / len(group))
        for number, part in zip(group, parts, strict=True):
            folder.write_part(first + number, inputs, **part, seconds=seconds)
    processes.wait_for_all("all parts are written")
    parts = [folder.read_part(first + number, inputs) for number in range(len(batches))]
    processes.wait_for_all("all parts are read")
    assert all(part is not None for part in parts)
    return parts  # pyright: ignore[reportReturnType]


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), (_AXIS,))


def _groups(numbers: Sequence[int], batches: Sequence[Any], most: int) -> Iterator[list[int]]:
    """Splits batches into runs of one shape, of at most `most`."""

    def shape(number: int) -> Any:
        return [np.shape(leaf) for leaf in jax.tree.leaves(batches[number])]

    for _, same in itertools.groupby(numbers, key=shape):
        run = list(same)
        for start in range(0, len(run), most):
            yield run[start : start + most]
