"""``keeper incidents``: the log of a real run told to people, to machines and to the public."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.checkpoints import SqlCheckpointBook
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import all_records
from keeper.app.incidents import checking
from keeper.domain.checkpoint import message, text_digest, to_document
from keeper.domain.order import recover
from tests.support.checkpoints import checkpoints_of, hashes
from tests.support.keeper_process import Done, in_process

pytestmark = pytest.mark.e2e

HOSTILE = ("x' OR '1'='1", '"; DROP TABLE records; --', "%", "*", "\x1b[31mred", "a\nb", "ü\u202e", "x" * 5_000, "")


def incidents(folder: Path, *args: str | Path) -> Done:
    return in_process("incidents", folder / "keeper.yaml", *args)


def document(folder: Path, *args: str | Path) -> Any:
    done = in_process("--json", "incidents", folder / "keeper.yaml", *args)
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


@pytest.fixture
def name(finished: Path) -> str:
    found: str = document(finished)["incidents"][0]["id"]
    return found


def test_list__without_a_command__is_the_list(finished: Path, name: str) -> None:
    done = incidents(finished)
    assert (done.code, done.err) == (0, "")
    assert done.out == incidents(finished, "list").out
    assert re.search(rf"^{re.escape(name)} +\S+Z +(OPEN|closed|restored) .* included$", done.out, re.MULTILINE)


def test_list__filters__leave_out_what_does_not_fit(finished: Path) -> None:
    assert document(finished, "list", "--market", "NONE") == {"incidents": [], "next_cursor": None}
    assert incidents(finished, "list", "--market", "NONE").out == "no incident fits\n"
    assert document(finished, "list", "--since", "3000-01-01") == {"incidents": [], "next_cursor": None}
    (one,) = document(finished, "list", "--since", "2000-01-01", "--limit", "1")["incidents"]
    assert one["actions"][0]["outcome"]["kind"] == "included"


def test_show__by_the_beginning_of_its_name__tells_it(finished: Path, name: str) -> None:
    done = incidents(finished, "show", name[:5])
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(name)
    for wanted in ("time to detect", "the rule tripped", "first block beyond the threshold", "read back at block"):
        assert wanted in done.out
    story = document(finished, "show", name)
    assert story["whole"]
    assert all(one["ms"] is not None or one["remark"] for one in story["figures"])
    assert {one["name"]: one["ms"] for one in story["figures"]}["broadcast"] > 0


@pytest.mark.parametrize("command", ["show", "report"])
@pytest.mark.parametrize("wanted", HOSTILE)
def test_name__that_is_none__is_wrong_usage_and_names_the_nearest(
    finished: Path, name: str, command: str, wanted: str
) -> None:
    done = incidents(finished, command, wanted)
    assert (done.code, done.out) == (2, "")
    assert "there is no incident" in done.err
    assert name in done.err
    assert "\x1b" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("form", "begins"), [("md", "# Incident"), ("html", "<!doctype html>"), ("json", "{")])
def test_report__in_each_form__to_a_new_file_only(
    finished: Path, name: str, tmp_path: Path, form: str, begins: str
) -> None:
    file = tmp_path / f"report.{form}"
    done = incidents(finished, "report", name, "--format", form, "-o", file)
    assert (done.code, done.err) == (0, "")
    content = file.read_text(encoding="utf-8")
    assert content.startswith(begins)
    assert incidents(finished, "report", name, "--format", form).out == content
    again = incidents(finished, "report", name, "--format", form, "-o", file)
    assert again.code == 2
    assert "exists already" in again.err
    assert file.read_text(encoding="utf-8") == content


def test_report__json__is_the_document_of_show(finished: Path, name: str, tmp_path: Path) -> None:
    made = json.loads(incidents(finished, "report", name, "--format", "json").out)
    assert made["checked"]["ok"] is True
    assert made["checked"]["first"] == 1
    assert made == document(finished, "show", name)
    assert document(finished, "report", name, "--format", "json") == made
    assert document(finished, "report", name) == made
    file = tmp_path / "report.md"
    assert document(finished, "report", name, "-o", file) == {
        "ok": True,
        "file": str(file),
        "incident": name,
        "format": "md",
    }


async def test_report__with_a_checkpoint__show_has_it_too_and_the_signed_text_is_in_it(folder: Path, name: str) -> None:
    url = sqlite_url(folder / "keeper.db")
    (one,) = checkpoints_of(hashes(records := all_records(url)), [len(records)])
    book = SqlCheckpointBook(url)
    await book.add(one)
    await book.close()
    made = json.loads((await asyncio.to_thread(incidents, folder, "report", name, "--format", "json")).out)
    assert made["log"]["checkpoint"] == to_document(one)
    assert made == await asyncio.to_thread(document, folder, "show", name)
    (text,) = re.findall(
        r"^```text\n(.*?)\n```$", (await asyncio.to_thread(incidents, folder, "report", name)).out, re.M | re.S
    )
    assert text == message(one.checkpoint)
    assert recover(text_digest(text), bytes.fromhex(one.signature[2:])) == one.checkpoint.signer


TAMPERED = {
    "its own record": (
        "UPDATE records SET body = replace(body, 'oracle-divergence', 'oracle-deviation') WHERE seq = ?",
        "own",
    ),
    "an earlier record": (
        "UPDATE records SET body = replace(body, '\"version\"', '\"vers1on\"') WHERE seq = ?",
        "first",
    ),
}


@pytest.mark.parametrize("change", TAMPERED)
def test_incident__of_a_log_that_does_not_hold__no_report_is_made_and_show_says_so_first(
    folder: Path, name: str, tmp_path: Path, change: str
) -> None:
    bad = tamper(folder, name, change)
    file = tmp_path / "report"
    for args in ((), ("--format", "html", "-o", file)):
        done = incidents(folder, "report", name, *args)
        assert (done.code, done.out) == (1, "")
        assert f"BROKEN at record {bad}" in done.err
        assert "no report is made" in done.err
    assert not file.exists()
    done = incidents(folder, "show", name)
    assert done.code == 1
    assert f"BROKEN at record {bad}" in done.out.splitlines()[0]
    assert "may not be what was written" in done.out.splitlines()[1]
    machine = in_process("--json", "incidents", folder / "keeper.yaml", "show", name)
    assert machine.code == 1
    checked = json.loads(machine.out)["checked"]
    assert (checked["ok"], checked["first_bad"]) == (False, bad)
    assert checked["problem"]


def test_check__of_a_longer_log__begins_before_the_story(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(folder / "keeper.db")
    records = all_records(url)
    last = len(records)
    own = min(one.seq for one in records if one.incident == name)
    assert own > 2, "the start and what was read before come first"
    monkeypatch.setattr(checking, "WHOLE_MAX", last - 1)
    seen = checking.check(url, own)
    assert (seen.ok, seen.first, seen.last) == (True, own - 1, last)
    tamper(folder, name, "an earlier record")
    assert checking.check(url, own).ok, "what lies before was not looked at, and that is said"
    bad = tamper(folder, name, "its own record")
    assert bad == own
    assert checking.check(url, own).bad == bad
    monkeypatch.setattr(checking, "WHOLE_MAX", last)
    assert checking.check(url, own).bad == 1


def tamper(folder: Path, name: str, change: str) -> int:
    """Somebody with all rights on the file; the record that was changed."""
    statement, which = TAMPERED[change]
    with closing(sqlite3.connect(folder / "keeper.db")) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for trigger, _ in triggers:
            connection.execute(f"DROP TRIGGER {trigger}")
        found = "SELECT min(seq) FROM records WHERE incident = ?" if which == "own" else "SELECT 1 WHERE ? <> ''"
        (bad,) = connection.execute(found, (name,)).fetchone()
        assert connection.execute(statement, (bad,)).rowcount == 1
        for _, sql in triggers:
            connection.execute(sql)
    return int(bad)


def test_report__json_and_another_form_on_one_output__is_refused(finished: Path, name: str) -> None:
    done = in_process("--json", "incidents", finished / "keeper.yaml", "report", name, "--format", "html")
    assert done.code == 2
    assert "two forms of one output" in done.err


@pytest.mark.parametrize("file", ["no-such-folder/report.md", "."])
def test_report__to_where_it_cannot_be_written__says_so(finished: Path, name: str, tmp_path: Path, file: str) -> None:
    done = incidents(finished, "report", name, "-o", tmp_path / file)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_incidents__before_the_first_run__says_that_there_is_no_log(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "keeper.yaml", tmp_path)
    for args in ((), ("list",), ("show", "x"), ("report", "x")):
        done = incidents(tmp_path, *args)
        assert done.code == 1
        assert "there is no log yet" in done.err
        assert not list(tmp_path.glob("*.db*"))


@pytest.mark.parametrize(("args", "heavy"), [([], []), (["show", "ETH"], ["sqlalchemy"])])
def test_incidents__list_and_show__import_nothing_heavy(finished: Path, args: list[str], heavy: list[str]) -> None:
    """What checks the log, before one of them is told, compares the journal with the models of its tables."""
    code = (
        "import sys; from keeper.app.cli import run_command; code = run_command(sys.argv[1:]); "
        "heavy = {'web3', 'sqlalchemy', 'eth_account', 'numpy', 'numba', 'jinja2', 'httpx', 'pydantic'} & set(sys.modules); "
        "print('code', code, 'heavy', sorted(heavy))"
    )
    command = [sys.executable, "-c", code, "incidents", str(finished / "keeper.yaml"), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == f"code 0 heavy {heavy}"
