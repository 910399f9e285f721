"""A market with the demo's rules, and verdicts on it."""

from __future__ import annotations

from decimal import Decimal

from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import RuleState, Severity, Verdict, VerdictReason
from keeper.engine.spec import MarketSpec
from keeper.rules.spec import Condition, RuleSpec, Side


def _rule(name: str, signal: str, threshold: str, hold: Span = NO_SPAN) -> RuleSpec:
    when = Condition(signal, Side.ABOVE, Decimal(threshold), hold)
    clear = Condition(signal, Side.BELOW, Decimal(threshold) / 2)
    return RuleSpec(name, when, clear, Severity.CRITICAL, ("pause-market",))


RULES = (
    _rule("oracle-divergence", "divergence", "0.02", Span(blocks=2)),
    _rule("volatility-high", "volatility", "0.005"),
    _rule("volatility-extreme", "volatility", "0.07"),
)
MARKET = MarketSpec("ETH-PERP", (), RULES)


def verdicts(divergence: float, volatility: float) -> list[Verdict]:
    """As if no rule asked for time: beyond is tripped."""
    values = {"divergence": divergence, "volatility": volatility}
    found = []
    for each in RULES:
        value, threshold = values[each.first.signal], float(each.first.fixed)
        headroom = (threshold - value) / threshold
        state = RuleState.TRIPPED if headroom < 0 else RuleState.CLEAR
        reason = VerdictReason.BREACHED if headroom < 0 else VerdictReason.INSIDE
        found.append(
            Verdict(
                "ETH-PERP", each.name, each.first.signal, state, reason, value, threshold, headroom, 0, 1, each.severity
            )
        )
    return found
