"""What every benchmark is given, and where it may write."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.result import Result

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Options:
    """``trials``, ``rows`` None: as many as the benchmark itself calls for. ``say`` takes the lines with the details."""

    trials: int | None
    say: Callable[[str], None]
    rows: int | None = None

    def count(self, usual: int) -> int:
        return usual if self.trials is None else self.trials


Bench = Callable[[Options], Sequence[Result]]


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the clone (a temporary file system would make durable writes look free); gone afterwards."""
    base = ROOT / ".demo"
    base.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=base) as folder:
        yield Path(folder)
