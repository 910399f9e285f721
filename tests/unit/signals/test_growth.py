"""Growth against a cap: at the cap and on either side of it, and rates that are none."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamValue
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
WINDOW: dict[str, ParamValue] = {"window": Span(ms=20_000), "sampling": Span(ms=10_000)}
SPEC = spec_of("growth", **WINDOW, cap=Decimal("0.25"))


def rates(*values: float) -> list[Input]:
    return [(place * 10_000, (value,)) for place, value in enumerate(values)]


def last(*values: float) -> Output:
    return drive(SPEC, rates(*values))[-1]


@pytest.mark.parametrize(
    ("then", "now", "value"), [(4.0, 5.0, 1.0), (4.0, 4.5, 0.5), (4.0, 4.0, 0.0), (4.0, 6.0, 2.0), (4.0, 3.0, -1.0)]
)
def test_growth__then_and_now__share_of_the_cap(then: float, now: float, value: float) -> None:
    assert last(then, 9.0, now) == (READY, value)


def test_growth__just_beside_the_cap__is_on_its_side_of_one() -> None:
    assert last(4.0, 4.0, math.nextafter(5.0, 0.0))[1] < 1.0
    assert last(4.0, 4.0, math.nextafter(5.0, 9.0))[1] > 1.0


def test_growth__warm_up__ready_exactly_when_the_window_is_full() -> None:
    ticks: list[Input] = [(0, (4.0,)), (19_999, (4.0,)), (20_000, (5.0,))]
    assert [status for status, _ in drive(SPEC, ticks)] == [WARMING, WARMING, READY]


def test_growth__gap_longer_than_the_window__boundary_is_one_interval() -> None:
    warm = rates(4.0, 4.0, 4.0)
    assert drive(SPEC, [*warm, (49_999, (5.0,))])[-1] == (READY, 1.0)
    assert drive(SPEC, [*warm, (50_000, (5.0,))])[-1][0] is WARMING


@pytest.mark.parametrize("bad", [NAN, 0.0, -1.0, math.inf])
def test_growth__input_that_is_no_rate__no_input_and_nothing_lost(bad: float) -> None:
    answers = drive(SPEC, [*rates(4.0, 4.0, 5.0), (21_000, (bad,)), (22_000, (5.0,))])
    assert answers[3][0] is NO_INPUT
    assert answers[4] == answers[2] == (READY, 1.0)


def test_growth__beyond_every_float__no_input_rather_than_infinity() -> None:
    assert last(1e-300, 1.0, 1e300)[0] is NO_INPUT


@pytest.mark.parametrize(("cap", "wrong"), [("0", ["cap"]), ("0.0001", [])])
def test_growth__cap__is_more_than_nothing(cap: str, wrong: list[str]) -> None:
    found = SIGNALS["growth"].check({**WINDOW, "cap": Decimal(cap)})
    assert [one.param for one in found] == wrong


def test_growth__window_and_cap_both_wrong__are_told_together() -> None:
    found = SIGNALS["growth"].check({"window": Span(ms=1), "sampling": Span(ms=1), "cap": Decimal(0)})
    assert [one.param for one in found] == ["window", "cap"]
