"""A trip on the word of one node alone does not become true because all nodes agree later."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.app.doubts import Doubts
from keeper.domain.block import BlockStamp
from keeper.domain.decision import Decision, DecisionKind, DecisionReason
from keeper.domain.testimony import Difference, Otherwise, QuorumPolicy, Silence, Statement, Testimony, Word
from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import RuleState, Severity, Verdict, VerdictReason
from keeper.engine.spec import MarketSpec
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.spec import SignalSpec

pytestmark = pytest.mark.unit

POLICY = QuorumPolicy(2, 500, Otherwise.HOLD)
VALUES = Statement("verify-1", Word.DISAGREES, differences=(Difference(0, "0x01", "0x02"),))
HASH = Statement("verify-1", Word.DISAGREES, differences=(Difference(None, "0xaa", "0xbb"),))
SILENT = Statement("verify-1", Word.SILENT, Silence.DEADLINE)
AGREES = Statement("verify-2", Word.AGREES)
GAP = SignalSpec("s", "divergence", ("a", "b"))
SWINGS = SignalSpec("s", "realised-volatility", ("a",), (("window", Span(ms=10_000)),))
TRIP = 100
"""Blocks are a second apart: block N has the time of N seconds."""


def market(signal: SignalSpec = GAP, hold: Span = NO_SPAN) -> MarketSpec:
    when = Condition("s", Side.ABOVE, Decimal("0.02"), hold)
    clear = Condition("s", Side.BELOW, Decimal("0.01"), Span(blocks=10))
    return MarketSpec("M", (signal,), (RuleSpec("r", when, clear, Severity.CRITICAL, ("pause",)),))


def doubts(signal: SignalSpec = GAP, hold: Span = NO_SPAN) -> Doubts:
    return Doubts([POLICY], [market(signal, hold)])


def disputed(made: Doubts, block: int, *statements: Statement) -> None:
    stamp = BlockStamp(block, f"0x{block:064x}", f"0x{block - 1:064x}", block)
    made.note(Testimony(stamp, statements or (VALUES,)), block * 1_000)


def agreed(made: Doubts, block: int, *, good: bool = True) -> None:
    stamp = BlockStamp(block, f"0x{block:064x}", f"0x{block - 1:064x}", block)
    made.note(Testimony(stamp, (AGREES,)), block * 1_000, good=good)


def decision(block: int, *, since: int = TRIP, beyond: bool = True, incident: str = "M@100") -> Decision:
    state, reason = RuleState.TRIPPED, VerdictReason.STILL_TRIPPED
    headroom = -1.0 if beyond else 0.5
    verdict = Verdict("M", "r", "s", state, reason, 0.1, 0.02, headroom, since * 1_000, since, Severity.CRITICAL)
    kind, why = DecisionKind.ACT, DecisionReason.RETRY
    return Decision("d", kind, why, "M", "pause", incident, verdict, (), (), block * 1_000, block)


def test_doubts__never_disputed__are_none() -> None:
    assert doubts().about(decision(TRIP), POLICY) is None


@pytest.mark.parametrize("statements", [(SILENT,), (VALUES, AGREES)], ids=["silence", "enough agreed"])
def test_doubts__not_a_dispute__are_none(statements: tuple[Statement, ...]) -> None:
    made = doubts()
    disputed(made, TRIP, *statements)
    assert made.about(decision(TRIP), POLICY) is None


@pytest.mark.parametrize("statement", [VALUES, HASH])
def test_doubts__tripped_by_a_disputed_block_and_inside_since__last_as_long_as_it_is_tripped(
    statement: Statement,
) -> None:
    made = doubts()
    disputed(made, TRIP, statement)
    assert made.about(decision(TRIP), POLICY) == TRIP
    assert made.about(decision(TRIP + 6, beyond=False), POLICY) == TRIP
    assert made.about(decision(TRIP + 600, since=TRIP + 500, beyond=False), POLICY) == TRIP


@pytest.mark.parametrize(("later", "block"), [(2, TRIP), (3, None)])
def test_doubts__beyond_for_its_whole_persistence_since__are_over(later: int, block: int | None) -> None:
    made = doubts(hold=Span(blocks=2))
    disputed(made, TRIP)
    assert made.about(decision(TRIP), POLICY) == TRIP
    assert made.about(decision(TRIP + later), POLICY) == block


@pytest.mark.parametrize("back", [TRIP, TRIP + 3, TRIP + 9])
@pytest.mark.parametrize(("later", "over"), [(10, False), (11, True)])
def test_doubts__disputed_value_in_the_window__last_for_a_window_after_the_way_back(
    back: int, later: int, over: bool
) -> None:
    made = doubts(SWINGS)
    disputed(made, TRIP - 1)
    assert made.about(decision(TRIP - 1), POLICY) == TRIP - 1
    agreed(made, back)
    agreed(made, back + 1)
    assert made.about(decision(back + later), POLICY) == (None if over else TRIP - 1)


@pytest.mark.parametrize(("later", "over"), [(20, False), (21, True)])
def test_doubts__no_way_back_for_a_whole_window__last_for_two_windows(later: int, over: bool) -> None:
    made = doubts(SWINGS)
    disputed(made, TRIP)
    assert made.about(decision(TRIP), POLICY) == TRIP
    agreed(made, TRIP - 1)  # heard late: it is no way back
    agreed(made, TRIP + 2, good=False)
    assert made.about(decision(TRIP + later), POLICY) == (None if over else TRIP)


@pytest.mark.parametrize(("later", "over"), [(5, False), (6, True)])
@pytest.mark.parametrize("window", [Span(blocks=5), Span(samples=5)])
def test_doubts__window_in_blocks_or_samples__reaches_as_far(window: Span, later: int, over: bool) -> None:
    made = doubts(SignalSpec("s", "realised-volatility", ("a",), (("window", window),)))
    disputed(made, TRIP)
    assert made.about(decision(TRIP), POLICY) == TRIP
    agreed(made, TRIP + 2)
    assert made.about(decision(TRIP + 2 + later), POLICY) == (None if over else TRIP)


@pytest.mark.parametrize(("later", "over"), [(20, False), (21, True)])
def test_doubts__signal_of_a_signal__reaches_through_both_windows(later: int, over: bool) -> None:
    inner = replace(SWINGS, name="inner")
    outer = replace(SWINGS, sources=("inner",))
    when, clear = Condition("s", Side.ABOVE, Decimal("0.02")), Condition("s", Side.BELOW, Decimal("0.01"))
    rule = RuleSpec("r", when, clear, Severity.CRITICAL, ("pause",))
    made = Doubts([POLICY], [MarketSpec("M", (inner, outer), (rule,))])
    disputed(made, TRIP)
    assert made.about(decision(TRIP), POLICY) == TRIP
    agreed(made, TRIP)
    agreed(made, TRIP + 1)
    assert made.about(decision(TRIP + 1 + later), POLICY) == (None if over else TRIP)


def test_doubts__disputed_hash_within_the_window__is_no_reason_to_wait_for_the_window() -> None:
    made = doubts(SWINGS)
    disputed(made, TRIP - 1, HASH)
    assert made.about(decision(TRIP), POLICY) is None


def test_doubts__dispute_long_before_the_trip__is_none() -> None:
    made = doubts(hold=Span(blocks=2))
    disputed(made, TRIP - 3)
    assert made.about(decision(TRIP), POLICY) is None


def test_doubts__a_new_incident__begins_without_them() -> None:
    made = doubts()
    disputed(made, TRIP)
    assert made.about(decision(TRIP), POLICY) == TRIP
    assert made.about(decision(TRIP + 50, since=TRIP + 50, incident="M@150"), POLICY) is None


def test_doubts__tripped_blind__counts_as_beyond() -> None:
    made = doubts()
    disputed(made, TRIP)
    blind = decision(TRIP + 1)
    verdict = replace(blind.verdict, reason=VerdictReason.BLIND, headroom=float("nan"))
    assert made.about(replace(blind, verdict=verdict), POLICY) is None
    assert made.about(decision(TRIP), QuorumPolicy(1, 500, Otherwise.HOLD)) is None
