"""What a Chainlink feed promises beside its rounds: a heartbeat, and bounds that its answers never leave."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.domain.abi import parse_signature
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from tests.support.source_fakes import BLOCK, RECEIVED_MS, T, returned, round_data

pytestmark = pytest.mark.unit

FEED = "0xcA11bde05977b3631167028862bE2a173976CA11"
EIGHT = returned(["uint8"], 8)
REVERT, NOTHING = CallResult(False, b""), CallResult(True, b"")
COIN = 10**8
LOW, HIGH = COIN // 100, 10_000 * COIN


def bound(number: int) -> CallResult:
    return returned(["int192"], number)


def read(answer: int, lowest: CallResult = REVERT, highest: CallResult = REVERT) -> Observation:
    source = ChainlinkSource("x", FEED, read_bounds=True)
    return source.decode([round_data(answer), EIGHT, lowest, highest], BLOCK, RECEIVED_MS)


def test_chainlink__read_bounds__asks_the_address_for_both() -> None:
    names = ["latestRoundData()", "decimals()", "minAnswer()", "maxAnswer()"]
    calls = ChainlinkSource("x", FEED, read_bounds=True).calls()
    assert [call.data for call in calls] == [parse_signature(name).selector for name in names]


@pytest.mark.parametrize(
    ("answer", "quality", "says"),
    [
        (LOW + 1, Quality.OK, ""),
        (LOW, Quality.CLAMPED, "minimum of 0.01"),
        (LOW - 1, Quality.CLAMPED, "minimum of 0.01"),
        (HIGH - 1, Quality.OK, ""),
        (HIGH, Quality.CLAMPED, "maximum of 10000"),
        (HIGH + 1, Quality.CLAMPED, "maximum of 10000"),
    ],
)
def test_chainlink__aggregators_own_bounds__clamp_the_answer_that_reaches_them(
    answer: int, quality: Quality, says: str
) -> None:
    seen = read(answer, bound(LOW), bound(HIGH))
    assert (seen.quality, seen.value) == (quality, Decimal(answer) / COIN)
    assert says in seen.reason
    assert bool(seen.reason) is bool(says)


@pytest.mark.parametrize(
    ("answer", "quality"),
    [(LOW + 1, Quality.OK), (LOW, Quality.CLAMPED), (HIGH - 1, Quality.OK), (HIGH, Quality.CLAMPED)],
)
def test_chainlink__configured_bounds__do_the_same_without_a_further_call(answer: int, quality: Quality) -> None:
    source = ChainlinkSource("x", FEED, bounds=(Decimal("0.01"), Decimal(10_000)))
    assert len(source.calls()) == 2
    assert source.decode([round_data(answer), EIGHT], BLOCK, RECEIVED_MS).quality is quality


def test_chainlink__configured_and_read_bounds__the_narrower_ones_count() -> None:
    source = ChainlinkSource("x", FEED, bounds=(Decimal(1), Decimal(100)), read_bounds=True)
    qualities = [
        source.decode(
            [round_data(answer * COIN), EIGHT, bound(5 * COIN), bound(200 * COIN)], BLOCK, RECEIVED_MS
        ).quality
        for answer in (5, 6, 99, 100)
    ]
    assert qualities == [Quality.CLAMPED, Quality.OK, Quality.OK, Quality.CLAMPED]


@pytest.mark.parametrize("silent", [REVERT, NOTHING])
def test_chainlink__proxy_that_states_no_bounds__is_not_clamped(silent: CallResult) -> None:
    assert read(1, silent, silent).quality is Quality.OK


def test_chainlink__one_bound_alone__counts() -> None:
    assert read(LOW, bound(LOW), REVERT).quality is Quality.CLAMPED
    assert read(HIGH, REVERT, bound(HIGH)).quality is Quality.CLAMPED
    assert read(LOW, REVERT, bound(HIGH)).quality is Quality.OK
    assert read(HIGH, bound(LOW), REVERT).quality is Quality.OK


def test_chainlink__widest_bounds_there_are__let_every_price_through() -> None:
    assert read(1, bound(-(2**191)), bound(2**191 - 1)).quality is Quality.OK


@pytest.mark.parametrize(
    "bad", [CallResult(True, b"\xff"), returned(["uint256"], 2**192), returned(["int256"], 2**191)]
)
def test_chainlink__bound_that_is_no_number__is_malformed(bad: CallResult) -> None:
    assert read(COIN, bad).quality is Quality.MALFORMED
    assert read(COIN, bound(1), bad).quality is Quality.MALFORMED


@pytest.mark.parametrize(("age_s", "quality"), [(3600, Quality.OK), (3601, Quality.STALE), (-15, Quality.OK)])
def test_chainlink__heartbeat__is_counted_at_the_blocks_time(age_s: int, quality: Quality) -> None:
    source = ChainlinkSource("x", FEED, heartbeat_ms=3_600_000)
    seen = source.decode([round_data(5, T - age_s), EIGHT], BLOCK, RECEIVED_MS + 10**9)
    assert seen.quality is quality
    assert seen.value is not None
    assert ("heartbeat of 1h" in seen.reason) is (quality is Quality.STALE)


def test_chainlink__everything_wrong_at_once__the_worst_is_the_quality_and_all_is_told() -> None:
    source = ChainlinkSource("x", FEED, heartbeat_ms=60_000, bounds=(Decimal(1), Decimal(2)))
    round_ = round_data(COIN, T - 61, round_id=7, answered_in=6)
    seen = source.decode([round_, EIGHT], BLOCK, RECEIVED_MS)
    assert (seen.quality, seen.value) == (Quality.STALE, Decimal(1))
    assert all(words in seen.reason for words in ("minimum of 1", "answer of round 6", "heartbeat of 1m"))


@pytest.mark.parametrize("bounds", [("1", "1"), ("2", "1")])
def test_chainlink__bounds_without_room__are_refused(bounds: tuple[str, str]) -> None:
    with pytest.raises(UnitError):
        ChainlinkSource("x", FEED, bounds=(Decimal(bounds[0]), Decimal(bounds[1])))
