"""``keeper audit``: the log of a real run, asked in every way, also with bad intent; and what a changed byte does."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import polars
import pytest

from tests.support.keeper_process import KEEPER, Done, environment, in_process, keeper

pytestmark = pytest.mark.e2e

HOSTILE = ("x' OR '1'='1", '"; DROP TABLE records; --', "%", "*", "\x1b[31mred", "a\nb", "ü\u202e", "x" * 5_000)


def log(folder: Path, *args: str) -> Done:
    return in_process("audit", folder / "keeper.yaml", "log", *args)


def records(folder: Path, *args: str) -> list[dict[str, Any]]:
    done = in_process("--json", "audit", folder / "keeper.yaml", "log", *args)
    assert done.code == 0, done.err
    assert done.err == ""
    found: list[dict[str, Any]] = json.loads(done.out)["records"]
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [record["kind"] for record in found]


# -- asking -------------------------------------------------------------------------------------------------------------------


def test_log__json__every_column_in_order_of_number(finished: Path) -> None:
    found = records(finished, "--ticks")
    assert [record["seq"] for record in found] == list(range(1, len(found) + 1))
    assert all(
        record.keys() == {"seq", "at", "kind", "market", "action", "incident", "intent", "body", "prev_hash", "hash"}
        for record in found
    )
    assert [record["prev_hash"] for record in found[1:]] == [record["hash"] for record in found[:-1]]


def test_log__as_a_user_runs_it__the_same_from_any_folder(finished: Path, tmp_path: Path) -> None:
    done = keeper("--json", "audit", finished / "keeper.yaml", "log", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["records"] == records(finished)
    assert keeper("audit", "log", cwd=finished).out == log(finished).out


def test_log__without_ticks__leaves_them_out_and_says_so(finished: Path) -> None:
    assert "tick" not in kinds(records(finished))
    assert "tick" in kinds(records(finished, "--ticks"))
    assert kinds(records(finished, "--kind", "tick")) == ["tick"] * len(records(finished, "--kind", "tick"))
    assert "--ticks shows them" in log(finished).out


def test_log__kind__one_or_several(finished: Path) -> None:
    assert kinds(records(finished, "--kind", "intent")) == ["intent"]
    assert kinds(records(finished, "--kind", "outcome", "--kind", "intent")) == ["intent", "outcome"]


def test_log__market_action_and_incident__only_what_fits(finished: Path) -> None:
    incident = records(finished, "--kind", "incident")[0]["incident"]
    everything = records(finished, "--ticks")
    for option, value, column in (
        ("--market", "ETH-PERP", "market"),
        ("--action", "pause-market", "action"),
        ("--incident", incident, "incident"),
    ):
        wanted = [record for record in everything if record[column] == value and record["kind"] != "tick"]
        assert wanted
        assert records(finished, option, value) == wanted
    assert records(finished, "--market", "SPOT-PERP") == []


def test_log__since_and_until__inclusive_and_exclusive(finished: Path) -> None:
    everything = records(finished, "--ticks")
    moment = records(finished, "--kind", "outcome")[0]["at"]
    assert records(finished, "--ticks", "--since", moment) == [r for r in everything if r["at"] >= moment]
    assert records(finished, "--ticks", "--until", moment) == [r for r in everything if r["at"] < moment]
    assert records(finished, "--since", moment, "--until", moment) == []
    assert records(finished, "--ticks", "--since", "900000d") == everything
    assert records(finished, "--since", "2999-01-01") == []


def test_log__limit__the_newest(finished: Path) -> None:
    everything = records(finished, "--ticks")
    assert records(finished, "--ticks", "--limit", "2") == everything[-2:]
    assert "(2 records shown; more with --limit or --cursor)" in log(finished, "--limit", "2").out


def test_log__cursor__pages_from_the_first_to_the_last(finished: Path) -> None:
    everything = records(finished, "--ticks")
    pages: list[dict[str, Any]] = []
    cursor: int | None = 0
    while cursor is not None:
        args = ("--ticks", "--limit", "3", "--cursor", str(cursor))
        document = json.loads(in_process("--json", "audit", finished / "keeper.yaml", "log", *args).out)
        pages += document["records"]
        cursor = document["next_cursor"]
    assert pages == everything


def test_log__jsonl__one_document_a_line(finished: Path) -> None:
    lines = log(finished, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == records(finished)


def test_log__csv__a_header_and_a_row_each(finished: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(log(finished, "--format", "csv").out)))
    assert [(int(row["seq"]), row["kind"], row["hash"]) for row in rows] == [
        (record["seq"], record["kind"], record["hash"]) for record in records(finished)
    ]
    assert [json.loads(row["body"]) for row in rows] == [record["body"] for record in records(finished)]


def test_log__parquet_into_a_pipe_and_a_file__the_same_bytes(finished: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [KEEPER, "audit", finished / "keeper.yaml", "log", "--format", "parquet"]
    piped = subprocess.run(command, env=environment(), capture_output=True, check=True)
    assert piped.stderr == b""
    subprocess.run([*command, "--output", tmp_path / "log.parquet"], env=environment(), capture_output=True, check=True)
    assert (tmp_path / "log.parquet").read_bytes() == piped.stdout
    assert [row["hash"] for row in polars.read_parquet(io.BytesIO(piped.stdout)).to_dicts()] == [
        record["hash"] for record in records(finished)
    ]


def test_log__table__says_what_happened_in_words(finished: Path) -> None:
    text = log(finished).out
    assert "opened ETH-PERP" in text
    assert "paused(bytes32)(bool) false -> true" in text
    assert "included (effect-verified)" in text


def test_log__incident_or_verbose__shows_what_was_decided_from(finished: Path) -> None:
    (act,) = [each for each in records(finished, "--kind", "decision") if each["body"]["kind"] == "act"]
    shown = log(finished, "--incident", act["incident"]).out
    for seen in act["body"]["observations"]:
        assert re.search(
            rf"^ +{seen['source']} +{seen['value']} {seen['unit']} +(block|of) .* ok$", shown, re.MULTILINE
        )
    verbose = in_process("-v", "audit", finished / "keeper.yaml", "log").out
    assert len(verbose.splitlines()) == len(log(finished).out.splitlines()) + len(act["body"]["observations"])


def test_log__beginning_of_an_incident__is_enough(finished: Path) -> None:
    (act,) = [each for each in records(finished, "--kind", "decision") if each["body"]["kind"] == "act"]
    whole = records(finished, "--incident", act["incident"])
    assert whole
    assert records(finished, "--incident", act["incident"][:5]) == whole


@pytest.mark.parametrize(
    ("option", "says", "near"),
    [("--incident", "there is no incident", "ETH-PERP@"), ("--market", "there is no market", "ETH-PERP")],
)
def test_log__no_such_name__names_the_nearest(finished: Path, option: str, says: str, near: str) -> None:
    done = log(finished, option, "EHT-PERP")
    assert done.code == 0
    assert f"no records fit: {says} 'EHT-PERP'; one of: {near}" in done.out
    assert records(finished, option, "EHT-PERP") == []


def test_log__name_that_is_one_and_nothing_fits__names_no_other(finished: Path) -> None:
    assert log(finished, "--market", "ETH-PERP", "--kind", "gap").out == "no records fit\n"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_log__json_and_another_form__is_refused(finished: Path, form: str, tmp_path: Path) -> None:
    both = ("--json", "audit", finished / "keeper.yaml", "log", "--format", form)
    refused = in_process(*both)
    assert refused.code == 2
    assert f"--json and --format {form}" in json.loads(refused.out)["error"]["message"]
    into_file = in_process(*both, "--output", tmp_path / "log")
    assert (into_file.code, json.loads(into_file.out)["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("option", "value"),
    [*(("--market", value) for value in HOSTILE), ("--action", HOSTILE[0]), ("--incident", HOSTILE[0])],
)
def test_log__hostile_filter__is_a_value_like_any_other(finished: Path, option: str, value: str) -> None:
    assert records(finished, option, value) == []
    assert records(finished, "--kind", "intent"), "the log is as it was"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--limit", "10001"), "--limit"),
        (("--limit", "0"), "--limit"),
        (("--limit", "99999999999999999999999"), "--limit"),
        (("--limit", "many"), "--limit"),
        (("--cursor", "-1"), "--cursor"),
        (("--cursor", "99999999999999999999999"), "--cursor"),
        (("--format", "xml"), "--format"),
        (("--kind", "x' OR 1=1"), "there is no kind of record"),
        (("--kind", ""), "there is no kind of record"),
        (("--since", "yesterday"), "is not a time"),
        (("--until", "3 blocks"), "is not a time"),
        (("--since", "2026-13-01"), "is not a time"),
        (("--nope",), "--nope"),
    ],
)
def test_log__argument_that_cannot_be__exit_2_and_no_traceback(
    finished: Path, args: tuple[str, ...], says: str
) -> None:
    done = log(finished, *args)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    as_json = in_process("--json", "audit", finished / "keeper.yaml", "log", *args)
    assert as_json.code == 2
    assert json.loads(as_json.out)["ok"] is False


def test_log__foreign_text_in_a_record__cannot_move_the_cursor(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "keeper.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER records_no_update")
        body = json.dumps({"reason": "\x1b[2J\x1b]0;owned\x07\r=cmd()"})
        connection.execute("UPDATE records SET body = ? WHERE kind = 'stop'", (body,))
    assert not set(log(folder).out) & {"\x1b", "\x07", "\r"}


def test_log__csv__a_formula_is_text(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "keeper.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER records_no_update")
        connection.execute("UPDATE records SET market = '=cmd()' WHERE kind = 'stop'")
    rows = list(csv.DictReader(io.StringIO(log(folder, "--format", "csv").out)))
    assert rows[-1]["market"] == "'=cmd()"


def test_log__no_database__exit_code_and_remedy(folder: Path) -> None:
    (folder / "keeper.db").unlink()
    for command in ("log", "verify"):
        done = keeper("audit", folder / "keeper.yaml", command)
        assert done.code == 1
        assert "there is no log yet" in done.err
        assert f"keeper run {folder / 'keeper.yaml'}" in done.err
        assert "Traceback" not in done.err
        assert not (folder / "keeper.db").exists(), "reading never makes a database"


# -- verifying ----------------------------------------------------------------------------------------------------------------


def verified(folder: Path) -> tuple[int, dict[str, Any]]:
    done = in_process("--json", "audit", folder / "keeper.yaml", "verify")
    found: dict[str, Any] = json.loads(done.out)
    return done.code, found


def forge(folder: Path, table: str, column: str, where: str) -> None:
    """Changes one character of one value as somebody with all rights would, and puts the triggers back."""
    with closing(sqlite3.connect(folder / "keeper.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        (value,) = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
        changed = value + 1 if isinstance(value, int) else _other_digit(str(value))
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed,))
        for _, sql in triggers:
            connection.execute(sql)


def _other_digit(text: str) -> str:
    """One character is another one of its kind: still well formed."""
    last = text.rstrip('"}] ')[-1]
    at = text.rindex(last)
    return text[:at] + ("1" if last != "1" else "2") + text[at + 1 :]


def test_verify__untouched__exit_0_and_the_head(finished: Path) -> None:
    code, found = verified(finished)
    last = records(finished)[-1]
    assert code == 0
    assert found["ok"] is True
    assert (found["records"], found["head"], found["first_bad"]) == (last["seq"], last["hash"], None)
    assert "every hash and link holds" in in_process("audit", finished / "keeper.yaml", "verify").out


@pytest.mark.parametrize(
    "column", ["at", "kind", "market", "action", "incident", "intent", "body", "prev_hash", "hash"]
)
def test_verify__one_character_of_a_record__names_it(folder: Path, column: str) -> None:
    seq = next(record["seq"] for record in records(folder) if record["kind"] == "effect")
    forge(folder, "records", column, f"seq = {seq}")
    code, found = verified(folder)
    assert code == 1
    assert found["ok"] is False
    assert found["first_bad"] == seq
    assert found["records"] == seq - 1
    people = keeper("audit", folder / "keeper.yaml", "verify")
    assert people.code == 1
    assert f"BROKEN at record {seq}" in people.out


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("intents", "data", "intent"),
        ("intents", "state", None),
        ("attempts", "nonce", "attempt"),
        ("attempts", "raw", "attempt"),
    ],
)
def test_verify__one_character_of_the_journal__names_the_record_that_made_it(
    folder: Path, table: str, column: str, kind: str | None
) -> None:
    forge(folder, table, column, "1")
    code, found = verified(folder)
    assert code == 1
    assert found["table"] == table
    if kind is not None:
        assert found["first_bad"] == records(folder, "--kind", kind)[0]["seq"]


def test_verify__version_table__is_part_of_the_log(folder: Path) -> None:
    forge(folder, "alembic_version", "version_num", "1")
    code, found = verified(folder)
    assert (code, found["ok"]) == (1, False)


def test_verify__a_trigger_is_missing__is_found(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "keeper.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER records_no_delete")
    code, found = verified(folder)
    assert code == 1
    assert "records_no_delete" in found["problem"]


def test_verify__last_record_deleted__the_head_shows_it(folder: Path) -> None:
    before = verified(folder)[1]
    with closing(sqlite3.connect(folder / "keeper.db", isolation_level=None)) as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'records_no_delete'").fetchone()
        connection.execute("DROP TRIGGER records_no_delete")
        connection.execute("DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)")
        connection.execute(sql)
    code, found = verified(folder)
    assert code == 0, "nothing in what is left is wrong: only a head kept elsewhere tells"
    assert found["head"] != before["head"]


def test_verify__a_byte_of_the_file__exit_1_and_the_record(folder: Path) -> None:
    database = folder / "keeper.db"
    record = records(folder, "--kind", "outcome")[0]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.read_bytes())
    needle = b'"reason":"effect-verified"'
    at = content.index(needle) + len(needle) - 2
    content[at] ^= 1
    database.write_bytes(content)
    code, found = verified(folder)
    assert code == 1
    assert found["first_bad"] == record["seq"]


def test_verify__not_a_database__says_so(folder: Path) -> None:
    (folder / "keeper.db").write_bytes(b"this is no database" * 1_000)
    for suffix in ("-wal", "-shm"):
        (folder / f"keeper.db{suffix}").unlink(missing_ok=True)
    done = keeper("audit", folder / "keeper.yaml", "verify")
    assert done.code in (1, 3)
    assert "Traceback" not in done.err
