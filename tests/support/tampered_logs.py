"""A log with a row in every table, on SQLite and on PostgreSQL, and somebody with all rights who changes it."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg

from keeper.adapters.audit import archive_files
from keeper.adapters.audit.canonical import record_hash
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.models import SQLITE_TRIGGERS, metadata
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.times import to_iso
from keeper.domain.checkpoint import SignedCheckpoint, to_document
from keeper.domain.evidence import Evidence
from keeper.domain.record import GENESIS, Draft, Json, Record, RecordKind
from keeper.ports.retention import Kept
from tests.support.audit_log import T0, draft, story, tick
from tests.support.checkpoints import KEY, checkpoints_of

TABLES = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}
KEYS = {
    "records": "seq",
    "intents": "id",
    "attempts": "tx_hash",
    "evidence": "hash",
    "archived": "hash",
    "checkpoints": "number",
}
ARCHIVE_FILE = "evidence-18-19-0123456789abcdef.parquet"
ARCHIVED_BY = 20
ARCHIVED_OF = (18, 19)
"""The records whose evidence is in the file."""
CHECKPOINTS_AT = (5, 12, 22)
LAST = 22


def evidence(number: int) -> Evidence:
    return pack(
        {
            "observations": [{"source": f"s{place}", "value": f"{number}.{place}"} for place in range(20)],
            "note": "ä" * number,
        }
    )


def seen_tick(number: int) -> Draft:
    beside = evidence(number)
    body: dict[str, Json] = {"block": number, "evidence": beside.hash}
    return Draft(RecordKind.TICK, body, T0 + 1000 * number, market="ETH-PERP", evidence=beside)


def archive_content() -> bytes:
    """The file with the evidence of the records ARCHIVED_OF."""
    rows = [
        Kept(seq, to_iso(T0 + 1000 * number), RecordKind.TICK.value, number, evidence(number))
        for seq, number in zip(ARCHIVED_OF, (3, 4), strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        return (Path(folder) / archive_files.write(Path(folder), rows).name).read_bytes()


ARCHIVE_CONTENT = archive_content()


def drafts() -> list[Draft]:
    """``story`` and: 15 to 19 with evidence (17 with that of 15), 20 an archive of two of these, 21 none, 22 evidence."""
    archive: dict[str, Json] = {
        "file": ARCHIVE_FILE,
        "sha256": "0x" + hashlib.sha256(ARCHIVE_CONTENT).hexdigest(),
        "count": len(ARCHIVED_OF),
        "first_seq": 18,
        "last_seq": 19,
    }
    return [
        *story(),
        *(seen_tick(number) for number in (1, 2, 1, 3, 4)),
        draft(RecordKind.ARCHIVE, archive, T0 + 9_000, intent=None),
        tick(T0 + 9_100),
        seen_tick(5),
    ]


class Forger(Protocol):
    """Statements with ``?`` for values; without triggers and checks, which are as before once it is done."""

    def run(self, *statements: str | tuple[str, Sequence[Any]]) -> None: ...

    def rows(self, statement: str) -> list[tuple[Any, ...]]: ...


class SqliteForger:
    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, *statements: str | tuple[str, Sequence[Any]]) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for name in SQLITE_TRIGGERS:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                sql, values = statement if isinstance(statement, tuple) else (statement, ())
                connection.execute(sql, tuple(values))
            for text in SQLITE_TRIGGERS.values():
                connection.execute(text)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self._path)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


class PostgresForger:
    """A superuser, who can tell the database that its tables have no triggers and no checks, and that they have them again."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def run(self, *statements: str | tuple[str, Sequence[Any]]) -> None:
        ours = "relnamespace = 'public'::regnamespace AND relname = ANY (%s)"
        names = (list(TABLES),)
        with self._connection.transaction():
            before = self._connection.execute(
                f"SELECT oid, relchecks, relhastriggers FROM pg_class WHERE {ours}".encode(), names
            ).fetchall()
            self._connection.execute(
                f"UPDATE pg_class SET relchecks = 0, relhastriggers = false WHERE {ours}".encode(), names
            )
            for statement in statements:
                sql, values = statement if isinstance(statement, tuple) else (statement, ())
                self._connection.execute(sql.replace("?", "%s").encode(), tuple(values))
            for oid, checks, triggers in before:
                self._connection.execute(
                    "UPDATE pg_class SET relchecks = %s, relhastriggers = %s WHERE oid = %s", (checks, triggers, oid)
                )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.encode()).fetchall()

    def close(self) -> None:
        self._connection.close()


