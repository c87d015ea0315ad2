"""Stops a run between two of its parts, and tells which parts were written."""

from typing import Any

import pytest

from experiments.common.results import RunFolder


class Parts:
    """The numbers of the parts that runs write from now on.

    Attributes:
        written: Them, in order.
        stop_after: How many there are when the next one is interrupted; None for never.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_after: int | None) -> None:
        self.written: list[int] = []
        self.stop_after = stop_after
        write = RunFolder.write_part

        def counted(folder: RunFolder, number: int, *args: Any, **arrays: Any) -> None:
            if len(self.written) == self.stop_after:
                raise KeyboardInterrupt
            self.written.append(number)
            write(folder, number, *args, **arrays)

        monkeypatch.setattr(RunFolder, "write_part", counted)
