"""One table of everything that somebody with all rights can do to a log, on both databases: found, and the first bad record named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit import postgres_log
from keeper.adapters.audit import verify as verify_module
from keeper.adapters.audit.finding import CheckpointsSeen, EvidenceSeen, Verification, WitnessSeen
from keeper.adapters.audit.record_check import RecordCheck
from keeper.adapters.audit.verify import Known, verify, verify_newest
from keeper.domain.checkpoint import SignedCheckpoint, to_document
from keeper.domain.errors import StoreUnavailable
from tests.support.checkpoints import KEY, OTHER_KEY, address_of, checkpoints_of, signed
from tests.support.tampered_logs import (
    ARCHIVE_CONTENT,
    ARCHIVE_FILE,
    ARCHIVED_BY,
    ARCHIVED_OF,
    CHECKPOINTS_AT,
    LAST,
    TABLES,
    PostgresForger,
    SqliteLogToTamper,
    TamperedLog,
    checkpoint_row,
    evidence,
    inserted,
)

pytestmark = pytest.mark.integration

ROWS = {"records": LAST, "intents": 2, "attempts": 3, "evidence": 3, "archived": 2, "checkpoints": 3}
SIGNED = Known(signer=address_of())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TamperedLog]:
    if request.param == "sqlite":
        yield SqliteLogToTamper(tmp_path_factory.mktemp("log") / "k.db")
        return
    new_database: Callable[[], str] = request.getfixturevalue("postgres_server")
    url = new_database()
    forger = PostgresForger(url)
    yield TamperedLog(url, forger)
    forger.close()


@pytest.fixture
def log(written: TamperedLog, monkeypatch: pytest.MonkeyPatch) -> Iterator[TamperedLog]:
    """Given back as it was. The schema in PostgreSQL has tests of its own, and most of the time would be spent on it."""
    monkeypatch.setattr(postgres_log, "check_postgres_schema", lambda _: ())
    yield written
    written.restore()


@pytest.fixture
def witness(tmp_path: Path, log: TamperedLog) -> Path:
    """Has seen every checkpoint."""
    return write_witness(tmp_path / "witness.jsonl", log.checkpoints())


def write_witness(path: Path, checkpoints: Sequence[SignedCheckpoint]) -> Path:
    path.write_text("".join(json.dumps(to_document(one)) + "\n" for one in checkpoints))
    return path


def test_verify__untouched_log__is_good_and_says_what_it_looked_at(log: TamperedLog, witness: Path) -> None:
    verdict = verify(log.url, Known(signer=address_of(), witnesses=(witness,)))

    assert verdict == Verification(
        True,
        LAST,
        log.hashes[-1],
        checkpoints=CheckpointsSeen(3, LAST, "2025-11-21T05:10:00.000Z", address_of(), known=True),
        evidence=EvidenceSeen(kept=3, archived=2, files=1, looked_into=0),
        witnesses=(WitnessSeen(str(witness), 3),),
    )
    assert verify(log.url).checkpoints.known is False
    assert verify_newest(log.url, 4) == Verification(True, 4, log.hashes[-1])


def test_verify__changed_and_changed_back__is_good_with_its_schema(written: TamperedLog) -> None:
    # so that what the other tests find is what they changed
    written.change("records", 3, "body", "{}")
    written.restore()

    assert verify(written.url, SIGNED).ok
    assert verify(written.url, SIGNED).warnings == ()


def test_verify__good_log__needs_no_close_look(log: TamperedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("the close look was taken")

    monkeypatch.setattr(RecordCheck, "changes", fail)
    assert verify(log.url, SIGNED).ok


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(
    "body", ["{", "[]", "8", "", '{"a":01}', '{"a":"\\x"}', "{a:1}", '{"a":"\x01"}', '{"a":' + "7" * 5_000 + "}"]
)
def test_verify__made_anew_with_a_body_that_the_store_never_writes__names_the_record(
    log: TamperedLog, monkeypatch: pytest.MonkeyPatch, body: str, close: bool
) -> None:
    log.replace_table("checkpoints", [])
    log.make_anew(3, body)
    if close:
        monkeypatch.setattr(verify_module, "_proven_good", lambda *_: False)

    verdict = verify(log.url)

    assert (verdict.ok, verdict.table, verdict.first_bad, verdict.records) == (False, "records", 3, 2)


def another(value: object, column: str) -> object:
    if column == "state":  # whatever is no state the database would not even take back
        return "mined" if value != "mined" else "open"
    if value is None:
        return "x"
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, bytes):
        middle = len(value) // 2
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    text = str(value)
    return ("8" if text[:1] == "9" else "9") + text[1:]


CHANGES = [
    (table, column, place) for table, columns in TABLES.items() for column in columns for place in (0, ROWS[table] - 1)
]


@pytest.mark.parametrize(("table", "column", "place"), CHANGES)
def test_verify__one_value_changed__names_the_record(log: TamperedLog, table: str, column: str, place: int) -> None:
    row = log.row(table, place)
    log.change(table, place, column, another(row[column], column))

    verdict = verify(log.url, SIGNED)

    assert not verdict.ok
    assert verdict.problem
    if table == "checkpoints":
        assert verdict.table == table
        assert f"checkpoint {row['number']} " in verdict.problem
        assert column in ("number", "seq") or verdict.first_bad == row["seq"]
    elif (table, column) == ("archived", "hash"):
        assert (verdict.table, verdict.first_bad in ARCHIVED_OF) == ("evidence", True)
    else:
        assert (verdict.table, verdict.first_bad) == (table, row["seq"]), verdict


TYPED = [
    (table, column)
    for table in ("evidence", "archived", "checkpoints")
    for column in TABLES[table]
    if (table, column) != ("checkpoints", "number")  # the row's own key in SQLite: it cannot be anything but an integer
]


@pytest.mark.parametrize("written", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("table", "column"), TYPED)
def test_verify__value_of_another_type_that_reads_the_same__names_the_record(
    log: TamperedLog, table: str, column: str
) -> None:
    kind = "TEXT" if column == "packed" else "BLOB"
    log.forger.run(f"UPDATE {table} SET {column} = CAST({column} AS {kind}) WHERE rowid = 1")

    verdict = verify(log.url, SIGNED)

    assert not verdict.ok
    assert verdict.first_bad in (log.row(table, 0)["seq"], *ARCHIVED_OF, None)


@pytest.mark.parametrize(("table", "place"), [(table, place) for table, rows in ROWS.items() for place in range(rows)])
def test_verify__one_row_deleted__names_the_record(log: TamperedLog, witness: Path, table: str, place: int) -> None:
    row = log.row(table, place)
    log.delete(table, place)

    verdict = verify(log.url, Known(signer=address_of(), witnesses=(witness,)))

    assert not verdict.ok
    if table == "archived":  # its evidence is gone too
        assert verdict.first_bad in ARCHIVED_OF
    elif table == "checkpoints":
        assert verdict.table == table
        assert f"checkpoint {row['number']}" in verdict.problem
    else:
        assert verdict.first_bad == row["seq"], verdict


@pytest.mark.parametrize(
    ("table", "values", "first_bad"),
    [
        pytest.param("records", {"seq": LAST + 1}, LAST + 1, id="a record at the end"),
        pytest.param("records", {"seq": 0}, 1, id="a record in front"),
        pytest.param("intents", {"id": "x", "seq": 21, "state": "done"}, 21, id="an intent"),
        pytest.param("attempts", {"intent": "x", "seq": 21, "tx_hash": "0x", "nonce": 99}, 21, id="an attempt"),
        pytest.param("evidence", {"hash": "0x" + "9" * 64, "seq": 21}, 21, id="evidence that no record names"),
        pytest.param("archived", {"hash": "0x" + "9" * 64}, ARCHIVED_BY, id="one more archived row"),
        pytest.param("archived", {"hash": "0x" + "9" * 64, "seq": 3}, 3, id="an archived row without such a record"),
        pytest.param("checkpoints", {"number": 4}, LAST, id="a checkpoint once more"),
        pytest.param("checkpoints", {"number": 0}, LAST, id="a checkpoint in front"),
    ],
)
def test_verify__row_inserted__names_the_record(
    log: TamperedLog, table: str, values: dict[str, Any], first_bad: int
) -> None:
    log.insert(table, **{**log.row(table, ROWS[table] - 1), **values})

    verdict = verify(log.url, SIGNED)

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, table, first_bad)


@pytest.mark.parametrize("table", ["records", "intents", "attempts", "evidence", "checkpoints"])
def test_verify__two_rows_swapped__names_the_first_of_them(log: TamperedLog, table: str) -> None:
    first, second = log.row(table, 0), log.row(table, 1)
    place = "number" if table == "checkpoints" else "seq"
    key = place if table in ("records", "checkpoints") else KEYS_OF_SWAP[table]
    log.forger.run(
        (f"UPDATE {table} SET {place} = 999 WHERE {key} = ?", (first[key],)),
        (f"UPDATE {table} SET {place} = ? WHERE {key} = ?", (first[place], second[key])),
        (f"UPDATE {table} SET {place} = ? WHERE {place} = 999", (second[place],)),
    )

    verdict = verify(log.url, SIGNED)

    assert (verdict.ok, verdict.table) == (False, table)
    assert verdict.first_bad == first["seq"] or (table == "checkpoints" and "checkpoint 1 " in verdict.problem)


KEYS_OF_SWAP = {"intents": "id", "attempts": "tx_hash", "evidence": "hash"}


@pytest.mark.parametrize("last", [0, 1, 4, 21])
def test_verify__end_cut_off__the_checkpoints_name_what_is_missing(log: TamperedLog, last: int) -> None:
    log.cut(last)

    verdict = verify(log.url, SIGNED)

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "records", last + 1)
    assert "checkpoint" in verdict.problem


@pytest.mark.parametrize("last", [0, 1, 4, 21])
def test_verify__end_cut_off_with_its_checkpoints__a_witness_names_what_is_missing(
    log: TamperedLog, witness: Path, last: int
) -> None:
    log.cut(last)
    log.forger.run(f"DELETE FROM checkpoints WHERE seq > {last}")
    assert verify(log.url).ok, "nothing in the database shows it"

    verdict = verify(log.url, Known(signer=address_of(), witnesses=(witness,)))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "records", last + 1)
    assert "witness.jsonl, line" in verdict.problem


@pytest.mark.parametrize("first", [1, 3, 15])
def test_verify__log_made_anew__the_checkpoints_show_it(log: TamperedLog, first: int) -> None:
    log.make_anew(first)

    verdict = verify(log.url, SIGNED)

    checkpoint = next(seq for seq in CHECKPOINTS_AT if seq >= first)
    assert (verdict.ok, verdict.table) == (False, "records")
    assert verdict.first_bad == (1 if first == 1 else checkpoint)
    before = max([0, *(seq for seq in CHECKPOINTS_AT if seq < first)]) + 1
    assert first == 1 or f"records {before} to {checkpoint}" in verdict.problem


@pytest.mark.parametrize("first", [1, 3, 15])
def test_verify__log_and_checkpoints_made_anew_with_another_key__needs_the_signer_or_a_witness(
    log: TamperedLog, witness: Path, first: int
) -> None:
    log.sign_anew(log.make_anew(first), OTHER_KEY)
    assert verify(log.url).ok
    assert verify(log.url).checkpoints.signer == address_of(OTHER_KEY), "what the auditor compares"

    by_signer, by_witness = verify(log.url, SIGNED), verify(log.url, Known(witnesses=(witness,)))

    assert (by_signer.ok, by_signer.table, by_signer.first_bad) == (False, "checkpoints", CHECKPOINTS_AT[-1])
    assert address_of(OTHER_KEY) in by_signer.problem
    assert address_of() in by_signer.problem
    assert (by_witness.ok, by_witness.first_bad) == (
        False,
        1 if first == 1 else next(seq for seq in CHECKPOINTS_AT if seq >= first),
    ) or (first > CHECKPOINTS_AT[0] and by_witness.table == "witness")


def test_verify__checkpoints_made_anew_with_another_key__a_witness_shows_it(log: TamperedLog, witness: Path) -> None:
    log.sign_anew(log.hashes, OTHER_KEY)

    verdict = verify(log.url, Known(witnesses=(witness,)))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "witness", CHECKPOINTS_AT[0])


def test_verify__log_and_checkpoints_made_anew_with_the_same_key__a_witness_shows_it(
    log: TamperedLog, witness: Path
) -> None:
    log.sign_anew(log.make_anew(3), KEY)
    assert verify(log.url, SIGNED).ok, "whoever has the key needs the witness too"

    verdict = verify(log.url, Known(signer=address_of(), witnesses=(witness,)))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "records", 5)


def test_verify__database_replaced_by_another_log__is_found(log: TamperedLog, witness: Path) -> None:
    hashes = log.make_anew(1)
    log.replace_table("checkpoints", [])
    assert verify(log.url).ok
    assert not verify(log.url, SIGNED).ok
    by_witness = verify(log.url, Known(witnesses=(witness,)))
    log.sign_anew(hashes, OTHER_KEY, seqs=(2, LAST))
    by_signer = verify(log.url, SIGNED)

    assert (by_witness.ok, by_witness.table, by_witness.first_bad) == (False, "records", 1)
    assert (by_signer.ok, by_signer.table, by_signer.first_bad) == (False, "checkpoints", LAST)


def test_verify__checkpoints_taken_out__a_witness_shows_it(log: TamperedLog, witness: Path) -> None:
    log.replace_table("checkpoints", [])

    verdict = verify(log.url, Known(witnesses=(witness,)))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "checkpoints", 5)
    assert "taken out" in verdict.problem


Forgery = Callable[[SignedCheckpoint, SignedCheckpoint], SignedCheckpoint]
FORGED: dict[str, Forgery] = {
    "another head, with the old signature": lambda one, _: change(one, head="0x" + "9" * 64),
    "another head, signed by nobody who is known": lambda one, _: resigned(one, OTHER_KEY, head="0x" + "9" * 64),
    "the same words, signed by another key": lambda one, _: resigned(one, OTHER_KEY),
    "another signer, signed by that one": lambda one, _: resigned(one, OTHER_KEY, signer=address_of(OTHER_KEY)),
    "a signature of the checkpoint before": lambda one, before: SignedCheckpoint(one.checkpoint, before.signature),
    "no signature at all": lambda one, _: SignedCheckpoint(one.checkpoint, ""),
    "a signature that is none": lambda one, _: SignedCheckpoint(one.checkpoint, "0x" + "00" * 65),
    "signed by the key, not following": lambda one, _: resigned(one, KEY, prev=""),
    "signed by the key, of another log": lambda one, _: resigned(one, KEY, genesis="0x" + "9" * 64),
    "signed by the key, of a record that is not there": lambda one, _: resigned(one, KEY, seq=99),
    "signed by the key, back in the log": lambda one, before: resigned(one, KEY, seq=1, head=before.checkpoint.genesis),
    "signed by the key, of another head": lambda one, _: resigned(one, KEY, head="0x" + "9" * 64),
}


def change(one: SignedCheckpoint, **changed: Any) -> SignedCheckpoint:
    return SignedCheckpoint(replace(one.checkpoint, **changed), one.signature)


def resigned(one: SignedCheckpoint, key: str, **changed: Any) -> SignedCheckpoint:
    return signed(change(one, **changed).checkpoint, key)


@pytest.mark.parametrize("what", FORGED)
def test_verify__checkpoint_forged__is_found(log: TamperedLog, what: str) -> None:
    first, second, third = log.checkpoints()
    forged = FORGED[what](third, second)
    log.replace_table("checkpoints", [checkpoint_row(one) for one in (first, second, forged)])

    verdict = verify(log.url, SIGNED)

    assert not verdict.ok
    assert "checkpoint 3 " in verdict.problem
    wanted = {"of another log": 1, "of a record that is not there": LAST + 1, "back in the log": 1}
    assert verdict.first_bad == next((seq for words, seq in wanted.items() if what.endswith(words)), LAST)
    assert verdict.records == LAST, "of the records nothing is wrong by themselves"


@pytest.mark.parametrize(
    ("column", "value"),
    [("packed", evidence(2).packed), ("size", 1), ("encoding", "none/1"), ("packed", b""), ("packed", b"x" * 100)],
)
def test_verify__evidence_exchanged__names_the_record(log: TamperedLog, column: str, value: object) -> None:
    log.change("evidence", 0, column, value)

    verdict = verify(log.url, SIGNED)

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "evidence", 15)


def test_verify__evidence_missing_and_a_later_record_changed__names_the_earlier(log: TamperedLog) -> None:
    log.delete("evidence", 0)
    log.change("records", 20, "body", "{}")

    assert (verify(log.url, SIGNED).table, verify(log.url, SIGNED).first_bad) == ("evidence", 15)


def test_verify__archived_evidence_that_is_still_there__is_good(log: TamperedLog) -> None:
    # between the two steps of the retention
    again = evidence(3)
    log.forger.run(inserted("evidence", (again.hash, 18, again.encoding, again.size, again.packed)))
    if isinstance(log, SqliteLogToTamper):  # the order of its rows is that in which they came
        rows = sorted(
            [*log.tables["evidence"], (again.hash, 18, again.encoding, again.size, again.packed)],
            key=lambda row: int(row[1]),
        )
        log.replace_table("evidence", rows)

    assert verify(log.url, SIGNED).ok


def test_verify__archive_file_within_reach__is_read(log: TamperedLog, tmp_path: Path) -> None:
    file = tmp_path / ARCHIVE_FILE
    file.write_bytes(ARCHIVE_CONTENT)
    assert verify(log.url, Known(archive=tmp_path)).evidence.looked_into == 1
    file.write_bytes(ARCHIVE_CONTENT[:-1])

    verdict = verify(log.url, Known(archive=tmp_path))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "archived", ARCHIVED_BY)
    assert ARCHIVE_FILE in verdict.problem


BAD_LINES = {
    "not JSON": ('{"x', None),
    "not an object": ("[]", None),
    "no checkpoint": ('{"number": 1}', None),
    "deep": ("[" * 10_000, None),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_verify__witness_with_a_bad_line__is_found(log: TamperedLog, witness: Path, what: str) -> None:
    text, first_bad = BAD_LINES[what]
    lines = witness.read_text().splitlines()
    witness.write_text("\n".join([lines[0], text, *lines[1:]]) + "\n")

    verdict = verify(log.url, Known(witnesses=(witness,)))

    assert (verdict.ok, verdict.table, verdict.first_bad) == (False, "witness", first_bad)
    assert "line 2" in verdict.problem


@pytest.mark.parametrize("kept", [1, 100, 600])
def test_verify__witness_with_a_torn_last_line__is_tolerated_and_said(
    log: TamperedLog, witness: Path, kept: int
) -> None:
    with witness.open("a") as file:
        file.write(json.dumps(to_document(log.checkpoints()[2]))[:kept])

    verdict = verify(log.url, Known(witnesses=(witness,)))

    assert verdict.ok
    assert verdict.witnesses == (WitnessSeen(str(witness), 3, torn=True),)


def test_verify__line_torn_and_written_again__is_good(log: TamperedLog, witness: Path) -> None:
    first, second, third = witness.read_text().splitlines()
    witness.write_text("\n".join([first, second[:200], second, second, third]) + "\n")

    verdict = verify(log.url, Known(witnesses=(witness,)))

    assert (verdict.ok, verdict.witnesses) == (True, (WitnessSeen(str(witness), 4),))


@pytest.mark.parametrize("tail", ["", "x"])
def test_verify__line_torn_and_never_written_again__is_found(log: TamperedLog, witness: Path, tail: str) -> None:
    first, second, third = witness.read_text().splitlines()
    witness.write_text("\n".join([first, second[:200], third, tail]))

    verdict = verify(log.url, Known(witnesses=(witness,)))

    assert (verdict.ok, verdict.table) == (False, "witness")
    assert "line 2 " in verdict.problem


def test_verify__identity_followed_by_another__needs_to_be_told_the_present_one(
    log: TamperedLog, witness: Path
) -> None:
    first, second, third = log.checkpoints()
    third = resigned(third, OTHER_KEY, signer=address_of(OTHER_KEY))
    log.replace_table("checkpoints", [checkpoint_row(one) for one in (first, second, third)])
    write_witness(witness, [first, second, third])
    present = Known(signer=address_of(OTHER_KEY), witnesses=(witness,))

    assert (verify(log.url, SIGNED).ok, verify(log.url).ok) == (False, False)
    assert verify(log.url, present).ok
    assert verify(log.url, present).checkpoints.earlier == (address_of(),)


@pytest.mark.parametrize("what", [what for what in FORGED if what != "signed by the key, not following"])
def test_verify__line_of_a_witness_forged__is_found(log: TamperedLog, tmp_path: Path, what: str) -> None:
    first, second, third = log.checkpoints()
    path = write_witness(tmp_path / "w.jsonl", [first, second, FORGED[what](third, second)])

    verdict = verify(log.url, Known(signer=address_of(), witnesses=(path,)))

    assert not verdict.ok
    assert "w.jsonl, line 3 " in verdict.problem


def test_verify__witness_that_came_later_or_missed_some__is_good(log: TamperedLog, tmp_path: Path) -> None:
    first, _, third = log.checkpoints()
    late = write_witness(tmp_path / "late.jsonl", [third])
    gap = write_witness(tmp_path / "gap.jsonl", [first, third])

    verdict = verify(log.url, Known(witnesses=(late, gap)))

    assert (verdict.ok, [one.lines for one in verdict.witnesses]) == (True, [1, 2])


def test_verify__witness_of_another_keeper__is_found(log: TamperedLog, tmp_path: Path) -> None:
    path = write_witness(tmp_path / "w.jsonl", checkpoints_of(["0x" + f"{n:064x}" for n in range(9)], [3], OTHER_KEY))

    assert verify(log.url, Known(witnesses=(path,))).first_bad == 1
    by_signer = verify(log.url, Known(signer=address_of(), witnesses=(path,)))
    assert (by_signer.ok, by_signer.table) == (False, "witness")


def test_verify__witness_that_is_not_there__is_an_error_and_no_verdict(log: TamperedLog, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        verify(log.url, Known(witnesses=(tmp_path / "nowhere.jsonl",)))
