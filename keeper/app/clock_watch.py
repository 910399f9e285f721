"""The machine's clock, when it is set back: the keeper's own goes on, and people are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.app.faults import Faults
from keeper.domain.errors import AuditError
from keeper.domain.record import RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock

LOOK_S: Final = 1.0
MATTERS_MS: Final = 1_000
PART: Final = "clock"
WENT_BACK: Final = "went-back"
BEHIND_LOG: Final = "behind-the-log"


class ClockWatch:
    """``ahead_ms``: by how much the keeper's clock is ahead of the machine's."""

    def __init__(self, clock: Clock, ahead_ms: Callable[[], int], store: AuditStore, faults: Faults) -> None:
        self._clock = clock
        self._ahead_ms = ahead_ms
        self._store = store
        self._faults = faults
        self._newest_ms = 0

    async def begin(self) -> None:
        """How the clock stands to what an earlier run wrote last. Before this run writes."""
        try:
            newest = await self._store.page(RecordQuery(newest_first=True, limit=1))
        except AuditError:
            return  # said elsewhere
        self._newest_ms = from_iso(newest[0].at) if newest else 0

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> None:
        """Once."""
        ahead_ms, behind_ms = self._ahead_ms(), self._newest_ms - self._clock.now_ms()
        remedy = "look at the machine's clock (NTP); when it is right, restart the keeper, and it takes that time"
        if ahead_ms >= MATTERS_MS:
            message = f"the machine's clock went back by {ahead_ms / 1000:.0f} s; the keeper goes on by its own"
            self._faults.down(PART, WENT_BACK, message, remedy, severity=Severity.CRITICAL)
        elif behind_ms >= MATTERS_MS:
            message = f"the machine's clock is {behind_ms / 1000:.0f} s behind what the last run wrote"
            self._faults.down(PART, BEHIND_LOG, message, remedy, severity=Severity.CRITICAL)
        else:
            self._faults.up(PART)
