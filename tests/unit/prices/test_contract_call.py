"""Any view as a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.domain.abi import encode_call
from keeper.domain.action import AbiValue, FunctionCall
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.source_fakes import BLOCK, RECEIVED_MS, returned

pytestmark = pytest.mark.unit

TARGET = "0xcA11bde05977b3631167028862bE2a173976CA11"
MARKET = "0x" + "11" * 32


def view(signature: str, *args: str) -> FunctionCall:
    return FunctionCall(TARGET, signature, args)


def test_view__with_arguments__is_encoded_once() -> None:
    call = view("paused(bytes32)(bool)", MARKET)
    source = ContractCallSource("paused", call, Unit.FLAG)
    assert list(source.calls()) == [encode_call(call)]


@pytest.mark.parametrize(
    ("signature", "types", "values", "result", "decimals", "expected"),
    [
        ("f()(bool)", ["bool"], [True], 0, 0, "1"),
        ("f()(bool)", ["bool"], [False], 0, 0, "0"),
        ("f()(uint256)", ["uint256"], [2**256 - 1], 0, 0, str(2**256 - 1)),
        ("f()(int256)", ["int256"], [-5], 0, 1, "-0.5"),
        ("f()(uint256,address,uint8)", ["uint256", "address", "uint8"], [1, TARGET, 77], 2, 0, "77"),
        ("f()(string,uint256)", ["string", "uint256"], ["x", 1_500_000], 1, 6, "1.5"),
    ],
)
def test_view__one_result__is_the_number(
    signature: str, types: list[str], values: list[AbiValue], result: int, decimals: int, expected: str
) -> None:
    source = ContractCallSource("x", view(signature), Unit.AMOUNT, result=result, decimals=decimals)
    seen = source.decode([returned(types, *values)], BLOCK, RECEIVED_MS)
    assert seen == Observation("x", Decimal(expected), Unit.AMOUNT, RECEIVED_MS, None, BLOCK)


@pytest.mark.parametrize(
    ("unit", "number", "quality"),
    [(Unit.PRICE, 1, Quality.OK), (Unit.PRICE, 0, Quality.MALFORMED), (Unit.COUNT, 0, Quality.OK)],
)
def test_view__zero__is_a_count_but_not_a_price(unit: Unit, number: int, quality: Quality) -> None:
    source = ContractCallSource("x", view("f()(uint256)"), unit)
    assert source.decode([returned(["uint256"], number)], BLOCK, RECEIVED_MS).quality is quality


@pytest.mark.parametrize(
    ("results", "quality", "says"),
    [
        ([], Quality.MALFORMED, "0 answers"),
        ([CallResult(True, bytes(32))] * 2, Quality.MALFORMED, "2 answers"),
        ([CallResult(False, b"")], Quality.MISSING, "reverted without a reason"),
        ([CallResult(True, b"")], Quality.MISSING, "is there a contract"),
        ([CallResult(True, (2).to_bytes(32, "big"))], Quality.MALFORMED, "not a bool"),
        ([CallResult(True, bytes(31))], Quality.MALFORMED, "31 bytes"),
    ],
)
def test_view__bad_answers__are_qualities_with_a_reason(results: list[CallResult], quality: Quality, says: str) -> None:
    seen = ContractCallSource("x", view("f()(bool)"), Unit.FLAG).decode(results, BLOCK, RECEIVED_MS)
    assert (seen.quality, seen.value) == (quality, None)
    assert says in seen.reason


@pytest.mark.parametrize(
    ("call", "result", "decimals"),
    [
        (view("f()"), 0, 0),
        (view("f()(uint256)"), 1, 0),
        (view("f()(uint256)"), -1, 0),
        (view("f()(address)"), 0, 0),
        (view("f()(bytes32)"), 0, 0),
        (view("f()(string)"), 0, 0),
        (view("f()(uint256)"), 0, 78),
        (view("f()(uint256)"), 0, -1),
        (view("f()(bool)"), 0, 1),
        (view("f(bool)(bool)"), 0, 0),
        (view("f(bool)(bool)", "maybe"), 0, 0),
        (FunctionCall(TARGET.lower(), "f()(bool)"), 0, 0),
    ],
)
def test_source__that_cannot_work__is_refused_when_it_is_built(call: FunctionCall, result: int, decimals: int) -> None:
    with pytest.raises(UnitError):
        ContractCallSource("x", call, Unit.COUNT, result=result, decimals=decimals)


def test_view__same_bytes_at_the_next_block__is_the_same_value_seen_anew() -> None:
    source = ContractCallSource("x", view("f()(uint256)"), Unit.AMOUNT, decimals=1)
    answer, later = returned(["uint256"], 15), replace(BLOCK, number=BLOCK.number + 1)
    first = source.decode([answer], BLOCK, RECEIVED_MS)
    assert source.decode([answer], later, RECEIVED_MS + 7) == replace(first, block=later, received_ms=RECEIVED_MS + 7)
    assert source.decode([returned(["uint256"], 16)], later, RECEIVED_MS).value == Decimal("1.6")


@pytest.mark.parametrize(
    ("then", "quality"),
    [
        (lambda good: replace(good, ok=False), Quality.MISSING),  # a revert may carry the very same bytes
        (lambda good: replace(good, data=b""), Quality.MISSING),
        (lambda good: replace(good, data=good.data[:31]), Quality.MALFORMED),
    ],
)
def test_view__bad_answer_after_a_good_one__is_not_the_good_one(
    then: Callable[[CallResult], CallResult], quality: Quality
) -> None:
    source, good = ContractCallSource("x", view("f()(uint256)"), Unit.AMOUNT), returned(["uint256"], 15)
    for _ in range(2):
        assert source.decode([good], BLOCK, RECEIVED_MS).value == 15
        seen = source.decode([then(good)], BLOCK, RECEIVED_MS)
        assert (seen.quality, seen.value) == (quality, None)


def test_view__bad_answer_twice__is_bad_twice() -> None:
    source = ContractCallSource("x", view("f()(uint256)"), Unit.PRICE)
    for answer in (CallResult(True, b""), returned(["uint256"], 0)):
        seen = [source.decode([answer], BLOCK, RECEIVED_MS) for _ in range(2)]
        assert seen[0] == seen[1]
        assert seen[0].value is None
