"""Reading the audit log for people and programs outside of the keeper: never in the way of its own reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.checkpoint import SignedCheckpoint
from keeper.domain.record import Json, Record, RecordQuery


@dataclass(frozen=True, slots=True)
class Sheet:
    """Records of one page; ``more``: others that fit come after them."""

    records: Sequence[Record]
    more: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """Evidence. ``seq`` is the record that it came with; ``content`` is None where it moved into an archive, which record ``archive_seq`` names."""

    hash: str
    seq: int | None
    content: Mapping[str, Json] | None
    archive_seq: int | None = None


class LogReader(Protocol):
    """Reads only. Raises StoreUnavailable when the database fails or takes too long, StoreNotMigrated when its schema is another one."""

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        """As ``AuditStore.page``."""

    async def sheet(self, query: RecordQuery) -> Sheet:
        """The same, cut where it grows too large for one answer; never empty while records fit."""

    async def evidence(self, digest: str) -> Kept | None:
        """None when no evidence has this hash. Raises TooLarge when it is too large to be handed out here."""

    async def checkpoints(
        self, limit: int, *, before: int | None = None, covering: int | None = None
    ) -> Sequence[SignedCheckpoint]:
        """Newest first, those with a lower number than ``before``; with ``covering`` those that cover this record, oldest first."""

    async def close(self) -> None:
        """Let go. Safe to call twice."""
