"""A desk driven by hand: words for the rules in, decisions out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from keeper.decisions.breaker import BreakerState
from keeper.decisions.desk import Desk, DeskRule, Judged, Resolution
from keeper.decisions.spec import NO_LIMITS, ActionPolicy, Limits
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.observation import Observation
from keeper.domain.signal import SignalValue
from keeper.domain.snapshot import ActionOutcome
from keeper.domain.verdict import RuleState, Severity, Verdict, VerdictReason
from keeper.rules import codes as rule_codes
from tests.support.engine_world import policy

CODES = {
    "clear": (rule_codes.CLEAR, rule_codes.INSIDE),
    "pending": (rule_codes.PENDING, rule_codes.PERSISTING),
    "tripped": (rule_codes.TRIPPED, rule_codes.STILL_TRIPPED),
    "clearing": (rule_codes.CLEARING, rule_codes.RECOVERING),
    "warming": (rule_codes.CLEAR, rule_codes.NOT_ENOUGH_DATA),
    "no-input": (rule_codes.CLEAR, rule_codes.NOT_USABLE),
    "blind": (rule_codes.TRIPPED, rule_codes.NOT_USABLE_BREACH),
    "tripped-no-input": (rule_codes.TRIPPED, rule_codes.NOT_USABLE),
}
COOLDOWN_MS, RETRY_MS = 60_000, 24_000
POLICIES = (policy(cooldown_ms=COOLDOWN_MS, retry_ms=RETRY_MS), policy("limit"))


class Office:
    """A desk with its state; facts are made up from the rule's position."""

    def __init__(
        self,
        *rules: DeskRule,
        markets: Sequence[str] = ("M",),
        policies: Iterable[ActionPolicy] = POLICIES,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.rules = rules or (DeskRule("r", 0, Severity.CRITICAL, ("pause",)),)
        self.desk = Desk(markets, self.rules, policies, limits)
        self.state = self.desk.initial_state()
        self.before = np.zeros(len(self.rules), dtype=np.int8)

    def verdict(self, rule: int) -> Verdict:
        name, severity = self.rules[rule].name, self.rules[rule].severity
        clear, inside = RuleState.CLEAR, VerdictReason.INSIDE
        return Verdict("M", name, "s", clear, inside, math.nan, 1.0, math.nan, 0, 0, severity)

    def signals(self, rule: int) -> tuple[SignalValue, ...]:
        return ()

    def observations(self, rule: int) -> tuple[Observation, ...]:
        return ()

    def breaker(self, market: str = "M") -> BreakerState:
        return self.desk.breakers(self.state)[market]

    def tick(
        self,
        *words: str,
        block: int,
        at_ms: int | None = None,
        outcomes: Sequence[ActionOutcome] = (),
        interventions: Sequence[Intervention] = (),
    ) -> Resolution:
        state = np.array([CODES[word][0] for word in words], dtype=np.int8)
        reason = np.array([CODES[word][1] for word in words], dtype=np.int8)
        judged = Judged(state, reason, state != self.before)
        self.before = state
        now = block * 1_000 if at_ms is None else at_ms
        return self.desk.decide(self.state, judged, self, outcomes, now, block, interventions)


def off(market: str = "", rule: str = "", action: str = "", at_ms: int = 0) -> Intervention:
    """A switch that is put off."""
    return Intervention(InterventionKind.SWITCHED_OFF, at_ms, market, rule, action, "why")


def on(market: str = "", rule: str = "", action: str = "", at_ms: int = 0) -> Intervention:
    """A switch that is put on."""
    return Intervention(InterventionKind.SWITCHED_ON, at_ms, market, rule, action, "why not")


def taken_back(at_ms: int, market: str = "M", action: str = "pause") -> Intervention:
    """Somebody undid an action."""
    return Intervention(InterventionKind.TAKEN_BACK, at_ms, market, action=action, reason="by hand")
