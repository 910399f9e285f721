"""The uptime feed of a sequencer: up, down, and the grace period to the second."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.adapters.prices.sequencer import SequencerUptimeSource
from keeper.domain.abi import parse_signature
from keeper.domain.block import BlockStamp
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.source_fakes import BLOCK, RECEIVED_MS, ROUND_TYPES, T, returned

pytestmark = pytest.mark.unit

FEED = "0xcA11bde05977b3631167028862bE2a173976CA11"
HOUR_S = 3600


def answer(status: int, started_s: int) -> CallResult:
    return returned(ROUND_TYPES, 7, status, started_s, started_s, 7)


def observe(*results: CallResult, grace_ms: int = HOUR_S * 1000, block: BlockStamp = BLOCK) -> Observation:
    return SequencerUptimeSource("sequencer", FEED, grace_ms=grace_ms).decode(results, block, RECEIVED_MS)


def test_sequencer__up_for_long__is_one() -> None:
    assert observe(answer(0, T - 86_400)) == Observation("sequencer", Decimal(1), Unit.FLAG, RECEIVED_MS, None, BLOCK)


@pytest.mark.parametrize("ago_s", [0, HOUR_S, 10 * HOUR_S])
def test_sequencer__down__is_zero_for_sure(ago_s: int) -> None:
    assert observe(answer(1, T - ago_s)) == Observation("sequencer", Decimal(0), Unit.FLAG, RECEIVED_MS, None, BLOCK)


@pytest.mark.parametrize(
    ("ago_s", "quality"),
    [(0, Quality.STALE), (HOUR_S - 1, Quality.STALE), (HOUR_S, Quality.STALE), (HOUR_S + 1, Quality.OK)],
)
def test_sequencer__came_back__is_stale_until_the_grace_is_over(ago_s: int, quality: Quality) -> None:
    seen = observe(answer(0, T - ago_s))
    assert (seen.quality, seen.value) == (quality, Decimal(1))
    assert ("came back" in seen.reason) is (quality is Quality.STALE)


def test_sequencer__in_grace__the_reason_is_the_same_at_each_block() -> None:
    reasons = {
        observe(answer(0, T - 60), block=BlockStamp(1, BLOCK.hash, BLOCK.parent_hash, T + later)).reason
        for later in (0, 12, 24)
    }
    assert reasons == {"the sequencer came back at 2023-11-14T22:12:20Z: the grace period of 1h is not over"}


@pytest.mark.parametrize(("ago_s", "quality"), [(0, Quality.STALE), (1, Quality.OK)])
def test_sequencer__without_grace__only_the_same_second_is_stale(ago_s: int, quality: Quality) -> None:
    assert observe(answer(0, T - ago_s), grace_ms=0).quality is quality


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize(("ahead_s", "told"), [(15, True), (16, False)])
def test_sequencer__state_that_begins_after_the_block__is_tolerated_a_little(
    status: int, ahead_s: int, told: bool
) -> None:
    assert (observe(answer(status, T + ahead_s)).value is not None) is told


def test_sequencer__its_call__asks_for_the_round_alone() -> None:
    source = SequencerUptimeSource("x", FEED)
    (call,) = source.calls()
    assert (source.name, call.to, call.data) == ("x", FEED, parse_signature("latestRoundData()").selector)
    assert source.calls() is source.calls()


@pytest.mark.parametrize(
    ("results", "quality", "says"),
    [
        ((), Quality.MALFORMED, "0 answers to one call"),
        ((answer(0, 1),) * 2, Quality.MALFORMED, "2 answers"),
        ((answer(2, T - 5),), Quality.MALFORMED, "answers 2"),
        ((answer(-1, T - 5),), Quality.MALFORMED, "answers -1"),
        ((answer(0, 0),), Quality.MISSING, "no round yet"),
        ((answer(1, 0),), Quality.MISSING, "no round yet"),
        ((answer(0, 2**256 - 1),), Quality.MALFORMED, "lies after"),
        ((answer(1, 10**11 + 1),), Quality.MALFORMED, "lies after"),
        ((CallResult(False, b""),), Quality.MISSING, "reverted without a reason"),
        ((CallResult(True, b""),), Quality.MISSING, "is there a contract"),
        ((CallResult(True, bytes(159)),), Quality.MALFORMED, "159 bytes"),
    ],
)
def test_sequencer__bad_answers__are_qualities_with_a_reason(
    results: tuple[CallResult, ...], quality: Quality, says: str
) -> None:
    seen = observe(*results)
    assert (seen.quality, seen.value, seen.unit) == (quality, None, Unit.FLAG)
    assert says in seen.reason


def test_sequencer__block_of_the_far_future__is_an_observation() -> None:
    seen = observe(answer(0, 10**11), block=BlockStamp(1, BLOCK.hash, BLOCK.parent_hash, 10**11))
    assert (seen.quality, seen.value) == (Quality.STALE, Decimal(1))


def test_sequencer__address_without_checksum__is_refused() -> None:
    with pytest.raises(UnitError):
        SequencerUptimeSource("x", FEED.lower())
