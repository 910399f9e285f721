"""Which parts are down, and since when: told once when it changes, never a flood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.app import records, remedies
from keeper.app.observer import Observer
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice

RESTATED_MS = 60_000
"""So long what is recorded of a fault stands, whatever else is found to be behind it: causes that alternate must not flood the log."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``reason`` is a short code (``unreachable``); the rest is for people."""

    part: str
    reason: str
    message: str
    remedy: str
    since_ms: int


class Faults:
    """``record`` and ``tell`` take what changed; neither may block. ``observer`` sees it too."""

    def __init__(
        self,
        clock: Clock,
        record: Callable[[Draft], None],
        tell: Callable[[Notice], None],
        observer: Observer | None = None,
    ) -> None:
        self._clock = clock
        self._record = record
        self._tell = tell
        self._observer = observer or Observer()
        self._down: dict[str, Fault] = {}
        self._said_ms: dict[str, float] = {}

    @property
    def current(self) -> tuple[Fault, ...]:
        return tuple(self._down.values())

    def down(
        self, part: str, reason: str, message: str, remedy: str = "", *, severity: Severity = Severity.WARNING
    ) -> None:
        """The part does not work. Said again with the same reason, it is not news.

        Without a ``remedy``, the one that the message suggests is told. When something else is to be done about the same reason (a service that did
        not answer now refuses the key), that is recorded within ``RESTATED_MS``, and told to nobody anew.
        """
        known = self._down.get(part)
        again = known is not None and known.reason == reason
        if again and self._clock.monotonic_ms() - self._said_ms[part] < RESTATED_MS:
            return
        self._said_ms[part] = self._clock.monotonic_ms()
        remedy = remedy or remedies.of_fault(part, reason, message)
        if known is not None and again and known.remedy == remedy:
            return
        now = self._clock.now_ms()
        fault = self._down[part] = Fault(part, reason, message, remedy, known.since_ms if known else now)
        self._observer.fault(fault, severity)
        self._record(records.fault(now, part, down=True, reason=reason, message=message, remedy=remedy))
        if again:
            return
        body = f"{message}\n{remedy}" if remedy else message
        self._tell(Notice(f"fault/{part}", f"{part} is down", body, severity, variant=reason))

    def up(self, part: str, message: str = "works again") -> None:
        """The part works. Only news when it was down."""
        if self._down.pop(part, None) is None:
            return
        self._observer.mended(part)
        self._record(records.fault(self._clock.now_ms(), part, down=False, reason="recovered", message=message))
        self._tell(Notice(f"fault/{part}", f"{part} is up", message, Severity.INFO, ends=True))
