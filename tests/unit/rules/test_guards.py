"""What keeps a rule from tripping: suppressors, and the hours outside of its schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import RuleState, Severity, VerdictReason
from keeper.rules.hours import days_of, on_duty
from keeper.rules.spec import DAY_MS, Condition, Moving, RuleSpec, Schedule, Side
from tests.support.court import GONE, WARM, Court, Value, states

pytestmark = pytest.mark.unit

C, P, T, R = RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED, RuleState.CLEARING
HOUR_MS = 3_600_000
MARKET = Condition("market", Side.ABOVE, Decimal(5))


def rule(hold: Span = NO_SPAN, schedule: Schedule | None = None, unless: tuple[Condition, ...] = ()) -> RuleSpec:
    """Trips above 2, clears below 1."""
    when = Condition("s", Side.ABOVE, Decimal(2), hold)
    clear = Condition("s", Side.BELOW, Decimal(1))
    return RuleSpec("r", when, clear, Severity.CRITICAL, (), unless=unless, schedule=schedule)


# --- suppressors


@pytest.mark.parametrize(
    ("market", "expected"), [(5.0, (T, VerdictReason.BREACHED)), (5.1, (C, VerdictReason.SUPPRESSED))]
)
def test_unless__around_its_threshold__suppresses_strictly_beyond(
    market: float, expected: tuple[RuleState, VerdictReason]
) -> None:
    assert Court(rule(unless=(MARKET,))).judge([3.0, market], 1) == expected


@pytest.mark.parametrize("missing", [WARM, GONE])
def test_unless__nobody_can_tell__does_not_suppress(missing: str) -> None:
    assert Court(rule(unless=(MARKET,))).judge([3.0, missing], 1) == (T, VerdictReason.BREACHED)


def test_unless__condition_does_not_hold__says_so_and_not_that_it_is_suppressed() -> None:
    assert Court(rule(unless=(MARKET,))).judge([1.5, 9.0], 1) == (C, VerdictReason.INSIDE)
    assert Court(rule(unless=(MARKET,))).judge([GONE, 9.0], 1) == (C, VerdictReason.NO_INPUT)


def test_unless__streak__ends() -> None:
    one = rule(Span(blocks=2), unless=(MARKET,))
    assert states(one, [[3.0, 0.0], [3.0, 9.0], [3.0, 0.0], [3.0, 0.0]]) == [P, C, P, T]


def test_unless__tripped_rule__stays_tripped_and_may_clear() -> None:
    court = Court(rule(unless=(MARKET,)))
    court.judge([3.0, 0.0], 1)
    assert court.judge([3.0, 9.0], 2) == (T, VerdictReason.STILL_TRIPPED)
    assert court.judge([0.5, 9.0], 3) == (C, VerdictReason.RECOVERED)


def test_unless__several__any_of_them_suppresses() -> None:
    one = rule(unless=(MARKET, Condition("peer", Side.BELOW, Moving("market", Decimal(1)))))
    assert Court(one).judge([3.0, 4.0, 5.0], 1)[0] is T
    assert Court(one).judge([3.0, 4.0, 3.0], 1) == (C, VerdictReason.SUPPRESSED)
    assert Court(one).judge([3.0, GONE, 3.0], 1)[0] is T


def test_unless__suppressed__headroom_is_still_told() -> None:
    court = Court(rule(unless=(MARKET,)))
    court.judge([3.0, 9.0], 1)
    assert court.headroom == -0.5


# --- schedule

WEEKDAYS = frozenset(range(5))
OFFICE = Schedule(WEEKDAYS, 8 * HOUR_MS, 20 * HOUR_MS)
NIGHT = Schedule(frozenset({4}), 22 * HOUR_MS, 6 * HOUR_MS)
"""From Friday evening to Saturday morning."""


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def duty(schedule: Schedule | None, at_ms: int) -> bool:
    hours = schedule or Schedule(frozenset())
    return bool(on_duty(days_of(schedule), hours.from_ms, hours.to_ms, at_ms))


@pytest.mark.parametrize(
    ("schedule", "when", "expected"),
    [
        (None, "2026-01-03T03:00", True),
        (OFFICE, "2026-01-05T07:59:59.999", False),  # a Monday
        (OFFICE, "2026-01-05T08:00", True),
        (OFFICE, "2026-01-05T19:59:59.999", True),
        (OFFICE, "2026-01-05T20:00", False),
        (OFFICE, "2026-01-09T12:00", True),
        (OFFICE, "2026-01-10T12:00", False),
        (NIGHT, "2026-01-09T21:59:59.999", False),
        (NIGHT, "2026-01-09T22:00", True),
        (NIGHT, "2026-01-10T00:00", True),
        (NIGHT, "2026-01-10T05:59:59.999", True),
        (NIGHT, "2026-01-10T06:00", False),
        (NIGHT, "2026-01-10T22:00", False),
        (NIGHT, "2026-01-09T05:00", False),
        (Schedule(frozenset({6}), 22 * HOUR_MS, 6 * HOUR_MS), "2026-01-12T05:00", True),  # Sunday into Monday
        (Schedule(frozenset({5, 6})), "2026-01-10T00:00", True),
        (Schedule(frozenset({5, 6})), "2026-01-11T23:59:59.999", True),
        (Schedule(frozenset({5, 6})), "2026-01-12T00:00", False),
        (Schedule(frozenset({3})), "1970-01-01T00:00", True),
        (Schedule(frozenset({2})), "1969-12-31T23:59:59.999", True),
    ],
)
def test_schedule__around_its_edges__to_the_millisecond(schedule: Schedule | None, when: str, expected: bool) -> None:
    assert duty(schedule, at(when)) is expected


def test_schedule__every_hour_of_two_weeks__agrees_with_the_calendar() -> None:
    begin = at("2024-02-26T00:30")
    for hour in range(14 * 24):
        now = datetime.fromtimestamp(begin / 1000 + hour * 3600, UTC)
        expected = now.weekday() < 5 and 8 <= now.hour < 20
        assert duty(OFFICE, begin + hour * HOUR_MS) is expected


def test_schedule__outside__does_not_trip_and_says_so_whatever_the_signal_says() -> None:
    court = Court(rule(schedule=OFFICE))
    values: list[Value] = [3.0, 0.0, GONE, WARM]
    for number, value in enumerate(values):
        assert court.judge(value, number, at("2026-01-10T12:00")) == (C, VerdictReason.OFF_SCHEDULE)


def test_schedule__streak__does_not_reach_over_its_edge() -> None:
    court = Court(rule(Span(ms=60_000), schedule=OFFICE))
    begin = at("2026-01-05T08:00")
    times = (begin - 30_000, begin, begin + 59_999, begin + 60_000)
    assert [court.judge(3.0, number, when)[0] for number, when in enumerate(times)] == [C, P, P, T]


def test_schedule__tripped_rule_outside__stays_tripped_and_may_clear() -> None:
    court = Court(rule(schedule=OFFICE))
    end = at("2026-01-05T20:00")
    assert court.judge(3.0, 1, end - 1)[0] is T
    assert court.judge(3.0, 2, end) == (T, VerdictReason.STILL_TRIPPED)
    assert court.judge(0.5, 3, end + 1) == (C, VerdictReason.RECOVERED)
    assert court.judge(3.0, 4, end + 2) == (C, VerdictReason.OFF_SCHEDULE)


def test_schedule__whole_day__is_the_day() -> None:
    assert (Schedule(WEEKDAYS).from_ms, Schedule(WEEKDAYS).to_ms) == (0, DAY_MS)
    assert replace(rule(), schedule=None).schedule is None
