"""What is done by the clock and not by heads: probes, the check of the log, sending again."""

from __future__ import annotations

from typing import Final

from keeper.app import records
from keeper.app.faults import Faults
from keeper.app.jobs import Job, Jobs
from keeper.app.parts import Parts
from keeper.app.readiness import Readiness, unreachable_is_a_fault
from keeper.app.scribe import Scribe
from keeper.domain.verdict import Severity
from keeper.execution.executor import Executor

READINESS_S: Final = 30.0
VERIFICATION_S: Final = 300.0
REBROADCAST_S: Final = 12.0


class Housekeeping:
    """Of one service."""

    def __init__(self, parts: Parts, executor: Executor, readiness: Readiness, faults: Faults, scribe: Scribe) -> None:
        self._parts = parts
        self._executor = executor
        self._readiness = readiness
        self._faults = faults
        self._scribe = scribe

    def jobs(self) -> Jobs:
        """Not started yet."""
        return Jobs(
            [
                Job("readiness", READINESS_S, lambda: unreachable_is_a_fault(self._readiness, self._faults)),
                Job("verification", VERIFICATION_S, self.verify),
                Job("rebroadcast", REBROADCAST_S, self._executor.rebroadcast),
            ],
            self._parts.edges.clock,
            self._scribe.put,
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
