"""Housekeeping on a schedule. Detection is not here: it is driven by heads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

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
MOST_GRACE_S = 3_600
LOOK_S = 5.0
LATE_S = 60.0
"""A scheduler of which nothing is heard for so long, and for three times its most frequent job, does not do its work."""


class SchedulerStopped(RuntimeError):
    """The scheduler does not do what it is there for."""


@dataclass(frozen=True, slots=True)
class Job:
    """``run`` is called every ``every_s`` seconds, with ``at_once`` for the first time when the schedule begins.

    Misfire policy of all jobs: one that could not start within ``grace_s`` is left out and recorded as missed; runs that piled up become one;
    a job never runs beside itself. ``at_minute``: once a day instead, so many minutes after midnight UTC.
    """

    name: str
    every_s: float
    run: Callable[[], Awaitable[None]]
    at_once: bool = False
    at_minute: int | None = None

    @property
    def grace_s(self) -> int:
        return min(MOST_GRACE_S, max(1, int(self.every_s / 2)))

    @property
    def trigger(self) -> dict[str, Any]:
        """As the scheduler takes it."""
        if self.at_minute is None:
            return {"trigger": "interval", "seconds": self.every_s}
        return {"trigger": "cron", "hour": self.at_minute // 60, "minute": self.at_minute % 60}


class Jobs:
    """The schedule. A job's failure is recorded when it begins to fail and when it works again; that it was left out, once until it runs."""

    def __init__(
        self,
        jobs: list[Job],
        clock: Clock,
        record: Callable[[Draft], None],
        seen: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        """``seen`` hears of each end of a run: its name, ``done``, ``failed`` or ``missed``, and the seconds it took."""
        self._clock = clock
        self._record = record
        self._seen = seen
        self._failing: set[str] = set()
        self._left_out: set[str] = set()
        self._jobs = tuple(jobs)
        self._scheduler: AsyncIOScheduler | None = None
        self._heard_ms = 0.0

    async def run(self) -> None:
        """Until cancelled. Raises SchedulerStopped when the scheduler does not run any more, or leaves out what is due."""
        self.start()
        try:
            while True:
                await self._clock.sleep(LOOK_S)
                self.check()
        finally:
            self.stop()

    def start(self) -> None:
        """Begins anew; needs a running event loop."""
        self._scheduler = scheduler = AsyncIOScheduler(timezone="UTC")
        for job in self._jobs:
            scheduler.add_job(
                self._timed(job),
                **job.trigger,
                id=job.name,
                name=job.name,
                misfire_grace_time=job.grace_s,
                coalesce=True,
                max_instances=1,
            )
        scheduler.add_listener(
            self._heard, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )
        self._heard_ms = self._clock.monotonic_ms()
        scheduler.start()
        for job in self._jobs:
            if job.at_once:
                scheduler.add_job(self._timed(job), id=job.name + _FIRST, name=job.name, misfire_grace_time=job.grace_s)

    def check(self) -> None:
        """Raises SchedulerStopped."""
        scheduler = self._scheduler
        if scheduler is None or not scheduler.running:
            raise SchedulerStopped("it does not run")
        longest_s = max(LATE_S, 3 * min((job.every_s for job in self._jobs), default=0.0))
        if self._jobs and self._clock.monotonic_ms() - self._heard_ms > longest_s * 1000:
            raise SchedulerStopped(f"nothing was started for {longest_s:g} s")

    def stop(self) -> None:
        """Lets go without waiting for the next run."""
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.remove_listener(self._heard)  # a run that is cut off by the end is no failure
            self._scheduler.shutdown(wait=False)

    def _timed(self, job: Job) -> Callable[[], Coroutine[None, None, None]]:
        """The scheduler awaits only what is defined with ``async def``; of a lambda or a partial it would never await the answer."""

        async def run() -> None:
            begun = self._clock.monotonic_ms()
            state = "failed"
            try:
                await job.run()
                state = "done"
            finally:
                self._seen(job.name, state, (self._clock.monotonic_ms() - begun) / 1000)

        return run

    def _heard(self, event: JobEvent) -> None:
        self._heard_ms = self._clock.monotonic_ms()
        name = event.job_id.removesuffix(_FIRST)
        if event.code in WHY_LEFT_OUT:
            self._seen(name, "missed", 0.0)
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
