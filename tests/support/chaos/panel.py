"""A few numbers in a file that the test and the keeper's process both see at once."""

from __future__ import annotations

import mmap
import struct
from enum import IntEnum
from pathlib import Path


class Cell(IntEnum):
    """What each number says. The test sets the first two, the keeper the others."""

    TRIPPED = 0
    """1: the rule asks for the action."""
    CLOCK_MS = 1
    """By how much the machine's clock was set, in ms."""
    HANDLED = 2
    """The newest block that was dealt with: the first 7 bytes of its hash."""
    OPEN = 3
    """How many intents are open, as of that block."""


class Panel:
    """One for each run. ``Panel.make`` in the test; ``Panel`` in the keeper's process."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._cells = mmap.mmap(file.fileno(), 8 * len(Cell))

    @classmethod
    def make(cls, path: Path) -> Panel:
        path.write_bytes(bytes(8 * len(Cell)))
        return cls(path)

    def __getitem__(self, cell: Cell) -> int:
        return int(struct.unpack_from("<q", self._cells, 8 * cell)[0])

    def __setitem__(self, cell: Cell, value: int) -> None:
        struct.pack_into("<q", self._cells, 8 * cell, value)

    def close(self) -> None:
        self._cells.close()


def short(block_hash: str) -> int:
    """What stands for a block in a cell."""
    return int(block_hash[2:16], 16)
