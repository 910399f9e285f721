"""The desk: verdicts of one tick in, decisions and incidents out.

Order. Decisions stand in the order of the ladder: severity (critical first), then the order of the configuration, then the order of a rule's
actions. So when several rules ask for one action, the most severe one gets it.

A rule asks, and gets the first of these answers that fits: what people forbid (``authority``), how the action stands (``standing``), something
stronger is in effect (``ladder``), too few rules ask for it, the budget is spent (``budget``); else the action.

On change, and always. An act is told each time. A declined action is told when its reason or its incident changes, a hold when a rule's
reason changes; both are counted at every tick (``COUNTS``).

A tripped rule asks for its actions at every tick until it is clear: also while it is recovering, and while its input is not
usable, because a pause that failed is not to be dropped because the price feed died with it.

An incident of a market opens with its first trip, and closes when every rule of the market is clear (one that is only pending is not).
The breaker of the market is tripped and armed again with it, as long as nobody locked or disarmed it: then incidents are told all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from keeper.decisions import budget, ladder
from keeper.decisions import standing as standings
from keeper.decisions.authority import Authority
from keeper.decisions.breaker import BreakerState, BreakerTrigger, advance
from keeper.decisions.spec import NO_LIMITS, ActionPolicy, Limits
from keeper.decisions.standing import Answer, Standing
from keeper.decisions.state import DeskState
from keeper.domain.decision import (
    ALERT,
    BreakerEvent,
    Decision,
    DecisionKind,
    DecisionReason,
    IncidentEvent,
    IncidentPhase,
)
from keeper.domain.intervention import Intervention
from keeper.domain.observation import Observation
from keeper.domain.signal import SignalValue
from keeper.domain.snapshot import ActionOutcome
from keeper.domain.verdict import Severity, Verdict
from keeper.rules.codes import CLEAR, INSIDE, NOT_ENOUGH_DATA, NOT_USABLE, TRIPPED
from keeper.signals.bank import Bytes, Ints

HOLD_REASONS = {NOT_ENOUGH_DATA: DecisionReason.WARMING, NOT_USABLE: DecisionReason.NO_INPUT}
_INSIDE = np.int8(INSIDE)
LADDER = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def count_key(kind: DecisionKind, reason: DecisionReason) -> str:
    return f"{kind}:{reason}"


COUNTS = (
    count_key(DecisionKind.ACT, DecisionReason.TRIPPED),
    count_key(DecisionKind.ACT, DecisionReason.RETRY),
    count_key(DecisionKind.ALERT, DecisionReason.TRIPPED),
    count_key(DecisionKind.DECLINED, DecisionReason.IN_FLIGHT),
    count_key(DecisionKind.DECLINED, DecisionReason.IN_EFFECT),
    count_key(DecisionKind.DECLINED, DecisionReason.COOLDOWN),
    count_key(DecisionKind.DECLINED, DecisionReason.TAKEN_BACK),
    count_key(DecisionKind.DECLINED, DecisionReason.STRONGER),
    count_key(DecisionKind.DECLINED, DecisionReason.NO_RULE_QUORUM),
    count_key(DecisionKind.DECLINED, DecisionReason.BUDGET),
    count_key(DecisionKind.DECLINED, DecisionReason.LOCKED),
    count_key(DecisionKind.DECLINED, DecisionReason.LIFTED),
    count_key(DecisionKind.DECLINED, DecisionReason.SWITCHED_OFF),
    count_key(DecisionKind.HOLD, DecisionReason.WARMING),
    count_key(DecisionKind.HOLD, DecisionReason.NO_INPUT),
    count_key(DecisionKind.HOLD, DecisionReason.NO_INPUT_ALERT),
)
"""What is counted at every tick; each is there even when it is 0."""


@dataclass(frozen=True, slots=True)
class DeskRule:
    """A rule as the desk sees it; ``market`` is the market's position, ``alerts``: people are told when its input is not usable."""

    name: str
    market: int
    severity: Severity
    actions: tuple[str, ...]
    alerts: bool = False


class Facts(Protocol):
    """What a decision about a rule (by position) was derived from; asked only for the rules that something is decided about."""

    def verdict(self, rule: int) -> Verdict: ...
    def signals(self, rule: int) -> tuple[SignalValue, ...]: ...
    def observations(self, rule: int) -> tuple[Observation, ...]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """State and reason of every rule, as codes of ``keeper.rules.threshold``; ``changed`` True where the state is another than a tick ago."""

    state: Bytes
    reason: Bytes
    changed: np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Resolution:
    decisions: tuple[Decision, ...]
    incidents: tuple[IncidentEvent, ...]
    breakers: tuple[BreakerEvent, ...]
    counts: Mapping[str, int]


