"""Kill switches: written into the log by ``keeper switch``, from another process, and taken in by the running keeper before its next block.

The log is the only place: what is off survives a restart, and who switched what, when and why is a record like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keeper.app.faults import Faults
from keeper.app.switch_records import switch_of
from keeper.domain.errors import AuditError
from keeper.domain.intervention import Intervention
from keeper.domain.record import RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock

POLL_S = 1.0
PAGE = 1_000


class Switches:
    """``take`` is given what the log newly says, in order."""

    def __init__(
        self,
        store: AuditStore,
        clock: Clock,
        faults: Faults,
        take: Callable[[Iterable[Intervention]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._take = take
        self._seen = 0

    async def read(self) -> None:
        """Everything since the last time. Raises AuditError."""
        while True:
            query = RecordQuery(kinds=(RecordKind.SWITCH,), after=self._seen, limit=PAGE)
            page = await self._store.page(query)
            if page:
                self._seen = page[-1].seq
                self._take([switch_of(one) for one in page])
            if len(page) < PAGE:
                return

    async def watch(self) -> None:
        """Reads again and again until cancelled."""
        while True:
            try:
                await self.read()
            except AuditError as error:
                remedy = (
                    error.remedy
                    or "until the log can be read, `keeper switch` has no effect; stop the keeper to stop it"
                )
                self._faults.down("switches", "unavailable", error.message, remedy, severity=Severity.CRITICAL)
            else:
                self._faults.up("switches")
            await self._clock.sleep(POLL_S)
