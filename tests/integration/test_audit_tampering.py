"""Whatever is changed in the file, ``verify`` finds it and names the record."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.adapters.audit.canonical import record_hash
from keeper.adapters.audit.finding import Verification
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.models import SQLITE_TRIGGERS, metadata
from keeper.adapters.audit.verify import verify, verify_newest
from keeper.domain.errors import StoreNotMigrated, StoreUnavailable
from keeper.domain.record import GENESIS, Record
from tests.support.audit_log import ROWS_OF_STORY, Cell, cells, story, tick, write_log

pytestmark = pytest.mark.integration

OWNERS = {
    "records": list(range(1, 15)),
    "intents": list(ROWS_OF_STORY["intents"].values()),
    "attempts": list(ROWS_OF_STORY["attempts"].values()),
}
"""The record that made each row, in the order of the rows."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "k.db"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Record]]:
    """The file of the story's log, and its records; once for all tests, each of which has a copy."""
    path = tmp_path_factory.mktemp("told") / "k.db"
    records = asyncio.run(write_log(path, story()))
    return path.read_bytes(), records


@pytest.fixture
def written(database: Path, told: tuple[bytes, list[Record]]) -> list[Record]:
    content, records = told
    database.write_bytes(content)
    return records


@pytest.fixture
def url(database: Path, written: list[Record]) -> str:
    return sqlite_url(database)


