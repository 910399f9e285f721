"""The requests of a read are prepared once and split by number and size."""

from __future__ import annotations

import json

import pytest

from keeper.adapters.chain import plan
from keeper.adapters.chain.multicall import MULTICALL3, encode_aggregate3
from keeper.adapters.chain.plan import MAX_REMEMBERED, ReadPlans, call_params
from keeper.domain.action import Call
from keeper.domain.address import checksum_address

pytestmark = pytest.mark.unit

A = checksum_address(b"\x0a" * 20)


def calls(count: int, size: int = 4) -> tuple[Call, ...]:
    return tuple(Call(A, index.to_bytes(4, "big") + b"\0" * (size - 4)) for index in range(count))


def plans(max_calls: int = 100, max_bytes: int = 10_000) -> ReadPlans:
    return ReadPlans(MULTICALL3, max_calls=max_calls, max_bytes=max_bytes)


def test_chunks__few_calls__are_one_request_with_the_block_left_open() -> None:
    (chunk,) = plans().chunks(calls(3))
    assert json.loads(chunk.params + '"latest"]') == [
        {"to": MULTICALL3, "data": "0x" + encode_aggregate3(calls(3)).hex()},
        "latest",
    ]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (5, [5]), (6, [5, 1]), (10, [5, 5]), (11, [5, 5, 1])])
def test_chunks__more_calls_than_fit__are_split_in_order(count: int, sizes: list[int]) -> None:
    chunks = plans(max_calls=5).chunks(calls(count))
    assert [len(chunk.calls) for chunk in chunks] == sizes
    assert tuple(call for chunk in chunks for call in chunk.calls) == calls(count)


@pytest.mark.parametrize(
    ("size", "sizes"), [(50, [2, 2]), (51, [1, 1, 1, 1]), (100, [1, 1, 1, 1]), (101, [1, 1, 1, 1])]
)
def test_chunks__more_bytes_than_fit__are_split_and_one_call_is_always_sent(size: int, sizes: list[int]) -> None:
    assert [len(chunk.calls) for chunk in plans(max_bytes=100).chunks(calls(4, size))] == sizes


def test_chunks__same_or_equal_calls_again__are_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def counting(some: tuple[Call, ...]) -> bytes:
        encoded.append(len(some))
        return encode_aggregate3(some)

    monkeypatch.setattr(plan, "encode_aggregate3", counting)
    subject, tick = plans(), calls(7)
    first = subject.chunks(tick)
    assert subject.chunks(tick) is first
    assert subject.chunks(calls(7)) is first
    assert subject.chunks(list(tick)) is first
    assert encoded == [7]
    subject.chunks(calls(8))
    assert subject.chunks(tick) is first
    assert encoded == [7, 8]


def test_chunks__list_that_changes__is_seen() -> None:
    subject, tick = plans(), list(calls(2))
    assert len(subject.chunks(tick)[0].calls) == 2
    tick.append(Call(A, b"more"))
    assert len(subject.chunks(tick)[0].calls) == 3


def test_chunks__ever_other_calls__are_not_all_remembered() -> None:
    subject = plans()
    for count in range(1, 3 * MAX_REMEMBERED):
        subject.chunks(calls(count))
    assert len(subject._plans) <= MAX_REMEMBERED


def test_params__sender_and_hostile_text__stay_json() -> None:
    assert json.loads(call_params(Call(A, b"\x01"), A) + "1]") == [{"from": A, "to": A, "data": "0x01"}, 1]
    assert json.loads(call_params(Call('"},"x', b""), None) + "1]")[0]["to"] == '"},"x'
