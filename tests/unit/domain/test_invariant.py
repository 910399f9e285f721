"""Invariants judged on answers: both sides of each limit, and what cannot be read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.domain.action import FunctionCall
from keeper.domain.address_list import decode_addresses
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult
from keeper.domain.invariant import (
    ACCOUNT,
    Accounts,
    BoundInvariant,
    Found,
    LiquidatableInvariant,
    Multiple,
    Otherwise,
    PriceInvariant,
    View,
    calls_of,
    judge,
)
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit

pytestmark = pytest.mark.unit

TARGET = "0x000000000000000000000000000000000000dEaD"
ANN, BOB, CAT = (f"0x{digit * 40}" for digit in "123")
BLOCK = Otherwise.BLOCK


def answer(*numbers: int) -> list[CallResult]:
    return [CallResult(True, number.to_bytes(32, "big")) for number in numbers]


REVERTED = CallResult(False, b"")


def view(signature: str, *args: str, decimals: int = 0, label: str = "") -> View:
    return View(FunctionCall(TARGET, signature, args), decimals, 0, label)


# -- price


PRICE = PriceInvariant(
    "price", None, BLOCK, view("price()(uint256)", decimals=1, label="the price in use"), "spot", Decimal("0.02")
)


def spot(value: str | None, quality: Quality = Quality.OK) -> Observation:
    number = None if value is None else Decimal(value)
    return Observation("spot", number, Unit.PRICE, 0, quality=quality, reason="older than 10s")


@pytest.mark.parametrize(
    ("after", "holds"), [(9800, True), (9799, False), (10200, True), (10201, False), (10000, True)]
)
def test_price__at_and_beyond_the_limit__holds_and_does_not(after: int, holds: bool) -> None:
    verdict = judge(PRICE, Found(answer(10000), answer(after), market=spot("1000")))
    assert verdict.holds is holds


def test_price__broken__says_so_in_numbers() -> None:
    verdict = judge(PRICE, Found(answer(29999), answer(28222), market=spot("2999.9")))
    assert verdict.text == "the price in use, 2822.2, would be 5.924% off the market's 2999.9; at most 2% is allowed"
    assert (verdict.before, verdict.after) == ("2999.9 (0% off)", "2822.2 (5.924% off)")


@pytest.mark.parametrize(
    ("market", "words"),
    [
        (None, "nothing was heard of it"),
        (spot("1000", Quality.STALE), "stale: older than 10s"),
        (spot(None, Quality.MISSING), "missing"),
        (spot("0"), "is 0"),
    ],
)
def test_price__market_not_usable__is_not_judged(market: Observation | None, words: str) -> None:
    verdict = judge(PRICE, Found(answer(10000), answer(10000), market=market))
    assert verdict.holds is None
    assert words in verdict.text


@pytest.mark.parametrize("bad", [REVERTED, CallResult(True, b"\x01")])
def test_price__view_that_cannot_be_read_after__is_not_judged(bad: CallResult) -> None:
    verdict = judge(PRICE, Found(answer(10000), [bad], market=spot("1000")))
    assert verdict.holds is None
    assert "the price in use" in verdict.text


def test_price__view_that_cannot_be_read_before__is_judged_on_what_comes_after() -> None:
    verdict = judge(PRICE, Found([REVERTED], answer(10000), market=spot("1000")))
    assert verdict.holds is True
    assert verdict.before.startswith("not known")


# -- bound


USE = view("used()(uint256)", label="what is in use")
CAP = BoundInvariant("cap", None, BLOCK, view("cap()(uint256)", label="the cap"), Multiple(USE, Decimal("1.1")), None)
RANGE = BoundInvariant("range", None, BLOCK, view("fee()(uint256)"), Decimal(5), Decimal(10))


@pytest.mark.parametrize(("cap", "holds"), [(110, True), (109, False)])
def test_bound__against_a_multiple_of_another_view__both_sides(cap: int, holds: bool) -> None:
    verdict = judge(CAP, Found(answer(500, 100), answer(cap, 100)))
    assert verdict.holds is holds
    assert verdict.text == f"the cap would be {cap}; at least 110 (1.1 times what is in use) is allowed"


@pytest.mark.parametrize(("fee", "holds"), [(4, False), (5, True), (10, True), (11, False)])
def test_bound__numbers_on_both_sides__are_inclusive(fee: int, holds: bool) -> None:
    assert judge(RANGE, Found(answer(7), answer(fee))).holds is holds


def test_bound__the_other_view_reverts__is_not_judged() -> None:
    verdict = judge(CAP, Found(answer(1, 1), [*answer(1), REVERTED]))
    assert verdict.holds is None
    assert "what is in use reverted" in verdict.text


def test_bound__one_side_unread_and_the_other_broken__is_broken() -> None:
    both = BoundInvariant("both", None, BLOCK, view("cap()(uint256)"), Multiple(USE, Decimal(1)), Decimal(10))
    assert judge(both, Found(answer(1, 1), [*answer(11), REVERTED])).holds is False
    assert judge(both, Found(answer(1, 1), [*answer(10), REVERTED])).holds is None


def test_bound__numbers_of_256_bits__are_compared_exactly() -> None:
    most = 2**256 - 1
    exact = BoundInvariant("exact", None, BLOCK, view("x()(uint256)"), Multiple(USE, Decimal(1)), None)
    assert judge(exact, Found(answer(0, 0), answer(most, most))).holds is True
    assert judge(exact, Found(answer(0, 0), answer(most - 1, most))).holds is False


# -- liquidatable


def positions(at_most: int = 0, value_at_most: str | None = None, *, with_value: bool = False) -> LiquidatableInvariant:
    value = view("debt(address)(uint256)", ACCOUNT) if with_value or value_at_most else None
    limit = None if value_at_most is None else Decimal(value_at_most)
    health = view("health(address)(uint256)", ACCOUNT, decimals=2)
    return LiquidatableInvariant(
        "positions", None, BLOCK, Accounts((ANN, BOB, CAT)), health, Decimal(1), value, at_most, limit
    )


def found(before: list[CallResult], after: list[CallResult], missing: str = "") -> Found:
    return Found(before, after, (ANN, BOB, CAT), missing)


def test_liquidatable__its_calls__ask_each_account() -> None:
    calls = calls_of(positions(with_value=True), (ANN, BOB))
    assert [(call.signature, call.args) for call in calls] == [
        ("health(address)(uint256)", (ANN,)),
        ("health(address)(uint256)", (BOB,)),
        ("debt(address)(uint256)", (ANN,)),
        ("debt(address)(uint256)", (BOB,)),
    ]


@pytest.mark.parametrize(("health", "holds"), [(100, True), (99, False)])
def test_liquidatable__health_at_and_below_the_threshold__both_sides(health: int, holds: bool) -> None:
    assert judge(positions(), found(answer(150, 150, 150), answer(150, health, 150))).holds is holds


@pytest.mark.parametrize(("at_most", "holds"), [(2, True), (1, False)])
def test_liquidatable__so_many_new_ones__both_sides(at_most: int, holds: bool) -> None:
    verdict = judge(positions(at_most), found(answer(150, 150, 50), answer(50, 50, 50)))
    assert verdict.holds is holds
    assert (verdict.before, verdict.after) == ("1 of 3 liquidatable", "3 of 3 liquidatable")
    assert verdict.text.startswith(f"2 positions would become liquidatable ({ANN}, {BOB}); at most {at_most} may")


def test_liquidatable__liquidatable_before_already__is_not_new() -> None:
    assert judge(positions(), found(answer(50, 150, 150), answer(40, 150, 150))).holds is True


@pytest.mark.parametrize(("limit", "holds"), [("30", True), ("29", False)])
def test_liquidatable__value_of_the_new_ones__both_sides(limit: str, holds: bool) -> None:
    before, after = answer(150, 150, 50, 1, 1, 1), answer(50, 50, 50, 10, 20, 400)
    verdict = judge(positions(3, limit), found(before, after))
    assert verdict.holds is holds
    assert f"worth 30 of at most {limit}" in verdict.text


def test_liquidatable__one_unread__is_not_judged_unless_it_is_broken_anyway() -> None:
    verdict = judge(positions(), found(answer(150, 150, 150), [*answer(150), REVERTED, *answer(150)]))
    assert verdict.holds is None
    assert "1 position cannot be read" in verdict.text
    assert judge(positions(), found(answer(150, 150, 150), [*answer(50), REVERTED, *answer(150)])).holds is False


def test_liquidatable__unread_before_and_liquidatable_after__is_not_counted_as_new() -> None:
    assert judge(positions(), found([REVERTED, *answer(150, 150)], answer(50, 150, 150))).holds is None


def test_liquidatable__value_unread__is_not_judged_where_it_is_bounded() -> None:
    after = [*answer(50, 150, 150), REVERTED, *answer(1, 1)]
    before = answer(150, 150, 150, 1, 1, 1)
    assert judge(positions(1, "10"), found(before, after)).holds is None
    assert judge(positions(1, with_value=True), found(before, after)).holds is True


def test_liquidatable__accounts_missing__is_not_judged() -> None:
    verdict = judge(positions(), found(answer(150, 150, 150), answer(150, 150, 150), "there are 900 accounts"))
    assert (verdict.holds, verdict.text) == (None, "there are 900 accounts")


# -- the list of addresses


def listed(*addresses: str, offset: int = 32, count: int | None = None) -> bytes:
    words = [offset, len(addresses) if count is None else count, *(int(one, 16) for one in addresses)]
    return b"".join(word.to_bytes(32, "big") for word in words)


def test_addresses__of_a_list__are_read_up_to_the_most() -> None:
    assert decode_addresses(listed(ANN, BOB), 5) == ((ANN, BOB), 2)
    assert decode_addresses(listed(ANN, BOB), 1) == ((ANN,), 2)
    assert decode_addresses(listed(), 5) == ((), 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        listed(ANN)[:63],
        listed(ANN, offset=64),
        listed(ANN, count=2),
        listed(ANN, count=2**255),
        listed("0x" + "1" * 41),
    ],
)
def test_addresses__hostile_bytes__are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        decode_addresses(data, 5)
