"""One page for the command line, at once: through the driver alone, so that nothing heavy is imported first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from keeper.adapters.audit.head import require_head
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.pages import AHEAD, LARGEST_PAGE, filled, joined, page_statement, to_record
from keeper.adapters.audit.sqlite_reader import in_short, open_read_only
from keeper.domain.errors import StoreUnavailable
from keeper.domain.postgres_url import is_postgres
from keeper.domain.record import Record, RecordQuery

_REVISION = "SELECT version_num FROM alembic_version"


def page_sync(url: str, query: RecordQuery) -> Sequence[Record]:
    """One page of records. Raises StoreNotMigrated, StoreUnavailable. Changes and creates nothing."""
    if is_postgres(url):
        from keeper.adapters.audit.postgres_reader import page

        return page(url, query)
    path = sqlite_file(url)
    if path is None:
        raise StoreUnavailable(
            f"{without_password(url)} names no database that can be used",
            remedy="write sqlite:///keeper.db or postgresql+psycopg://user@host/database",
        )
    connection = open_read_only(path)
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        row = connection.execute(_REVISION).fetchone() if "alembic_version" in tables else None
        require_head(row[0] if row else None)
        sql, values = page_statement(query)
        connection.execute("BEGIN")  # the page and what is ahead of the tables as of one moment
        records = [to_record(found) for found in connection.execute(sql, values)]
        records = joined(records, _ahead(connection), query)
        return filled(records, connection.execute) if query.full else records
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreUnavailable(
            f"{without_password(url)}: {in_short(error)}", remedy="run: keeper audit CONFIG verify"
        ) from None
    finally:
        connection.close()


def _ahead(connection: sqlite3.Connection) -> Sequence[Record]:
    """What is durable and in no table yet: of a keeper that was killed, or writes at this moment."""
    row = connection.execute(AHEAD).fetchone()
    if row is None:
        return ()
    # here, because hardly ever is there one, and a page need not wait for what it takes
    from keeper.adapters.audit.ahead import seen
    from keeper.adapters.audit.statements import Statements

    return seen(row, Statements("?"))[0]


def all_records(url: str) -> list[Record]:
    """Every record in order, in memory: for logs as small as a demo's. Raises as ``page_sync``."""
    records: list[Record] = []
    while page := page_sync(url, RecordQuery(after=records[-1].seq if records else 0, limit=LARGEST_PAGE)):
        records += page
    return records
