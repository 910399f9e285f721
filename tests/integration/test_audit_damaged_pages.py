"""A byte changed in any kind of page of the file: a verdict in words with a remedy, never a traceback."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.verify import verify, verify_newest
from tests.support.audit_log import outcome, story, tick, write_log
from tests.support.keeper_process import in_process

pytestmark = pytest.mark.integration

SIZE = 4096
LETTERS = {13: "table leaf", 5: "table interior", 10: "index leaf", 2: "index interior"}
RECORDS = 316
"""Enough for two leaves of the smallest index."""
KINDS = ("first page", *LETTERS.values(), "overflow", "free list trunk", "free list leaf")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A log whose file has pages of every kind; free pages come from a table of somebody's that was dropped again."""
    path = tmp_path_factory.mktemp("whole") / "keeper.db"
    long = tick(note="y" * 20_000)
    ticks = [tick(note="x" * 200) for _ in range(RECORDS - 16)]
    asyncio.run(write_log(path, [*story(), *ticks, long, outcome("i-2")]))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE other AS SELECT body FROM records LIMIT 200")
        connection.execute("DROP TABLE other")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@pytest.fixture
def database(content: bytes, tmp_path: Path) -> Path:
    (tmp_path / "keeper.yaml").write_text("audit: {url: 'sqlite:///keeper.db'}\n")
    path = tmp_path / "keeper.db"
    path.write_bytes(content)
    return path


def pages(content: bytes) -> dict[str, list[int]]:
    """The pages of each kind, counted from 0; by SQLite's file format, sections 1.3, 1.5 and 1.6."""
    free: dict[int, str] = {}
    trunk = int.from_bytes(content[32:36], "big")
    while trunk:
        free[trunk - 1] = "free list trunk"
        at = (trunk - 1) * SIZE
        for place in range(at + 8, at + 8 + 4 * int.from_bytes(content[at + 4 : at + 8], "big"), 4):
            free[int.from_bytes(content[place : place + 4], "big") - 1] = "free list leaf"
        trunk = int.from_bytes(content[at : at + 4], "big")
    found: dict[str, list[int]] = defaultdict(list)
    for number in range(len(content) // SIZE):
        kind = "first page" if number == 0 else free.get(number) or LETTERS.get(content[number * SIZE], "overflow")
        found[kind].append(number)
    return found


def test_pages__of_the_log__are_of_every_kind(database: Path) -> None:
    assert set(pages(database.read_bytes())) == set(KINDS)
    assert verify(sqlite_url(database)).ok


@pytest.mark.parametrize("kind", KINDS)
def test_verify__a_byte_of_each_kind_of_page__is_a_verdict(database: Path, kind: str) -> None:
    content = database.read_bytes()
    places = pages(content)[kind]
    chance = random.Random(f"20261121 {kind}")
    found = 0
    for turn in range(60):
        inside = chance.randrange(64 if turn % 2 else SIZE)
        place = chance.choice(places) * SIZE + inside
        changed = bytearray(content)
        changed[place] ^= chance.randrange(1, 256)
        database.write_bytes(changed)
        verify_newest(sqlite_url(database), 50)
        verdict = verify(sqlite_url(database))
        assert verdict.ok or (verdict.problem and verdict.table)
        found += not verdict.ok
        # each command for damage of both kinds, as turn % 2 has it
        config = database.with_name("keeper.yaml")
        done = in_process("audit", config, "log") if turn % 4 < 2 else in_process("status", config)
        assert done.code in (0, 1, 2, 3), (kind, place, done)
    # what SQLite does not use of a page may hold anything
    assert found > 0 or kind == "free list leaf"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "free list leaf"])
def test_verify__page_overwritten__exit_1_with_a_sentence_and_a_remedy(database: Path, kind: str) -> None:
    content = bytearray(database.read_bytes())
    number = pages(bytes(content))[kind][-1]
    content[number * SIZE : (number + 1) * SIZE] = b"\xa5" * SIZE
    database.write_bytes(content)

    done = in_process("audit", database.with_name("keeper.yaml"), "verify")

    assert done.code == 1
    assert done.err == ""
    assert "BROKEN at" in done.out
    assert "records from the first on are whole" in done.out
    assert "keep a copy of the database file" in done.out
    machine = json.loads(in_process("--json", "audit", database.with_name("keeper.yaml"), "verify").out)
    assert machine["ok"] is False
    assert "keep a copy" in machine["remedy"]


def test_verify__index_that_lacks_a_row__says_that_the_records_are_whole(database: Path) -> None:
    content = bytearray(database.read_bytes())
    with closing(sqlite3.connect(database)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_records_action_seq'"
        ).fetchone()
    page = (root - 1) * SIZE
    at = content.index(b"pause-market", page, page + SIZE)
    content[at] ^= 1
    database.write_bytes(content)

    verdict = verify(sqlite_url(database))

    assert (verdict.ok, verdict.table, verdict.records) == (False, "records", RECORDS)
    assert "damaged around records that are whole" in verdict.problem
    assert "index ix_records_action_seq does not list this row" in verdict.problem
    done = in_process("audit", database.with_name("keeper.yaml"), "verify")
    assert "VACUUM INTO" in done.out
