"""Several processes on one log, and processes that die in the middle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.reading import all_records
from keeper.adapters.audit.verify import verify

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]

APPEND = """
import asyncio, sys
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.errors import IntentAlreadyOpen
from tests.support.audit_log import *

async def main(url, name, rounds):
    store = await SqlAuditStore.open(url, busy_timeout_ms=30_000)
    opened = 0
    for round_ in range(rounds):
        records = await store.append([tick(writer=name), tick(writer=name)])
        print(records[-1].seq, records[-1].hash, flush=True)
        intent = f"{name}-{round_}"
        try:
            await store.append([opening(intent), attempt(1, intent, nonce=round_, sender=name)])
            opened += 1
            await store.append([outcome(intent)])
        except IntentAlreadyOpen:
            pass
    await store.close()
    print("opened", opened)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def start(url: str, name: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPEND, url, name, str(rounds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_append__three_processes_at_once__one_chain_and_one_open_intent_at_a_time(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "k.db")
    upgrade(url)
    rounds = 25
    processes = [start(url, name, rounds) for name in ("a", "b", "c")]
    answers = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers

    opened = sum(int(out.split()[-1]) for out, _ in answers)
    verdict = verify(url)
    assert verdict.ok, verdict
    assert verdict.records == 3 * rounds * 2 + opened * 3
    assert opened >= 1
    for name in ("a", "b", "c"):
        mine = [record.seq for record in all_records(url) if record.body.get("writer") == name]
        # the two records of one append lie side by side
        assert [later - earlier for earlier, later in zip(mine[::2], mine[1::2], strict=True)] == [1] * rounds


def test_append__killed_in_the_middle_again_and_again__no_committed_record_is_lost(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "k.db")
    upgrade(url)
    seen: dict[int, str] = {}
    for kill_after in (1, 7, 30):
        process = start(url, f"w{kill_after}", 100_000)
        assert process.stdout is not None
        for _ in range(kill_after):
            line = process.stdout.readline().split()
            seen[int(line[0])] = line[1]
        process.kill()
        rest, _ = process.communicate(timeout=30)
        # what it had printed before it died was committed before it was printed; the last line may be torn
        for line in (text.split() for text in rest.splitlines()[:-1]):
            seen[int(line[0])] = line[1]
        verdict = verify(url)
        assert verdict.ok, verdict
        assert verdict.records >= max(seen)

    hashes = {record.seq: record.hash for record in all_records(url)}
    assert all(hashes[seq] == digest for seq, digest in seen.items())
