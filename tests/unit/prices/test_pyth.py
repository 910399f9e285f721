"""Prices of Pyth's contract: confidence, exponent and time, both sides of each bound."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.adapters.prices.pyth import MAX_EXPONENT, PythSource
from keeper.domain.abi import parse_signature
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.source_fakes import BLOCK, RECEIVED_MS, T, returned

pytestmark = pytest.mark.unit

PYTH = "0xcA11bde05977b3631167028862bE2a173976CA11"
ETH = "0xff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
TYPES = ["int64", "uint64", "int32", "uint256"]
ERROR = CallResult(
    False, bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"dead".ljust(32, b"\0")
)


def answer(price: int = 300_000_000_000, conf: int = 0, expo: int = -8, published_s: int = T - 5) -> CallResult:
    return returned(TYPES, price, conf, expo, published_s)


def observe(*results: CallResult, max_confidence: str = "0.01") -> Observation:
    source = PythSource("eth-pyth", PYTH, ETH, max_confidence=Decimal(max_confidence))
    return source.decode(results, BLOCK, RECEIVED_MS)


def test_pyth__good_price__has_the_publish_time() -> None:
    seen = observe(answer(price=300_012_345_678, conf=100_000_000))
    assert seen == Observation("eth-pyth", Decimal("3000.12345678"), Unit.PRICE, RECEIVED_MS, (T - 5) * 1000, BLOCK)


def test_pyth__its_call__names_the_id() -> None:
    source = PythSource("x", PYTH, ETH)
    (call,) = source.calls()
    assert (call.to, call.data) == (PYTH, parse_signature("getPriceUnsafe(bytes32)").selector + bytes.fromhex(ETH[2:]))
    assert source.calls() is source.calls()


@pytest.mark.parametrize(
    ("price", "expo", "value"),
    [
        (5, 0, "5"),
        (123, -8, "0.00000123"),
        (1, -18, "1E-18"),
        (1, MAX_EXPONENT, "1E+30"),
        (1, -MAX_EXPONENT, "1E-30"),
        (2**63 - 1, 3, "9223372036854775807000"),
        (2**63 - 1, -18, "9.223372036854775807"),
    ],
)
def test_pyth__exponent__scales_exactly(price: int, expo: int, value: str) -> None:
    assert observe(answer(price, 0, expo)).value == Decimal(value)


@pytest.mark.parametrize(
    ("expo", "quality"),
    [
        (MAX_EXPONENT, Quality.OK),
        (MAX_EXPONENT + 1, Quality.MALFORMED),
        (-MAX_EXPONENT, Quality.OK),
        (-MAX_EXPONENT - 1, Quality.MALFORMED),
        (2**31 - 1, Quality.MALFORMED),
        (-(2**31), Quality.MALFORMED),
    ],
)
def test_pyth__exponent_without_sense__is_malformed(expo: int, quality: Quality) -> None:
    assert observe(answer(expo=expo)).quality is quality


@pytest.mark.parametrize(
    ("price", "quality"),
    [(1, Quality.OK), (0, Quality.MALFORMED), (-1, Quality.MALFORMED), (-(2**63), Quality.MALFORMED)],
)
def test_pyth__price_at_zero__is_none(price: int, quality: Quality) -> None:
    assert observe(answer(price)).quality is quality


@pytest.mark.parametrize(
    ("price", "conf", "limit", "quality"),
    [
        (10_000, 100, "0.01", Quality.OK),
        (10_000, 101, "0.01", Quality.WIDE),
        (10_000, 49, "0.005", Quality.OK),
        (10_000, 51, "0.005", Quality.WIDE),
        (2**62, 2**62, "1", Quality.OK),
        (2**62, 2**62 + 1, "1", Quality.WIDE),
        (1, 2**64 - 1, "0.01", Quality.WIDE),
        (3, 1, "0.3333333333333333333333333333", Quality.WIDE),
    ],
)
def test_pyth__confidence__is_judged_exactly_and_the_value_stays(
    price: int, conf: int, limit: str, quality: Quality
) -> None:
    seen = observe(answer(price, conf, 0), max_confidence=limit)
    assert (seen.quality, seen.value) == (quality, Decimal(price))
    assert bool(seen.reason) is (quality is not Quality.OK)


@pytest.mark.parametrize(("conf", "says"), [(215, "2.15%"), (99_999, "999.99%"), (100_000, "more than 1000%")])
def test_pyth__too_wide__says_how_wide(conf: int, says: str) -> None:
    reason = observe(answer(10_000, conf, 0)).reason
    assert says in reason
    assert "1% is allowed" in reason


@pytest.mark.parametrize(("ahead_s", "quality"), [(0, Quality.OK), (15, Quality.OK), (16, Quality.MALFORMED)])
def test_pyth__published_after_the_block__is_tolerated_a_little(ahead_s: int, quality: Quality) -> None:
    assert observe(answer(published_s=T + ahead_s)).quality is quality


def test_pyth__old_price__is_ok_here_because_age_is_the_engines_business() -> None:
    seen = observe(answer(published_s=1))
    assert (seen.quality, seen.at_ms) == (Quality.OK, 1000)


@pytest.mark.parametrize(
    ("results", "quality", "says"),
    [
        ((), Quality.MALFORMED, "0 answers to one call"),
        ((answer(), answer()), Quality.MALFORMED, "2 answers"),
        ((ERROR,), Quality.MISSING, "reverted: dead"),
        ((CallResult(False, bytes.fromhex("14aebe68")),), Quality.MISSING, f"there is no price {ETH}"),
        ((CallResult(True, b""),), Quality.MISSING, "is there a contract"),
        ((CallResult(True, bytes(127)),), Quality.MALFORMED, "127 bytes"),
        ((answer(published_s=0),), Quality.MISSING, "nothing was published"),
        ((answer(published_s=2**256 - 1),), Quality.MALFORMED, "lies after"),
        ((returned(["int256", *TYPES[1:]], 2**63, 0, 0, T),), Quality.MALFORMED, "int64"),
        ((returned([*TYPES[:2], "int256", "uint256"], 5, 0, 2**31, T),), Quality.MALFORMED, "int32"),
    ],
)
def test_pyth__bad_answers__are_qualities_with_a_reason(
    results: tuple[CallResult, ...], quality: Quality, says: str
) -> None:
    seen = observe(*results)
    assert (seen.quality, seen.value, seen.block) == (quality, None, BLOCK)
    assert says in seen.reason


@pytest.mark.parametrize(
    ("address", "price_id", "limit"),
    [
        (PYTH.lower(), ETH, "0.01"),
        (PYTH, ETH[:-2], "0.01"),
        (PYTH, "ETH/USD", "0.01"),
        (PYTH, ETH, "0"),
        (PYTH, ETH, "-0.01"),
        (PYTH, ETH, "NaN"),
        (PYTH, ETH, "Infinity"),
    ],
)
def test_pyth__that_cannot_work__is_refused_when_it_is_built(address: str, price_id: str, limit: str) -> None:
    with pytest.raises(UnitError):
        PythSource("x", address, price_id, max_confidence=Decimal(limit))
