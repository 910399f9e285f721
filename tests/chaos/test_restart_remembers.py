"""kill -9 in the middle of what a rule waits for: the keeper that is started again goes on, and its log decides the same again."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from keeper.domain.record import RecordKind
from tests.support.deaths import Step, carry_out, settled, start_again
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_process import Running, in_process
from tests.support.keeper_stage import Stage, staged

pytestmark = pytest.mark.chaos

PLAIN = "when: {signal: divergence, above: 2%}"
LASTING = "when: {signal: divergence, above: 2%, for: 4 blocks}"
VOLATILE = "when: {signal: wild, above: 2%}"
WILD = "wild: {kind: realised-volatility, of: oracle, window: 6 blocks, sampling: 1 block, annualised: no}"
SIGNALS = "divergence: {kind: divergence, of: oracle, against: spot}"


def configure(stage: Stage, *changes: tuple[str, str]) -> None:
    text = stage.config.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    stage.config.write_text(text, "utf-8")


def evaluated_blocks(stage: Stage) -> list[int]:
    return [tick.body["block"]["number"] for tick in stage.records(RecordKind.TICK)]  # type: ignore[call-overload,index,misc]


def starts(stage: Stage) -> list[dict[str, object]]:
    return [dict(record.body) for record in stage.records(RecordKind.START)]


async def blocks(stage: Stage, run: Running, count: int) -> None:
    """So many blocks more, each evaluated before the next."""
    last = await stage.node.block_number() + count
    await stage.mine_until(lambda: stage.evaluated() >= last, ended=run.ended)


async def first_run(stage: Stage, count: int, *, start: type[Running] = ForkedRunning) -> None:
    """A block before, the shock, so many blocks; then kill -9."""
    async with start(["run", stage.config], stage.folder) as run:
        await run.watching()
        await blocks(stage, run, 1)
        await stage.shock()
        await blocks(stage, run, count)
        assert await run.end(signal.SIGKILL) == -signal.SIGKILL


def assert_decided_again(stage: Stage, trips: int = 1) -> None:
    done = in_process("--json", "replay", stage.config, "--from-audit")
    assert done.code == 0, done.out + done.err
    recorded = json.loads(done.out)["recorded"]
    assert (recorded["identical"], recorded["same_configuration"]) == (True, True)
    assert sum(len(one["trips"]) for one in json.loads(done.out)["markets"].values()) == trips


async def test_kill__persistence_half_filled__trips_at_the_block_at_which_it_would_have(tmp_path: Path) -> None:
    """With the installed command, which the others do not start."""
    async with staged(tmp_path) as stage:
        configure(stage, (PLAIN, LASTING))
        await first_run(stage, 2, start=Running)
        seen = evaluated_blocks(stage)[-1]
        assert not stage.records(RecordKind.INCIDENT)
        async with Running(["run", stage.config], stage.folder) as run:
            await run.watching()
            await stage.mine_until(lambda: settled(stage), ended=run.ended)
            assert await run.end() == 0, run.err
            assert "going on from what is remembered" in run.err
        incident = stage.records(RecordKind.INCIDENT)[0]
        assert incident.body["block"] == seen + 2, "two of the four blocks were seen before"
        restored = starts(stage)[1]["restored"]
        assert isinstance(restored, dict)
        assert restored["from"] == "start"
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_decided_again(stage)


async def test_kill__window_half_filled__is_full_when_it_would_have_been(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        configure(
            stage,
            (PLAIN, VOLATILE),
            (SIGNALS, f"{SIGNALS}\n      {WILD}"),
            ("clear: {below: 1%}", "clear: {below: 1%}"),
        )
        await first_run(stage, 3)
        first = evaluated_blocks(stage)[0]
        async with ForkedRunning(["run", stage.config], stage.folder) as run:
            await run.watching()
            await stage.mine_until(lambda: settled(stage), ended=run.ended)
            assert await run.end() == 0, run.err
        assert stage.records(RecordKind.INCIDENT)[0].body["block"] == first + 6
        assert_decided_again(stage)


async def test_kill__incident_open__goes_on_and_nothing_is_done_again(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        async with ForkedRunning(["run", stage.config], stage.folder) as run:
            await run.watching()
            await stage.shock()
            await stage.mine_until(lambda: settled(stage), ended=run.ended)
            assert await run.end(signal.SIGKILL) == -signal.SIGKILL
        decided = len(stage.records(RecordKind.DECISION))
        for name in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            async with ForkedRunning(["run", stage.config], stage.folder) as run:
                await run.watching()
                await blocks(stage, run, 2)
                await run.end(name)
        assert [start["restored"] is not None for start in starts(stage)] == [False, True, True, True]
        froms = [start["restored"]["from"] for start in starts(stage)[1:]]  # type: ignore[index]
        assert froms == ["start", "state", "state"]
        assert len(stage.records(RecordKind.INCIDENT)) == 1
        assert len(stage.records(RecordKind.INTENT)) == 1
        acts = [one for one in stage.records(RecordKind.DECISION) if one.body["kind"] == "act"]
        assert len(acts) == 1
        assert len(stage.records(RecordKind.DECISION)) <= decided + 1
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_decided_again(stage)


async def test_kill__decided_and_its_tick_not_recorded__is_the_same_incident_and_nothing_is_done_again(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path) as stage:
        step = Step("after", "append incident+decision+intent+attempt")
        await carry_out(stage, step.order(signal.SIGKILL))
        assert not any(tick.body["incidents"] for tick in stage.records(RecordKind.TICK))
        await start_again(stage)
        assert len(stage.records(RecordKind.INCIDENT)) == 1
        assert len(stage.records(RecordKind.INTENT)) == 1
        restored = starts(stage)[1]["restored"]
        assert isinstance(restored, dict)
        assert len(restored["recalled"]) == 2
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_decided_again(stage)


async def test_restart__a_rule_is_another_one__it_begins_anew_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        configure(stage, (PLAIN, LASTING))
        await first_run(stage, 1)
        configure(stage, ("for: 4 blocks", "for: 5 blocks"))
        async with ForkedRunning(["run", stage.config], stage.folder) as run:
            await run.watching()
            await blocks(stage, run, 1)
            assert await run.end() == 0, run.err
        start = starts(stage)[1]
        restored = start["restored"]
        assert isinstance(restored, dict)
        assert (restored["from"], restored["begun"], restored["kept"]) == ("carried", ["ETH-PERP/oracle-divergence"], 1)
        assert "forgot" not in start
