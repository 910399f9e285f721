"""Verifies a log without trusting anything in it: not the types, not the encoding, not the indexes, not the schema.

What no look at the database alone can find: records cut off at the end, and a log rewritten as a whole. Compare ``head`` with one
that was written down elsewhere.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from keeper.adapters.audit.beside import Beside
from keeper.adapters.audit.finding import Finding, Verification, damage_in
from keeper.adapters.audit.journal import Change
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.projection_check import ProjectionCheck
from keeper.adapters.audit.record_check import RecordCheck
from keeper.adapters.audit.record_sweep import RecordSweep, Unproven
from keeper.adapters.audit.schema_check import check_schema, check_version
from keeper.adapters.audit.sqlite_headers import check_headers
from keeper.adapters.audit.sqlite_reader import open_read_only
from keeper.domain.errors import StoreUnavailable

__all__ = ["Verification", "verify", "verify_newest"]

_SMALLEST_FILE = 512
"""Bytes of the smallest page. SQLite takes what is shorter for an empty database."""
_MISSING_ROW = re.compile(r"row (\d+) missing from index (\w+)")
_TABLE_OF_INDEX = re.compile(r"(records|intents|attempts|alembic_version)")


def verify(url: str) -> Verification:
    """Reads the whole log, in constant memory: schema and triggers, every record's number, link, hash and form, every row of the
    journal against what the records say, and the file's own structure.

    A damaged file is a finding, not an error. Raises StoreNotMigrated when there is no log at all, StoreUnavailable when it
    cannot be read.
    """
    return _verdict(url, _look_at_all)


def verify_newest(url: str, count: int = 1_000) -> Verification:
    """The cheap look of the housekeeping: numbers, links, hashes and forms of the newest ``count`` records.

    ``records`` is how many of them are good. Reads on a connection of its own; findings and errors as ``verify``.
    """
    return _verdict(url, lambda connection, check, _: _look_at_newest(connection, check, count))


def _verdict(url: str, look: Callable[[sqlite3.Connection, RecordCheck, Path], None]) -> Verification:
    path = sqlite_file(url)
    if path is None:
        raise StoreUnavailable(f"{without_password(url)}: only SQLite files can be verified so far")
    connection = open_read_only(path)
    connection.text_factory = bytes
    check = RecordCheck(connection)
    try:
        connection.execute("BEGIN")  # one snapshot, however long it takes and whoever writes meanwhile
        look(connection, check, path)
    except Finding as finding:
        return Verification(False, check.good, check.head, finding.first_bad, finding.problem, finding.table)
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"{without_password(url)}: {error}", remedy="try again when nobody holds it") from None
    finally:
        connection.close()
    return Verification(True, check.good, check.head)


def _look_at_all(connection: sqlite3.Connection, check: RecordCheck, path: Path) -> None:
    if 0 < path.stat().st_size < _SMALLEST_FILE:
        raise Finding("sqlite_schema", None, "the file is too short for a database")
    with damage_in("sqlite_schema", None):
        check_schema(connection)
    check_version(connection)
    with Beside(path) as beside:
        if _proven_good(connection, check, path, beside):
            return
        _hold_together(connection, check.changes())
        with damage_in("sqlite_schema", None):
            _check_structure(connection, beside.structure())
    check_headers(connection, path)


def _proven_good(connection: sqlite3.Connection, check: RecordCheck, path: Path, beside: Beside) -> bool:
    """Whether a quick pass over everything shows that there is nothing to be found; if not, it says nothing."""
    sweep = RecordSweep(connection)
    try:
        _hold_together(connection, sweep.changes())
        if beside.structure() != [b"ok"]:
            return False
        check_headers(connection, path)
    except (Unproven, Finding, sqlite3.DatabaseError, TypeError, ValueError, RecursionError):
        return False
    if not beside.as_written():
        return False
    check.take_all(sweep.seq, sweep.head)
    return True


def _hold_together(connection: sqlite3.Connection, changes: Iterable[tuple[int, Change]]) -> None:
    """The rows of the journal against what the records say."""
    projection = ProjectionCheck(connection)
    for seq, change in changes:
        projection.feed(change, seq)
    projection.finish()


def _look_at_newest(connection: sqlite3.Connection, check: RecordCheck, count: int) -> None:
    check_version(connection)
    with damage_in("records", None):
        last = connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0
        check.start_after(max(0, last - count))
    for _ in check.changes():
        pass


def _check_structure(connection: sqlite3.Connection, found: list[bytes]) -> None:
    """SQLite's own check: pages, free space, and that every index agrees with its table. ``found`` is what it answered."""
    answers = [answer.decode(errors="replace") for answer in found]
    if answers == ["ok"]:
        return
    missing = _MISSING_ROW.search("\n".join(answers))
    table = _TABLE_OF_INDEX.search(missing.group(2)) if missing else None
    seq = None
    if missing and table and table.group(1) != "alembic_version":
        statement = f"SELECT seq FROM {table.group(1)} WHERE rowid = ?"  # noqa: S608
        row = connection.execute(statement, (int(missing.group(1)),)).fetchone()
        seq = row[0] if row else None
    what = f"the index {missing.group(2)} does not list this row" if missing else answers[0].splitlines()[-1]
    # whoever comes here has read every record and found it good
    problem = f"the file is damaged around records that are whole: {what}"
    raise Finding(table.group(1) if table else "sqlite_schema", seq, problem)
