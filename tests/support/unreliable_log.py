"""A log whose database comes and goes, and may take what it never answers for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.domain.errors import StoreUnavailable
from keeper.domain.intent import Intent
from keeper.domain.record import Draft, Record, RecordQuery


class Mood(StrEnum):
    WELL = "well"
    READ_ONLY = "read-only"
    GONE = "gone"
    SILENT = "silent"
    """Takes what it is given, and the answer is lost."""
    SILENT_ONCE = "silent-once"
    """The same for one commit; then it is gone."""


@dataclass
class UnreliableLog:
    """The port ``AuditStore``; ``inner`` is what the database holds."""

    inner: MemoryAuditStore = field(default_factory=MemoryAuditStore)
    mood: Mood = Mood.WELL
    tried: int = 0

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        self.tried += 1
        if self.mood in (Mood.READ_ONLY, Mood.GONE):
            raise StoreUnavailable(f"the database is {self.mood}", remedy="bring it back")
        records = await self.inner.append(drafts)
        if self.mood is not Mood.WELL:
            self.mood = Mood.GONE if self.mood is Mood.SILENT_ONCE else self.mood
            raise StoreUnavailable("the answer was lost")
        return records

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        self._readable()
        return await self.inner.page(query)

    async def head(self) -> tuple[int, str]:
        self._readable()
        return await self.inner.head()

    async def open_intents(self) -> Sequence[Intent]:
        self._readable()
        return await self.inner.open_intents()

    async def close(self) -> None:
        """What the database holds stays."""

    def _readable(self) -> None:
        if self.mood is Mood.GONE:
            raise StoreUnavailable("the database is gone")
