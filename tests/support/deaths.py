"""Letting a keeper die at an exact step of one action, and what must hold after it was started again with the plain command."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from keeper.domain.record import RecordKind
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_stage import Stage

LAUNCHER = "tests.chaos.launcher"


@dataclass(frozen=True)
class Step:
    """``when`` is before or after the ``nth`` time of a step, see ``tests/chaos/launcher.py``."""

    when: str
    name: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when}-{self.name.replace(' ', '-')}-{self.nth}"

    def order(self, name: signal.Signals) -> str:
        return f"{name.name}:{self.when}:{self.name}:{self.nth}"


async def carry_out(stage: Stage, order: str, *, ends_itself: bool = False) -> tuple[int, list[str]]:
    """One run through a trip, its action and SIGTERM (unless it ``ends_itself``); how it ended, and every step that it reached."""
    trace = stage.folder / "trace"
    async with ForkedRunning([trace, order, "run", stage.config], stage.folder, program=LAUNCHER) as run:
        await run.until(lambda: '"event": "watching"' in run.err or run.ended(), "the start")
        if not run.ended():
            await stage.shock()
            await stage.mine_until(lambda: settled(stage), ended=run.ended)
        code = await run.wait() if ends_itself else await run.end()
    return code, _read(trace)


async def start_again(stage: Stage) -> None:
    """The plain command, until every intent has its end, and some blocks more; then SIGTERM."""
    async with ForkedRunning(["run", stage.config], stage.folder) as run:
        await run.watching()
        if await stage.world.price("ETH-PERP") > 2900:
            await stage.shock()  # it died before there was anything to see
        block = await stage.node.block_number()
        await stage.mine_until(lambda: settled(stage) and stage.evaluated() >= block + 3, ended=run.ended)
        assert await run.end() == 0, run.err


def settled(stage: Stage) -> bool:
    """There was an intent, and none is open."""
    intents = {record.intent for record in stage.records(RecordKind.INTENT)}
    return bool(intents) and intents == {record.intent for record in stage.records(RecordKind.OUTCOME)}


def assert_told_truly(stage: Stage, tx_hash: str) -> None:
    """The intent whose transaction is on the chain ended as included, every other one as superseded; attempts were written before they were sent."""
    records = stage.records()
    owners = [r.intent for r in records if r.kind is RecordKind.ATTEMPT and r.body["tx_hash"] == tx_hash]
    assert len(owners) == 1, "the transaction on the chain is in the log, once"
    for record in records:
        if record.kind is not RecordKind.OUTCOME:
            continue
        if record.intent == owners[0]:
            assert (record.body["kind"], record.body["tx_hash"]) == ("included", tx_hash)
        else:
            assert (record.body["kind"], record.body["reason"]) == ("superseded", "already-in-effect")
    mine = [record.kind.value for record in records if record.intent == owners[0]]
    order = ["intent", "attempt", "receipt", "effect", "outcome"]
    assert [kind for kind in dict.fromkeys(mine) if kind in order] == order


def _read(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []
