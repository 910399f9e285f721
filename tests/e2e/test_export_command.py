"""``keeper audit export`` and ``verify-export``, as an auditor types them."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from tests.support.audit_log import attempt, opening, tick
from tests.support.keeper_process import KEEPER, environment, in_process, keeper

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "a bundle"
    done = keeper("audit", finished / "keeper.yaml", "export", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("wrote ")
    assert "there are no checkpoints" in done.out
    return folder


def test_export__then_what_it_prints__checks_the_bundle(finished: Path, exported: Path, tmp_path: Path) -> None:
    records = json.loads(in_process("--json", "audit", finished / "keeper.yaml", "verify").out)
    done = keeper("--json", "audit", "verify-export", exported, cwd=tmp_path)
    found = json.loads(done.out)
    assert (done.code, found["ok"], found["records"], found["head"]) == (0, True, records["records"], records["head"])
    assert found["keeper"]
    assert found["evidence"] > 0
    script = subprocess.run(
        [sys.executable, exported / "verify.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (script.returncode, script.stderr) == (0, "")
    people = keeper("audit", "verify-export", exported, cwd=tmp_path)
    assert (people.code, people.err) == (0, "")
    assert "every file, hash, link and table holds" in people.out


def test_verify_export__of_a_changed_bundle__ends_with_1_and_names_the_file(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "copy")
    with (tmp_path / "copy" / "records.jsonl").open("a") as file:
        file.write("{}\n")
    done = in_process("audit", "verify-export", tmp_path / "copy")
    assert done.code == 1
    assert "BROKEN: records.jsonl was changed" in done.out
    found = json.loads(in_process("--json", "audit", "verify-export", tmp_path / "copy").out)
    assert (found["ok"], found["records"]) == (False, 0)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("verify-export", "no-such-folder"), "there is no folder"),
        (("verify-export", "."), "is no bundle"),
        (("verify-export", "{bundle}", "--signer", "0x12"), "is not an address"),
        (("export", "{bundle}"), "exists already"),
    ],
)
def test_bundle_commands__bad_input__say_what_to_do(
    finished: Path, exported: Path, tmp_path: Path, args: tuple[str, ...], words: str
) -> None:
    typed = [arg.format(bundle=exported) for arg in args]
    done = keeper("audit", finished / "keeper.yaml", *typed, cwd=tmp_path)
    assert done.code == 2, done
    assert words in done.err
    assert "->" in done.err


def test_commands__log_of_a_keeper_killed_before_the_tables__show_what_is_ahead_and_say_what_is_not_in_the_bundle(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.adapters.audit.store.SETTLE_S", 3_600)
    here, left = tmp_path / "here", tmp_path / "left"
    shutil.copytree(finished, here)

    async def killed() -> int:
        store = await SqlAuditStore.open(sqlite_url(here / "keeper.db"))
        await store.append([tick()])
        records = await store.append([opening("left"), attempt(1, "left", nonce=99)])
        shutil.copytree(here, left)
        await store.close()
        return records[0].seq

    first = asyncio.run(killed())
    config = left / "keeper.yaml"
    shown = json.loads(in_process("--json", "audit", config, "log", "--limit", "2").out)
    assert [one["seq"] for one in shown["records"]] == [first, first + 1]
    checked = in_process("audit", config, "verify")
    assert (checked.code, f"2 more records, from {first} on" in checked.out) == (0, True)
    done = in_process("audit", config, "export", tmp_path / "out")
    assert (done.code, f"NOT INCLUDED: record {first} and what was written with it" in done.out) == (0, True)
    again = json.loads(in_process("--json", "audit", config, "export", tmp_path / "again").out)
    assert (again["missing_from"], again["records"]) == (first, first - 1)
    assert in_process("audit", "verify-export", tmp_path / "again").code == 0


def test_export__before_the_first_run__says_that_there_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "keeper.yaml").write_text("keeper: {name: x}\n")
    done = in_process("audit", tmp_path / "keeper.yaml", "export", tmp_path / "out")
    assert done.code == 1
    assert "no log yet" in done.out + done.err
    assert not (tmp_path / "out").exists()


def test_export__interrupted__leaves_nothing_behind(finished: Path, tmp_path: Path) -> None:
    command = [str(KEEPER), "audit", str(finished / "keeper.yaml"), "export", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(tmp_path.iterdir()):
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == ({"out"} if process.returncode == 0 else set())
