"""The answer of ``breakerOf``, held against the reference encoder, and against whatever else may come."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.guard import Bound as GivenBound
from keeper.devnet.guard import Limits
from keeper.devnet.guard import Registration as Given
from keeper.domain.address import checksum_address
from keeper.domain.breaker_registration import Bound, Probe, Side, decode_registration
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.errors import MalformedAnswer

pytestmark = pytest.mark.unit

TARGET, VIEW, SAFE = (checksum_address(bytes([number]) * 20) for number in (1, 2, 3))
BOUNDS = (
    GivenBound(VIEW, 1, 0, Side.LOWER, 7_500, 5, 2**256 - 1, b"\x01\x02\x03\x04" + bytes(32)),
    GivenBound(VIEW, 2, 3, Side.HIGHER, 1, 0, 9, b"\x05\x06\x07\x08"),
    GivenBound(TARGET, 4, 0, Side.KEPT, 0, 0, 0, b""),
)
GIVEN = Given(TARGET, b"\xaa" * 36, b"\xbb" * 68, Limits(), VIEW, b"\xcc" * 36, 7, b"\x77" * 32, BOUNDS, SAFE)


def answer(given_registration: Given) -> bytes:
    """As the contract answers: the calldata of ``register`` has the same tuple behind its two words."""
    data = given_registration.register(breaker_id("x"))
    assert data[4 + 32 : 4 + 64] == (64).to_bytes(32, "big")
    return (32).to_bytes(32, "big") + data[4 + 64 :]


def test_registration__as_the_reference_encodes_it__is_read_whole() -> None:
    found = decode_registration(answer(GIVEN))
    limits = Limits()
    assert (found.terms.target, found.terms.safe, found.terms.budget) == (TARGET, SAFE, limits.budget)
    assert (found.terms.duration_s, found.terms.window_s) == (limits.duration_s, limits.window_s)
    assert (found.call, found.undo) == (GIVEN.call, GIVEN.undo)
    assert found.probe == Probe(VIEW, 7, b"\xcc" * 36, b"\x77" * 32)
    assert found.bounds == (
        Bound(VIEW, 1, 0, Side.LOWER, 7_500, 5, 2**256 - 1, BOUNDS[0].view),
        Bound(VIEW, 2, 3, Side.HIGHER, 1, 0, 9, BOUNDS[1].view),
        Bound(TARGET, 4, 0, Side.KEPT, 0, 0, 0, b""),
    )


def test_registration__without_probe_and_bounds__has_none() -> None:
    found = decode_registration(answer(Given(TARGET, b"\xaa" * 4, b"\xbb" * 4, Limits())))
    assert (found.probe.call, found.bounds) == (b"", ())


def test_registration__of_a_side_that_there_is_not__is_malformed() -> None:
    nowhere: Any = 3
    wrong = GivenBound(VIEW, 1, 0, nowhere, 1, 1, 1, b"")
    with pytest.raises(MalformedAnswer, match="side"):
        decode_registration(answer(Given(TARGET, b"\xaa" * 4, b"\xbb" * 4, Limits(), bounds=(wrong,))))


@pytest.mark.parametrize(("count", "good"), [(4, True), (5, False)])
def test_registration__of_more_bounds_than_the_contract_takes__is_malformed(count: int, good: bool) -> None:
    data = answer(Given(TARGET, b"\xaa" * 4, b"\xbb" * 4, Limits(), bounds=BOUNDS[:1] * count))
    if good:
        assert len(decode_registration(data).bounds) == count
    else:
        with pytest.raises(MalformedAnswer, match="four bounds"):
            decode_registration(data)


@pytest.mark.parametrize("size", [0, 31, 32, 64, 32 * 12])
def test_registration__cut_off__is_malformed(size: int) -> None:
    with pytest.raises(MalformedAnswer):
        decode_registration(answer(GIVEN)[:size])


@given(place=st.integers(0, len(answer(GIVEN)) // 32 - 1), word=st.integers(0, 2**256 - 1))
def test_registration__with_any_word_changed__is_another_or_malformed(place: int, word: int) -> None:
    data = bytearray(answer(GIVEN))
    data[32 * place : 32 * place + 32] = word.to_bytes(32, "big")
    with suppress(MalformedAnswer):
        decode_registration(bytes(data))


@given(st.binary(max_size=1_500))
def test_registration__of_any_bytes__is_malformed_or_one(data: bytes) -> None:
    with suppress(MalformedAnswer):
        decode_registration((32).to_bytes(32, "big") + data)
