"""The database itself refuses to forget: whoever writes to the file by another way meets the triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audit_log import story, write_log

pytestmark = pytest.mark.integration

COLUMNS = {
    "records": ("seq", "at", "kind", "market", "action", "incident", "intent", "body", "prev_hash", "hash"),
    "intents": (
        "id",
        "seq",
        "market",
        "action",
        "incident",
        "created_at",
        "expires_at",
        "to_address",
        "data",
        "effect_before",
    ),
    "attempts": (
        "intent",
        "number",
        "seq",
        "chain_id",
        "sender",
        "nonce",
        "max_fee_wei",
        "priority_fee_wei",
        "gas_limit",
        "to_address",
        "data",
        "tx_hash",
        "raw",
        "signed_at",
    ),
}


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    await write_log(tmp_path / "k.db", story())
    return tmp_path / "k.db"


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(database, isolation_level=None)
    yield opened
    opened.close()


def content(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    return [connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in COLUMNS]


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, names in COLUMNS.items() for column in names])
def test_update__any_column_of_any_table__refused(connection: sqlite3.Connection, table: str, column: str) -> None:
    before = content(connection)

    with pytest.raises(sqlite3.IntegrityError, match=r"no UPDATE|only the state"):
        connection.execute(f"UPDATE {table} SET {column} = coalesce({column}, '') || '0'")
    assert content(connection) == before


@pytest.mark.parametrize("table", COLUMNS)
def test_delete__any_table__refused(connection: sqlite3.Connection, table: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="no DELETE"):
        connection.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("table", COLUMNS)
def test_replace__any_row__refused_although_it_fires_no_delete_trigger(
    connection: sqlite3.Connection, table: str
) -> None:
    before = content(connection)

    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")
    assert content(connection) == before


def test_replace__another_open_intent__refused(connection: sqlite3.Connection) -> None:
    row = list(connection.execute("SELECT * FROM intents WHERE state <> 'done'").fetchone())
    row[0], row[1] = "i-3", 3

    with pytest.raises(sqlite3.IntegrityError, match="market"):
        connection.execute(f"INSERT OR REPLACE INTO intents VALUES ({','.join('?' * len(row))})", row)


def test_update_or_replace__state_of_a_done_intent__refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="until it is done"):
        connection.execute("UPDATE OR REPLACE intents SET state = 'open' WHERE state = 'done'")


def test_update__state_that_the_journal_does_not_know__refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute("UPDATE intents SET state = 'lost' WHERE state <> 'done'")


def test_update__state_of_an_open_intent__is_the_one_thing_that_may_change(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE intents SET state = 'done' WHERE state <> 'done'")

    assert connection.execute("SELECT DISTINCT state FROM intents").fetchall() == [("done",)]


@pytest.mark.parametrize(
    ("seq", "prev_hash"),
    [
        pytest.param(16, None, id="leaves a hole"),
        pytest.param(0, None, id="before the first"),
        pytest.param(-1, None, id="negative"),
        pytest.param(None, None, id="number chosen by the database"),
        pytest.param(15, "0x" + "00" * 32, id="another predecessor"),
    ],
)
def test_insert__record_that_does_not_follow_the_last__refused(
    connection: sqlite3.Connection, seq: int | None, prev_hash: str | None
) -> None:
    last = connection.execute("SELECT hash FROM records ORDER BY seq DESC").fetchone()[0]

    with pytest.raises(sqlite3.IntegrityError, match="does not follow"):
        connection.execute(
            "INSERT INTO records VALUES (?, 'at', 'tick', NULL, NULL, NULL, NULL, '{}', ?, 'hash')",
            (seq, prev_hash or last),
        )
