"""A log, and a bundle, that were made anew as a whole, and what nobody but a forger writes: found, within bounds of time and memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars
import pytest

from keeper.adapters.audit import verify as verify_module
from keeper.adapters.audit.canonical import canonical, record_hash
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.models import SQLITE_TRIGGERS
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.record_check import LONGEST_BODY, LONGEST_WORD
from keeper.adapters.audit.sqlite_log import SqliteLog
from keeper.adapters.audit.verify import Known, opened, verify
from keeper.app.bundle import layout
from keeper.app.bundle.checking import check
from keeper.app.bundle.exporting import NotWhole
from keeper.domain.errors import KeeperError, StoreUnavailable
from keeper.domain.record import GENESIS
from tests.support.audit_log import T0, story, tick, write_log
from tests.support.bundles import bundle, seen, with_manifest
from tests.support.checkpoints import address_of
from tests.support.keeper_process import in_process

pytestmark = pytest.mark.integration

AT = "2026-03-01T00:00:00.000Z"
SIGNER = address_of()


class Forged:
    """A log whose records and rows are written as somebody likes, with hashes that fit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = sqlite_url(path)
        self.log = sqlite3.connect(path, isolation_level=None)
        for name in SQLITE_TRIGGERS:
            self.log.execute(f"DROP TRIGGER {name}")

    def add(self, kind: str, body: str | dict[str, Any], **columns: str) -> int:
        seq, head = self.log.execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        words = dict.fromkeys(("market", "action", "incident", "intent")) | columns
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), sort_keys=True)
        row = {"seq": seq + 1, "at": AT, "kind": kind, **words, "body": text, "prev_hash": head}
        row["hash"] = record_hash(**row)
        self.log.execute(
            f"INSERT INTO records VALUES ({', '.join('?' * len(COLUMNS))})", [row[name] for name in COLUMNS]
        )
        return int(row["seq"])

    def make_anew(self) -> None:
        """Every outcome says something else, and every hash fits."""
        self.log.execute("UPDATE records SET body = replace(body, 'paused', 'nothing') WHERE kind = 'outcome'")
        head = GENESIS
        for values in self.log.execute(f"SELECT {', '.join(COLUMNS)} FROM records ORDER BY seq").fetchall():
            row = dict(zip(COLUMNS, values, strict=True)) | {"prev_hash": head}
            del row["hash"]
            head = record_hash(**row)
            self.log.execute(
                "UPDATE records SET prev_hash = ?, hash = ? WHERE seq = ?", (row["prev_hash"], head, row["seq"])
            )

    def archive(self, folder: Path, content: bytes, name: str = "evidence-1-3-aa.parquet") -> int:
        """All evidence is said to lie in a file with this content."""
        folder.mkdir()
        (folder / name).write_bytes(content)
        hashes = [row[0] for row in self.log.execute("SELECT hash FROM evidence ORDER BY seq")]
        body = {"file": name, "sha256": "0x" + hashlib.sha256(content).hexdigest(), "count": len(hashes)}
        seq = self.add("archive", body)
        self.log.executemany("INSERT INTO archived VALUES (?, ?)", [(one, seq) for one in hashes])
        self.log.execute("DELETE FROM evidence")
        return seq

    def done(self) -> str:
        for statement in SQLITE_TRIGGERS.values():
            self.log.execute(statement)
        self.log.close()
        return self.url


@pytest.fixture
async def forged(tmp_path: Path) -> Forged:
    await write_log(tmp_path / "k.db", [*story(), seen(1), seen(2), seen(3)])
    return Forged(tmp_path / "k.db")


# -- checkpoints that are not there -------------------------------------------------------------------------------------------------


def test_verify__made_anew_without_checkpoints__is_found_where_the_signer_is_known(forged: Forged) -> None:
    forged.make_anew()
    url = forged.done()

    assert verify(url).ok, "nothing in it can tell"
    verdict = verify(url, Known(signer=SIGNER))

    assert (verdict.ok, verdict.table) == (False, "checkpoints")
    assert SIGNER in verdict.problem


