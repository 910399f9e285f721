"""Rounds of a Chainlink feed: each thing that can be wrong with one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.domain.abi import parse_signature
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.source_fakes import BLOCK, RECEIVED_MS, ROUND_TYPES, T, returned, round_data

pytestmark = pytest.mark.unit

FEED = "0xcA11bde05977b3631167028862bE2a173976CA11"
EIGHT = returned(["uint8"], 8)
ERROR = CallResult(
    False, bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"dead".ljust(32, b"\0")
)


def observe(*results: CallResult) -> Observation:
    return ChainlinkSource("eth-oracle", FEED).decode(results, BLOCK, RECEIVED_MS)


def test_chainlink__good_round__is_the_price_with_the_feeds_own_time() -> None:
    seen = observe(round_data(300_012_345_678), EIGHT)
    assert seen == Observation("eth-oracle", Decimal("3000.12345678"), Unit.PRICE, RECEIVED_MS, (T - 60) * 1000, BLOCK)


def test_chainlink__calls__ask_the_feed_for_round_and_decimals() -> None:
    source = ChainlinkSource("x", FEED)
    assert [call.data for call in source.calls()] == [
        parse_signature("latestRoundData()").selector,
        parse_signature("decimals()").selector,
    ]
    assert {call.to for call in source.calls()} == {FEED}
    assert source.calls() is source.calls()


@pytest.mark.parametrize(
    ("decimals", "value"),
    [(0, "123456789"), (8, "1.23456789"), (18, "0.000000000123456789"), (77, "0." + "0" * 68 + "123456789")],
)
def test_chainlink__decimals_of_the_feed__scale_exactly(decimals: int, value: str) -> None:
    assert observe(round_data(123_456_789), returned(["uint8"], decimals)).value == Decimal(value)


def test_chainlink__largest_answer__loses_no_digit() -> None:
    seen = observe(round_data(2**255 - 1), returned(["uint8"], 18))
    assert seen.value is not None
    assert str(seen.value).replace(".", "") == str(2**255 - 1)


@pytest.mark.parametrize(
    ("answer", "quality"),
    [(1, Quality.OK), (0, Quality.MALFORMED), (-1, Quality.MALFORMED), (-(2**255), Quality.MALFORMED)],
)
def test_chainlink__answer_at_zero__is_no_price(answer: int, quality: Quality) -> None:
    assert observe(round_data(answer), EIGHT).quality is quality


def test_chainlink__round_not_complete__is_missing() -> None:
    seen = observe(round_data(5, updated_s=0), EIGHT)
    assert (seen.quality, seen.value, seen.at_ms) == (Quality.MISSING, None, None)
    assert "updatedAt is 0" in seen.reason


@pytest.mark.parametrize(("answered_in", "quality"), [(7, Quality.OK), (8, Quality.OK), (6, Quality.STALE)])
def test_chainlink__answer_of_an_earlier_round__is_stale_and_still_a_value(answered_in: int, quality: Quality) -> None:
    seen = observe(round_data(500_000_000, answered_in=answered_in), EIGHT)
    assert (seen.quality, seen.value) == (quality, Decimal(5))
    assert bool(seen.reason) is (quality is Quality.STALE)


@pytest.mark.parametrize(("ahead_s", "quality"), [(0, Quality.OK), (15, Quality.OK), (16, Quality.MALFORMED)])
def test_chainlink__time_after_the_block__is_tolerated_a_little(ahead_s: int, quality: Quality) -> None:
    assert observe(round_data(5, updated_s=T + ahead_s), EIGHT).quality is quality


def test_chainlink__absurd_time__is_malformed() -> None:
    assert observe(round_data(5, updated_s=2**256 - 1), EIGHT).quality is Quality.MALFORMED


def test_chainlink__old_round__is_ok_here_because_age_is_the_engines_business() -> None:
    assert observe(round_data(5, updated_s=1), EIGHT).quality is Quality.OK


@pytest.mark.parametrize(("decimals", "quality"), [(77, Quality.OK), (78, Quality.MALFORMED), (255, Quality.MALFORMED)])
def test_chainlink__decimals_without_sense__are_malformed(decimals: int, quality: Quality) -> None:
    assert observe(round_data(5), returned(["uint8"], decimals)).quality is quality


@pytest.mark.parametrize(
    ("results", "quality", "says"),
    [
        ((), Quality.MALFORMED, "0 answers to 2 calls"),
        ((round_data(5),), Quality.MALFORMED, "1 answers"),
        ((round_data(5), EIGHT, EIGHT), Quality.MALFORMED, "3 answers"),
        ((ERROR, EIGHT), Quality.MISSING, "latestRoundData() reverted: dead"),
        ((round_data(5), ERROR), Quality.MISSING, "decimals() reverted: dead"),
        ((CallResult(True, b""), EIGHT), Quality.MISSING, "is there a contract"),
        ((CallResult(True, b"x" * 159), EIGHT), Quality.MALFORMED, "159 bytes"),
        ((round_data(5), returned(["uint256"], 256)), Quality.MALFORMED, "uint8"),
        ((returned([*ROUND_TYPES[:4], "uint256"], 1, 5, T, T, 2**80), EIGHT), Quality.MALFORMED, "uint80"),
    ],
)
def test_chainlink__bad_answers__are_qualities_with_a_reason(
    results: tuple[CallResult, ...], quality: Quality, says: str
) -> None:
    seen = observe(*results)
    assert (seen.quality, seen.value, seen.block) == (quality, None, BLOCK)
    assert says in seen.reason


def test_chainlink__address_without_checksum__is_refused() -> None:
    with pytest.raises(UnitError):
        ChainlinkSource("x", FEED.lower())
