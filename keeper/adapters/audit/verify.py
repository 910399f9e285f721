"""Verifies a log without trusting anything in it: not the types, not the encoding, not the indexes, not the schema.

What no look at the database alone can find: records cut off at the end, and a log rewritten as a whole. Compare ``head`` with one
that was written down elsewhere.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

from keeper.adapters.audit.finding import Finding, Verification
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.projection_check import ProjectionCheck
from keeper.adapters.audit.record_check import RecordCheck
from keeper.adapters.audit.schema_check import check_schema, check_version
from keeper.adapters.audit.sqlite_reader import open_read_only
from keeper.domain.errors import StoreUnavailable

__all__ = ["Verification", "verify", "verify_newest"]

# Answers that say nothing about the log: somebody else has it, or the machine does not give it.
_NOT_THE_LOG = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
    }
)
_MISSING_ROW = re.compile(r"row (\d+) missing from index (\w+)")
_TABLE_OF_INDEX = re.compile(r"(records|intents|attempts)")


def verify(url: str) -> Verification:
    """Reads the whole log, in constant memory: schema and triggers, every record's number, link, hash and form, every row of the
    journal against what the records say, and the file's own structure.

    A damaged file is a finding, not an error. Raises StoreNotMigrated when there is no log at all, StoreUnavailable when it
    cannot be read.
    """
    return _verdict(url, _look)


def verify_newest(url: str, count: int = 1_000) -> Verification:
    """The cheap look of the housekeeping: numbers, links, hashes and forms of the newest ``count`` records.

    ``records`` is how many of them are good. Reads on a connection of its own; findings and errors as ``verify``.
    """
    return _verdict(url, lambda connection, check: _look_at_newest(connection, check, count))


def _verdict(url: str, look: Callable[[sqlite3.Connection, RecordCheck], None]) -> Verification:
    path = sqlite_file(url)
    if path is None:
        raise StoreUnavailable(f"{without_password(url)}: only SQLite files can be verified so far")
    connection = open_read_only(path)
    connection.text_factory = bytes
    check = RecordCheck(connection)
    try:
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("BEGIN")  # one snapshot, however long it takes and whoever writes meanwhile
        look(connection, check)
    except Finding as finding:
        return Verification(False, check.good, check.head, finding.first_bad, finding.problem, finding.table)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_LOG:
            raise StoreUnavailable(
                f"{without_password(url)}: {error}", remedy="try again when nobody holds it"
            ) from None
        return Verification(False, check.good, check.head, check.seq + 1, f"the file is damaged: {error}", "records")
    finally:
        connection.close()
    return Verification(True, check.good, check.head)


def _look(connection: sqlite3.Connection, check: RecordCheck) -> None:
    check_schema(connection)
    check_version(connection)
    projection = ProjectionCheck(connection)
    for seq, change in check.changes():
        projection.feed(change, seq)
    projection.finish()
    _check_structure(connection)


def _look_at_newest(connection: sqlite3.Connection, check: RecordCheck, count: int) -> None:
    check_version(connection)
    last = connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0
    check.start_after(max(0, last - count))
    for _ in check.changes():
        pass


def _check_structure(connection: sqlite3.Connection) -> None:
    """SQLite's own check: pages, free space, and that every index agrees with its table."""
    answers = [bytes(row[0]).decode(errors="replace") for row in connection.execute("PRAGMA integrity_check(10)")]
    if answers == ["ok"]:
        return
    missing = _MISSING_ROW.search("\n".join(answers))
    table = _TABLE_OF_INDEX.search(missing.group(2)) if missing else None
    seq = None
    if missing and table:
        statement = f"SELECT seq FROM {table.group(1)} WHERE rowid = ?"  # noqa: S608
        row = connection.execute(statement, (int(missing.group(1)),)).fetchone()
        seq = row[0] if row else None
    raise Finding(table.group(1) if table else "sqlite_schema", seq, f"the file is damaged: {answers[0]}")
