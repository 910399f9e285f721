"""The one course of a test that kills: die at a step, start again, look."""

from __future__ import annotations

import signal
from pathlib import Path

from keeper.adapters.audit.verify import verify
from tests.support.deaths import Step, assert_told_truly, carry_out, start_again
from tests.support.keeper_stage import Stage, staged

BEFORE_SENDING = (
    Step("before", "append start+configuration"),
    Step("after", "append start+configuration"),
    Step("before", "sign"),
    Step("after", "sign"),
    Step("before", "append incident+decision+intent+attempt"),
    Step("before", "write ahead"),
    Step("after", "write ahead"),
    Step("after", "append incident+decision+intent+attempt"),
    Step("before", "submit"),
)
AFTER_SENDING = (
    Step("after", "submit"),
    Step("after", "apply Opened"),
    Step("after", "apply Signed"),
    Step("after", "apply Moved", 1),
    Step("after", "append broadcast"),
    Step("before", "append aside"),
    Step("after", "append decision"),
    Step("after", "append receipt"),
    Step("after", "apply Moved", 2),
    Step("after", "apply Moved", 3),
    Step("after", "append effect+outcome"),
    Step("after", "append verification"),
    Step("before", "append stop"),
    Step("after", "append stop"),
)


async def kill_and_look(folder: Path, step: Step, meanwhile: str = "nothing") -> None:
    """``meanwhile``: what happens on the chain while no keeper runs: nothing, mined (a block), dropped (the node forgets the transaction)."""
    async with staged(folder) as stage:
        code, _ = await carry_out(stage, step.order(signal.SIGKILL))
        assert code == -signal.SIGKILL, f"it should have died {step}"
        if stage.records():
            assert verify(stage.url).ok, "what a dead keeper leaves is a valid log"
        await _meanwhile(stage, meanwhile)
        await start_again(stage)
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_told_truly(stage, (await stage.sent())[0]["hash"])


async def _meanwhile(stage: Stage, meanwhile: str) -> None:
    if meanwhile == "nothing":
        return
    waiting = await stage.waiting()
    assert len(waiting) == 1, "the transaction reached the node before the keeper died"
    if meanwhile == "dropped":
        await stage.node.rpc("anvil_dropTransaction", waiting[0])
    else:
        await stage.node.mine()
