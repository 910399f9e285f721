"""Where signed checkpoints of the log are, and what the next one needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.checkpoint import SignedCheckpoint


@dataclass(frozen=True, slots=True)
class LogLook:
    """The log as it is now: number and hash of the last record, hash of the first, and the hash of the record that was asked for.

    Of an empty log ``seq`` is 0 and every hash empty; ``asked`` is empty where there is no such record.
    """

    seq: int
    head: str
    genesis: str
    asked: str


class CheckpointBook(Protocol):
    """Beside the records, in the same database. Raises StoreUnavailable, StoreNotMigrated."""

    async def look(self, seq: int = 0) -> LogLook:
        """One consistent view; ``asked`` is the hash of record ``seq``."""

    async def newest(self) -> SignedCheckpoint | None:
        """The last one, or None."""

    async def after(self, number: int, limit: int) -> Sequence[SignedCheckpoint]:
        """In order, those with a higher number, ``limit`` at most."""

    async def add(self, signed: SignedCheckpoint) -> None:
        """Durable when it returns. Raises StoreUnavailable when it is not the next one, or names a record that is not there."""

    async def close(self) -> None:
        """Safe to call twice."""
