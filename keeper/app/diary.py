"""What a keeper did lately, in numbers: for its heartbeat, and for the digest of a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.app.faults import Fault
from keeper.app.observer import Observer
from keeper.domain.decision import DecisionKind
from keeper.domain.readiness import ActionReadiness
from keeper.domain.verdict import Severity
from keeper.engine import Tick

HOLDS = f"{DecisionKind.HOLD}:"


@dataclass(frozen=True, slots=True)
class Entry:
    """``ticks`` evaluated blocks, ``held`` those at which a rule could not be judged, ``faults`` how often a part went down."""

    ticks: int = 0
    held: int = 0
    faults: int = 0


class Diary(Observer):
    """Counts since the last ``turn_over``."""

    def __init__(self) -> None:
        self.newest: int | None = None
        self.readiness: tuple[ActionReadiness, ...] = ()
        self._entry = Entry()

    def ticked(self, tick: Tick) -> None:
        held = any(count for key, count in tick.counts.items() if key.startswith(HOLDS))
        self.newest = tick.block.number
        self._entry = Entry(self._entry.ticks + 1, self._entry.held + held, self._entry.faults)

    def fault(self, fault: Fault, severity: Severity) -> None:
        self._entry = Entry(self._entry.ticks, self._entry.held, self._entry.faults + 1)

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        self.readiness = tuple(readiness)

    def turn_over(self) -> Entry:
        """What was counted; begins again at 0."""
        entry, self._entry = self._entry, Entry()
        return entry