@pytest.mark.parametrize(("grace_ms", "young"), [(49, False), (50, True)])
async def test_verify__no_checkpoint_yet__only_as_long_after_the_start_as_one_may_take(
    tmp_path: Path, grace_ms: int, young: bool
) -> None:
    # the story starts at T0 and its newest record is of 50 ms later
    await write_log(tmp_path / "k.db", [*story(), tick(T0 + 50)])

    assert verify(sqlite_url(tmp_path / "k.db"), Known(signer=SIGNER, grace_ms=grace_ms)).ok == young


def test_verify_export__made_anew_with_the_words_of_the_genuine_one__is_found(forged: Forged, tmp_path: Path) -> None:
    forged.make_anew()
    folder = tmp_path / "bundle"
    bundle(forged.done(), folder)
    with_manifest(folder, signer=SIGNER, checkpoints=12, keeper="the real keeper")

    done = in_process("--json", "audit", "verify-export", folder, "--signer", SIGNER)
    found = json.loads(done.out)

    assert (done.code, found["ok"], found["signer"], found["checkpoints"], found["keeper"]) == (1, False, None, 0, None)
    assert not check(folder).ok, "the manifest does not fit the lines"


# -- the manifest and what is in the bundle -----------------------------------------------------------------------------------------


@pytest.fixture
def whole(forged: Forged, tmp_path: Path) -> Path:
    bundle(forged.done(), tmp_path / "bundle")
    assert check(tmp_path / "bundle").ok
    return tmp_path / "bundle"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("records", 18),
        ("records", True),
        ("head", GENESIS),
        ("genesis", GENESIS),
        ("evidence", 4),
        ("archived", 1),
        ("checkpoints", 12),
        ("signer", SIGNER),
        ("missing_archives", ["evidence-1-3-aa.parquet"]),
        ("missing_archives", None),
    ],
)
def test_verify_export__manifest_that_says_something_else__is_named(whole: Path, name: str, value: object) -> None:
    with_manifest(whole, **{name: value})

    assert name in check(whole).problem


def test_verify_export__observations_of_another_price__are_found(whole: Path) -> None:
    table = whole / layout.TABLES / "observations-00001.parquet"
    polars.read_parquet(table).with_columns(value=polars.lit("666")).write_parquet(table)
    with_manifest(whole)

    assert "observation of record 15" in check(whole).problem


@pytest.mark.parametrize("name", ["records", "observations"])
def test_verify_export__table_with_more_rows__is_not_unfolded(whole: Path, name: str) -> None:
    table = whole / layout.TABLES / f"{name}-00001.parquet"
    rows = polars.read_parquet(table)
    polars.concat([rows, rows]).write_parquet(table)
    with_manifest(whole)

    assert f"{rows.height * 2} rows instead of {rows.height}" in check(whole).problem


@pytest.mark.parametrize("name", ["tables/more-00001.parquet", "archives/x.parquet", "tables/records-00002.parquet"])
def test_verify_export__file_that_no_bundle_has__is_named(whole: Path, name: str) -> None:
    (whole / name).parent.mkdir(exist_ok=True)
    shutil.copyfile(whole / layout.TABLES / "records-00001.parquet", whole / name)
    with_manifest(whole)

    assert name in check(whole).problem


def test_verify_export__true_for_a_number__is_found_by_both(whole: Path) -> None:
    lines = (whole / layout.RECORDS).read_text().replace('"seq":1}', '"seq":true}', 1)
    (whole / layout.RECORDS).write_text(lines)
    with_manifest(whole)

    assert "records.jsonl, line 1" in check(whole).problem
    assert alone(whole)[0] == 1


@pytest.mark.parametrize("changes", [{"keeper": "\ud800"}, {"more": {"\ud800": "0x0"}}])
def test_verify_export__half_a_pair_in_the_manifest__is_an_error_in_words(whole: Path, changes: dict[str, Any]) -> None:
    manifest = json.loads((whole / layout.MANIFEST).read_text()) | changes
    (whole / layout.MANIFEST).write_text(json.dumps(manifest))

    with pytest.raises(KeeperError, match="not the manifest"):
        check(whole)


