"""Housekeeping on a schedule. Detection is not here: it is driven by heads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from keeper.app import records
from keeper.domain.record import Draft
from keeper.ports.clock import Clock

_FIRST = " (first)"


@dataclass(frozen=True, slots=True)
class Job:
    """``run`` is called every ``every_s`` seconds, with ``at_once`` for the first time when the schedule begins.

    Misfire policy of all jobs: one that could not start within ``grace_s`` is left out and recorded as missed; runs that piled up become one;
    a job never runs beside itself.
    """

    name: str
    every_s: float
    run: Callable[[], Awaitable[None]]
    at_once: bool = False

    @property
    def grace_s(self) -> int:
        return max(1, int(self.every_s / 2))


class Jobs:
    """The schedule. A job's failure is recorded when it begins to fail and when it works again; that it was left out, once until it runs."""

    def __init__(self, jobs: list[Job], clock: Clock, record: Callable[[Draft], None]) -> None:
        self._clock = clock
        self._record = record
        self._failing: set[str] = set()
        self._left_out: set[str] = set()
        self._at_once = [job for job in jobs if job.at_once]
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        for job in jobs:
            self._scheduler.add_job(
                _as_coroutine_function(job.run),
                "interval",
                seconds=job.every_s,
                id=job.name,
                name=job.name,
                misfire_grace_time=job.grace_s,
                coalesce=True,
                max_instances=1,
            )
        self._scheduler.add_listener(
            self._heard, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )

    def start(self) -> None:
        """Begins; needs a running event loop."""
        self._scheduler.start()
        for job in self._at_once:
            run, grace_s = _as_coroutine_function(job.run), job.grace_s
            self._scheduler.add_job(run, id=job.name + _FIRST, name=job.name, misfire_grace_time=grace_s)

    def stop(self) -> None:
        """Lets go without waiting for the next run."""
        if self._scheduler.running:
            self._scheduler.remove_listener(self._heard)  # a run that is cut off by the end is no failure
            self._scheduler.shutdown(wait=False)

    def _heard(self, event: JobEvent) -> None:
        name = event.job_id.removesuffix(_FIRST)
        if event.code in WHY_LEFT_OUT:
            if name not in self._left_out:
                self._left_out.add(name)
                self._note(name, "missed", WHY_LEFT_OUT[event.code])
            return
        self._left_out.discard(name)
        if event.code == EVENT_JOB_ERROR:
            if name not in self._failing:
                self._failing.add(name)
                error = event.exception
                self._note(name, "failing", f"{type(error).__name__}: {error}"[:500])
        elif name in self._failing:
            self._failing.discard(name)
            self._note(name, "recovered", "works again")

    def _note(self, name: str, state: str, message: str) -> None:
        self._record(records.job(self._clock.now_ms(), name, state=state, message=message))


WHY_LEFT_OUT = {
    EVENT_JOB_MISSED: "it could not start in time and was left out",
    EVENT_JOB_MAX_INSTANCES: "it was left out because the run before it goes on",
}


def _as_coroutine_function(run: Callable[[], Awaitable[None]]) -> Callable[[], Coroutine[None, None, None]]:
    """The scheduler awaits only what is defined with ``async def``; of anything else (a lambda, a partial) it would never await the answer."""

    async def awaited() -> None:
        await run()

    return awaited
