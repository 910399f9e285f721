"""A receiver that wants only what is severe enough."""

from __future__ import annotations

from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice, Notifier

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class Filtered:
    """Passes on what is at least as severe as ``min_severity``; the rest is suppressed, which is neither a delivery nor a failure."""

    def __init__(self, inner: Notifier, min_severity: Severity) -> None:
        self._inner = inner
        self._min_severity = min_severity

    @property
    def name(self) -> str:
        """The inner one's."""
        return self._inner.name

    async def notify(self, notice: Notice) -> Delivery:
        """Delivers once, or says why not."""
        if _RANK[notice.severity] < _RANK[self._min_severity]:
            reason = f"{notice.severity} is below {self._min_severity}, the least this receiver wants"
            return Delivery(delivered=False, suppressed=True, message=reason)
        return await self._inner.notify(notice)

    async def close(self) -> None:
        """Closes the inner one."""
        await self._inner.close()
