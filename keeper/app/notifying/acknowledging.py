"""Somebody takes open matters upon them: written into the log, where the running keeper sees it within a second or two."""

from __future__ import annotations

from keeper.app.notifying.history import ack_record, keys_meant
from keeper.app.notifying.keeping import read_history
from keeper.domain.errors import KeeperError
from keeper.ports.audit import AuditStore

MOST_NOTE = 500


async def acknowledge(store: AuditStore, word: str, *, by: str, note: str, now_ms: int) -> list[str]:
    """The keys that are acknowledged now. ``word`` is ``all``, a key, or the id of an incident; empty when all of these were acknowledged before.

    Raises KeeperError when nothing open is meant, AuditError when the log cannot be read or written.
    """
    if len(note) > MOST_NOTE or (note and not note.isprintable()):
        raise KeeperError("the note is not one line of text", remedy=f"at most {MOST_NOTE} signs on one line")
    history, _ = await read_history(store, now_ms)
    book = history.finish(now_ms)
    keys = keys_meant(word, book)
    if not keys:
        if word != "all" and not _known(word, list(book.matters)):
            raise KeeperError(f"nothing open is called {word!r}", remedy="keeper notify CONFIG list shows what is open")
        return []
    await store.append([ack_record(now_ms, keys, by, note)])
    return keys


def _known(word: str, keys: list[str]) -> bool:
    return any(word in (key, key.partition("/")[2]) for key in keys)
