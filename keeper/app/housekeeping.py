"""What is done by the clock and not by heads: probes, the check of the log and its checkpoints, sending again."""

from __future__ import annotations

from typing import Final

from keeper.adapters.audit.archiving import SqlRetention
from keeper.app import records
from keeper.app.canary import Canary
from keeper.app.checkpoints import Checkpoints
from keeper.app.faults import Faults
from keeper.app.jobs import Job, Jobs
from keeper.app.parts import Parts
from keeper.app.readiness import Readiness, unreachable_is_a_fault
from keeper.app.retention_job import EVERY_S, RetentionJob
from keeper.app.scribe import Scribe
from keeper.domain.verdict import Severity
from keeper.execution.executor import Executor

READINESS_S: Final = 30.0
VERIFICATION_S: Final = 300.0
REBROADCAST_S: Final = 12.0
WARM_S: Final = 45.0
"""Connections to builders are kept open for longer than this, here and on most servers."""


class Housekeeping:
    """Of one service."""

    def __init__(self, parts: Parts, executor: Executor, readiness: Readiness, faults: Faults, scribe: Scribe) -> None:
        self._parts = parts
        self._executor = executor
        self._readiness = readiness
        self._faults = faults
        self._scribe = scribe
        self.checkpoints = Checkpoints(parts.signing, parts.edges.clock, faults, scribe.drain)

    def jobs(self) -> Jobs:
        """Not started yet."""
        jobs = [
            Job("readiness", READINESS_S, lambda: unreachable_is_a_fault(self._readiness, self._faults)),
            Job("verification", VERIFICATION_S, self.verify),
            Job("rebroadcast", REBROADCAST_S, self._executor.rebroadcast),
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
        return Jobs(jobs, self._parts.edges.clock, self._scribe.put)

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
