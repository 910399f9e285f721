"""Deviation from a peg: each side, each kind of bad input, and targets other than 1."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from keeper.domain.signal import SignalStatus
from keeper.signals.registry import SIGNALS
from tests.support.statistics import NAN, Output, drive, spec_of

pytestmark = pytest.mark.unit


def at(side: str, of: float, target: str = "1") -> Output:
    return drive(spec_of("peg-deviation", target=Decimal(target), side=side), [(0, (of,))])[0]


@pytest.mark.parametrize(
    ("side", "of", "target", "value"),
    [
        ("either", 1.25, "1", 0.25),
        ("either", 0.75, "1", 0.25),
        ("either", 1.0, "1", 0.0),
        ("above", 1.25, "1", 0.25),
        ("above", 0.75, "1", -0.25),
        ("below", 0.75, "1", 0.25),
        ("below", 1.25, "1", -0.25),
        ("below", 75.0, "100", 0.25),
        ("above", 0.75, "0.5", 0.5),
    ],
)
def test_peg_deviation__each_side__has_its_sign(side: str, of: float, target: str, value: float) -> None:
    assert at(side, of, target) == (SignalStatus.READY, value)


@pytest.mark.parametrize("bad", [NAN, 0.0, -1.0, math.inf])
def test_peg_deviation__input_that_is_no_price__no_input(bad: float) -> None:
    status, value = at("either", bad)
    assert status is SignalStatus.NO_INPUT
    assert math.isnan(value)


def test_peg_deviation__price_next_to_its_peg__keeps_the_digits_of_the_difference() -> None:
    assert at("above", 1.0 + 2**-52) == (SignalStatus.READY, 2**-52)
    assert at("below", 1.0 - 2**-53) == (SignalStatus.READY, 2**-53)


@pytest.mark.parametrize(
    ("target", "sound"), [("0", False), ("1E-400", False), ("1E+400", False), ("0.0001", True), ("3000", True)]
)
def test_peg_deviation__target__is_more_than_nothing(target: str, sound: bool) -> None:
    found = SIGNALS["peg-deviation"].check({"target": Decimal(target), "side": "either"})
    assert [one.param for one in found] == ([] if sound else ["target"])