@pytest.fixture
def forge(database: Path, written: list[Record]) -> Iterator[Callable[..., None]]:
    """Changes the file as somebody with all rights would: without triggers and checks, and puts the triggers back."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    for name in SQLITE_TRIGGERS:
        connection.execute(f"DROP TRIGGER {name}")

    def change(*statements: str, triggers: bool = True) -> None:
        for statement in statements:
            connection.execute(statement)
        if triggers:
            for statement in SQLITE_TRIGGERS.values():
                connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    yield change
    connection.close()


def test_verify__untouched_log__is_good(url: str, written: list[Record]) -> None:
    assert verify(url) == Verification(True, 14, written[-1].hash)
    assert verify_newest(url) == Verification(True, 14, written[-1].hash)
    assert verify_newest(url, 5) == Verification(True, 5, written[-1].hash)


def test_verify__triggers_dropped_and_put_back__is_good(url: str, forge: Callable[..., None]) -> None:
    # so that what the other tests find is what they changed
    forge()
    assert verify(url).ok


async def test_verify__empty_log__is_good(database: Path) -> None:
    await write_log(database, [])

    assert verify(sqlite_url(database)) == Verification(True, 0, GENESIS)
    assert verify_newest(sqlite_url(database)) == Verification(True, 0, GENESIS)


CHANGES = [
    (table.name, column.name, place)
    for table in metadata.sorted_tables
    if table.name in OWNERS
    for column in table.columns
    for place in sorted({0, len(OWNERS[table.name]) // 2, len(OWNERS[table.name]) - 1})
]


@pytest.mark.parametrize(("table", "column", "place"), CHANGES)
def test_verify__one_value_changed__names_the_record(
    url: str, forge: Callable[..., None], table: str, column: str, place: int
) -> None:
    row = f"(SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {place})"
    text = f"CASE substr({column}, 1, 1) WHEN '9' THEN '8' ELSE '9' END || substr({column}, 2)"
    new = f"CASE typeof({column}) WHEN 'integer' THEN {column} + 1000 WHEN 'null' THEN 'x' ELSE {text} END"
    forge(f"UPDATE {table} SET {column} = {new} WHERE rowid = {row}")

    verdict = verify(url)

    assert not verdict.ok
    assert verdict.first_bad == OWNERS[table][place], verdict
    assert verdict.table == table
    assert verdict.problem


# seq of records cannot be anything but an integer: it is the row's own key
TYPED = [(table, column) for table, column, place in CHANGES if place == 0 and (table, column) != ("records", "seq")]


@pytest.mark.parametrize(("table", "column"), TYPED)
def test_verify__value_of_another_type_that_reads_the_same__names_the_record(
    url: str, forge: Callable[..., None], table: str, column: str
) -> None:
    value = f"CAST(coalesce({column}, '') AS BLOB)"
    forge(f"UPDATE {table} SET {column} = {value} WHERE rowid = 1")

    verdict = verify(url)

    assert (verdict.ok, verdict.first_bad, verdict.table) == (False, OWNERS[table][0], table)


DELETIONS = [(table, place) for table, owners in OWNERS.items() for place in range(len(owners))]


@pytest.mark.parametrize(("table", "place"), DELETIONS)
def test_verify__one_row_deleted__names_the_record(
    url: str, forge: Callable[..., None], table: str, place: int
) -> None:
    forge(f"DELETE FROM {table} WHERE rowid = (SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {place})")

    verdict = verify(url)

    assert not verdict.ok
    # the last record is gone: what shows it is the attempt that it had made
    assert verdict.first_bad == OWNERS[table][place]


def test_verify__journal_tail_deleted_with_its_record__needs_a_head_from_elsewhere(
    url: str, forge: Callable[..., None], written: list[Record]
) -> None:
    # what a look at the database alone cannot know; this test says so
    forge(
        "DELETE FROM attempts WHERE seq = 14",
        "DELETE FROM records WHERE seq = 14",
        "UPDATE intents SET state = 'open' WHERE seq = 13",
    )

    assert verify(url) == Verification(True, 13, written[12].hash)


def test_verify__record_inserted_at_the_end__names_it(url: str, forge: Callable[..., None]) -> None:
    forge(
        "INSERT INTO records SELECT 15, at, kind, market, action, incident, intent, body, prev_hash, hash FROM records WHERE seq = 14"
    )

    assert verify(url).first_bad == 15


@pytest.mark.parametrize("seq", [0, -1, -(2**63)])
def test_verify__record_inserted_before_the_first__names_the_first(
    url: str, forge: Callable[..., None], seq: int
) -> None:
    forge(
        f"INSERT INTO records SELECT {seq}, at, kind, market, action, incident, intent, body, prev_hash, hash FROM records WHERE seq = 1"
    )

    assert (verify(url).ok, verify(url).first_bad) == (False, 1)


@pytest.mark.parametrize("rowid", [4, -(2**63)])
@pytest.mark.parametrize("table", ["intents", "attempts"])
def test_verify__row_inserted_into_the_journal__is_found(
    url: str, forge: Callable[..., None], table: str, rowid: int
) -> None:
    names = [column.name for column in metadata.tables[table].columns]
    fresh = {"id": "'x'", "number": "9", "seq": "3", "tx_hash": "'x'", "nonce": "99", "state": "'done'"}
    values = ", ".join(fresh.get(name, name) for name in names)
    forge(f"INSERT INTO {table} (rowid, {', '.join(names)}) SELECT {rowid}, {values} FROM {table} LIMIT 1")

    verdict = verify(url)

    assert not verdict.ok
    assert verdict.table == table
    # at the end it is named by the record it claims; in front it pushes the first one out of its place
    assert verdict.first_bad == (3 if rowid > 0 else OWNERS[table][0])


@pytest.mark.parametrize(("table", "key"), [("records", "seq"), ("intents", "seq"), ("attempts", "seq")])
def test_verify__two_rows_swapped__names_the_first_of_them(
    url: str, forge: Callable[..., None], table: str, key: str
) -> None:
    first, second = OWNERS[table][:2]
    forge(
        f"UPDATE {table} SET {key} = 999 WHERE {key} = {first}",
        f"UPDATE {table} SET {key} = {first} WHERE {key} = {second}",
        f"UPDATE {table} SET {key} = {second} WHERE {key} = 999",
    )

    assert verify(url).first_bad == first


def test_verify__record_changed_with_its_hash__names_the_next(
    url: str, forge: Callable[..., None], written: list[Record]
) -> None:
    third = written[2]
    forged = record_hash(
        seq=3,
        at=third.at,
        kind=third.kind.value,
        market=third.market,
        action=None,
        incident=None,
        intent=None,
        body='{"block":8}',
        prev_hash=third.prev_hash,
    )
    forge(f"""UPDATE records SET body = '{{"block":8}}', hash = '{forged}' WHERE seq = 3""")

    verdict = verify(url)

    assert (verdict.first_bad, verdict.records, verdict.head) == (4, 3, forged)
    assert "prev_hash" in verdict.problem


@pytest.mark.parametrize(
    ("state", "seq"),
    [("open", 5), ("signed", 5), ("submitted", 5), ("mined", 5), ("open", 13), ("done", 13), ("mined", 13)],
)
def test_verify__state_of_an_intent_set_by_hand__names_the_intent(
    url: str, forge: Callable[..., None], state: str, seq: int
) -> None:
    forge(f"UPDATE intents SET state = '{state}' WHERE seq = {seq}")

    verdict = verify(url)

    assert (verdict.table, verdict.first_bad) == ("intents", seq)
    assert state in verdict.problem


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE alembic_version SET version_num = CAST(version_num AS BLOB)",
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('0001')",
    ],
)
def test_verify__alembic_version_changed__is_found(url: str, forge: Callable[..., None], statement: str) -> None:
    forge(statement)

    assert (verify(url).ok, verify(url).table) == (False, "alembic_version")
    assert not verify_newest(url).ok


@pytest.mark.parametrize("name", SQLITE_TRIGGERS)
def test_verify__trigger_missing__is_found_by_name(url: str, forge: Callable[..., None], name: str) -> None:
    forge(
        f"DROP TRIGGER IF EXISTS {name}",
        *(text for each, text in SQLITE_TRIGGERS.items() if each != name),
        triggers=False,
    )

    verdict = verify(url)

    assert (verdict.ok, verdict.table) == (False, "sqlite_schema")
    assert f"{name} is missing" in verdict.problem


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(["CREATE TRIGGER extra AFTER INSERT ON records BEGIN SELECT 1; END"], id="a trigger too many"),
        pytest.param(
            ["CREATE UNIQUE INDEX extra ON records (kind) WHERE seq > 14"], id="an index that refuses records"
        ),
        pytest.param(["CREATE INDEX extra ON checkpoints (at)"], id="an index too many"),
        pytest.param(["ALTER TABLE records ADD COLUMN more TEXT"], id="a column too many"),
        pytest.param(["DROP INDEX uq_intents_one_open"], id="the lock of the journal gone"),
        pytest.param(
            ["DROP INDEX uq_intents_one_open", "CREATE INDEX uq_intents_one_open ON intents (market, action)"],
            id="the lock of the journal weakened",
        ),
        pytest.param(["DROP TABLE attempts"], id="a table gone"),
    ],
)
def test_verify__schema_changed__is_found(url: str, forge: Callable[..., None], statements: list[str]) -> None:
    if statements == ["DROP TABLE attempts"]:
        forge(*statements, triggers=False)
    else:
        forge(*statements)

    assert (verify(url).ok, verify(url).table) == (False, "sqlite_schema")


def test_verify__trigger_with_the_same_name_that_does_nothing__is_found(url: str, forge: Callable[..., None]) -> None:
    others = [text for name, text in SQLITE_TRIGGERS.items() if name != "records_no_delete"]
    forge("CREATE TRIGGER records_no_delete BEFORE DELETE ON records BEGIN SELECT 1; END", *others, triggers=False)

    assert "records_no_delete is not the one" in verify(url).problem


def test_verify__view_of_an_auditor__is_no_finding(url: str, forge: Callable[..., None]) -> None:
    forge("CREATE VIEW of_mine AS SELECT * FROM intents")

    assert verify(url).ok


class Flips:
    """Changes bytes of a file and puts them back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.original = path.read_bytes()
        self.url = sqlite_url(path)

    def verdict_with(self, place: int, value: int) -> Verification:
        with self._path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([value]))
        try:
            return verify(self.url)
        finally:
            with self._path.open("r+b") as file:
                file.seek(place)
                file.write(self.original[place : place + 1])


