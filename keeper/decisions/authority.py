"""Who may decide: switches, locks, and what the council said. The breaker of each market is driven from here.

What turns a breaker, besides the beginning (trip) and the end (clear) of an incident:

=============================== =============================================================================
a market, or all, switched off  disarm
switched on                     arm: a disarmed, locked, lifted or expired market, unless a wider switch holds it
taken back                      lock, where ``lock_after_override`` is set; taken back again, the lock lasts longer
the lock is over                arm
ratified, lifted, expired       ratify, lift, expire
an act after it expired         trip
the incident is over            arm, after lift or expire
=============================== =============================================================================

Expired without an action turns the market alone; with one, that action may be decided again.

A market that is armed while its incident is open is tripped at once. What comes from outside and is not in the breaker's table (a
ratification without an incident, say) changes nothing: it is not the keeper's mistake. A mistake of its own raises InvalidTransition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from keeper.decisions import standing as standings
from keeper.decisions.breaker import TRANSITIONS, BreakerState, BreakerTrigger, advance
from keeper.decisions.state import DeskState
from keeper.domain.decision import ALERT, BreakerEvent, DecisionReason
from keeper.domain.intervention import Intervention, InterventionKind, switched

FORBIDDING: Mapping[BreakerState, DecisionReason] = MappingProxyType(
    {
        BreakerState.LOCKED: DecisionReason.LOCKED,
        BreakerState.LIFTED: DecisionReason.LIFTED,
        BreakerState.DISARMED: DecisionReason.SWITCHED_OFF,
    }
)
"""While a breaker is in one of these nothing is done on its market."""
RUN_OUT = frozenset({BreakerState.LIFTED, BreakerState.EXPIRED})
SWITCHES = frozenset({InterventionKind.SWITCHED_OFF, InterventionKind.SWITCHED_ON})
SAID = MappingProxyType(
    {
        InterventionKind.RATIFIED: BreakerTrigger.RATIFY,
        InterventionKind.LIFTED: BreakerTrigger.LIFT,
        InterventionKind.EXPIRED: BreakerTrigger.EXPIRE,
    }
)
LOCK_OVER = "the lock is over"
INCIDENT_OVER = "the incident is over"
INCIDENT_OPEN = "the incident is still open"
RAN_OUT = "what was done has run out, and it is done again"


class Authority:
    """For all markets. Immutable: what changes is in DeskState. ``lock_ms`` None: nothing is locked."""

    def __init__(self, markets: Sequence[str], lock_ms: int | None) -> None:
        self._markets = tuple(markets)
        self._lock_ms = lock_ms

    def hear(
        self, state: DeskState, interventions: Iterable[Intervention], at_ms: int, block: int
    ) -> list[BreakerEvent]:
        """Ends the locks that are over, then takes in what others did, in order."""
        turn = _Turns(state, self._markets, at_ms, block)
        for market in sorted(market for market, until_ms in state.locked_until_ms.items() if until_ms <= at_ms):
            turn.arm(market, LOCK_OVER)
        for one in interventions:
            self._hear(turn, one)
        return turn.events

    def forbids(self, state: DeskState, market: int, rule: str, action: str) -> DecisionReason | None:
        """Why this rule may not have this action now; None when it may. People are told also of what is locked or switched off with its market."""
        if state.off:
            name = self._markets[market]
            for one in state.off:
                if one.covers(name, rule, action) and (action != ALERT or one.rule or one.action):
                    return DecisionReason.SWITCHED_OFF
        return None if action == ALERT else FORBIDDING.get(state.breakers[market])

    def closed(self, state: DeskState, market: int, at_ms: int, block: int) -> list[BreakerEvent]:
        """The incident of this market, which is open no more, is over."""
        if state.breakers[market] is BreakerState.TRIPPED:
            state.breakers[market] = advance(state.breakers[market], BreakerTrigger.CLEAR)
        turn = _Turns(state, self._markets, at_ms, block)
        if state.breakers[market] in RUN_OUT:
            turn.arm(market, INCIDENT_OVER)
        return turn.events

    def acts(self, state: DeskState, market: int, at_ms: int, block: int) -> list[BreakerEvent]:
        """Something is done on this market, in its open incident."""
        turn = _Turns(state, self._markets, at_ms, block)
        if state.breakers[market] is BreakerState.EXPIRED:
            turn.to(market, BreakerTrigger.TRIP, RAN_OUT)
        return turn.events

    def _hear(self, turn: _Turns, one: Intervention) -> None:
        at_ms = min(one.at_ms, turn.at_ms)  # another clock must not reach into the future
        markets = [place for place, name in enumerate(self._markets) if one.market in ("", name)]
        if one.kind in SWITCHES:
            if 0 < one.record <= turn.state.heard_record:
                return  # told again after a restart; it would undo what came after it
            turn.state.heard_record = max(turn.state.heard_record, one.record)
            turn.state.off = switched(turn.state.off, one)
            markets = [] if one.rule or one.action else markets
        for market in markets:
            if one.kind is InterventionKind.SWITCHED_OFF:
                turn.to(market, BreakerTrigger.DISARM, one.reason)
            elif one.kind is InterventionKind.SWITCHED_ON:
                self._switched_on(turn, market, one.reason)
            elif one.kind is InterventionKind.TAKEN_BACK:
                self._taken_back(turn, market, one, at_ms)
            else:
                self._said(turn, market, one)

    def _said(self, turn: _Turns, market: int, one: Intervention) -> None:
        state, key = turn.state, (market, one.action)
        if one.kind is InterventionKind.EXPIRED and key in state.standings:
            state.standings[key] = standings.ran_out(state.standings[key])
        turn.to(market, SAID[one.kind], one.reason)
        if turn.state.breakers[market] in RUN_OUT and market not in turn.state.incidents:
            turn.arm(market, INCIDENT_OVER)

    def _switched_on(self, turn: _Turns, market: int, reason: str) -> None:
        name = self._markets[market]
        if not any(one.covers(name, "", "") for one in turn.state.off):  # else a wider switch is off still
            turn.arm(market, reason)

    def _taken_back(self, turn: _Turns, market: int, one: Intervention, at_ms: int) -> None:
        state, key = turn.state, (market, one.action)
        if key in state.standings:
            state.standings[key] = standings.taken_back(state.standings[key])
        if self._lock_ms is None:
            return
        until_ms = at_ms + self._lock_ms
        if state.breakers[market] is BreakerState.LOCKED:
            state.locked_until_ms[market] = max(until_ms, state.locked_until_ms[market])
        elif until_ms > turn.at_ms:
            turn.to(market, BreakerTrigger.LOCK, one.reason, until_ms)


class _Turns:
    """Turns breakers by what others did, and notes it. What the table does not list is left alone."""

    def __init__(self, state: DeskState, markets: Sequence[str], at_ms: int, block: int) -> None:
        self.state = state
        self.at_ms = at_ms
        self.events: list[BreakerEvent] = []
        self._markets = markets
        self._block = block

    def to(self, market: int, trigger: BreakerTrigger, reason: str, until_ms: int = 0) -> bool:
        """True when the breaker turned."""
        state, before = self.state, self.state.breakers[market]
        if (before, trigger) not in TRANSITIONS:
            return False
        after = advance(before, trigger)
        state.breakers[market] = after
        state.locked_until_ms.pop(market, None)
        if after is BreakerState.LOCKED:
            state.locked_until_ms[market] = until_ms
        name, incident = self._markets[market], state.incidents.get(market, "")
        self.events.append(
            BreakerEvent(
                name, str(before), str(after), str(trigger), reason, incident, self.at_ms, self._block, until_ms
            )
        )
        return True

    def arm(self, market: int, reason: str) -> None:
        """Armed, and tripped at once when the incident is open."""
        if self.to(market, BreakerTrigger.ARM, reason) and market in self.state.incidents:
            self.to(market, BreakerTrigger.TRIP, INCIDENT_OPEN)
