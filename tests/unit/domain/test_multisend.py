"""Batches: packed, read back, and refused where a byte is not as it must be."""

from __future__ import annotations

from typing import Any

import pytest
from safe_eth.safe.multi_send import MultiSendOperation, MultiSendTx
from safe_eth.safe.safe_deployments import safe_deployments

from keeper.domain.abi_codec import encode_values
from keeper.domain.errors import UnitError
from keeper.domain.multisend import (
    MAX_CALLS,
    MULTI_SEND_CALL_ONLY,
    MULTI_SEND_CALL_ONLY_EIP155,
    TRUSTED_MULTI_SEND,
    InnerCall,
    decode_multisend,
    encode_multisend,
)
from keeper.domain.safe import Operation

pytestmark = pytest.mark.unit

A = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"
B = "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"
CALLS = [(A, 0, b""), (B, 5, b"\x01\x02\x03"), (A, (1 << 256) - 1, b"\xff" * 64)]


def batch(packed: bytes) -> bytes:
    return bytes.fromhex("8d80ff0a") + encode_values(("bytes",), (packed,))


def one(operation: int = 0, size: int | None = None, data: bytes = b"abc") -> bytes:
    length = len(data) if size is None else size
    return bytes([operation]) + bytes.fromhex(A[2:]) + bytes(32) + length.to_bytes(32) + data


def test_encode_multisend__calls__as_safe_eth_packs_them() -> None:
    pack: Any = MultiSendTx  # wants a type of its own for addresses
    theirs = b"".join(pack(MultiSendOperation.CALL, *call).encoded_data for call in CALLS)
    assert encode_multisend(CALLS) == batch(theirs)


def test_decode_multisend__encoded__the_same_calls() -> None:
    assert decode_multisend(encode_multisend(CALLS)) == tuple(InnerCall(Operation.CALL, *call) for call in CALLS)


def test_decode_multisend__delegatecall_inside__is_told() -> None:
    assert decode_multisend(batch(one(1))) == (InnerCall(Operation.DELEGATECALL, A, 0, b"abc"),)


def test_decode_multisend__most_calls__one_more_is_none() -> None:
    found = decode_multisend(batch(one() * MAX_CALLS))
    assert found is not None
    assert len(found) == MAX_CALLS
    assert decode_multisend(batch(one() * (MAX_CALLS + 1))) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x8d",
        bytes.fromhex("8d80ff0a"),
        batch(b""),
        batch(one() + b"\0"),
        batch(one()[:-1]),
        batch(one()[:84]),
        batch(one(2)),
        batch(one(size=2)),
        batch(one(size=4)),
        batch(one(size=(1 << 256) - 1)),
        batch(one()) + b"\0",
        batch(one()) + bytes(32),
        batch(one())[:-1],
        batch(one())[:-1] + b"\x01",
        b"\x8d\x80\xff\x0b" + batch(one())[4:],
        bytes.fromhex("8d80ff0a") + (64).to_bytes(32) + bytes(32) + batch(one())[36:],
    ],
)
def test_decode_multisend__not_exactly_a_batch__none(data: bytes) -> None:
    assert decode_multisend(data) is None


@pytest.mark.parametrize("count", [0, MAX_CALLS + 1])
def test_encode_multisend__too_few_or_many__refused(count: int) -> None:
    encode_multisend([CALLS[0]] * MAX_CALLS)
    with pytest.raises(UnitError):
        encode_multisend([CALLS[0]] * count)


@pytest.mark.parametrize("call", [(A.lower(), 0, b""), (A, -1, b""), (A, 1 << 256, b"")])
def test_encode_multisend__no_call__refused(call: tuple[str, int, bytes]) -> None:
    with pytest.raises(UnitError):
        encode_multisend([call])


@pytest.mark.parametrize("version", sorted(MULTI_SEND_CALL_ONLY))
def test_addresses__each_version__as_safe_eth_lists_them(version: str) -> None:
    listed = safe_deployments[version]["MultiSendCallOnly"]
    assert MULTI_SEND_CALL_ONLY[version] in listed["1"]
    everywhere = {address for addresses in listed.values() for address in addresses}
    assert (MULTI_SEND_CALL_ONLY_EIP155 in everywhere) == (version == "1.3.0")


def test_addresses__none_is_that_of_a_library_with_delegatecall() -> None:
    dangerous = {
        address
        for version in safe_deployments.values()
        for name, places in version.items()
        if name != "MultiSendCallOnly"
        for addresses in places.values()
        for address in addresses
    }
    assert not TRUSTED_MULTI_SEND & dangerous
