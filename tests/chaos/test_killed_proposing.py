"""kill -9 at each step of an action that owners of a Safe sign: started again, there is one proposal, one execution, one end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from keeper.adapters.audit.verify import verify
from keeper.domain.record import RecordKind
from tests.support.council_stage import CouncilStage, councilled
from tests.support.deaths import LAUNCHER, Step
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_process import Running
from tests.support.keeper_stage import MARKET

pytestmark = pytest.mark.chaos

STEPS = (
    Step("after", "append incident+decision"),
    Step("after", "append intent"),
    Step("after", "append made"),
    Step("after", "propose"),
    Step("after", "append signed"),
    Step("after", "append threshold"),
    Step("after", "append intent", 2),
    Step("after", "append attempt"),
    Step("after", "submit"),
    Step("before", "append executed+effect+outcome"),
    Step("after", "append executed+effect+outcome"),
)


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_killed__at_this_step__one_proposal_one_execution_one_end(tmp_path: Path, step: Step) -> None:
    async with councilled(tmp_path) as council:
        stage = council.stage
        council.write(execute=True)
        trace = tmp_path / "trace"
        command: list[str | Path] = [trace, step.order(signal.SIGKILL), "run", stage.config]
        async with ForkedRunning(command, tmp_path, program=LAUNCHER) as run:
            await run.watching()
            await stage.shock()
            await carry_on(council, run)
            await run.until(run.ended, f"death {step}; it went through {trace.read_text()}")
            assert await run.wait() == -signal.SIGKILL
        assert verify(stage.url).ok, "what a dead keeper leaves is a valid log"
        async with ForkedRunning(["run", stage.config], tmp_path) as run:
            await run.watching()
            await carry_on(council, run)
            block = await stage.node.block_number() + 2
            await stage.mine_until(lambda: stage.evaluated() >= block, ended=run.ended)
            assert await run.end() == 0, run.err
        assert await stage.world.paused(MARKET)
        assert await council.safe.nonce() == 1, "one execution"
        assert await council.queue() == (), "and nothing else waits"
        assert len(council.bodies("made")) == len(council.bodies("executed")) == 1
        ends = [r for r in stage.records(RecordKind.OUTCOME) if r.action == "pause-market"]
        assert [(r.body["kind"], r.body["reason"]) for r in ends] == [("included", "effect-verified")]
        stage.assert_log_holds()


async def carry_on(council: CouncilStage, run: Running) -> None:
    """Blocks come, and two owners sign what lies in the queue, until the keeper is dead or the action has its end and nothing is on its way."""
    stage = council.stage

    def over() -> bool:
        return run.ended() or any(r.action == "pause-market" for r in stage.records(RecordKind.OUTCOME))

    async with asyncio.timeout(30):
        while not over():
            for queued in await council.queue():
                if len(queued.confirmations) < 2:
                    await council.confirm(queued.transaction, *council.owners[:2])
            block = await stage.node.mine()
            await run.until(lambda block=block: run.ended() or stage.evaluated() >= block or over())  # type: ignore[misc]