def _wanted(table: str, cell: Cell, index: int) -> int | None:
    return None if table == "alembic_version" else OWNERS[table][index]


@pytest.mark.parametrize("table", [*OWNERS, "alembic_version"])
def test_verify__any_byte_of_a_row_changed_in_the_file__names_the_record(
    database: Path, written: list[Record], table: str
) -> None:
    flips = Flips(database)
    tried = 0
    for index, cell in enumerate(cells(database, table)):
        # length, key and every seventeenth byte of the content, in every row from another one on, a bit at a time in turn
        for place in [*range(cell.start, cell.header.stop), *range(cell.header.stop + index % 17, cell.end, 17)]:
            value = flips.original[place] ^ (1 << (place % 8))
            verdict = flips.verdict_with(place, value)
            assert not verdict.ok, (table, cell, place, value)
            assert (verdict.table, verdict.first_bad) == (table, _wanted(table, cell, index)), (verdict, cell, place)
            tried += 1
    assert tried >= 5
    assert verify(flips.url).ok


@pytest.mark.parametrize("table", ["records", "attempts"])
def test_verify__type_of_a_column_changed_in_the_file__is_found_even_where_sqlite_reads_the_same(
    database: Path, written: list[Record], table: str
) -> None:
    flips = Flips(database)
    for index, cell in enumerate(cells(database, table)):
        if index not in (0, 2):
            continue
        for place in cell.header:
            for value in {0, 1, 6, 7, 8, 9, 10, 11, 12, 13, 0x7F} - {flips.original[place]}:
                verdict = flips.verdict_with(place, value)
                assert (verdict.ok, verdict.first_bad) == (False, OWNERS[table][index]), (cell, place, value)


