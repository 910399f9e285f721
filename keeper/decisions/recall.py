"""What deciding remembers, read again: whether it fits the configuration, and what the log says besides.

A decision is written down before the tick that it was made at. So a keeper that is killed in between has decided something that its last recorded
tick knows nothing of; ``recall`` takes that in, with the ids under which it is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.decisions import standing as standings
from keeper.decisions.breaker import BreakerState, BreakerTrigger, advance
from keeper.decisions.state import DeskState
from keeper.domain.decision import DecisionKind, DecisionReason, IncidentPhase

PER_PLACE = ("breakers", "held")
"""What has an entry for each market or rule."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the names of a configuration stand: ``markets`` by name, ``rules`` by (market, rule), and the ``actions``."""

    markets: Mapping[str, int]
    rules: Mapping[tuple[str, str], int]
    actions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as the engine resolved it."""

    id: str
    kind: DecisionKind
    reason: DecisionReason
    market: str
    rule: str
    action: str
    incident: str
    at_ms: int
    block: int


@dataclass(frozen=True, slots=True)
class Happened:
    """The beginning or the end of an incident."""

    id: str
    market: str
    phase: IncidentPhase
    block: int


def problem_of(state: DeskState, fresh: DeskState, places: Places) -> str | None:
    """Why this state is none of this configuration; None when it is one. ``fresh`` is one that remembers nothing."""
    markets, rules = range(len(places.markets)), range(len(places.rules))
    if any(len(getattr(state, name)) != len(getattr(fresh, name)) for name in PER_PLACE):
        return "of another number of markets or rules"
    of_markets = [*state.incidents, *state.locked_until_ms, *(key[0] for key in state.standings)]
    of_markets += [market for _, market in state.acts]
    of_rules = [*state.alerted, *(key[0] for key in state.declined)]
    actions = {key[1] for key in state.standings}
    if any(one not in markets for one in of_markets) or any(one not in rules for one in of_rules):
        return "of a market or a rule that is not there"
    if not actions <= places.actions:
        return "of an action that is not there"
    locked = {place for place in markets if state.breakers[place] is BreakerState.LOCKED}
    if locked != set(state.locked_until_ms):
        return "of a lock without an end"
    if state.acts != sorted(state.acts, key=lambda act: act[0]):
        return "of actions that are out of order"
    return None


def recall(state: DeskState, happened: Sequence[Happened], decided: Sequence[Decided], places: Places) -> None:
    """Takes in what was decided at ticks that were not recorded. What the configuration does not know is left out."""
    for event in happened:
        market = places.markets.get(event.market)
        if market is None:
            continue
        if event.phase is IncidentPhase.OPENED:
            state.ids.given(event.id, event.block)
            state.incidents[market] = event.id
            if state.breakers[market] is BreakerState.ARMED:
                state.breakers[market] = advance(state.breakers[market], BreakerTrigger.TRIP)
        # the end of one is found again at the next tick, when nothing is tripped
    for one in decided:
        state.ids.given(one.id, one.block)
        market, rule = places.markets.get(one.market), places.rules.get((one.market, one.rule))
        if market is None or rule is None:
            continue
        if one.kind is DecisionKind.ALERT:
            state.alerted[rule] = one.incident
        elif one.kind is DecisionKind.ACT and one.action in places.actions:
            _acted(state, market, one)


def _acted(state: DeskState, market: int, one: Decided) -> None:
    state.standings[market, one.action] = standings.acted(one.incident, one.at_ms)
    if state.breakers[market] is BreakerState.EXPIRED:
        state.breakers[market] = advance(state.breakers[market], BreakerTrigger.TRIP)
    if one.reason is not DecisionReason.RETRY:
        state.acts.append((one.at_ms, market))