class TamperedLog:
    """One log, given back as it was by ``restore``."""

    def __init__(self, url: str, forger: Forger) -> None:
        self.url = url
        self.forger = forger
        self.records: list[Record] = asyncio.run(_write(url))
        self._finish()
        self.tables = {name: self.rows(name) for name in TABLES}

    @property
    def hashes(self) -> list[str]:
        return [record.hash for record in self.records]

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        order = "number" if table == "checkpoints" else "seq, hash" if table == "archived" else "seq"
        return self.forger.rows(f"SELECT {', '.join(TABLES[table])} FROM {table} ORDER BY {order}")

    def row(self, table: str, place: int) -> dict[str, Any]:
        """As it was written."""
        return dict(zip(TABLES[table], self.tables[table][place], strict=True))

    def change(self, table: str, place: int, column: str, value: object) -> None:
        key = KEYS[table]
        self.forger.run((f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, self.row(table, place)[key])))

    def delete(self, table: str, place: int) -> None:
        key = KEYS[table]
        self.forger.run((f"DELETE FROM {table} WHERE {key} = ?", (self.row(table, place)[key],)))

    def insert(self, table: str, **values: object) -> None:
        self.forger.run(inserted(table, [values[name] for name in TABLES[table]]))

    def replace_table(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        self.forger.run(f"DELETE FROM {table}", *(inserted(table, row) for row in rows))

    def cut(self, last: int) -> None:
        """Nothing is left of the records after ``last``, nor of what they made."""
        self.forger.run(
            f"DELETE FROM attempts WHERE seq > {last}",
            f"DELETE FROM intents WHERE seq > {last}",
            f"DELETE FROM evidence WHERE seq > {last}",
            f"DELETE FROM archived WHERE seq > {last}",
            f"DELETE FROM records WHERE seq > {last}",
        )

    def make_anew(self, first: int, body: str | None = None) -> list[str]:
        """The body of record ``first`` says something else (``body``), and every hash fits; the new hashes."""
        head, hashes, updates = GENESIS, [], []
        for row in self.tables["records"]:
            values = dict(zip(TABLES["records"], row, strict=True))
            if values["seq"] == first:
                values["body"] = values["body"][:-1] + ',"z":1}' if body is None else body
            values["prev_hash"] = head
            head = record_hash(**{name: value for name, value in values.items() if name != "hash"})
            hashes.append(head)
            updates.append(
                (
                    "UPDATE records SET body = ?, prev_hash = ?, hash = ? WHERE seq = ?",
                    (values["body"], values["prev_hash"], head, values["seq"]),
                )
            )
        self.forger.run(*updates)
        return hashes

    def sign_anew(self, hashes: Sequence[str], key: str, seqs: Sequence[int] = CHECKPOINTS_AT) -> None:
        self.replace_table("checkpoints", [checkpoint_row(one) for one in checkpoints_of(hashes, seqs, key)])

    def checkpoints(self) -> list[SignedCheckpoint]:
        """As they were made."""
        return checkpoints_of(self.hashes, CHECKPOINTS_AT)

    def restore(self) -> None:
        names = list(TABLES)
        self.forger.run(
            *(f"DELETE FROM {name}" for name in reversed(names)),
            *(inserted(name, row) for name in names for row in self.tables[name]),
        )

    def _finish(self) -> None:
        gone = [evidence(number).hash for number in (3, 4)]
        self.forger.run(
            *(inserted("archived", (digest, ARCHIVED_BY)) for digest in gone),
            *(("DELETE FROM evidence WHERE hash = ?", (digest,)) for digest in gone),
            *(inserted("checkpoints", checkpoint_row(one)) for one in checkpoints_of(self.hashes, CHECKPOINTS_AT, KEY)),
        )


class SqliteLogToTamper(TamperedLog):
    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(sqlite_url(path), SqliteForger(path))
        self._content = path.read_bytes()

    def restore(self) -> None:
        for name in ("-wal", "-shm"):
            self._path.with_name(self._path.name + name).unlink(missing_ok=True)
        self._path.write_bytes(self._content)


def inserted(table: str, row: Sequence[object]) -> tuple[str, Sequence[object]]:
    marks = ", ".join("?" * len(row))
    return f"INSERT INTO {table} ({', '.join(TABLES[table])}) VALUES ({marks})", row


def checkpoint_row(signed: SignedCheckpoint) -> list[object]:
    document = to_document(signed)
    return [document[name] for name in TABLES["checkpoints"]]


async def _write(url: str) -> list[Record]:
    store = await SqlAuditStore.open(url, create=True)
    try:
        return list(await store.append(drafts()))
    finally:
        await store.close()
