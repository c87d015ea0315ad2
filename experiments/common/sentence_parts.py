"""Work on batches of agreement sentences, on all devices and processes, in parts of a run."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from experiments.common import spread
from experiments.common.batching import Batch
from experiments.common.results import RunFolder, digest


class SentenceParts:
    """One piece of work after another on the same batches.

    Attributes:
        seconds: How long all of it took so far, compiling included, in this run and in those that
            it goes on with.
    """

    def __init__(self, folder: RunFolder, batches: Sequence[Batch], progress: tqdm):
        self._folder, self._batches, self._progress = folder, batches, progress
        self._inputs = digest([(batch.rows, *batch.arrays) for batch in batches])
        self._first = 0
        self.seconds = 0.0

    def each(
        self,
        params: Any,
        on_devices: Callable[[Any, Sequence[Any]], list[Any]],
        finish: Callable[[Batch, Any], spread.Part],
        arrays: Callable[[Batch], tuple[np.ndarray, ...]] = lambda batch: batch.arrays,
    ) -> dict[str, list[Any]]:
        """Does the work on each batch, or reads what an earlier run kept of it.

        Args:
            params: Of the model.
            on_devices: `(params, batches) -> results`, as `spread.over_devices` makes it.
            finish: Makes of a batch and its result the part: arrays by name, of the batch's
                sentences.
            arrays: What a batch is to `on_devices`.

        Returns:
            By name what each sentence has, in the order of the sentences.
        """
        shared = spread.replicate(params)
        given = [arrays(batch) for batch in self._batches]

        def advance(number: int) -> None:
            self._progress.update(len(self._batches[number].rows))

        def compute(numbers: Sequence[int]) -> list[spread.Part]:
            results = on_devices(shared, [given[number] for number in numbers])
            parts = []
            for number, result in zip(numbers, results, strict=True):
                parts.append(finish(self._batches[number], result))
                advance(number)
            return parts

        inputs = digest((self._inputs, params))
        parts = spread.compute_parts(
            self._folder, inputs, given, compute, advance, first=self._first
        )
        self._first += len(self._batches)
        self.seconds += float(sum(part.pop("seconds") for part in parts))
        rows: dict[str, dict[int, Any]] = {}
        for batch, part in zip(self._batches, parts, strict=True):
            for name, values in part.items():
                rows.setdefault(name, {}).update(zip(batch.rows, values, strict=True))
        return {name: [found[row] for row in sorted(found)] for name, found in rows.items()}
