"""What is done by the clock and not by heads: probes, the check of the log and its checkpoints, sending again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from keeper.adapters.audit.archiving import SqlRetention
from keeper.adapters.notify.dead_man import ask
from keeper.app import records
from keeper.app.canary import Canary
from keeper.app.checkpoints import Checkpoints
from keeper.app.council.opening import safe_routes
from keeper.app.diary import Diary
from keeper.app.digest import Digest
from keeper.app.drill.live_drill import LiveDrill
from keeper.app.expiries import Expiries
from keeper.app.faults import Faults
from keeper.app.heartbeat import JOB as HEARTBEAT
from keeper.app.heartbeat import Heartbeat
from keeper.app.jobs import Job, Jobs
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.app.readiness import Readiness, unreachable_is_a_fault
from keeper.app.retention_job import EVERY_S, RetentionJob
from keeper.app.scribe import Scribe
from keeper.domain.verdict import Severity
from keeper.engine import EngineState
from keeper.execution.executor import Executor
from keeper.execution.work import Work
from keeper.ports.notifier import Notice

READINESS_S: Final = 30.0
VERIFICATION_S: Final = 300.0
REBROADCAST_S: Final = 12.0
EXPIRIES_S: Final = 15.0
DAY_S: Final = 86_400.0
WARM_S: Final = 45.0
"""Connections to builders are kept open for longer than this, here and on most servers."""


class Housekeeping:
    """Of one service."""

    def __init__(
        self,
        parts: Parts,
        executor: Executor,
        readiness: Readiness,
        faults: Faults,
        scribe: Scribe,
        observer: Observer | None = None,
        diary: Diary | None = None,
        tell: Callable[[Notice], None] = lambda _: None,
        works: Callable[[], Iterable[Work]] = tuple,
        state: Callable[[], EngineState] | None = None,
    ) -> None:
        """``tell`` takes the digest and what is about to run out among ``works``, which are open. ``state`` is the engine's between two ticks."""
        self._parts = parts
        self._executor = executor
        self._readiness = readiness
        self._faults = faults
        self._scribe = scribe
        self._observer = observer or Observer()
        self._diary = diary or Diary()
        self._tell = tell
        self._works = works
        self.drill = self._drill(state) if state is not None and parts.config.jobs.drill_ms is not None else None
        self.checkpoints = Checkpoints(parts.signing, parts.edges.clock, faults, scribe.drain)

    def jobs(self) -> Jobs:
        """Not started yet."""
        jobs = [
            Job("readiness", READINESS_S, lambda: unreachable_is_a_fault(self._readiness, self._faults)),
            Job("verification", VERIFICATION_S, self.verify),
            Job("rebroadcast", REBROADCAST_S, self._executor.rebroadcast),
            Job("expiries", EXPIRIES_S, Expiries(self._works, self._parts.edges.clock, self._tell).look),
            *self._signs_of_life(),
        ]
        for one in self._parts.proving:
            way = self._parts.edges.ways[one.route.name].open
            canary = Canary(one.route, self._faults, way.name if way is not None else "")
            jobs.append(Job(f"canary:{one.route.name}", one.every_ms / 1000, canary.run, at_once=True))
            jobs.append(Job(f"connections:{one.route.name}", WARM_S, one.route.warm, at_once=True))
        if (every_s := self.checkpoints.every_s) is not None:
            jobs.append(Job("checkpoints", every_s, self.checkpoints.make))
        if (retention := self._retention()) is not None:
            jobs.append(Job("retention", EVERY_S, retention.run))
        if self.drill is not None and (every_ms := self._parts.config.jobs.drill_ms) is not None:
            jobs.append(Job("drill", every_ms / 1000, self.drill.run))
        self._observer.scheduled([job.name for job in jobs])
        return Jobs(jobs, self._parts.edges.clock, self._scribe.put, self._observer.job)

    def _signs_of_life(self) -> list[Job]:
        config, clock = self._parts.config.jobs, self._parts.edges.clock
        beat = Heartbeat(config.heartbeat, self._diary, clock, self._faults, self._scribe.put, ask)
        found = [Job(HEARTBEAT, config.heartbeat.every_ms / 1000, beat.run)]
        if config.digest.at_minute is not None:
            digest = Digest(
                self._parts.config.keeper.name,
                self._parts.edges.store,
                clock,
                self._diary,
                self._tell,
                self._scribe.put,
                lambda: self._faults.current,
                lambda: self.checkpoints.signed_ms,
            )
            found.append(Job("digest", DAY_S, digest.run, at_minute=config.digest.at_minute))
        return found

    def _drill(self, state: Callable[[], EngineState]) -> LiveDrill:
        parts = self._parts
        return LiveDrill(
            parts.engine,
            state,
            parts.armed,
            parts.edges,
            self._executor,
            self._faults,
            self._scribe.put,
            parts.config.chain.id,
            {route.name: route.address for route in safe_routes(parts.config)},
        )

    def _retention(self) -> RetentionJob | None:
        audit = self._parts.config.audit
        if audit.retention is None:
            return None
        url, clock = audit.url.reveal(), self._parts.edges.clock
        return RetentionJob(
            audit.retention, lambda: SqlRetention(url), clock, self._faults, lambda: not self._executor.open_works
        )

    async def verify(self) -> None:
        """The newest records, checked as an auditor would; the verdict is itself a record."""
        verdict = await self._parts.verify_newest()
        now_ms = self._parts.edges.clock.now_ms()
        self._scribe.put(
            records.verification(
                now_ms, ok=verdict.ok, records=verdict.records, head=verdict.head, problem=verdict.problem
            )
        )
        if verdict.ok:
            self._faults.up("log")
        else:
            remedy = "stop, keep a copy of the database, and run: keeper audit CONFIG verify"
            self._faults.down("log", "broken", verdict.problem, remedy, severity=Severity.CRITICAL)
