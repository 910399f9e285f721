"""What deciding remembers from one tick to the next: plain data, so that it can be written down and read again."""

from __future__ import annotations

from dataclasses import dataclass, field

from keeper.decisions.breaker import BreakerState
from keeper.decisions.ids import Ids
from keeper.decisions.standing import Standing
from keeper.domain.decision import DecisionReason
from keeper.domain.intervention import Intervention
from keeper.signals.bank import Bytes


@dataclass(slots=True)
class DeskState:
    """Markets and rules are positions in the configuration.

    ``held`` is why each rule was held when that was told last (INSIDE: not held), ``incidents`` by market while they are open, ``declined`` what was
    told last by (rule, action), ``alerted`` the incident in which a rule alerted last. ``acts`` are (time in ms, market) of what counts
    against the budgets, oldest first. ``locked_until_ms`` by locked market. ``off`` are the switches that are off, ``heard_record`` the
    newest record of a switch that was taken in.
    """

    breakers: list[BreakerState]
    held: Bytes
    standings: dict[tuple[int, str], Standing] = field(default_factory=dict)
    incidents: dict[int, str] = field(default_factory=dict)
    declined: dict[tuple[int, str], tuple[DecisionReason, str]] = field(default_factory=dict)
    alerted: dict[int, str] = field(default_factory=dict)
    acts: list[tuple[int, int]] = field(default_factory=list)
    locked_until_ms: dict[int, int] = field(default_factory=dict)
    off: tuple[Intervention, ...] = ()
    heard_record: int = 0
    ids: Ids = field(default_factory=Ids)
