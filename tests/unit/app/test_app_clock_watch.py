"""A clock that is set back: the keeper's own goes on, nothing lives longer, and people are told."""

from __future__ import annotations

import time

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.clock import SystemClock
from keeper.app.clock_watch import ClockWatch
from keeper.app.faults import Faults
from keeper.domain.intent import Intent, IntentState
from keeper.domain.record import Draft
from keeper.execution.work import Work
from keeper.ports.notifier import Notice
from tests.support.audit_log import T0, tick
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit


class Machine:
    """What ``time`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_ms, self.monotonic_ms = T0, 5_000
        monkeypatch.setattr(time, "time_ns", lambda: self.wall_ms * 1_000_000)
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.monotonic_ms * 1_000_000)

    def passes(self, ms: int, wall_ms: int | None = None) -> None:
        self.monotonic_ms += ms
        self.wall_ms += ms if wall_ms is None else wall_ms


def test_clock__set_back__goes_on_by_monotonic_time_until_the_machine_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch)
    clock = SystemClock()
    assert clock.now_ms() == T0
    machine.passes(1_000)
    assert (clock.now_ms(), clock.ahead_ms()) == (T0 + 1_000, 0)
    machine.passes(1_000, wall_ms=-3_600_000)
    assert (clock.now_ms(), clock.ahead_ms()) == (T0 + 2_000, 3_601_000)
    machine.passes(10_000)
    assert (clock.now_ms(), clock.ahead_ms()) == (T0 + 12_000, 3_601_000)
    machine.passes(1_000, wall_ms=3_602_001)
    assert (clock.now_ms(), clock.ahead_ms()) == (T0 + 13_001, 0)
    machine.passes(1_000)
    assert clock.now_ms() == T0 + 14_001
    assert SystemClock().now_ms() == machine.wall_ms


def test_clock__set_forward_or_asleep__is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    clock = SystemClock()
    machine.passes(1_000, wall_ms=60_000)
    assert (clock.now_ms(), clock.ahead_ms()) == (T0 + 60_000, 0)


class Scene:
    def __init__(self, store: MemoryAuditStore) -> None:
        self.clock = ManualClock(T0)
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.ahead_ms = 0
        faults = Faults(self.clock, self.drafts.append, self.notices.append)
        self.watch = ClockWatch(self.clock, lambda: self.ahead_ms, store, faults)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(str(draft.body["state"]), str(draft.body["reason"])) for draft in self.drafts]


async def test_watch__set_back_by_a_second__is_told_once_with_by_how_much_and_when_it_is_over() -> None:
    scene = Scene(MemoryAuditStore())
    await scene.watch.begin()
    scene.ahead_ms = 999
    scene.watch.look()
    assert scene.said == []
    scene.ahead_ms = 7_000
    scene.watch.look()
    scene.watch.look()
    assert scene.said == [("down", "went-back")]
    assert "went back by 7 s" in str(scene.drafts[0].body["message"])
    assert len(scene.notices) == 1
    scene.ahead_ms = 0
    scene.watch.look()
    assert scene.said[-1][0] == "up"


@pytest.mark.parametrize(("last_ms", "told"), [(T0 + 999, False), (T0 + 1_000, True)])
async def test_watch__started_before_what_the_log_ends_with__is_told(last_ms: int, told: bool) -> None:
    store = MemoryAuditStore()
    await store.append([tick(last_ms)])
    scene = Scene(store)
    await scene.watch.begin()
    scene.watch.look()
    assert scene.said == ([("down", "behind-the-log")] if told else [])
    await scene.clock.advance(1_000)
    scene.watch.look()
    assert [state for state, _ in scene.said] == (["down", "up"] if told else [])


def intent(expires_ms: int) -> Intent:
    return Intent("i", "M", "pause", "inc", IntentState.OPEN, T0, expires_ms, "0x", "0x", "false")


def test_expired__taken_up_with_a_clock_that_is_behind__gets_its_whole_life_at_most() -> None:
    work = Work(intent(T0 + 60_000), None)
    assert not work.expired(T0 - 3_600_000, 0.0)
    assert not work.expired(T0 - 3_540_000, 60_000.0)
    assert work.expired(T0 - 3_539_999, 60_001.0)


def test_expired__clock_is_right__is_by_the_time_of_day_alone() -> None:
    work = Work(intent(T0 + 60_000), None)
    assert not work.expired(T0, 0.0)
    assert not work.expired(T0 + 60_000, 1e9)
    assert work.expired(T0 + 60_001, 1e9)


def test_expired__time_of_day_jumps_ahead__ends_at_once() -> None:
    work = Work(intent(T0 + 60_000), None)
    assert not work.expired(T0, 0.0)
    assert work.expired(T0 + 60_001, 1.0)
