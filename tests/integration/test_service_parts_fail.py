"""Each part of a running keeper dies once, for a reason that nobody foresaw: it is told, it starts again, and the others never stop."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from keeper.app.clock_watch import ClockWatch
from keeper.app.courier import Courier
from keeper.app.follow_up import FollowUp
from keeper.app.heads import Heads
from keeper.app.jobs import Jobs
from keeper.app.listening import Listening
from keeper.app.pulse import Pulse
from keeper.app.readiness import Readiness
from keeper.app.scribe import Scribe
from keeper.app.supervision import CRASHED
from keeper.app.switches import Switches
from keeper.app.watch import Watch
from keeper.execution.executor import Executor
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import Setup, staged

pytestmark = pytest.mark.integration

PARTS: dict[tuple[type, str], str] = {
    (Heads, "run"): "evaluation",
    (Watch, "poll"): "feed:web",
    (FollowUp, "run"): "follow-up",
    (Scribe, "run"): "records",
    (Courier, "run"): "notices",
    (Listening, "run"): "nodes",
    (Switches, "watch"): "switches",
    (Pulse, "watch"): "pulse",
    (ClockWatch, "watch"): "clock-watch",
    (Readiness, "run"): "readiness",
    (Jobs, "run"): "scheduler",
}
FEED = """\
  web: {kind: http, url: "http://127.0.0.1:9/x", value: price, unit: price, every: 1s, timeout: 1s, max_age: 15s}
"""


def dying_once(wrapped: Any, died: Counter[str], name: str) -> Any:
    @functools.wraps(wrapped)
    async def run(*args: Any, **kwargs: Any) -> Any:
        died[name] += 1
        if died[name] == 1:
            raise RuntimeError("nobody foresaw this")
        return await wrapped(*args, **kwargs)

    return run


async def test_parts__that_die_once__are_told_and_start_again_and_the_keeper_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()
    for (of, method), part in PARTS.items():
        monkeypatch.setattr(of, method, dying_once(getattr(of, method), calls, part))
    monkeypatch.setattr(Executor, "on_head", dying_once(Executor.on_head, calls, "executor"))
    async with staged(tmp_path) as stage:
        stage.write(Setup(more_sources=FEED))
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.until(lambda: all(calls[part] > 1 for part in (*PARTS.values(), "executor")))
            await service.end()
        await stage.assert_paused_once()
        crashed = {part for part in PARTS.values() if ("down", CRASHED) in stage.faults(part)}
        assert crashed == set(PARTS.values()), "each by its own name"
        assert stage.faults("follow-up").count(("down", CRASHED)) >= 1
        stage.assert_log_holds()
