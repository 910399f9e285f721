"""SIGTERM and SIGINT at moments drawn from all steps of an action: the log is valid, ends in a stop, and the next run finishes the work.

``CHAOS_SEED`` repeats a draw, ``CHAOS_RUNS`` draws more.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from keeper.adapters.audit.verify import verify
from tests.chaos.killing import AFTER_SENDING, BEFORE_SENDING
from tests.support.deaths import assert_told_truly, carry_out, start_again
from tests.support.keeper_stage import staged

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("CHAOS_SEED", "7"))  # noqa: TID251
RUNS = int(os.environ.get("CHAOS_RUNS", "4"))  # noqa: TID251
LATE = ("append verification", "append stop")
CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}


@pytest.mark.parametrize("run", range(RUNS))
async def test_signal__at_any_moment__valid_log_that_ends_in_a_stop_and_one_pause(tmp_path: Path, run: int) -> None:
    draw = random.Random(f"{SEED}-{run}")
    steps = [step for step in (*BEFORE_SENDING, *AFTER_SENDING) if step.name not in LATE]
    step, name = draw.choice(steps), (signal.SIGTERM, signal.SIGINT)[run % 2]
    print(f"CHAOS_SEED={SEED}, run {run}: {name.name} {step}")
    async with staged(tmp_path) as stage:
        code, _ = await carry_out(stage, step.order(name), ends_itself=True)
        assert code == CODES[name]
        assert verify(stage.url).ok
        assert stage.kinds()[-1] == "stop"
        await start_again(stage)
        await stage.assert_paused_once()
        stage.assert_log_holds()
        assert_told_truly(stage, (await stage.sent())[0]["hash"])