def alone(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", folder / layout.STANDALONE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_verify_export__archive_that_is_not_there__is_said_or_found(forged: Forged, tmp_path: Path) -> None:
    forged.archive(tmp_path / "archive", b"x")
    folder = tmp_path / "bundle"
    bundle(forged.done(), folder)

    assert (check(folder).problem, check(folder).missing) == ("", ("evidence-1-3-aa.parquet",))
    code, out = alone(folder)
    assert (code, "NOT LOOKED AT: the archive 'evidence-1-3-aa.parquet'" in out) == (0, True)
    done = in_process("audit", "verify-export", folder)
    assert (done.code, "not looked at: 1 archive with 3 pieces of evidence" in done.out) == (0, True)

    with_manifest(folder, missing_archives=[])

    assert "the archive evidence-1-3-aa.parquet is missing" in check(folder).problem
    assert alone(folder)[0] == 1


# -- archives -----------------------------------------------------------------------------------------------------------------------


def test_verify__archive_that_is_no_parquet__is_found(forged: Forged, tmp_path: Path) -> None:
    seq = forged.archive(tmp_path / "archive", b"this is no parquet at all")

    verdict = verify(forged.done(), Known(archive=tmp_path / "archive"))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "archived", seq)


def rows_of(forged: Forged) -> list[dict[str, Any]]:
    sql = "SELECT e.seq, r.at, r.kind, e.hash, e.encoding, e.size, e.packed FROM evidence e JOIN records r USING (seq)"
    names = ("seq", "at", "kind", "hash", "encoding", "size", "packed")
    return [dict(zip(names, row, strict=True)) for row in forged.log.execute(sql)]


def other_content(rows: list[dict[str, Any]]) -> None:
    rows[1]["packed"] = rows[0]["packed"]


def one_twice(rows: list[dict[str, Any]]) -> None:
    rows[1] = rows[0]


def one_less(rows: list[dict[str, Any]]) -> None:
    del rows[1]


@pytest.mark.parametrize(
    "change", [lambda _: None, other_content, one_twice, one_less], ids=["good", "other", "twice", "less"]
)
def test_verify__archive__must_hold_the_evidence_that_it_is_said_to_hold(
    forged: Forged, tmp_path: Path, change: Callable[[list[dict[str, Any]]], None]
) -> None:
    rows = rows_of(forged)
    good = [dict(row) for row in rows]
    change(rows)
    columns = ("seq", "at", "kind", "block", "hash", "encoding", "size", "packed")
    whole = [{name: row.get(name) for name in columns} for row in rows]
    polars.DataFrame(whole, schema_overrides={"block": polars.Int64}).write_parquet(tmp_path / "p")
    forged.archive(tmp_path / "archive", (tmp_path / "p").read_bytes())

    verdict = verify(forged.done(), Known(archive=tmp_path / "archive"))

    assert verdict.ok == (rows == good)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "..", ".", "", "a/b", "../x", "x" * 201, "a\x1b[2Jb"])
def test_verify__archive_with_a_name_that_is_none__is_a_finding(forged: Forged, tmp_path: Path, name: str) -> None:
    seq = forged.add("archive", {"file": name, "sha256": "0x00", "count": 0})

    verdict = verify(forged.done(), Known(archive=tmp_path))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "records", seq)


def test_verify__pipes_in_place_of_files__are_not_waited_for(forged: Forged, tmp_path: Path) -> None:
    seq = forged.archive(tmp_path / "archive", b"x")
    pipe = tmp_path / "archive" / "evidence-1-3-aa.parquet"
    pipe.unlink()
    os.mkfifo(pipe)
    url = forged.done()

    assert verify(url, Known(archive=tmp_path / "archive")).first_bad == seq
    with pytest.raises(StoreUnavailable, match="no regular file"):
        verify(url, Known(witnesses=(pipe,)))


# -- form, time and memory ----------------------------------------------------------------------------------------------------------

