"""``keeper reload`` and SIGHUP: a changed configuration takes over from a running keeper, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.record import Record, RecordKind
from tests.support.forked_keeper import ForkedRunning, forked_keeper
from tests.support.keeper_process import Done, Running
from tests.support.keeper_stage import FAIR, MARKET, OTHER, Setup, Stage, configuration, staged

pytestmark = pytest.mark.e2e

HELD = 6
NEW_MARKET = f"""\
  {OTHER}:
    vars: {{id: "0x{"11" * 32}"}}
    signals:
      backwards: {{kind: divergence, of: spot, against: oracle}}
    rules:
      watched:
        when: {{signal: backwards, above: 50%}}
        clear: {{below: 40%}}
        severity: info
        actions: [alert]
"""


def held(stage: Stage, more: str = "", setup: Setup | None = None) -> str:
    """The plain configuration, whose rule trips at the sixth block of a divergence; ``more`` markets before it."""
    text = configuration(stage.world, setup or Setup()).replace("above: 2%}", f'above: 2%, for: "{HELD} blocks"}}')
    assert f"{HELD} blocks" in text
    return text.replace("markets:\n", "markets:\n" + more)


def reload(stage: Stage) -> Done:
    return forked_keeper("--json", "reload", stage.config)


async def asked(running: Running, stage: Stage, state: str) -> Record:
    """SIGHUP, and the next answer in the log."""
    before = len(answers(stage))
    os.kill(running.pid, signal.SIGHUP)
    await running.until(lambda: len(answers(stage)) > before, f"an answer: {state}")
    answer = answers(stage)[-1]
    assert answer.body["state"] == state, answer.body
    return answer


def answers(stage: Stage) -> list[Record]:
    return [
        one for one in stage.records(RecordKind.JOB) if one.body["job"] == "reload" and one.body["state"] != "asked"
    ]


def watching(running: Running) -> int:
    return running.err.count('"event": "watching"')


async def test_reload__in_the_middle_of_everything__loses_no_window_no_block_and_sends_nothing_twice(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        loop = asyncio.get_running_loop()
        loop.add_reader(systemd, lambda: said.append(systemd.recv(100).decode()))
        await _in_the_middle_of_everything(tmp_path)
        loop.remove_reader(systemd)
    assert said.count("READY=1") == 1
    assert "WATCHDOG=1" in said
    assert said[-1] == "STOPPING=1"


async def _in_the_middle_of_everything(tmp_path: Path) -> None:
    systemd = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "500000"}
    async with staged(tmp_path) as stage:
        stage.config.write_text(held(stage))
        async with ForkedRunning(["run", stage.config], tmp_path, env=systemd) as running:
            await running.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0)
            await stage.shock()
            first = await stage.node.block_number() + 1
            await stage.mine_until(lambda: stage.evaluated() >= first + 1)

            # a market more, in front of the one whose rule is about to trip
            stage.config.write_text(held(stage, NEW_MARKET))
            done = reload(stage)
            assert done.code == 0, done.err
            said = json.loads(done.out)
            await running.until(lambda: watching(running) == 2, "the second configuration")

            # one that is wrong: refused, told, and the one before goes on
            stage.config.write_text(held(stage, NEW_MARKET).replace("of: oracle", "of: orcale"))
            assert reload(stage).code == 2
            refusal = await asked(running, stage, "refused")
            assert "orcale" in str(refusal.body["message"])
            assert stage.faults("configuration") == [("down", "refused")]
            stage.config.write_text(held(stage, NEW_MARKET, Setup(chain_id=5)))
            assert "chain.id" in str((await asked(running, stage, "refused")).body["message"])

            await stage.mine_until(lambda: bool(stage.records(RecordKind.BROADCAST)))
            decision = stage.records(RecordKind.DECISION)[0]
            assert decision.body["block"] == first + HELD - 1, "as without the reload"

            # with a transaction in the pool
            stage.config.write_text(held(stage, NEW_MARKET).replace("keeper: {name: test", "keeper: {name: other"))
            await asked(running, stage, "applied")
            await running.until(lambda: watching(running) == 3, "the third configuration")
            await stage.mine_until(lambda: bool(stage.outcomes()))
            await stage.mine_until(lambda: stage.evaluated() > first + HELD + 3)
            assert await running.end() == 0
        await stage.assert_paused_once()
        stage.assert_log_holds()
        blocks: list[Any] = [tick.body["block"] for tick in stage.records(RecordKind.TICK)]
        ticks = [int(block["number"]) for block in blocks]
        assert ticks == list(range(ticks[0], ticks[-1] + 1)), "every block once, in order"
        configurations = stage.records(RecordKind.CONFIGURATION)
        assert [one.body.get("previous") for one in configurations] == [
            None,
            configurations[0].body["hash"],
            configurations[1].body["hash"],
        ]
        assert said["previous"] == configurations[0].body["hash"]
        assert said["hash"] == configurations[1].body["hash"]
        starts: list[Any] = [one.body["restored"] for one in stage.records(RecordKind.START)]
        assert starts[1]["from"] == "carried"
        assert starts[1]["begun"] == [f"{OTHER}/backwards", f"{OTHER}/watched"]
        assert starts[2]["from"] == "configuration"
        assert "Traceback" not in running.err
        # what was decided after the reload, by a rule that began to count before it, can be decided again
        incident = str(decision.body["incident"])
        again = forked_keeper("audit", stage.config, "reproduce", incident)
        assert again.code == 0, again.out + again.err
        replayed_whole(stage)
        # a restart with one more change keeps what it can, too
        stage.config.write_text(held(stage, NEW_MARKET).replace("above: 50%", "above: 60%"))
        async with ForkedRunning(["run", stage.config], tmp_path) as running:
            await running.watching()
            await stage.mine_until(lambda: stage.evaluated() > ticks[-1])
            assert len(stage.records(RecordKind.INCIDENT)) == 1, "it goes on"
            await stage.world.push_price(MARKET, FAIR, wait=False)
            await stage.mine_until(lambda: len(stage.records(RecordKind.INCIDENT)) == 2)
            assert await running.end() == 0
        restored: Any = stage.records(RecordKind.START)[-1].body["restored"]
        assert restored["from"] == "carried"
        assert restored["begun"] == [f"{OTHER}/watched"]
        await stage.assert_paused_once()
        again = forked_keeper("audit", stage.config, "reproduce", incident)
        assert again.code == 0, "begun under one configuration, ended under another: " + again.out + again.err
        replayed_whole(stage)


def replayed_whole(stage: Stage) -> None:
    """Every tick of the log comes out again, whatever configuration it was of."""
    done = forked_keeper("--json", "replay", stage.config, "--from-audit")
    assert done.code == 0, done.out + done.err
    said = json.loads(done.out)
    assert said["rows"] == len(stage.records(RecordKind.TICK))
    assert said["recorded"]["resolved"] == len(stage.records(RecordKind.DECISION, RecordKind.INCIDENT))
    assert said["recorded"]["identical"], said["recorded"]
