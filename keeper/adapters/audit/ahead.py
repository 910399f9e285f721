"""What an action waits for, in one row of SQLite, until the next commit puts it into the tables.

Each table and each index that a commit touches is a page to write: some twenty for an intent with its attempt, one or two for a row. The row is as
durable as they are, its triggers refuse what the tables would refuse, and until it is gone they let no record into the log but its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from keeper.adapters.audit.appending import Before, Question, planned, rows_of
from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.chaining import Ready, chain
from keeper.adapters.audit.journal import Opened, Signed, change_of
from keeper.adapters.audit.memory_journal import MemoryJournal
from keeper.adapters.audit.pages import AHEAD, beyond, matches
from keeper.adapters.audit.statements import Statements
from keeper.adapters.audit.times import from_iso
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition, StoreUnavailable
from keeper.domain.intent import Intent
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery

INSERT: Final = "INSERT INTO ahead (first, prev_hash, hashes, intents, attempts, records) VALUES (?, ?, ?, ?, ?, ?)"
TYPES: Final = (
    "SELECT typeof(first) || ' ' || typeof(prev_hash) || ' ' || typeof(hashes) || ' ' || typeof(intents) || ' ' || typeof(attempts) "
    "|| ' ' || typeof(records) FROM ahead"
)
RIGHT_TYPES: Final = b"integer text text text text text"
_DELETE: Final = "DELETE FROM ahead"

Row = tuple[int, str, str, str, str, str]


def written_ahead(ready: Sequence[Ready], seq: int, head: str) -> tuple[list[Record], Row] | None:
    """The records that follow record ``seq`` whose hash is ``head``, and the row that holds them.

    None for what no action waits for, for what may only be written by somebody who has looked at the journal, and for what contradicts itself.
    """
    changes = [item.change for item in ready if item.change is not None]
    opened = [change for change in changes if isinstance(change, Opened)]
    signed = [change for change in changes if isinstance(change, Signed)]
    if not opened or len(opened) + len(signed) < len(changes):
        return None
    if any(item.draft.evidence is not None for item in ready):
        return None
    try:
        journal = MemoryJournal()
        for change in changes:
            journal.apply(change)
    except (IntentAlreadyOpen, InvalidTransition):
        return None
    records = chain(ready, seq, head)
    intents = [(one.intent.id, one.intent.market, one.intent.action) for one in opened]
    attempts = [
        (one.tx_hash, one.chain_id, one.sender, one.nonce, str(one.max_fee_wei), str(one.priority_fee_wei))
        for one in (change.attempt for change in signed)
    ]
    rows = [
        (item.at, one.kind.value, one.market, one.action, one.incident, one.intent, item.body)
        for item, one in zip(ready, records, strict=True)
    ]
    columns = ([one.hash for one in records], intents, attempts, rows)
    hashes, *others = (orjson.dumps(column).decode() for column in columns)
    return records, (seq + 1, head, hashes, *others)  # type: ignore[return-value]


def put_into_tables(cursor: Any, sql: Statements) -> None:
    """What was written ahead, in the transaction of ``cursor``. Raises StoreUnavailable where the row is not as it was written."""
    for row in cursor.execute(AHEAD).fetchall():
        ready, records, writes = read_back(row, sql)
        cursor.executemany(sql.insert_record, rows_of(records, ready))
        for statement, values in writes:
            cursor.execute(statement, values)
        cursor.execute(_DELETE)


def read_back(row: Sequence[Any], sql: Statements) -> tuple[list[Ready], list[Record], list[Question]]:
    """The drafts of a row, the records that they make, and what else stores them. Raises StoreUnavailable."""
    first, prev_hash, hashes, _, _, texts = row
    with suppress(TypeError, ValueError, AttributeError, IntentAlreadyOpen, InvalidTransition):
        ready = [_ready(*columns) for columns in orjson.loads(texts)]
        # the row's triggers have looked at the journal, and nobody could write to it since
        records, writes = planned(ready, Before(first - 1, prev_hash, MemoryJournal()), sql)
        if [one.hash for one in records] == orjson.loads(hashes):
            return ready, records, writes
    raise StoreUnavailable(
        f"what was written ahead of record {first} is not as it was written", remedy="run: keeper audit CONFIG verify"
    )


def seen(row: Sequence[Any], sql: Statements) -> tuple[list[Record], list[Intent]]:
    """The records of a row, and the intents that it opens: what a reader finds in no table yet. Raises StoreUnavailable."""
    ready, records, _ = read_back(row, sql)
    journal = MemoryJournal()
    for item in ready:
        if item.change is not None:
            journal.apply(item.change)
    return records, journal.open_intents


def rows_ahead(row: Sequence[Any], query: RecordQuery) -> list[Sequence[Any]]:
    """What of a row belongs to a page, in its order, as rows of ``records``; one that cannot be read, where the row is not as it was written.

    Raises StoreUnavailable where nobody can say which record that would be.
    """
    try:
        ready, records, _ = read_back(row, Statements("?"))
    except StoreUnavailable:
        if not isinstance(row[0], int):
            raise
        return [(row[0], *[None] * 6, "", None, None)] if beyond(row[0], query) else []
    both = zip(rows_of(records, ready), records, strict=True)
    found: list[Sequence[Any]] = [one for one, record in both if beyond(record.seq, query) and matches(record, query)]
    return found[::-1] if query.newest_first else found


def _ready(
    at: str, kind: str, market: str | None, action: str | None, incident: str | None, intent: str | None, body: str
) -> Ready:
    at_ms, values = from_iso(at), orjson.loads(body)
    if canonical(values) != body:
        raise ValueError("a body that is not in its canonical form")
    change = change_of(kind, market, action, incident, intent, at_ms, values)
    draft = Draft(RecordKind(kind), values, at_ms, market=market, action=action, incident=incident, intent=intent)
    return Ready(draft, at, body, change)
