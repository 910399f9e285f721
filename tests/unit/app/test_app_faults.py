"""Faults are told once when they change, and jobs leave a record when they begin to fail and when they work again."""

from __future__ import annotations

import asyncio
import functools

import pytest
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
    JobExecutionEvent,
)

from keeper.app.faults import RESTATED_MS, Faults
from keeper.app.jobs import Job, Jobs
from keeper.domain.record import Draft, RecordKind
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit


class Heard:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.faults = Faults(self.clock, self.drafts.append, self.notices.append)

    def states(self) -> list[tuple[object, object, object]]:
        return [(draft.body["part"], draft.body["state"], draft.body["reason"]) for draft in self.drafts]


@pytest.fixture
def heard() -> Heard:
    return Heard()


# -- faults -------------------------------------------------------------------------------------------------------------------


def test_faults__down__one_record_and_one_notice_with_the_remedy(heard: Heard) -> None:
    heard.faults.down("heads", "unreachable", "no answer", "start the node", severity=Severity.CRITICAL)
    assert heard.states() == [("heads", "down", "unreachable")]
    assert heard.drafts[0].kind is RecordKind.FAULT
    assert heard.drafts[0].body["remedy"] == "start the node"
    assert heard.drafts[0].at_ms == heard.clock.now_ms()
    assert heard.notices == [
        Notice("fault/heads", "heads is down", "no answer\nstart the node", Severity.CRITICAL, variant="unreachable")
    ]


def test_faults__down_again_for_the_same_reason__is_no_news(heard: Heard) -> None:
    for message in ("no answer", "still no answer"):
        heard.faults.down("heads", "unreachable", message)
    assert len(heard.drafts) == len(heard.notices) == 1


@pytest.mark.parametrize(("after_ms", "remedy"), [(RESTATED_MS - 1, "raise it"), (RESTATED_MS, "mend the key")])
def test_faults__same_reason_and_something_else_to_do__is_recorded_in_time_and_told_to_nobody(
    heard: Heard, after_ms: int, remedy: str
) -> None:
    heard.faults.down("source:spot", "missing", "no answer in time", "raise it")
    heard.clock.advance(after_ms)
    heard.faults.down("source:spot", "missing", "HTTP 401", "mend the key")
    (fault,) = heard.faults.current
    assert (fault.remedy, heard.drafts[-1].body["remedy"]) == (remedy, remedy)
    assert len(heard.notices) == 1


def test_faults__same_reason_and_the_same_to_do__is_never_recorded_again(heard: Heard) -> None:
    for message in ("no answer", "still no answer"):
        heard.faults.down("heads", "unreachable", message, "start the node")
        heard.clock.advance(RESTATED_MS)
    assert len(heard.drafts) == 1


def test_faults__another_reason__is_news_and_keeps_since_when(heard: Heard) -> None:
    heard.faults.down("heads", "unreachable", "no answer")
    began = heard.clock.now_ms()
    heard.clock.advance(5_000)
    heard.faults.down("heads", "wrong-chain", "another chain")
    assert heard.states() == [("heads", "down", "unreachable"), ("heads", "down", "wrong-chain")]
    (fault,) = heard.faults.current
    assert (fault.reason, fault.since_ms) == ("wrong-chain", began)


def test_faults__up_after_down__told_once(heard: Heard) -> None:
    heard.faults.down("heads", "unreachable", "no answer")
    heard.faults.up("heads", "block 9")
    heard.faults.up("heads", "block 10")
    assert heard.states() == [("heads", "down", "unreachable"), ("heads", "up", "recovered")]
    assert heard.notices[1] == Notice("fault/heads", "heads is up", "block 9", Severity.INFO, ends=True)
    assert heard.faults.current == ()


def test_faults__up_without_down__is_no_news(heard: Heard) -> None:
    heard.faults.up("heads")
    assert heard.drafts == []
    assert heard.notices == []


def test_faults__down_up_down__told_three_times_with_a_new_beginning(heard: Heard) -> None:
    heard.faults.down("a", "r", "m")
    heard.faults.up("a")
    heard.clock.advance(1)
    heard.faults.down("a", "r", "m")
    assert len(heard.drafts) == 3
    assert heard.faults.current[0].since_ms == heard.clock.now_ms()


def test_faults__parts__do_not_mix(heard: Heard) -> None:
    heard.faults.down("a", "r", "m")
    heard.faults.down("b", "r", "m")
    heard.faults.up("a")
    assert [fault.part for fault in heard.faults.current] == ["b"]


def test_faults__without_a_remedy__the_notice_has_no_empty_line(heard: Heard) -> None:
    heard.faults.down("a", "r", "message")
    assert heard.notices[0].body == "message"


# -- jobs ---------------------------------------------------------------------------------------------------------------------


async def nothing() -> None:
    return None


def jobs_of(heard: Heard, *jobs: Job) -> Jobs:
    return Jobs(list(jobs), heard.clock, heard.drafts.append)


def error(name: str, exception: Exception) -> JobExecutionEvent:
    return JobExecutionEvent(EVENT_JOB_ERROR, name, "default", None, exception=exception)


def executed(name: str) -> JobExecutionEvent:
    return JobExecutionEvent(EVENT_JOB_EXECUTED, name, "default", None)


