"""kill -9 at every step up to the one that sends; and the proof that no step is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.killing import AFTER_SENDING, BEFORE_SENDING, kill_and_look
from tests.support.deaths import Step, carry_out
from tests.support.keeper_stage import staged

pytestmark = pytest.mark.chaos


async def test_steps__of_a_normal_run__are_exactly_those_at_which_it_is_killed(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        code, reached = await carry_out(stage, "observe")
        assert code == 0
        await stage.assert_paused_once()
        stage.assert_log_holds()
        once = [step for step in dict.fromkeys(reached) if step != "append aside"]
        covered = {step.name for step in (*BEFORE_SENDING, *AFTER_SENDING)} - {"append aside"}
        assert set(once) == covered
        assert reached.count("apply Moved") == 3
        for single in ("submit", "append incident+decision+intent+attempt", "append effect+outcome"):
            assert reached.count(single) == 1


@pytest.mark.parametrize("step", BEFORE_SENDING, ids=str)
async def test_kill__before_it_was_sent__restart_pauses_exactly_once(tmp_path: Path, step: Step) -> None:
    await kill_and_look(tmp_path, step)
