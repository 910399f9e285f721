"""Who is told what of a tick's decisions: alerts, rules that cannot see, and actions that are held by limits or by people."""

from __future__ import annotations

from collections.abc import Callable

from keeper.app import notices
from keeper.domain.decision import DecisionKind, DecisionReason, IncidentPhase
from keeper.engine import Tick
from keeper.ports.notifier import Notice


class Telling:
    """``tell`` takes notices. What is held is told once in an incident for each action and reason."""

    def __init__(self, tell: Callable[[Notice], None]) -> None:
        self._tell = tell
        self._held: dict[str, set[tuple[str, DecisionReason]]] = {}

    def of(self, tick: Tick) -> None:
        """Everything of this tick but incidents and outcomes."""
        for event in tick.turns:
            self._tell(notices.of_breaker(event))
        for decision in tick.decisions:
            if decision.kind is DecisionKind.ALERT:
                self._tell(notices.of_alert(decision))
            elif decision.reason is DecisionReason.NO_INPUT_ALERT:
                self._tell(notices.of_hold(decision))
            elif decision.reason in notices.FORBIDDEN:
                told = self._held.setdefault(decision.incident, set())
                if (decision.action, decision.reason) not in told:
                    told.add((decision.action, decision.reason))
                    self._tell(notices.of_forbidden(decision))
        for incident in tick.incidents:
            if incident.phase is IncidentPhase.CLOSED:
                self._held.pop(incident.id, None)
