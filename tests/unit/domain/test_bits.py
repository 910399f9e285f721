"""Single bits among arguments, and views of which one result counts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.domain.abi import decode_results, encode_call, parse_signature
from keeper.domain.action import PREVIOUS, FunctionCall, SafeSide
from keeper.domain.adjustment import IN_EFFECT, NEW, Adjustment, Refusal
from keeper.domain.bits import bit_of, put, stands_for
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.expression import parse_expression

pytestmark = pytest.mark.unit

FLAGS = Adjustment("current | 30", SafeSide.HIGHER, 0, 31)


@pytest.mark.parametrize(
    ("text", "bit"),
    [
        ("{new.bit0}", 0),
        ("{new.bit255}", 255),
        ("{new}", None),
        ("{new.bit}", None),
        ("{new.bit01}", None),
        ("{new.bit1} ", None),
        (" {new.bit1}", None),
        ("{previous.bit1}", None),
        ("{newer.bit1}", None),
        ("", None),
    ],
)
def test_bit_of__new__is_read_exactly(text: str, bit: int | None) -> None:
    assert bit_of(text, NEW) == bit
    assert stands_for(text, NEW) is (bit is not None or text == NEW)
    assert not stands_for(text, None)


def test_put__value_and_bits__each_in_its_place() -> None:
    assert put(("{new}", "{new.bit0}", "{new.bit1}", "{new.bit4}", "x"), NEW, "18") == (
        "18",
        "false",
        "true",
        "true",
        "x",
    )
    assert put(("{previous.bit0}",), PREVIOUS, "1") == ("true",)


@pytest.mark.parametrize("value", ["true", "-1", "0x1", ""])
def test_put__bits_of_what_is_no_number__stay_and_do_not_encode(value: str) -> None:
    args = put(("{previous.bit0}",), PREVIOUS, value)
    assert args == ("{previous.bit0}",)
    with pytest.raises(UnitError):
        encode_call(FunctionCall("0x000000000000000000000000000000000000dEaD", "f(bool)", args))


@pytest.mark.parametrize(("current", "value"), [(0, 30), (1, 31), (8, 30), (30, 30), (31, 31)])
def test_expression__bits__are_added_to_those_there(current: int, value: int) -> None:
    assert parse_expression("current | 30").value(current) == value


def test_expression__bits__bind_weaker_than_sums() -> None:
    assert parse_expression("1 + 1 | 4").value(0) == 6
    assert parse_expression("(1 | 4) * 2").value(0) == 10
    assert parse_expression("max(current | 1, 2)").value(4) == 5


@pytest.mark.parametrize("text", ["current | -1", "current | 0.5", "-1 | current"])
def test_expression__bits_of_what_has_none__cannot_be_computed(text: str) -> None:
    with pytest.raises(UnitError, match="no whole number"):
        parse_expression(text).value(1)
    assert Adjustment(text, SafeSide.HIGHER, 0, 31).adjusted(1).refusal is Refusal.NOT_COMPUTABLE


@pytest.mark.parametrize(
    ("current", "new", "refusal"),
    [(0, 30, None), (1, 31, None), (16, 30, None), (30, None, Refusal.SAME), (31, None, Refusal.AT_BOUND)],
)
def test_flags__adjusted__only_ever_set(current: int, new: int | None, refusal: Refusal | None) -> None:
    adjusted = FLAGS.adjusted(current)
    assert (adjusted.new, adjusted.refusal) == (new, refusal)


@pytest.mark.parametrize(
    ("adjustment", "current"),
    [
        (Adjustment("current | 30", SafeSide.HIGHER, 0, 30), 1),  # 31 is beyond the bound, and 30 would clear the first
        (Adjustment("current | 14", SafeSide.HIGHER, 0, 24), 17),
        (Adjustment("current | 16", SafeSide.HIGHER, 0, 31, Decimal("0.5")), 12),  # half more, 18, has neither 4 nor 8
        (Adjustment("(current | 30) - 1", SafeSide.HIGHER, 0, 31), 1),
        (FLAGS, 32),  # a flag that nobody knew of is no pause
        (FLAGS, 33),
    ],
)
def test_flags__bounds_or_a_step_that_would_clear_one__refused_and_not_in_effect(
    adjustment: Adjustment, current: int
) -> None:
    adjusted = adjustment.adjusted(current)
    assert (adjusted.new, adjusted.refusal) == (None, Refusal.OUT_OF_REACH)
    assert adjusted.refusal not in IN_EFFECT


@pytest.mark.parametrize("most", [1, 30, 31, 255])
@pytest.mark.parametrize("step", [None, Decimal("0.5"), Decimal(3)])
def test_flags__whatever_there_is__none_is_ever_cleared(most: int, step: Decimal | None) -> None:
    for mask in range(1, 32):
        adjustment = Adjustment(f"current | {mask}", SafeSide.HIGHER, 0, most, step)
        for current in range(256):
            new = adjustment.adjusted(current).new
            assert new is None or (new & current == current and new > current)


@pytest.mark.parametrize(
    ("value", "holds"), [(30, True), (31, True), (32, False), (29, False), (14, False), (-2, False)]
)
def test_flags__what_holds__has_all_that_are_wanted(value: int, *, holds: bool) -> None:
    assert FLAGS.holds(value, 30) is holds


@pytest.mark.parametrize(("value", "holds"), [(30, True), (29, True), (31, False)])
def test_number__what_holds__is_as_tight_or_tighter(value: int, *, holds: bool) -> None:
    assert Adjustment("current * 0.5", SafeSide.LOWER, 0, 100).holds(value, 30) is holds


def test_view__one_of_its_results__counts_and_the_others_are_not_looked_at() -> None:
    whole = parse_signature("getReserveCaps(address)(uint256,uint256)")
    second = parse_signature(whole.view_of(1))
    assert whole.view_of(1) == "getReserveCaps(address)(_,uint256)"
    assert (second.selector, second.outputs, second.skipped) == (whole.selector, ("uint256",), 1)
    words = (7).to_bytes(32, "big") + (9).to_bytes(32, "big")
    assert decode_results(second, words) == (9,)
    assert decode_results(parse_signature(whole.view_of(0)), words) == (7,)
    with pytest.raises(MalformedAnswer):
        decode_results(second, words[:-1])


@pytest.mark.parametrize("text", ["f()(uint256,_)", "f()(_)", "f()(_,bytes)", "f(_)(uint256)", "f()(_,string)"])
def test_signature__a_result_without_a_type_elsewhere__is_none(text: str) -> None:
    with pytest.raises(UnitError):
        parse_signature(text)
