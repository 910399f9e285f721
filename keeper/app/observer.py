"""Whoever wants to see what the service does while it does it. Seeing never changes what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent
from keeper.domain.outcome import Outcome
from keeper.domain.readiness import ActionReadiness
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.execution.journal import Fallback
from keeper.execution.work import Work
from keeper.ports.notifier import Delivery, Notice

if TYPE_CHECKING:
    from keeper.app.faults import Fault
    from keeper.app.gauges import Gauges


class Observer:
    """Hears of what happens, in the event loop of the service; by default does nothing with it. None of these may block or wait."""

    def begun(self, gauges: Gauges) -> None:
        """A service is put together, and may be read from now on; before anything else."""

    def role(self, role: str) -> None:
        """This process acts now (``leading``), or waits until it may (``standby``)."""

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        """The service is connected and about to evaluate."""

    def ticked(self, tick: Tick) -> None:
        """One block was evaluated and acted upon."""

    def timed(self, block: BlockStamp, marks: Mapping[str, float]) -> None:
        """The stages of the same block in monotonic ms: ``head``, ``reads``, ``decided``, perhaps ``agreed``, and ``done`` at the end of the tick."""

    def sent(self, work: Work) -> None:
        """A route accepted the newest attempt of this intent, and that is written down."""

    def fell_back(self, work: Work, fallback: Fallback) -> None:
        """What was for builders alone becomes public now."""

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An intent ended. ``work.timeline_ms()`` has its stages."""

    def heard(self, event: ChainEvent) -> None:
        """The nodes told something of themselves, or the way along the chain was not plain."""

    def fault(self, fault: Fault, severity: Severity) -> None:
        """A part is down, or is down for another reason now."""

    def mended(self, part: str) -> None:
        """A part that was down works again."""

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        """Every armed action was looked at; all of them, each time."""

    def notified(self, notifier: str, notice: Notice, delivery: Delivery) -> None:
        """Somebody was told, or could not be."""

    def scheduled(self, jobs: Sequence[str]) -> None:
        """The names of the jobs that run from now on."""

    def job(self, name: str, state: str, seconds: float) -> None:
        """A scheduled job ended: ``done``, ``failed`` or ``missed``."""

    def crashed(self, part: str) -> None:
        """A supervised part died and starts again."""


class Observers(Observer):
    """Several as one. One that fails is named in the program's log and disturbs nobody."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._log = structlog.get_logger("keeper")

    def add(self, one: Observer) -> None:
        """One more, from now on."""
        self._observers = (*self._observers, one)

    def begun(self, gauges: Gauges) -> None:
        self._each(lambda one: one.begun(gauges))

    def role(self, role: str) -> None:
        self._each(lambda one: one.role(role))

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self._each(lambda one: one.ready(head, sender))

    def ticked(self, tick: Tick) -> None:
        self._each(lambda one: one.ticked(tick))

    def timed(self, block: BlockStamp, marks: Mapping[str, float]) -> None:
        self._each(lambda one: one.timed(block, marks))

    def sent(self, work: Work) -> None:
        self._each(lambda one: one.sent(work))

    def fell_back(self, work: Work, fallback: Fallback) -> None:
        self._each(lambda one: one.fell_back(work, fallback))

    def ended(self, work: Work, outcome: Outcome) -> None:
        self._each(lambda one: one.ended(work, outcome))

    def heard(self, event: ChainEvent) -> None:
        self._each(lambda one: one.heard(event))

    def fault(self, fault: Fault, severity: Severity) -> None:
        self._each(lambda one: one.fault(fault, severity))

    def mended(self, part: str) -> None:
        self._each(lambda one: one.mended(part))

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        self._each(lambda one: one.probed(readiness))

    def notified(self, notifier: str, notice: Notice, delivery: Delivery) -> None:
        self._each(lambda one: one.notified(notifier, notice, delivery))

    def scheduled(self, jobs: Sequence[str]) -> None:
        self._each(lambda one: one.scheduled(jobs))

    def job(self, name: str, state: str, seconds: float) -> None:
        self._each(lambda one: one.job(name, state, seconds))

    def crashed(self, part: str) -> None:
        self._each(lambda one: one.crashed(part))

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for one in self._observers:
            try:
                tell(one)
            except Exception:  # noqa: BLE001 - whoever looks on must not stop what is looked at
                self._log.exception("an observer failed", observer=type(one).__name__)
