"""aggregate3 by words, against eth_abi as the second opinion."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode, encode

from keeper.adapters.chain.multicall import AGGREGATE3, MULTICALL3, decode_aggregate3, encode_aggregate3
from keeper.domain.abi import parse_signature
from keeper.domain.action import Call
from keeper.domain.address import checksum_address, keccak256, parse_address
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult

pytestmark = pytest.mark.unit

RESULTS = "(bool,bytes)[]"
A = checksum_address(b"\xaa" * 20)


def answer(*results: tuple[bool, bytes]) -> bytes:
    return encode([RESULTS], [list(results)])


def patched(raw: bytes, word: int, value: int) -> bytes:
    return raw[: word * 32] + value.to_bytes(32, "big") + raw[(word + 1) * 32 :]


def test_selector__of_aggregate3__is_its_hash() -> None:
    assert keccak256(b"aggregate3((address,bool,bytes)[])")[:4] == AGGREGATE3
    assert parse_address(MULTICALL3)


@pytest.mark.parametrize("sizes", [[], [4], [0, 1, 31, 32, 33, 64], [36] * 100])
def test_encode__calls_of_all_lengths__equals_eth_abi(sizes: list[int]) -> None:
    calls = [Call(checksum_address(bytes([index + 1]) * 20), bytes([index]) * size) for index, size in enumerate(sizes)]
    expected = encode(["(address,bool,bytes)[]"], [[(call.to, True, call.data) for call in calls]])
    assert encode_aggregate3(calls) == AGGREGATE3 + expected


@pytest.mark.parametrize("results", [[], [(True, b"")], [(False, b"\x08\xc3"), (True, b"x" * 33), (True, bytes(32))]])
def test_decode__answer_of_the_contract__is_results(results: list[tuple[bool, bytes]]) -> None:
    assert decode_aggregate3(answer(*results), len(results)) == [CallResult(ok, data) for ok, data in results]


def test_decode__our_own_encoding__is_read_by_eth_abi() -> None:
    calls = [Call(A, parse_signature("paused()").selector)]
    assert decode(["(address,bool,bytes)[]"], encode_aggregate3(calls)[4:]) == (((A.lower(), True, calls[0].data),),)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_decode__another_number_of_results__is_malformed(count: int) -> None:
    with pytest.raises(MalformedAnswer, match="2 results"):
        decode_aggregate3(answer((True, b""), (True, b"")), count)


@pytest.mark.parametrize("cut", range(0, 224, 16))
def test_decode__answer_cut_short__is_malformed(cut: int) -> None:
    whole = answer((True, b"a" * 32))
    assert len(whole) == 224
    with pytest.raises(MalformedAnswer):
        decode_aggregate3(whole[:cut], 1)


@pytest.mark.parametrize("word", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("value", [2**256 - 1, 2**255, 2**64, 2**32, 225])
def test_decode__any_offset_or_length_out_of_bounds__is_malformed(word: int, value: int) -> None:
    with pytest.raises(MalformedAnswer):
        decode_aggregate3(patched(answer((True, b"a" * 32)), word, value), 1)


def test_decode__length_at_the_end_of_the_answer__is_taken_and_one_more_is_not() -> None:
    raw = answer((True, b"a" * 32))
    assert decode_aggregate3(patched(raw, 5, 32), 1)[0].data == b"a" * 32
    with pytest.raises(MalformedAnswer):
        decode_aggregate3(patched(raw, 5, 33), 1)


def test_decode__many_results_promised_in_few_bytes__fails_at_once() -> None:
    with pytest.raises(MalformedAnswer):
        decode_aggregate3((32).to_bytes(32, "big") + (10**9).to_bytes(32, "big"), 10**9)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_decode__data_elsewhere_than_multicall3_puts_it__is_found_where_its_offset_says() -> None:
    # the result's data stands one word further on than usual
    raw = word(32) + word(1) + word(32) + word(1) + word(96) + word(0) + word(3) + b"abc".ljust(32, b"\0")
    assert decode(["(bool,bytes)[]"], raw) == (((True, b"abc"),),)
    assert decode_aggregate3(raw, 1) == [CallResult(True, b"abc")]


def test_decode__last_bytes_without_padding__are_taken_and_one_less_is_not() -> None:
    raw = answer((True, b"a" * 33))[:-31]
    assert decode_aggregate3(raw, 1) == [CallResult(True, b"a" * 33)]
    with pytest.raises(MalformedAnswer, match="does not fit"):
        decode_aggregate3(raw[:-1], 1)


def test_decode__one_bad_result_among_good_ones__is_named() -> None:
    raw = answer((True, b"a" * 32), (True, b"b" * 32))
    with pytest.raises(MalformedAnswer, match="result 1 of Multicall3"):
        decode_aggregate3(patched(raw, 8, 2), 2)
