"""Notices in the keeper's own log."""

from __future__ import annotations

import structlog

from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

_LEVELS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "error"}


class LogNotifier:
    """Always there: what nobody could be told of still stands in the log."""

    def __init__(self, name: str = "log") -> None:
        self._name = name
        self._log = structlog.get_logger("notice")

    @property
    def name(self) -> str:
        """For records and metrics."""
        return self._name

    async def notify(self, notice: Notice) -> Delivery:
        """One line of the log, at the level of the severity."""
        level = _LEVELS[notice.severity]
        # a line end inside a value would be printed as its escape
        lines = [*notice.body.splitlines(), *notice.links]
        body = " | ".join(line.strip() for line in lines if line.strip())
        getattr(self._log, level)(notice.title, key=notice.key, severity=str(notice.severity), body=body)
        return Delivery(delivered=True)

    async def close(self) -> None:
        """Nothing to let go of."""
