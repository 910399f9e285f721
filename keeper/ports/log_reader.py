"""Reading the audit log for people and programs outside of the keeper: never in the way of its own reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from keeper.domain.checkpoint import SignedCheckpoint
from keeper.domain.record import Json, Record, RecordQuery

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Records of one page; ``more``: others that fit come after them. ``damaged`` are the numbers of those that cannot be read."""

    records: Sequence[Record]
    more: bool
    damaged: Sequence[int] = ()
    last: int | None = None

    @property
    def end(self) -> int:
        """The number to go on from: that of the last one, damaged or not."""
        return self.last if self.last is not None else self.records[-1].seq


@dataclass(frozen=True, slots=True)
class Kept:
    """Evidence. ``seq`` is the record that it came with; ``content`` is None where it moved into an archive, which record ``archive_seq`` names."""

    hash: str
    seq: int | None
    content: Mapping[str, Json] | None
    archive_seq: int | None = None


class LogQuestions(Protocol):
    """Questions of one request, asked one after the other in a thread, with one end and one measure for all of them."""

    @property
    def notes(self) -> Sequence[str]:
        """What was left out of the answers, a sentence each."""

    def page(self, query: RecordQuery, keep: Callable[[Record], Record] | None = None) -> Sequence[Record]:
        """As ``LogReader.page``, without what is damaged. Each record of a full page is cut down by ``keep`` before the next one is unpacked,
        and the page ends where the evidence is too much. Raises TooLarge where bodies are.
        """

    def covering(self, seq: int) -> SignedCheckpoint | None:
        """The first checkpoint that covers this record."""


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

    async def together(self, work: Callable[[LogQuestions], T]) -> T:
        """What ``work`` makes of its questions, all in a thread."""
