"""From a current value to a new one: rounding, bounds, the largest step, and why there is none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from keeper.domain.action import SafeSide
from keeper.domain.adjustment import Adjustment, Clamp, Refusal, adjustment_body

pytestmark = pytest.mark.unit

LOWER, HIGHER = SafeSide.LOWER, SafeSide.HIGHER
HALF = Decimal("0.5")


def lower(
    expression: str = "current * 0.5", least: int = 100, most: int = 10_000, step: Decimal | None = None
) -> Adjustment:
    return Adjustment(expression, LOWER, least, most, step)


def higher(
    expression: str = "current * 1.5", least: int = 0, most: int = 1_000, step: Decimal | None = None
) -> Adjustment:
    return Adjustment(expression, HIGHER, least, most, step)


@pytest.mark.parametrize(
    ("adjustment", "current", "new", "clamps"),
    [
        (lower(), 1_000, 500, ()),
        (lower(), 1_001, 500, ()),  # 500.5, down
        (higher(), 101, 152, ()),  # 151.5, up
        (lower("current - 0.001"), 1_000, 999, ()),
        (higher("current + 0.001"), 100, 101, ()),
        (lower(), 201, 100, ()),
        (lower(), 199, 100, (Clamp.LEAST,)),
        (lower(), 101, 100, (Clamp.LEAST,)),
        (higher(), 666, 999, ()),
        (higher(), 668, 1_000, (Clamp.MOST,)),
        (lower("0"), 1_000, 100, (Clamp.LEAST,)),
        (lower("0", step=HALF), 1_000, 500, (Clamp.LEAST, Clamp.STEP)),
        (lower("current * 0.5", step=HALF), 1_001, 501, (Clamp.STEP,)),  # 500 would be 50.05 %
        (lower("current * 0.5", step=HALF), 1_000, 500, ()),
        (lower("current * 0.499", step=HALF), 1_000, 500, (Clamp.STEP,)),
        (higher("current * 3", step=HALF), 100, 150, (Clamp.STEP,)),
        (higher("current * 3", step=Decimal(2)), 100, 300, ()),
        (lower("current", most=800), 1_000, 800, (Clamp.MOST,)),
        (lower("current", most=800, step=Decimal("0.2")), 1_000, 800, (Clamp.MOST,)),
        (Adjustment("current * 2", LOWER, -500, 0, HALF), -100, -150, (Clamp.STEP,)),
        (Adjustment("-5", HIGHER, -500, 0), -100, -5, ()),
    ],
)
def test_adjusted__a_tighter_value__rounded_and_clamped(
    adjustment: Adjustment, current: int, new: int, clamps: tuple[Clamp, ...]
) -> None:
    adjusted = adjustment.adjusted(current)
    assert (adjusted.new, adjusted.clamps, adjusted.refusal) == (new, clamps, None)


@pytest.mark.parametrize(
    ("adjustment", "current", "refusal"),
    [
        (lower(), None, Refusal.UNKNOWN),
        (lower(), 100, Refusal.AT_BOUND),
        (lower(), 99, Refusal.LOOSER),
        (lower(), 0, Refusal.LOOSER),
        (higher(), 1_000, Refusal.AT_BOUND),
        (higher(), 1_001, Refusal.LOOSER),
        (lower("500"), 500, Refusal.SAME),
        (lower("500"), 499, Refusal.LOOSER),
        (lower("current"), 500, Refusal.SAME),
        (lower("current * 1.5"), 500, Refusal.LOOSER),
        (higher("current * 0.5"), 500, Refusal.LOOSER),
        (lower("current", most=800), 800, Refusal.SAME),
        (lower("0", least=0, step=HALF), 1, Refusal.STEP_TOO_SMALL),
        (higher("9", step=HALF), 0, Refusal.STEP_TOO_SMALL),
        (lower("current", most=800, step=Decimal("0.19")), 1_000, Refusal.OUT_OF_REACH),
        (higher("current", least=800, step=HALF), 500, Refusal.OUT_OF_REACH),
        (lower("100 / (current - 500)"), 500, Refusal.NOT_COMPUTABLE),
    ],
)
def test_adjusted__nothing_to_send__says_why(adjustment: Adjustment, current: int | None, refusal: Refusal) -> None:
    adjusted = adjustment.adjusted(current)
    assert (adjusted.new, adjusted.refusal) == (None, refusal)


def test_adjustment_body__everything__recomputes_the_new_value_from_the_record_alone() -> None:
    adjustment = lower("current / 3", step=HALF)
    body = adjustment_body(adjustment, adjustment.adjusted(1_000))
    assert body == {
        "current": "1000",
        "expression": "current / 3",
        "exact": "1000/3",
        "wanted": "333",
        "clamps": ["max_step"],
        "new": "500",
        "refusal": None,
        "safe_side": "lower",
        "bounds": {"min": "100", "max": "10000"},
        "max_step": "0.5",
    }
    bounds = body["bounds"]
    assert isinstance(bounds, dict)
    again = Adjustment(
        str(body["expression"]),
        SafeSide(str(body["safe_side"])),
        int(str(bounds["min"])),
        int(str(bounds["max"])),
        Decimal(str(body["max_step"])),
    )
    adjusted = again.adjusted(int(str(body["current"])))
    assert adjustment_body(again, adjusted) == body
    assert adjusted.exact == Fraction(1_000, 3)


def test_adjustment_body__a_refusal__has_no_new_value() -> None:
    adjustment = replace(lower(), max_step=None)
    body = adjustment_body(adjustment, adjustment.adjusted(None))
    assert (body["current"], body["new"], body["refusal"], body["max_step"]) == (None, None, "unknown", None)
