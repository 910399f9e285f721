"""Whether the log takes records, as people are told it."""

from __future__ import annotations

import asyncio

from keeper.app.faults import Faults
from keeper.app.spooling import SpoolingStore
from keeper.domain.errors import AuditError
from keeper.domain.verdict import Severity
from keeper.ports.audit import AuditStore

PART = "audit"


class LogHealth:
    """Every block leaves a record, so a database that is away is noticed, and told, before anything trips."""

    def __init__(self, store: AuditStore, faults: Faults) -> None:
        self._faults = faults
        self._spooling = store if isinstance(store, SpoolingStore) else None
        if self._spooling is not None:
            self._spooling.told = self._spooled

    @property
    def acts_without(self) -> bool:
        """Whether what critical rules ask for is done without the log."""
        return self._spooling is not None and self._spooling.acts

    async def reconcile(self) -> None:
        """Writes what waits in the spool into the log, whenever there is something, until cancelled."""
        if self._spooling is None:
            await asyncio.Event().wait()
        else:
            await self._spooling.run()

    def hurry(self) -> None:
        """The process is about to end."""
        if self._spooling is not None:
            self._spooling.hurry()

    def written(self, error: AuditError | None) -> None:
        """A commit of records of watching worked, or what stood in the way. What went to the spool is not in the log."""
        if error is not None:
            self.failed(error)
        elif self._spooling is None or not self._spooling.away:
            self._faults.up(PART)

    def failed(self, error: AuditError) -> None:
        """A record could not be written."""
        remedy = error.remedy or "the keeper does not act without its log; check the database"
        if self.acts_without:
            done = "until then what critical rules ask for is done, and written to the spool"
            remedy = f"{error.remedy or 'check the database'}; {done}"
        self._faults.down(PART, "unavailable", error.message, remedy, severity=Severity.CRITICAL)

    def _spooled(self, error: AuditError | None) -> None:
        if error is None:
            self._faults.up(PART)
        else:
            self.failed(error)
