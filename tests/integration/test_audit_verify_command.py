"""``keeper audit CONFIG verify`` on a log with checkpoints, evidence, an archive and a witness: what it says, and to machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.domain.checkpoint import to_document
from tests.support.checkpoints import OTHER_KEY, address_of
from tests.support.keeper_process import in_process
from tests.support.tampered_logs import (
    ARCHIVE_CONTENT,
    ARCHIVE_FILE,
    LAST,
    PostgresForger,
    SqliteLogToTamper,
    TamperedLog,
)

pytestmark = pytest.mark.integration

CHECKPOINTS = """
  checkpoints:
    every: {every}
    identity: {{kind: keystore, path: identity.json, password: "${{KEEPER_KEYSTORE_PASSWORD}}"}}
    witnesses: [{{file: witness.jsonl}}]
  retention: {{keep: 30d, archive: archive}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "identity.json").write_text(json.dumps({"address": address_of()[2:].lower()}))
    return tmp_path


@pytest.fixture
def log(folder: Path) -> TamperedLog:
    written = SqliteLogToTamper(folder / "keeper.db")
    lines = [json.dumps(to_document(one)) + "\n" for one in written.checkpoints()]
    (folder / "witness.jsonl").write_text("".join(lines))
    configure(folder, written.url)
    return written


@pytest.fixture
def on_server(postgres_url: str) -> Iterator[TamperedLog]:
    forger = PostgresForger(postgres_url)
    yield TamperedLog(postgres_url, forger)
    forger.close()


def configure(folder: Path, url: str, more: str = "") -> Path:
    path = folder / "keeper.yaml"
    path.write_text(f"audit:\n  url: {json.dumps(url)}\n{more}")
    return path


def test_verify__without_a_signer__says_which_address_to_compare(folder: Path, log: TamperedLog) -> None:
    done = in_process("audit", folder / "keeper.yaml", "verify")

    assert (done.code, done.err) == (0, "")
    assert f"ok: {LAST} records, every hash and link holds, head {log.hashes[-1]}" in done.out
    assert "3 checkpoints up to record 22" in done.out
    assert f"signed by {address_of()}: compare this address" in done.out
    assert "evidence: 3 in the database, 2 archived in 1 file" in done.out
    assert "warning: not looked at: 1 of 1 archive file" in done.out


@pytest.mark.parametrize("how", ["asked", "configured", "keystore"])
def test_verify__signer_known__says_that_it_is_the_keepers(folder: Path, log: TamperedLog, how: str) -> None:
    asked: tuple[str, ...] = ()
    if how == "asked":
        asked = ("--signer", address_of())
    elif how == "configured":
        configure(folder, log.url, f"  signer: '{address_of()}'\n")
    else:
        configure(folder, log.url, CHECKPOINTS.format(every="10m"))
    (folder / "archive").mkdir()
    (folder / "archive" / ARCHIVE_FILE).write_bytes(ARCHIVE_CONTENT)

    done = in_process("audit", folder / "keeper.yaml", "verify", *asked)

    assert done.code == 0
    assert f"signed by {address_of()}: the keeper's signer" in done.out
    assert (f"witness {folder / 'witness.jsonl'}: 3 checkpoints, all of this log" in done.out) == (how == "keystore")
    assert ("warning" in done.out) == (how != "keystore")


def test_verify__other_signer_asked_for__exit_1(folder: Path, log: TamperedLog) -> None:
    done = in_process("audit", folder / "keeper.yaml", "verify", "--signer", address_of(OTHER_KEY))

    assert done.code == 1
    assert "BROKEN at record 22: checkpoint 3 is signed by" in done.out
    assert "keep a copy of the database file" in done.out


def test_verify__signer_that_is_no_address__says_so(folder: Path, log: TamperedLog) -> None:
    done = in_process("audit", folder / "keeper.yaml", "verify", "--signer", "0x12")

    assert done.code != 0
    assert "--signer" in done.err


def test_verify__end_cut_off_with_its_checkpoints__witnesses_asked_for_show_it(folder: Path, log: TamperedLog) -> None:
    log.cut(4)
    log.replace_table("checkpoints", [])
    other = folder / "other.jsonl"
    other.write_text("")
    two = ("--witness", str(other), "--witness", str(folder / "witness.jsonl"))

    plain = in_process("audit", folder / "keeper.yaml", "verify")
    done = in_process("audit", folder / "keeper.yaml", "verify", *two)
    machine = json.loads(in_process("--json", "audit", folder / "keeper.yaml", "verify", *two).out)

    assert plain.code == 0
    assert "no checkpoints: nothing here shows whether the end was cut off" in plain.out
    assert done.code == 1
    assert "BROKEN at record 5: record 5 is missing: witness.jsonl, line 1 saw them" in done.out
    assert (machine["ok"], machine["first_bad"], machine["records"]) == (False, 5, 4)


def test_verify__witness_asked_for_that_is_not_there__exit_3(folder: Path, log: TamperedLog) -> None:
    done = in_process("audit", folder / "keeper.yaml", "verify", "--witness", str(folder / "nowhere"))

    assert done.code == 3
    assert "nowhere" in done.err


