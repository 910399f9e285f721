"""What a keeper that starts makes of what the log says people were told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from keeper.app.notifying.book import Book, Matter
from keeper.app.notifying.history import KINDS, LOOK_BACK_MS, History
from keeper.domain.matters import is_lasting
from keeper.domain.record import RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.audit import AuditStore
from keeper.ports.notifier import Notice

GRACE_MS = 120_000
"""So long after a start whoever is down has shown it again: every part was tried many times by then."""
PAGE = 1_000

End = tuple[Notice, Matter]
"""What is said of a matter that is over."""


async def read_history(store: AuditStore, now_ms: int) -> tuple[History, int]:
    """What the log says, and up to which record. Raises StoreUnavailable."""
    history, after = History(), 0
    since_ms = max(0, now_ms - LOOK_BACK_MS)
    while page := await store.page(RecordQuery(kinds=KINDS, since_ms=since_ms, after=after, limit=PAGE)):
        history.take(page)
        after = page[-1].seq
        if len(page) < PAGE:
            break
    return history, after


class TakingUp:
    """Matters of an earlier run that nobody has spoken of since."""

    def __init__(self) -> None:
        self._since_ms: int | None = None

    def begin(self, past: History, book: Book, incidents: Iterable[str], now_ms: int) -> list[End]:
        """Fills ``book``; returns what is over and was never said to be. ``incidents`` are open as the engine remembers it."""
        open_now = {f"incident/{one}" for one in incidents}
        for key, matter in past.finish(now_ms).matters.items():
            known = book.get(key)
            if known is not None:  # told again already, before this was read
                known.told, known.ack, known.since_ms = matter.told, matter.ack, matter.since_ms
                continue
            if key.startswith("incident/"):
                matter.confirmed = key in open_now
            book.add(matter)
        self._since_ms = now_ms
        return [(_over(one, "it ended while the keeper was stopping or starting"), one) for one in _told(past.over)]

    def give_up(self, book: Book, now_ms: int) -> list[End]:
        """Once, some time after the start: what has not shown itself again is over."""
        if self._since_ms is None or now_ms - self._since_ms < GRACE_MS:
            return []
        self._since_ms = None
        silent = [key for key, one in book.matters.items() if is_lasting(key) and not one.confirmed]
        return [(_over(one, "not seen again since the keeper started anew"), one) for one in map(book.close, silent)]


def _told(over: dict[str, Matter]) -> Collection[Matter]:
    return [one for one in over.values() if one.told]


def _over(matter: Matter, why: str) -> Notice:
    return Notice(matter.key, f"over: {matter.notice.title}", why, Severity.INFO, ends=True)
