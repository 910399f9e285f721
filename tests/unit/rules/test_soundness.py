"""Conditions that cannot be: each is named at its place, and what is just sound is not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.domain.units import NO_SPAN, Span, Unit
from keeper.rules.soundness import MAX_MEMBERS, unsound, unsound_schedule
from keeper.rules.spec import (
    DAY_MS,
    Condition,
    Group,
    Hold,
    Level,
    Mode,
    Moving,
    OutOf,
    Schedule,
    Share,
    Side,
    undone_by,
)

pytestmark = pytest.mark.unit

UNITS = {"share": Unit.RATIO, "other": Unit.RATIO, "vol": Unit.VOLATILITY, "price": Unit.PRICE, "tvl": Unit.AMOUNT}
Both = Condition | Group


def over(level: Level | str, signal: str = "share", hold: Hold = NO_SPAN) -> Condition:
    return Condition(signal, Side.ABOVE, Decimal(level) if isinstance(level, str) else level, hold)


def under(level: Level | str, signal: str = "share", hold: Hold = NO_SPAN) -> Condition:
    return Condition(signal, Side.BELOW, Decimal(level) if isinstance(level, str) else level, hold)


def every(*members: Condition) -> Group:
    return Group(Mode.ALL, members)


def some(*members: Condition) -> Group:
    return Group(Mode.ANY, members)


def of(number: int, *members: Condition) -> Group:
    return Group(Mode.AT_LEAST, members, NO_SPAN, number)


def moving(of_signal: str = "other", times: str = "2", base: str = "0", converts: bool = False, **more: str) -> Moving:
    bounds = {key: Decimal(value) for key, value in more.items()}
    return Moving(of_signal, Decimal(times), Decimal(base), converts=converts, **bounds)


HALF = Share(Decimal("0.5"))
A, B, C = (over("2", name) for name in ("share", "other", "vol"))
NOT_A, NOT_B, NOT_C = (under("1", name) for name in ("share", "other", "vol"))


def places(when: Both, clear: Both, *unless: Condition) -> list[str]:
    return [one.place for one in unsound(when, clear, unless, UNITS)]


@pytest.mark.parametrize(
    ("when", "clear"),
    [
        (over("2"), under("1")),
        (under("-2"), Condition("share", Side.ABOVE, Decimal("-1"))),
        (over("2"), under(HALF)),
        (over(moving()), under(HALF)),
        (over(moving()), under("1")),
        (over("2"), under(moving())),
        (over(moving(at_least="3")), under("3")),
        (over(moving(at_most="3")), under("2.9")),
        (over(moving(base="1")), under(moving(base="0.9"))),
        (over(moving(times="2")), under(moving(times="1.9"))),
        (over(moving("vol", converts=True)), under(HALF)),
        (over(moving("share", converts=True), "vol"), under(HALF, "vol")),
        (every(A, B), every(NOT_A, NOT_B)),
        (every(A, B), some(NOT_A, NOT_B)),
        (every(A, B), NOT_A),
        (some(A, B), every(NOT_A, NOT_B)),
        (of(2, A, B, C), every(NOT_A, NOT_B)),
        (of(2, A, B, C), of(2, NOT_A, NOT_B, NOT_C)),
        (A, every(NOT_A, NOT_B)),
        (some(over("2"), under("-2")), every(under("1"), over("-1"))),
        (over("2", hold=OutOf(1, 62)), under("1", hold=Span(ms=0))),
    ],
)
def test_unsound__sound_conditions__nothing(when: Both, clear: Both) -> None:
    assert places(when, clear) == []


@pytest.mark.parametrize(
    ("when", "clear", "place"),
    [
        (over("2"), under("2"), "clear.below"),
        (over("NaN"), under("1"), "when.above"),
        (over("2"), over("1"), "clear.above"),
        (over("2"), NOT_B, "clear.signal"),
        (over("2"), under(Share(Decimal(0))), "clear.below.share"),
        (over("2"), under(Share(Decimal(1))), "clear.below.share"),
        (over("0"), under(HALF), "clear.below.share"),
        (over(HALF), under("1"), "when.above.share"),
        (over(moving(times="0")), under(HALF), "when.above.times"),
        (over(moving(times="NaN", converts=True)), under(HALF), "when.above.plus"),
        (over(moving(base="Infinity")), under(HALF), "when.above.base"),
        (over(moving(at_least="NaN")), under(HALF), "when.above"),
        (over(moving(at_least="2", at_most="2")), under(HALF), "when.above.at_most"),
        (over(moving("share")), under(HALF), "when.above.of"),
        (over(moving("price")), under(HALF), "when.above.of"),
        (over(moving("vol")), under(HALF), "when.above.of"),
        (over(moving("price", converts=True)), under(HALF), "when.above.of"),
        (over(moving("vol"), "price"), under(HALF, "price"), "when.above.of"),
        (over(moving("vol", converts=True), "price"), under(HALF, "price"), "when.above.of"),
        (over(moving(at_most="3")), under("3"), "clear.below"),
        (over("2"), under(moving(at_least="2")), "clear.below"),
        (under(moving(at_least="3")), over("3"), "clear.above"),
        (over(moving(base="1")), under(moving(base="1")), "clear.below"),
        (under(moving(base="1")), over(moving(base="0.9")), "clear.above"),
        (some(A, B), NOT_A, "clear"),
        (some(A, B), some(NOT_A, NOT_B), "clear"),
        (of(2, A, B, C), of(1, NOT_A, NOT_B, NOT_C), "clear"),
        (of(2, A, B, C), NOT_A, "clear"),
        (A, some(NOT_A, NOT_B), "clear"),
        (every(A, B), NOT_C, "clear.signal"),
        (every(A, B), every(NOT_A, under("0.5")), "clear.all[1]"),
        (every(A, B), every(NOT_A, over("1", "other")), "clear.all[1].above"),
        (A, every(NOT_A, under(HALF, "other")), "clear.all[1].below.share"),
        (every(A, B), every(NOT_A, under("2", "other")), "clear.all[1].below"),
        (every(A, A), NOT_A, "when.all[1]"),
        (every(A), NOT_A, "when.all"),
        (of(0, A, B), every(NOT_A, NOT_B), "when.at_least"),
        (of(3, A, B), every(NOT_A, NOT_B), "when.at_least"),
        (over("2", hold=OutOf(0, 3)), under("1"), "when.for"),
        (over("2", hold=OutOf(4, 3)), under("1"), "when.for"),
        (over("2"), under("1", hold=OutOf(4, 63)), "clear.for"),
        (over("2", hold=Span(ms=-1)), under("1"), "when.for"),
        (over("2", hold=Span(samples=2)), under("1"), "when.for"),
    ],
)
def test_unsound__one_thing_wrong__is_named_at_its_place(when: Both, clear: Both, place: str) -> None:
    assert places(when, clear) == [place]


def test_unsound__suppressors__are_looked_at_too() -> None:
    assert places(A, NOT_A, over("2", "other"), over(moving("price"), "share")) == ["unless[1].above.of"]
    assert places(A, NOT_A, over(HALF)) == ["unless[0].above.share"]


@pytest.mark.parametrize(("members", "sound"), [(MAX_MEMBERS, True), (MAX_MEMBERS + 1, False)])
def test_unsound__size_of_a_group__both_sides(members: int, sound: bool) -> None:
    group = every(*(over(str(number + 2), "share") for number in range(members)))
    assert (places(group, NOT_A) == []) is sound


def test_unsound__units_that_are_not_known__are_left_alone() -> None:
    assert list(unsound(over(moving("rumour")), under(HALF), (), UNITS)) == []


def test_unsound__unit_that_could_be_converted__the_hint_says_how() -> None:
    (found,) = unsound(over(moving("vol")), under(HALF), (), UNITS)
    assert "plus" in found.hint
    assert (found.found, "volatility" in found.message, "ratio" in found.message) == ("vol", True, True)


def test_undone_by__several_on_one_signal__each_once_in_their_order() -> None:
    when = every(over("2"), over(moving()), over("2", "other"))
    assert undone_by(when, every(NOT_B, NOT_A, under(HALF), under("0"))) == (2, 0, 1, None)


@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        (Schedule(frozenset({0})), []),
        (Schedule(frozenset({0, 6}), 22 * 3_600_000, 6 * 3_600_000), []),
        (Schedule(frozenset()), ["schedule.days"]),
        (Schedule(frozenset({7})), ["schedule.days"]),
        (Schedule(frozenset({0}), 5, 5), ["schedule.to"]),
        (Schedule(frozenset({0}), DAY_MS, 5), ["schedule"]),
        (Schedule(frozenset({0}), 0, DAY_MS + 1), ["schedule"]),
        (Schedule(frozenset({0}), -1, 5), ["schedule"]),
        (Schedule(frozenset({0}), 5, 0), ["schedule"]),
    ],
)
def test_unsound_schedule__days_and_hours__both_sides(schedule: Schedule, found: list[str]) -> None:
    assert [one.place for one in unsound_schedule(schedule)] == found