def test_verify__witness_of_the_configuration_that_is_not_there__is_a_warning(folder: Path, log: TamperedLog) -> None:
    configure(folder, log.url, CHECKPOINTS.format(every="10m"))
    (folder / "witness.jsonl").unlink()

    done = in_process("audit", folder / "keeper.yaml", "verify")

    assert done.code == 0
    assert f"warning: not looked at: the witness {folder / 'witness.jsonl'} is not there" in done.out


@pytest.mark.parametrize(("every", "late"), [("1s", True), ("2s", False)])
def test_verify__no_checkpoint_of_the_configured_signer__broken_once_several_are_late(
    folder: Path, log: TamperedLog, every: str, late: bool
) -> None:
    # the newest record is of five seconds after the start, and no checkpoint was made
    log.replace_table("checkpoints", [])
    (folder / "witness.jsonl").write_text("")
    configure(folder, log.url, CHECKPOINTS.format(every=every))

    done = in_process("audit", folder / "keeper.yaml", "verify")

    assert done.code == int(late)
    assert ("BROKEN at the database (checkpoints): there is no checkpoint at all" in done.out) == late
    assert ("warning: no checkpoint yet of the signer" in done.out) == (not late)


def test_verify__no_checkpoint_of_the_signer_asked_for__is_broken_at_any_age(folder: Path, log: TamperedLog) -> None:
    log.replace_table("checkpoints", [])
    configure(folder, log.url, CHECKPOINTS.format(every="1h"))
    (folder / "witness.jsonl").write_text("")

    assert in_process("audit", folder / "keeper.yaml", "verify").code == 0
    assert in_process("audit", folder / "keeper.yaml", "verify", "--signer", address_of()).code == 1


@pytest.mark.parametrize(("every", "late"), [("1s", True), ("2s", False)])
def test_verify__records_newer_than_the_last_checkpoint_without_a_known_signer__said_when_several_are_late(
    folder: Path, log: TamperedLog, every: str, late: bool
) -> None:
    log.replace_table("checkpoints", [])
    (folder / "witness.jsonl").write_text("")
    (folder / "identity.json").unlink()
    configure(folder, log.url, CHECKPOINTS.format(every=every))

    done = in_process("audit", folder / "keeper.yaml", "verify")

    assert done.code == 0
    assert ("warning: there is no checkpoint before record 22" in done.out) == late


def test_verify__as_json__names_everything_that_was_looked_at(folder: Path, log: TamperedLog) -> None:
    configure(folder, log.url, CHECKPOINTS.format(every="10m"))

    machine = json.loads(in_process("--json", "audit", folder / "keeper.yaml", "verify").out)

    assert machine == {
        "ok": True,
        "records": LAST,
        "head": log.hashes[-1],
        "first_bad": None,
        "table": "",
        "problem": "",
        "remedy": "",
        "warnings": ["not looked at: 1 of 1 archive file, with 2 references of records into them in all"],
        "checkpoints": {
            "count": 3,
            "last_seq": LAST,
            "last_at": log.row("checkpoints", 2)["at"],
            "signer": address_of(),
            "signer_known": True,
            "earlier_signers": [],
        },
        "witnesses": [{"file": str(folder / "witness.jsonl"), "checkpoints": 3, "torn": False}],
        "evidence": {"kept": 3, "archived": 2, "files": 1, "files_looked_into": 0},
    }


def test_verify__on_postgres__the_same_words(tmp_path: Path, on_server: TamperedLog) -> None:
    path = configure(tmp_path, on_server.url)

    good = in_process("audit", path, "verify", "--signer", address_of())
    on_server.change("records", 2, "body", "{}")
    bad = in_process("audit", path, "verify")

    assert (good.code, good.err) == (0, "")
    assert f"ok: {LAST} records, every hash and link holds, head {on_server.hashes[-1]}" in good.out
    assert "3 checkpoints up to record 22" in good.out
    assert bad.code == 1
    assert "BROKEN at record 3: the hash does not fit" in bad.out
    assert "pg_dump" in bad.out
    assert "-wal" not in bad.out


def test_verify__rights_of_an_auditor_only__is_enough(tmp_path: Path, on_server: TamperedLog) -> None:
    on_server.forger.run("DROP ROLE IF EXISTS ada", "CREATE ROLE ada LOGIN IN ROLE keeper_auditor")
    path = configure(tmp_path, on_server.url.replace("postgres:@", "ada@", 1))

    done = in_process("audit", path, "verify")

    assert (done.code, done.err) == (0, "")


def test_verify__database_gone_and_the_witness_saw_one__is_told_as_that(folder: Path, log: TamperedLog) -> None:
    configure(folder, log.url, CHECKPOINTS.format(every="10m"))
    for path in folder.glob("keeper.db*"):
        path.unlink()
    done = in_process("audit", folder / "keeper.yaml", "verify")
    assert done.code == 1
    assert "witness.jsonl saw one" in done.err
    assert "start the keeper" not in done.err


def test_verify__of_another_signer__says_to_look_at_the_address_first(folder: Path, log: TamperedLog) -> None:
    done = in_process("audit", folder / "keeper.yaml", "verify", "--signer", address_of(OTHER_KEY))
    assert done.code == 1
    assert "look first whether --signer is the right address" in done.out
