"""What is done by the clock: the scheduler as a supervised part, the heartbeat, the digest, what is about to run out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app import records
from keeper.app.diary import Diary
from keeper.app.digest import DAY_MS, Day, Digest
from keeper.app.expiries import Expiries
from keeper.app.faults import Fault, Faults
from keeper.app.heartbeat import Heartbeat
from keeper.app.jobs import LOOK_S, Job, Jobs, SchedulerStopped
from keeper.app.supervision import CRASHED, Supervision
from keeper.config.jobs import HeartbeatConfig
from keeper.config.secret import Secret
from keeper.domain.errors import Unreachable
from keeper.domain.intent import Intent, IntentState
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.record import Draft, Json, RecordKind
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.execution.work import Work
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock, settle

pytestmark = pytest.mark.unit


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.faults = Faults(self.clock, self.drafts.append, self.notices.append)
        self.diary = Diary()
        self.store = MemoryAuditStore()

    def beats(self) -> list[tuple[object, object]]:
        return [(one.body["state"], one.body["ticks"]) for one in self.drafts if one.body.get("job") == "heartbeat"]

    def evaluate(self, block: int, held: int = 0) -> None:
        tick = SimpleNamespace(
            counts={"hold:input-not-usable": held, "act:tripped": 1}, block=SimpleNamespace(number=block)
        )
        self.diary.ticked(cast(Tick, tick))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def nothing() -> None:
    return None


# -- the scheduler ------------------------------------------------------------------------------------------------------------


async def test_job__once_a_day__is_due_at_its_minute_in_utc(scene: Scene) -> None:
    jobs = Jobs([Job("digest", 86_400, nothing, at_minute=8 * 60 + 5)], scene.clock, scene.drafts.append)
    jobs.start()
    assert jobs._scheduler is not None
    (job,) = jobs._scheduler.get_jobs()
    jobs.stop()
    due = job.next_run_time
    assert (due.hour, due.minute, due.second, due.utcoffset()) == (8, 5, 0, timedelta(0))


@pytest.mark.parametrize(("every_s", "limit_s"), [(1, 60), (20, 60), (100, 300)])
async def test_scheduler__of_which_nothing_is_heard__counts_as_stopped(
    scene: Scene, every_s: int, limit_s: int
) -> None:
    jobs = Jobs([Job("a", every_s, nothing), Job("b", 900, nothing)], scene.clock, scene.drafts.append)
    with pytest.raises(SchedulerStopped, match="does not run"):
        jobs.check()
    jobs.start()
    await scene.clock.advance(limit_s * 1000)
    jobs.check()
    await scene.clock.advance(1)
    with pytest.raises(SchedulerStopped, match="nothing was started"):
        jobs.check()
    jobs.stop()


async def test_scheduler__that_stopped__is_told_and_begins_anew(scene: Scene) -> None:
    ran: list[int] = []

    async def run() -> None:
        ran.append(1)

    jobs = Jobs([Job("a", 300, run, at_once=True)], scene.clock, scene.drafts.append)
    keeping = asyncio.create_task(Supervision(scene.clock, scene.faults).keep("scheduler", jobs.run))
    await settle()
    first = jobs._scheduler
    assert first is not None
    first.shutdown(wait=False)
    await settle()
    await scene.clock.advance(LOOK_S * 1000)
    assert [(fault.part, fault.reason) for fault in scene.faults.current] == [("scheduler", CRASHED)]
    await scene.clock.advance(1_000)
    again = jobs._scheduler
    assert again is not None
    assert again is not first
    assert again.running
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await settle()
    assert not again.running


# -- the heartbeat ------------------------------------------------------------------------------------------------------------


async def test_heartbeat__of_a_keeper_that_evaluates__is_recorded_and_asks_the_service(scene: Scene) -> None:
    asked: list[str] = []

    async def ask(url: str) -> None:
        asked.append(url)

    config = HeartbeatConfig(60_000, Secret("https://calls.example/uuid"))
    beat = Heartbeat(config, scene.diary, scene.clock, scene.faults, scene.drafts.append, ask)
    scene.evaluate(7)
    scene.evaluate(8, held=2)
    await beat.run()
    await beat.run()
    assert scene.beats() == [("alive", 2), ("silent", 0)]
    assert scene.drafts[0].body["held"] == 1
    assert (scene.drafts[0].body["block"], scene.drafts[1].body["block"]) == (8, 8)
    assert asked == ["https://calls.example/uuid"], "not while nothing is evaluated: that is what the service waits for"
    assert "uuid" not in str([draft.body for draft in scene.drafts])


async def test_heartbeat__service_that_does_not_answer__is_a_fault_until_it_does(scene: Scene) -> None:
    answers = iter([Unreachable("the dead man's service: ConnectError"), None])

    async def ask(_: str) -> None:
        if (error := next(answers)) is not None:
            raise error

    config = HeartbeatConfig(60_000, Secret("https://calls.example"))
    beat = Heartbeat(config, scene.diary, scene.clock, scene.faults, scene.drafts.append, ask)
    scene.evaluate(7)
    await beat.run()
    assert [fault.part for fault in scene.faults.current] == ["heartbeat"]
    scene.evaluate(8)
    await beat.run()
    assert not scene.faults.current
    assert scene.beats() == [("alive", 1), ("alive", 1)]


# -- the digest ---------------------------------------------------------------------------------------------------------------


async def test_digest__of_a_day__counts_what_the_log_says_of_it(scene: Scene) -> None:
    now = scene.clock.now_ms()
    opened: dict[str, Json] = {"id": "M@1", "phase": "opened"}
    beat: dict[str, Json] = {"job": "heartbeat", "state": "alive", "message": "", "ticks": 300, "held": 4}
    await scene.store.append(
        [
            Draft(RecordKind.INCIDENT, opened, now - DAY_MS - 1),
            Draft(RecordKind.INCIDENT, opened, now - DAY_MS),
            Draft(RecordKind.INCIDENT, {"id": "M@1", "phase": "closed"}, now),
            records.fault(now, "heads", down=True, reason="unreachable", message=""),
            records.fault(now, "heads", down=False, reason="recovered", message=""),
            Draft(RecordKind.JOB, beat, now),
            Draft(RecordKind.JOB, beat, now),
        ]
    )
    down = [Fault("source:spot", "stale", "", "", now)]
    digest = Digest(
        "k", scene.store, scene.clock, scene.diary, scene.notices.append, scene.drafts.append, lambda: down, lambda: now
    )
    scene.diary.probed(
        [ActionReadiness("M", "pause", ReadinessState.READY), ActionReadiness("M", "cap", ReadinessState.NOT_READY)]
    )
    await digest.run()
    (notice,) = scene.notices
    assert notice.severity is Severity.INFO
    lines = notice.body.splitlines()
    assert lines[:2] == ["blocks evaluated: 600 (a rule could not be judged at 8)", "trips: 1"]
    assert "faults: heads 1" in lines
    assert "down now: source:spot" in lines
    assert "armed: 1 of 2 actions" in lines
    assert lines[-1].startswith("newest checkpoint: 20")
    assert [(draft.body["job"], draft.body["state"]) for draft in scene.drafts] == [("digest", "sent")]


def test_digest__receipts_and_outcomes__are_added_up(scene: Scene) -> None:
    day = Day()
    for body in ({"gas_used": 50_000, "effective_gas_price_wei": "20000000000"}, {"tx_hash": "0x", "gone": True}):
        day.take(cast(Any, SimpleNamespace(kind=RecordKind.RECEIPT, body=body)))
    for kind in ("included", "included", "expired"):
        day.take(cast(Any, SimpleNamespace(kind=RecordKind.OUTCOME, body={"kind": kind})))
    digest = Digest("k", scene.store, scene.clock, scene.diary, lambda _: None, lambda _: None, tuple, lambda: None)
    assert Decimal(day.spent_wei) == Decimal("1e15")
    assert digest.lines(day)[2:4] == ["actions: included 2, expired 1", "gas spent: 0.001 ETH"]
    assert digest.lines(Day())[2:4] == ["actions: none", "gas spent: 0 ETH"]


# -- what is about to run out -------------------------------------------------------------------------------------------------


async def test_expiries__a_quarter_left__is_told_once_and_not_before(scene: Scene) -> None:
    begun = scene.clock.now_ms()
    intent = Intent(
        "M/r/pause/1", "M", "pause", "M@1", IntentState.SUBMITTED, begun, begun + 40_000, "0x", "0x", "false"
    )
    works = [Work(intent, None)]
    expiries = Expiries(lambda: works, scene.clock, scene.notices.append)
    await scene.clock.advance(29_999)
    await expiries.look()
    assert not scene.notices
    await scene.clock.advance(1)
    await expiries.look()
    await expiries.look()
    (notice,) = scene.notices
    assert notice.title == "M: pause runs out in 10 s"
    assert (notice.within, notice.subject) == ("incident/M@1", "M/pause")  # so that its outcome settles it
    works.clear()
    await expiries.look()
    assert len(scene.notices) == 1


async def test_expiries__already_over__is_for_its_outcome_to_say(scene: Scene) -> None:
    begun = scene.clock.now_ms()
    intent = Intent("M/r/pause/1", "M", "pause", "M@1", IntentState.OPEN, begun, begun + 40_000, "0x", "0x", "false")
    await scene.clock.advance(40_000)
    await Expiries(lambda: [Work(intent, None)], scene.clock, scene.notices.append).look()
    assert not scene.notices
