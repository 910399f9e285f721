"""The newest of everything that a running keeper does, for the page of its status. Hearing costs a few assignments; nothing is rendered here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from keeper.app.faults import Fault
from keeper.app.observer import Observer
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentEvent
from keeper.domain.outcome import Outcome
from keeper.domain.readiness import ActionReadiness
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.execution.work import Work
from keeper.ports.clock import Clock
from keeper.ports.notifier import Delivery, Notice

FAULTS_MAX: Final = 200
INCIDENTS_MAX: Final = 20
UNDELIVERED_MAX: Final = 20
INTERVALS: Final = 16
LATE_TIMES: Final = 4
"""Blocks are late when so many of the usual intervals went by without one."""
LATE_FROM_MS: Final = 10_000
LATE_AT_MOST_MS: Final = 60_000
"""Also where nobody knows yet how often blocks come."""


@dataclass(frozen=True, slots=True)
class Down:
    """A part that is down, and how bad that is."""

    fault: Fault
    severity: Severity


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The newest notice that a notifier could not deliver; gone with its next delivery. ``count`` is how many in a row."""

    notifier: str
    title: str
    message: str
    count: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything at one moment. ``readiness`` is None until every armed action was probed once.

    ``incidents`` are the newest events, oldest first; ``late_ms`` is how long after the newest evaluation the next one is late.
    """

    role: str
    started_ms: int | None
    tick: Tick | None
    readiness: Sequence[ActionReadiness] | None
    faults: Sequence[Down]
    incidents: Sequence[IncidentEvent]
    undelivered: Sequence[Undelivered]
    crashes: int
    late_ms: int


class StatusBoard(Observer):
    """``changed`` is told of everything that changes what is seen; ``log_changed`` of what the log can tell more about."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._role = ""
        self._started_ms: int | None = None
        self._tick: Tick | None = None
        self._readiness: Sequence[ActionReadiness] | None = None
        self._faults: dict[str, Down] = {}
        self._incidents: deque[IncidentEvent] = deque(maxlen=INCIDENTS_MAX)
        self._undelivered: dict[str, Undelivered] = {}
        self._crashes = 0
        self._intervals: deque[int] = deque(maxlen=INTERVALS)
        self.changed: Callable[[], None] = lambda: None
        self.log_changed: Callable[[], None] = lambda: None

    def seen(self) -> Seen:
        """As it is now; nothing in it changes any more."""
        return Seen(
            self._role,
            self._started_ms,
            self._tick,
            self._readiness,
            tuple(self._faults.values()),
            tuple(self._incidents),
            tuple(self._undelivered.values()),
            self._crashes,
            self._late_ms,
        )

    def role(self, role: str) -> None:
        self._role = role
        self.changed()

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self._started_ms = self._clock.now_ms()
        self.changed()

    def ticked(self, tick: Tick) -> None:
        if self._tick is not None and tick.block.number > self._tick.block.number:
            blocks = tick.block.number - self._tick.block.number
            self._intervals.append((tick.at_ms - self._tick.at_ms) // blocks)
        self._tick = tick
        if tick.incidents or tick.turns:
            self._incidents.extend(tick.incidents)
            self.log_changed()
        self.changed()

    def sent(self, work: Work) -> None:
        self._of_the_log()

    def ended(self, work: Work, outcome: Outcome) -> None:
        self._of_the_log()

    def fault(self, fault: Fault, severity: Severity) -> None:
        if fault.part in self._faults or len(self._faults) < FAULTS_MAX:
            self._faults[fault.part] = Down(fault, severity)
        self.changed()

    def mended(self, part: str) -> None:
        self._faults.pop(part, None)
        self.changed()

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        self._readiness = tuple(readiness)
        self.changed()

    def notified(self, notifier: str, notice: Notice, delivery: Delivery) -> None:
        if delivery.delivered or delivery.suppressed:
            if self._undelivered.pop(notifier, None) is None:
                return
        elif notifier in self._undelivered or len(self._undelivered) < UNDELIVERED_MAX:
            before = self._undelivered.get(notifier)
            count = before.count + 1 if before else 1
            now = self._clock.now_ms()
            self._undelivered[notifier] = Undelivered(notifier, notice.title, delivery.message, count, now)
        self.changed()

    def job(self, name: str, state: str, seconds: float) -> None:
        self._of_the_log()  # checkpoints are jobs

    def crashed(self, part: str) -> None:
        self._crashes += 1
        self.changed()

    def _of_the_log(self) -> None:
        self.log_changed()
        self.changed()

    @property
    def _late_ms(self) -> int:
        if len(self._intervals) < 3:
            return LATE_AT_MOST_MS
        return min(LATE_AT_MOST_MS, max(LATE_FROM_MS, LATE_TIMES * int(median(self._intervals))))