class Desk:
    """Decides for all markets. Immutable: what changes is in DeskState, which ``decide`` changes in place.

    ``rules`` are grouped by market, in the order of ``markets``.
    """

    def __init__(
        self,
        markets: Sequence[str],
        rules: Sequence[DeskRule],
        policies: Iterable[ActionPolicy],
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._limits = limits
        self._authority = Authority(markets, limits.lock_ms)
        self._markets = tuple(markets)
        self._positions = {name: index for index, name in enumerate(self._markets)}
        self._rules = tuple(rules)
        self._policies = {policy.name: policy for policy in policies}
        self._shared = {policy.name for policy in self._policies.values() if policy.needs_rules > 1}
        self._alerts = np.array([rule.alerts for rule in rules], dtype=np.bool_)
        by_severity = sorted(range(len(rules)), key=lambda rule: LADDER.index(rules[rule].severity))
        self._ladder: Ints = np.array(by_severity, dtype=np.int64)
        of_market = [rule.market for rule in rules]
        starts = np.searchsorted(of_market, range(len(self._markets) + 1))
        self._ranges = [(int(first), int(end)) for first, end in pairwise(starts)]

    def initial_state(self) -> DeskState:
        """Every breaker armed, nothing known of any action."""
        count = len(self._markets)
        return DeskState([BreakerState.ARMED] * count, np.full(len(self._rules), INSIDE, dtype=np.int8))

    def decide(
        self,
        state: DeskState,
        judged: Judged,
        facts: Facts,
        outcomes: Iterable[ActionOutcome],
        at_ms: int,
        block: int,
        interventions: Iterable[Intervention] = (),
    ) -> Resolution:
        """One tick. The outcomes count first, so an action that failed may be decided again at once (if its policy says so); then what people did."""
        self._learn(state, outcomes, at_ms)
        turns = self._authority.hear(state, interventions, at_ms, block)
        budget.forget(state.acts, at_ms)
        tripped = judged.state >= TRIPPED
        unready = (judged.reason == NOT_ENOUGH_DATA) | (judged.reason == NOT_USABLE)
        newly_held = unready & (judged.reason != state.held)
        state.held = np.where(unready, judged.reason, _INSIDE)
        concerned: list[int] = self._ladder[(tripped | newly_held)[self._ladder]].tolist()
        incidents = self._open(state, [rule for rule in concerned if tripped[rule]], facts, at_ms, block)
        for key in [key for key in state.declined if not tripped[key[0]]]:
            del state.declined[key]
        askers = self._askers(state, tripped) if self._shared else {}
        counts = dict.fromkeys(COUNTS, 0)
        decisions: list[Decision] = []
        for rule in concerned:
            if newly_held[rule]:
                reason = self._hold_reason(rule, int(judged.reason[rule]))
                decisions.append(self._hold(state, rule, reason, facts, at_ms, block))
            if tripped[rule]:
                decisions += self._ask(state, rule, facts, counts, askers, at_ms, block)
        for market in sorted({self._positions[one.market] for one in decisions if one.kind is DecisionKind.ACT}):
            turns += self._authority.acts(state, market, at_ms, block)
        if unready.any():
            self._count_held(judged, counts)
        closed = self._close(state, judged, facts, at_ms, block)
        for event in closed:
            turns += self._authority.closed(state, self._positions[event.market], at_ms, block)
        return Resolution(tuple(decisions), (*incidents, *closed), tuple(turns), counts)

    def _count_held(self, judged: Judged, counts: dict[str, int]) -> None:
        for code, reason in HOLD_REASONS.items():
            counts[count_key(DecisionKind.HOLD, reason)] = int(np.count_nonzero(judged.reason == code))
        alerts = int(np.count_nonzero((judged.reason == NOT_USABLE) & self._alerts))
        counts[count_key(DecisionKind.HOLD, DecisionReason.NO_INPUT_ALERT)] = alerts
        counts[count_key(DecisionKind.HOLD, DecisionReason.NO_INPUT)] -= alerts

    def breakers(self, state: DeskState) -> dict[str, BreakerState]:
        """The breaker of every market by its name."""
        return dict(zip(self._markets, state.breakers, strict=True))

    def _learn(self, state: DeskState, outcomes: Iterable[ActionOutcome], at_ms: int) -> None:
        for outcome in outcomes:
            market = self._positions.get(outcome.market)
            if market is None or outcome.action not in self._policies:
                continue  # of an earlier configuration
            key = market, outcome.action
            # an outcome stamped by another clock must not reach into the future
            state.standings[key] = standings.told(
                state.standings.get(key, Standing()), outcome.kind, outcome.reason, min(outcome.at_ms, at_ms)
            )

    def _open(
        self, state: DeskState, tripped: Sequence[int], facts: Facts, at_ms: int, block: int
    ) -> list[IncidentEvent]:
        events = []
        for rule in tripped:
            market = self._rules[rule].market
            if market in state.incidents:
                continue
            name = self._markets[market]
            incident = state.ids.issue(f"{name}@{block}", block)
            state.incidents[market] = incident
            if state.breakers[market] is BreakerState.ARMED:
                state.breakers[market] = advance(state.breakers[market], BreakerTrigger.TRIP)
            events.append(IncidentEvent(incident, name, IncidentPhase.OPENED, facts.verdict(rule), at_ms, block))
        return events

    def _close(self, state: DeskState, judged: Judged, facts: Facts, at_ms: int, block: int) -> list[IncidentEvent]:
        events = []
        for market, incident in sorted(state.incidents.items()):
            first, end = self._ranges[market]
            if (judged.state[first:end] != CLEAR).any():
                continue
            last = first + int(np.argmax(judged.changed[first:end]))
            del state.incidents[market]
            name = self._markets[market]
            events.append(IncidentEvent(incident, name, IncidentPhase.CLOSED, facts.verdict(last), at_ms, block))
        return events

    def _hold_reason(self, rule: int, code: int) -> DecisionReason:
        if code == NOT_USABLE and self._rules[rule].alerts:
            return DecisionReason.NO_INPUT_ALERT
        return HOLD_REASONS[code]

    def _hold(
        self, state: DeskState, rule: int, reason: DecisionReason, facts: Facts, at_ms: int, block: int
    ) -> Decision:
        market = self._markets[self._rules[rule].market]
        return Decision(
            id=state.ids.issue(f"{market}/{self._rules[rule].name}/hold/{block}", block),
            kind=DecisionKind.HOLD,
            reason=reason,
            market=market,
            action="",
            incident=state.incidents.get(self._rules[rule].market, ""),
            verdict=facts.verdict(rule),
            signals=facts.signals(rule),
            observations=facts.observations(rule),
            at_ms=at_ms,
            block=block,
        )

    def _askers(
        self, state: DeskState, tripped: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ) -> Counter[tuple[int, str]]:
        """How many tripped rules of each market ask for each action that needs several; one that is switched off does not count."""
        found: Counter[tuple[int, str]] = Counter()
        for place in np.flatnonzero(tripped):
            rule = self._rules[int(place)]
            for action in self._shared.intersection(rule.actions):
                if self._authority.forbids(state, rule.market, rule.name, action) is None:
                    found[rule.market, action] += 1
        return found

    def _answer(
        self, state: DeskState, rule: int, action: str, askers: Mapping[tuple[int, str], int], at_ms: int
    ) -> Answer:
        """What a tripped rule gets for one of its actions."""
        name, market, severity = self._rules[rule].name, self._rules[rule].market, self._rules[rule].severity
        incident = state.incidents[market]
        forbidden = self._authority.forbids(state, market, name, action)
        if forbidden is not None:
            return DecisionKind.DECLINED, forbidden
        if action == ALERT:
            again = state.alerted.get(rule) == incident
            return (
                (DecisionKind.DECLINED, DecisionReason.IN_EFFECT)
                if again
                else (DecisionKind.ALERT, DecisionReason.TRIPPED)
            )
        policy = self._policies[action]
        kind, reason = standings.answer(state.standings.get((market, action), Standing()), policy, incident, at_ms)
        if kind is not DecisionKind.ACT:
            return kind, reason
        if ladder.stronger_in_effect(state.standings, self._policies, market, action, incident):
            return DecisionKind.DECLINED, DecisionReason.STRONGER
        if action in self._shared and askers.get((market, action), 0) < policy.needs_rules:
            return DecisionKind.DECLINED, DecisionReason.NO_RULE_QUORUM
        fresh = reason is not DecisionReason.RETRY
        if (
            fresh
            and not budget.exempt(self._limits, policy, severity)
            and budget.spent(state.acts, self._limits, market)
        ):
            return DecisionKind.DECLINED, DecisionReason.BUDGET
        return kind, reason

    def _ask(
        self,
        state: DeskState,
        rule: int,
        facts: Facts,
        counts: dict[str, int],
        askers: Mapping[tuple[int, str], int],
        at_ms: int,
        block: int,
    ) -> list[Decision]:
        """The answers to a tripped rule that are worth telling."""
        market = self._rules[rule].market
        incident = state.incidents[market]
        decisions = []
        for action in self._rules[rule].actions:
            kind, reason = self._answer(state, rule, action, askers, at_ms)
            counts[count_key(kind, reason)] += 1
            if kind is DecisionKind.ACT:
                state.standings[market, action] = standings.acted(incident, at_ms)
                state.declined.pop((rule, action), None)
                if reason is not DecisionReason.RETRY:
                    state.acts.append((at_ms, market))
            elif kind is DecisionKind.ALERT:
                state.alerted[rule] = incident
                state.declined.pop((rule, action), None)
            elif state.declined.get((rule, action)) == (reason, incident):
                continue
            else:
                state.declined[rule, action] = reason, incident
            decisions.append(
                Decision(
                    id=state.ids.issue(f"{incident}/{action}/{block}", block),
                    kind=kind,
                    reason=reason,
                    market=self._markets[market],
                    action=action,
                    incident=incident,
                    verdict=facts.verdict(rule),
                    signals=facts.signals(rule),
                    observations=facts.observations(rule),
                    at_ms=at_ms,
                    block=block,
                )
            )
        return decisions