async def test_verify__record_damaged_among_many__names_exactly_that_one(database: Path) -> None:
    # more than are read at once, on several pages
    await write_log(database, [tick(note="x" * 200) for _ in range(1_200)])
    flips = Flips(database)
    rows = {cell.rowid: cell for cell in cells(database, "records")}
    assert len(rows) == 1_200
    for seq in (1, 2, 499, 500, 501, 777, 1_199, 1_200):
        place = rows[seq].header.start - 1  # the length of the header: SQLite itself stumbles over it
        verdict = flips.verdict_with(place, 0x7F)
        assert (verdict.ok, verdict.first_bad, verdict.records) == (False, seq, seq - 1)


def test_verify__any_byte_of_the_file__never_crashes(database: Path, written: list[Record]) -> None:
    flips = Flips(database)
    chance = random.Random(20_261_121)
    pages = len(flips.original) // 4096
    for _ in range(400):
        inside = chance.choice([chance.randrange(4096), chance.randrange(64)])
        place = chance.randrange(pages) * 4096 + inside
        flips.verdict_with(place, chance.randrange(256))


@pytest.mark.parametrize("keep", [1, 99, 100, 4_000, 4_096, 8_192, 20_000])
def test_verify__file_cut_off__is_found(database: Path, written: list[Record], keep: int) -> None:
    database.write_bytes(database.read_bytes()[:keep])

    assert not verify(sqlite_url(database)).ok


def test_verify__file_overwritten_with_something_else__is_found(database: Path, written: list[Record]) -> None:
    database.write_bytes(b"no database at all " * 1_000)

    assert not verify(sqlite_url(database)).ok


def test_verify__no_file__says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StoreNotMigrated):
        verify(sqlite_url(tmp_path / "none.db"))
    assert not (tmp_path / "none.db").exists()


def test_verify__file_without_any_table__says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()

    with pytest.raises(StoreNotMigrated):
        verify(sqlite_url(tmp_path / "empty.db"))


def test_verify__server_that_is_not_there__says_so_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        verify(f"postgresql+psycopg://u:sesame@/db?host={tmp_path}")
    assert "sesame" not in caught.value.message


def test_verify_newest__change_within_and_before_the_newest__found_only_within(
    url: str, forge: Callable[..., None]
) -> None:
    forge("UPDATE records SET market = 'x' WHERE seq = 10")

    assert verify_newest(url, 4).ok
    assert (verify_newest(url, 5).ok, verify_newest(url, 5).first_bad) == (False, 10)
    assert (verify_newest(url, 1_000).ok, verify_newest(url, 1_000).first_bad) == (False, 10)


def test_verify_newest__record_missing__names_it(url: str, forge: Callable[..., None]) -> None:
    forge("DELETE FROM records WHERE seq = 12")

    assert verify_newest(url, 5).first_bad == 12
    assert verify_newest(url, 2).first_bad == 12
