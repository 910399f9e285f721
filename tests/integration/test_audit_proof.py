"""The quick pass of ``verify`` proves what is good, and never what the close look would refuse: records rewritten with hashes that fit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keeper.adapters.audit import verify as verify_module
from keeper.adapters.audit.beside import Beside
from keeper.adapters.audit.canonical import record_hash
from keeper.adapters.audit.evidence_check import EvidenceCheck
from keeper.adapters.audit.finding import Verification
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.models import SQLITE_TRIGGERS
from keeper.adapters.audit.record_check import MOST_LEVELS, RecordCheck
from keeper.adapters.audit.record_sweep import RecordSweep, Unproven
from keeper.adapters.audit.sqlite_log import SqliteLog
from keeper.adapters.audit.verify import verify
from keeper.domain.record import GENESIS
from tests.support.audit_log import story, tick, write_log

pytestmark = pytest.mark.integration

COLUMNS = ("at", "kind", "market", "action", "incident", "intent", "body")
PLACE = 3
"""The record that is rewritten: a tick, with others before and after it."""


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    path = tmp_path / "k.db"
    await write_log(
        path, [*story(), tick(note="ä" * 50), tick(wide=[{} for _ in range(2_000)]), tick(note="9" * 9_000)]
    )
    return path


@pytest.fixture
def log(database: Path) -> Iterator[SqliteLog]:
    with closing(sqlite3.connect(database)) as found:
        yield SqliteLog(found, database)


def swept(log: SqliteLog) -> RecordSweep:
    return RecordSweep(log, EvidenceCheck(log))


Rewrite = Callable[..., None]


@pytest.fixture
def rewrite(database: Path) -> Rewrite:
    """Gives a record other contents and all hashes from there on, as somebody would who rewrites the log. Bytes become a BLOB."""

    def change(**columns: str | bytes | None) -> None:
        with closing(sqlite3.connect(database, isolation_level=None)) as log:
            for name in SQLITE_TRIGGERS:
                log.execute(f"DROP TRIGGER {name}")
            for column, value in columns.items():
                log.execute(f"UPDATE records SET {column} = ? WHERE seq = {PLACE}", (value,))
            head = GENESIS
            for seq, *row in log.execute(f"SELECT seq, {', '.join(COLUMNS)} FROM records ORDER BY seq").fetchall():
                texts = {
                    name: value.decode() if isinstance(value, bytes) else value
                    for name, value in zip(COLUMNS, row, strict=True)
                }
                digest = record_hash(seq=seq, prev_hash=head, **texts)
                log.execute("UPDATE records SET prev_hash = ?, hash = ? WHERE seq = ?", (head, digest, seq))
                head = digest
            for statement in SQLITE_TRIGGERS.values():
                log.execute(statement)
            log.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return change


def looked_at_closely(url: str, monkeypatch: pytest.MonkeyPatch) -> Verification:
    with monkeypatch.context() as patch:
        patch.setattr(verify_module, "_proven_good", lambda *_: False)
        return verify(url)


def test_sweep__good_log__gives_the_changes_and_the_head_of_the_close_look(log: SqliteLog) -> None:
    sweep, check = swept(log), RecordCheck(log)

    assert list(sweep.changes()) == list(check.changes())
    assert (sweep.seq, sweep.head) == (check.seq, check.head)
    assert sweep.seq == 17


def test_verify__good_log__needs_no_close_look(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = looked_at_closely(sqlite_url(database), monkeypatch)

    def fail(*_: object) -> None:
        pytest.fail("the close look was taken")

    monkeypatch.setattr(RecordCheck, "changes", fail)
    assert verify(sqlite_url(database)) == expected
    assert expected.ok


def test_verify__rewritten_with_contents_that_the_store_could_have_written__is_good(
    database: Path, rewrite: Rewrite, log: SqliteLog
) -> None:
    # so that what the other tests find is what they changed
    rewrite(body='{"block":8}', at="2024-02-29T23:59:59.999Z", market=None)

    assert verify(sqlite_url(database)).ok
    assert next(seq for seq, _ in swept(log).changes()) == 5


DIGITS = 4_300
BAD: dict[str, dict[str, str | bytes]] = {
    "no JSON": {"body": '{"block":}'},
    "cut off": {"body": '{"block":8'},
    "two objects": {"body": '{"block":8}{}'},
    "a list": {"body": "[8]"},
    "a number": {"body": "8"},
    "nothing": {"body": ""},
    "a control character": {"body": '{"a":"\x01"}'},
    "something after a NUL": {"body": '{"a":1}\0}'},
    "a NUL": {"body": '{"a":"\0"}'},
    "no escape": {"body": '{"a":"\\x"}'},
    "a leading zero": {"body": '{"a":01}'},
    "JSON5": {"body": "{a:1}"},
    "a number that Python does not read": {"body": '{"a":' + "7" * (DIGITS + 1) + "}"},
    "such a number among others": {"body": '{"b":"' + "x" * 777 + '","c":' + "7" * (DIGITS + 1) + "}"},
    "a negative one": {"body": '{"a":-' + "7" * (DIGITS + 1) + "}"},
    "too deep": {"body": '{"a":' + "[" * MOST_LEVELS + "]" * MOST_LEVELS + "}"},
    "objects too deep": {"body": '{"a":' * (MOST_LEVELS + 1) + "1" + "}" * (MOST_LEVELS + 1)},
    "far too deep for Python": {"body": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"},
    "a body of bytes": {"body": b'{"block":8}'},
    "a time of bytes": {"at": b"2024-02-29T23:59:59.999Z"},
    "a kind of bytes": {"kind": b"tick"},
    "a market of bytes": {"market": b"ETH-PERP"},
    "an intent of bytes": {"intent": b"i-9"},
    "no such day": {"at": "2023-02-29T23:59:59.999Z"},
    "no such month": {"at": "2023-13-01T23:59:59.999Z"},
    "no such hour": {"at": "2023-11-01T24:00:00.000Z"},
    "no such second": {"at": "2023-11-01T23:00:60.000Z"},
    "before 1970": {"at": "1969-12-31T23:59:59.999Z"},
    "a time in another form": {"at": "2023-11-01 23:00:00.000Z"},
    "a time with a line": {"at": "2023-11-01T23:00:00.000Z\n"},
    "no such kind": {"kind": "tock"},
    "a kind of the journal without what it needs": {"kind": "intent"},
}


@pytest.mark.parametrize("what", BAD)
def test_verify__rewritten_with_what_the_store_never_writes__names_the_record(
    database: Path, rewrite: Rewrite, what: str
) -> None:
    rewrite(**BAD[what])

    verdict = verify(sqlite_url(database))

    assert (verdict.ok, verdict.first_bad, verdict.table, verdict.records) == (False, PLACE, "records", PLACE - 1)


ODD = {
    "the longest number": '{"a":' + "7" * DIGITS + "}",
    "a long text of digits": '{"a":"' + "7" * (DIGITS + 1) + '"}',
    "as deep as is read": '{"a":' + "[" * (MOST_LEVELS - 1) + "]" * (MOST_LEVELS - 1) + "}",
    "blanks": ' {"a": 1}',
    "not a number": '{"a":NaN}',
    "a key twice": '{"a":1,"a":2}',
    "half a pair": '{"a":"\\ud800"}',
    "beyond the first plane": '{"\U0001f600":1}',
    "many brackets": '{"a":[' + ",".join(["{}"] * 3_000) + "]}",
}


@pytest.mark.parametrize("columns", [*BAD.values(), *({"body": body} for body in ODD.values())], ids=[*BAD, *ODD])
def test_verify__whatever_is_rewritten__is_what_the_close_look_says(
    database: Path, rewrite: Rewrite, columns: dict[str, str | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(**columns)

    assert verify(sqlite_url(database)) == looked_at_closely(sqlite_url(database), monkeypatch)


def test_sweep__hash_that_does_not_fit__gives_up(database: Path, log: SqliteLog) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as forger:
        forger.execute("DROP TRIGGER records_no_update")
        forger.execute("UPDATE records SET hash = upper(hash) WHERE seq = 17")

    with pytest.raises(Unproven):
        list(swept(log).changes())


def test_beside__good_log__all_as_written_and_whole(database: Path) -> None:
    with Beside(database) as beside:
        assert beside.structure() == [b"ok"]
        assert beside.as_written()


@pytest.mark.parametrize("columns", [{"body": '{"block":}'}, {"kind": b"tick"}], ids=str)
def test_beside__what_the_store_never_writes__not_as_written(
    database: Path, rewrite: Rewrite, columns: dict[str, str | bytes]
) -> None:
    rewrite(**columns)

    with Beside(database) as beside:
        assert not beside.as_written()


def test_beside__left_at_once__has_ended(database: Path) -> None:
    with Beside(database) as beside:
        thread = beside._thread

    assert not thread.is_alive()


def test_beside__sqlite_without_json__cannot_tell_and_the_close_look_does(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.adapters.audit.beside._NOT_AS_WRITTEN", "SELECT no_such_function()")

    with Beside(database) as beside:
        assert not beside.as_written()
    assert verify(sqlite_url(database)).ok