def left_out(name: str, code: int = EVENT_JOB_MISSED) -> JobEvent:
    return JobEvent(code, name, "default")


def told(heard: Heard) -> list[tuple[object, object]]:
    assert all(draft.kind is RecordKind.JOB for draft in heard.drafts)
    return [(draft.body["job"], draft.body["state"]) for draft in heard.drafts]


def test_jobs__failure__recorded_when_it_begins_and_when_it_ends(heard: Heard) -> None:
    jobs = jobs_of(heard, Job("probe", 10, nothing))
    for event in (
        executed("probe"),
        error("probe", ValueError("x")),
        error("probe", ValueError("y")),
        executed("probe"),
    ):
        jobs._heard(event)
    jobs._heard(executed("probe"))
    assert told(heard) == [("probe", "failing"), ("probe", "recovered")]
    assert heard.drafts[0].body["message"] == "ValueError: x"


def test_jobs__endless_message__is_cut(heard: Heard) -> None:
    jobs = jobs_of(heard)
    jobs._heard(error("probe", ValueError("x" * 10_000)))
    assert len(str(heard.drafts[0].body["message"])) == 500


@pytest.mark.parametrize("code", [EVENT_JOB_MISSED, EVENT_JOB_MAX_INSTANCES])
def test_jobs__left_out__recorded_once_until_it_runs(heard: Heard, code: int) -> None:
    jobs = jobs_of(heard)
    for event in (left_out("probe", code), left_out("probe", code), executed("probe"), left_out("probe", code)):
        jobs._heard(event)
    assert told(heard) == [("probe", "missed"), ("probe", "missed")]


def test_jobs__two_jobs__do_not_mix(heard: Heard) -> None:
    jobs = jobs_of(heard)
    jobs._heard(error("a", ValueError()))
    jobs._heard(executed("b"))
    assert told(heard) == [("a", "failing")]


@pytest.mark.parametrize(("every_s", "grace_s"), [(0.1, 1), (2, 1), (4, 2), (30, 15), (300, 150)])
def test_job__grace__half_of_its_interval_and_a_second_at_least(every_s: float, grace_s: int) -> None:
    assert Job("a", every_s, nothing).grace_s == grace_s


async def test_jobs__misfire_policy__is_the_same_for_all(heard: Heard) -> None:
    jobs = jobs_of(heard, Job("a", 1, nothing), Job("b", 300, nothing), Job("c", 86_400, nothing, at_minute=480))
    jobs.start()
    assert jobs._scheduler is not None
    found = jobs._scheduler.get_jobs()
    jobs.stop()
    assert len(found) == 3
    for job in found:
        assert (job.coalesce, job.max_instances) == (True, 1)
        assert 1 <= job.misfire_grace_time <= 3_600


async def test_jobs__every_way_to_write_a_coroutine__is_awaited(heard: Heard) -> None:
    """The scheduler itself awaits functions defined with ``async def`` only, and drops the answer of anything else."""
    ran: list[str] = []
    enough = asyncio.Event()

    async def run(name: str) -> None:
        ran.append(name)
        if {"lambda", "partial"} <= set(ran):
            enough.set()

    jobs = jobs_of(
        heard, Job("lambda", 0.01, lambda: run("lambda")), Job("partial", 0.01, functools.partial(run, "partial"))
    )
    jobs.start()
    try:
        await asyncio.wait_for(enough.wait(), 10)
    finally:
        jobs.stop()


async def test_jobs__at_once__runs_when_the_schedule_begins_and_is_one_job(heard: Heard) -> None:
    ran = asyncio.Event()

    async def run() -> None:
        ran.set()
        raise ValueError("x")

    jobs = jobs_of(heard, Job("canary", 3600, run, at_once=True), Job("other", 3600, nothing))
    jobs.start()
    try:
        await asyncio.wait_for(ran.wait(), 60)
        assert jobs._scheduler is not None
        assert len(jobs._scheduler.get_jobs()) == 2
        while not told(heard):  # noqa: ASYNC110 - heard a moment after the run
            await asyncio.sleep(0.001)
    finally:
        jobs.stop()
    jobs._heard(executed("canary"))
    assert told(heard) == [("canary", "failing"), ("canary", "recovered")]


async def test_jobs__stopped_in_the_middle_of_a_run__leaves_no_failure(heard: Heard) -> None:
    begun = asyncio.Event()

    async def run() -> None:
        begun.set()
        await asyncio.Event().wait()

    jobs = jobs_of(heard, Job("slow", 0.01, run))
    jobs.start()
    await asyncio.wait_for(begun.wait(), 10)
    jobs.stop()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ("slow", "failing") not in told(heard)
    jobs.stop()


async def test_jobs__a_run_that_raises__is_recorded_and_runs_again(heard: Heard) -> None:
    runs = 0
    again = asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("first")
        again.set()

    jobs = jobs_of(heard, Job("shaky", 0.01, run))
    jobs.start()
    try:
        await asyncio.wait_for(again.wait(), 10)
        while ("shaky", "recovered") not in told(heard):  # noqa: ASYNC110 - heard a moment after the run
            await asyncio.sleep(0.001)
    finally:
        jobs.stop()
    assert told(heard)[:2] == [("shaky", "failing"), ("shaky", "recovered")]
