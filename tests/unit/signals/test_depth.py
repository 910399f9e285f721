"""Depth: enough, just enough, nothing, and amounts that are none."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Unit
from keeper.signals.registry import SIGNALS
from tests.support.statistics import NAN, Output, drive, spec_of

pytestmark = pytest.mark.unit


def at(of: float, floor: str = "250000") -> Output:
    return drive(spec_of("depth", floor=Decimal(floor)), [(0, (of,))])[0]


@pytest.mark.parametrize(
    ("of", "value"), [(250_000.0, 1.0), (500_000.0, 2.0), (125_000.0, 0.5), (0.0, 0.0), (249_999.0, 0.999996)]
)
def test_depth__amount_against_its_floor__is_their_quotient(of: float, value: float) -> None:
    assert at(of) == (SignalStatus.READY, value)


@pytest.mark.parametrize("bad", [NAN, -1e-300, -1.0, math.inf, -math.inf])
def test_depth__input_that_is_no_amount__no_input(bad: float) -> None:
    status, value = at(bad)
    assert status is SignalStatus.NO_INPUT
    assert math.isnan(value)


def test_depth__quotient_beyond_every_float__no_input_rather_than_infinity() -> None:
    assert at(1e300, "0.0000000001")[0] is SignalStatus.NO_INPUT


@pytest.mark.parametrize(("floor", "sound"), [("0", False), ("0.001", True)])
def test_depth__floor__is_more_than_nothing(floor: str, sound: bool) -> None:
    assert (SIGNALS["depth"].check({"floor": Decimal(floor)}) == ()) is sound


def test_depth__units__amounts_not_prices() -> None:
    assert SIGNALS["depth"].accepts == {Unit.AMOUNT, Unit.COUNT}
    assert SIGNALS["depth"].output is Unit.RATIO
