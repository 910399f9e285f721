"""One page from PostgreSQL, at once and with the driver alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.pages import filled, page_statement, to_record
from keeper.adapters.audit.postgres import connect, database_errors, revision
from keeper.domain.record import Record, RecordQuery

WAIT_MS: Final = 5_000
"""For a lock: only somebody who changes the tables themselves holds one that stops a reader."""


def page(url: str, query: RecordQuery) -> Sequence[Record]:
    """One page of records. Raises StoreNotMigrated, StoreUnavailable. Changes and creates nothing."""
    with database_errors(url), connect(url, task="asks", lock_ms=WAIT_MS, read_only=True) as connection:
        require_head(revision(connection))
        # one state of the log: what retention moves meanwhile is either still in the page or not
        connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        sql, values = page_statement(query, "%s")
        records = [to_record(row) for row in connection.execute(sql.encode(), values)]
        return (
            filled(records, lambda text, some: connection.execute(text.encode(), some), "%s") if query.full else records
        )
