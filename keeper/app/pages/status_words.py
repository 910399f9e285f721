"""Verdicts, sources and readiness in words and numbers that people read at once."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from keeper.app.incidents.number_words import against, short
from keeper.app.pages.amounts import grouped
from keeper.app.pages.wording import lasting
from keeper.app.readiness_hindrances import SHADOW
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.units import Unit
from keeper.domain.verdict import RuleState, Verdict, VerdictReason
from keeper.rules.spec import Condition as RuleCondition
from keeper.rules.spec import Group, Hold, OutOf, RuleSpec

SHARES: Final = frozenset({Unit.RATIO, Unit.VOLATILITY})


class Standing(StrEnum):
    """How a rule stands, worst first. The words on the page; its colour goes by the same."""

    TRIPPED = "tripped"
    RECOVERING = "recovering"
    BEYOND = "beyond"
    HELD = "held"
    NO_DATA = "no-data"
    SUPPRESSED = "suppressed"
    OFF_SCHEDULE = "off-schedule"
    OK = "ok"


IN_WORDS: Final = {
    Standing.TRIPPED: "Tripped",
    Standing.RECOVERING: "Tripped, recovering",
    Standing.BEYOND: "Beyond, not yet",
    Standing.HELD: "Held: no input",
    Standing.NO_DATA: "Not enough data yet",
    Standing.SUPPRESSED: "Beyond, but suppressed",
    Standing.OFF_SCHEDULE: "Outside of its hours",
    Standing.OK: "OK",
}
URGENT: Final = frozenset({Standing.TRIPPED, Standing.RECOVERING, Standing.BEYOND, Standing.HELD})
WATCHING: Final = "watching"
"""A breaker that is armed. Only an action that would work is called so on the page."""
SIGN: Final = {
    Standing.TRIPPED: "✕",
    Standing.RECOVERING: "✕",
    Standing.BEYOND: "▲",
    Standing.HELD: "‖",
    Standing.NO_DATA: "…",
    Standing.SUPPRESSED: "▲",
    Standing.OFF_SCHEDULE: "☾",
    Standing.OK: "✓",
}
"""So that nothing is said by colour alone."""

READY_WORDS: Final = {
    ReadinessState.UNKNOWN: "not known",
    ReadinessState.READY: "armed",
    ReadinessState.SHARED: "armed, once others have signed",
    ReadinessState.IN_EFFECT: "in effect already",
    ReadinessState.RESTING: "resting",
    ReadinessState.HELD_BACK: "held back",
    ReadinessState.NOT_READY: "NOT ARMED",
}


def standing_of(verdict: Verdict) -> Standing:
    match verdict.state, verdict.reason:
        case RuleState.TRIPPED, _:
            return Standing.TRIPPED
        case RuleState.CLEARING, _:
            return Standing.RECOVERING
        case _, VerdictReason.SUPPRESSED:
            return Standing.SUPPRESSED
        case _, VerdictReason.OFF_SCHEDULE:
            return Standing.OFF_SCHEDULE
        case _, VerdictReason.NO_INPUT:
            return Standing.HELD
        case _, VerdictReason.WARMING:
            return Standing.NO_DATA
        case RuleState.PENDING, _:
            return Standing.BEYOND
        case _:
            return Standing.OK


def readiness_words(found: ActionReadiness) -> str:
    """Never ``armed`` unless it is."""
    words = READY_WORDS[found.state]
    if found.state is ReadinessState.HELD_BACK:
        words = "would work; shadow sends nothing" if found.reason == SHADOW else f"held back: {found.reason}"
    assert found.is_armed == words.startswith("armed"), found.state
    return words


def number(value: float, unit: Unit) -> str:
    """``3.21 %``, ``2,994.5``, ``12 s``; empty without a value."""
    if not math.isfinite(value):
        return ""
    return _united(short(repr(value), share=unit in SHARES), unit)


def two_numbers(value: float, threshold: float, unit: Unit) -> tuple[str, str]:
    """Both with as many digits as it takes to tell them apart."""
    if not (math.isfinite(value) and math.isfinite(threshold)):
        return number(value, unit), number(threshold, unit)
    one, other = against(repr(value), repr(threshold), share=unit in SHARES).split(" against ")
    return _united(one, unit), _united(other, unit)


def _united(text: str, unit: Unit) -> str:
    return f"{text} s" if unit is Unit.SECONDS else grouped(text)


def used(headroom: float) -> float | None:
    """The share of the threshold that is used: 0 nothing, 1 at it, more beyond; None without a value."""
    return max(0.0, 1 - headroom) if math.isfinite(headroom) else None


def room_words(headroom: float) -> str:
    """``62 % left``, ``at the threshold``, ``30 % beyond``; empty where nobody knows."""
    if not math.isfinite(headroom):
        return ""
    share = round(abs(headroom) * 100)
    if share == 0:
        return "under 1 % left" if headroom > 0 else "at the threshold" if headroom == 0 else "just beyond"
    return f"{share} % left" if headroom > 0 else f"{share:,} % beyond" if share < 10_000 else "far beyond"


def progress(rule: RuleSpec, verdict: Verdict, at_ms: int, block: int) -> tuple[str, float] | None:
    """How far a persistence has come, in words and as a share; None where nothing is counted now."""
    if verdict.state is RuleState.PENDING:
        return _progress(rule.when, verdict, at_ms, block, "beyond for")
    if verdict.state is RuleState.CLEARING:
        return _progress(rule.clear, verdict, at_ms, block, "back inside for")
    return None


def _progress(
    what: RuleCondition | Group, verdict: Verdict, at_ms: int, block: int, words: str
) -> tuple[str, float] | None:
    hold: Hold = what.hold
    if isinstance(hold, OutOf):
        return f"{words} some of the last; {hold} are needed", 0.5
    if hold.blocks:
        done = min(hold.blocks, block - verdict.since_block + 1)
        return f"{words} {done} of {hold.blocks} blocks", done / hold.blocks
    if hold.ms:
        done_ms = min(hold.ms, max(0, at_ms - verdict.since_ms))
        return f"{words} {lasting(done_ms)} of {lasting(hold.ms)}", done_ms / hold.ms
    return None