NEVER_WRITTEN = {
    "no number": '{"a":NaN}',
    "beyond a float": '{"a":1e400}',
    "a fraction": '{"a":0.5}',
    "a negative fraction in a list": '{"a":["x",-0.5]}',
    "an exponent": '{"a":1E5}',
    "blanks": '{"a": 1}',
    "a line": '{"a":1\n}',
}
NOT_IN_ORDER = {
    "a key twice": '{"a":1,"a":2}',
    "keys in another order": '{"b":1,"a":2}',
    "another escape": '{"a":"\\u0041"}',
    "beyond 2**53": '{"a":9007199254740992}',
    "a negative zero": '{"a":-0}',
}


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *(("tick", body) for body in NEVER_WRITTEN.values()),
        *(("fault", body) for body in (NEVER_WRITTEN | NOT_IN_ORDER).values()),
    ],
)
def test_verify__body_in_another_form__is_a_finding(
    forged: Forged, monkeypatch: pytest.MonkeyPatch, kind: str, body: str, close: bool
) -> None:
    seq = forged.add(kind, body)
    if close:
        monkeypatch.setattr(verify_module, "_proven_good", lambda *_: False)

    verdict = verify(forged.done())

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "records", seq)


@pytest.mark.parametrize("body", NOT_IN_ORDER.values())
def test_export__body_in_another_form__is_refused(forged: Forged, tmp_path: Path, body: str) -> None:
    seq = forged.add("tick", body)

    with pytest.raises(NotWhole, match=f"record {seq}"):
        bundle(forged.done(), tmp_path / "out")


@pytest.mark.parametrize("body", ['{"a":"1:.5, [e x"}', '{"a":"x: .5e","b":[-1,2]}', '{"ä":"1.5","\U0001f600":""}'])
def test_verify__text_that_looks_like_it__is_good(forged: Forged, body: str) -> None:
    assert body == canonical(json.loads(body))
    forged.add("tick", body)
    forged.add("fault", body)

    assert verify(forged.done()).ok


@pytest.mark.parametrize(("more", "ok"), [(0, True), (1, False), (4 * LONGEST_BODY, False)])
def test_verify__body_longer_than_any__is_a_finding(forged: Forged, more: int, ok: bool) -> None:
    seq = forged.add("tick", '{"a":"' + "x" * (LONGEST_BODY - len('{"a":""}') + more) + '"}')

    verdict = verify(forged.done())

    assert (verdict.ok, verdict.first_bad) == (ok, None if ok else seq)


@pytest.mark.parametrize(("length", "ok"), [(LONGEST_WORD, True), (LONGEST_WORD + 1, False)])
def test_verify__name_longer_than_any__is_a_finding(forged: Forged, length: int, ok: bool) -> None:
    seq = forged.add("tick", "{}", market="m" * length)

    verdict = verify(forged.done())

    assert (verdict.ok, verdict.first_bad) == (ok, None if ok else seq)


def test_verify__evidence_of_more_values_than_any__is_not_read(forged: Forged) -> None:
    text = b'{"a":[' + b",".join([b"[]"] * 200_000) + b"]}"
    digest = "0x" + hashlib.sha256(text).hexdigest()
    seq = forged.add("tick", {"evidence": digest})
    values = (digest, seq, "columns+zlib/1", len(text), zlib.compress(text, 9))
    forged.log.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?)", values)

    verdict = verify(forged.done())

    assert (verdict.ok, verdict.first_bad) == (False, seq)
    assert "more values" in verdict.problem


def test_newest_at__of_a_kind_or_of_all(forged: Forged) -> None:
    url = forged.done()

    with opened(url) as log, closing(sqlite3.connect(":memory:")) as empty:
        assert (log.newest_at("start"), log.newest_at("no such kind")) == ("2025-11-21T04:40:00.000Z", None)
        assert (log.newest_at(None) or "") > (log.newest_at("start") or "")
        empty.execute("CREATE TABLE records (seq, at, kind)")
        assert SqliteLog(empty, Path("none")).newest_at(None) is None
