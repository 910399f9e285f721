"""A batch of calls in one transaction, by Safe's library MultiSend: all or none.

Source: ``MultiSend.sol``. Each call is packed: operation (1 byte), to (20), value (32), length of the data (32), the data. The Safe runs the library
by delegatecall, so its address decides what happens: MultiSendCallOnly refuses every call that is itself a delegatecall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keeper.domain.abi import parse_signature
from keeper.domain.abi_codec import WORD, decode_values, encode_values
from keeper.domain.address import checksum_address, parse_address
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.safe import Operation

MULTI_SEND: Final = "multiSend(bytes)"
MULTI_SEND_CALL_ONLY: Final = {
    "1.4.1": "0x9641d764fc13c8B624c04430C7356C1C7C8102e2",
    "1.3.0": "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D",
}
"""MultiSendCallOnly of each version of the Safe, where its authors deploy it on every chain."""
MULTI_SEND_CALL_ONLY_EIP155: Final = "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B"
"""That of 1.3.0 on chains that take no transaction without a chain id."""
TRUSTED_MULTI_SEND: Final = frozenset({*MULTI_SEND_CALL_ONLY.values(), MULTI_SEND_CALL_ONLY_EIP155})
MULTI_SEND_CALL_ONLY_CODE: Final = {
    "1.4.1": bytes.fromhex("ecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939"),
    "1.3.0": bytes.fromhex("a9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad"),
}
"""keccak256 of its runtime code, as its authors publish it: on a chain where nobody has put it there, its address runs nothing."""
MAX_CALLS: Final = 256
"""More than anybody reads, and than fits into a block with any work in it."""

_FUNCTION = parse_signature(MULTI_SEND)
_HEAD = 1 + 20 + 2 * WORD


@dataclass(frozen=True, slots=True)
class InnerCall:
    """One call of a batch: ``to`` is EIP-55, ``value`` in wei."""

    operation: Operation
    to: str
    value: int
    data: bytes


def encode_multisend(calls: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Calldata of ``multiSend`` for these (to, value in wei, data), each a plain call. Raises UnitError."""
    if not 0 < len(calls) <= MAX_CALLS:
        raise UnitError(f"a batch of {len(calls)} calls", remedy=f"1 to {MAX_CALLS}")
    packed = b"".join(_packed(*call) for call in calls)
    return _FUNCTION.selector + encode_values(_FUNCTION.inputs, (packed,))


def decode_multisend(data: bytes) -> tuple[InnerCall, ...] | None:
    """The calls of a batch; None for anything but exactly what a correct encoder writes: then nobody can say what it does.

    Strict in every byte, because the library reads on where a lenient reader stops.
    """
    if data[:4] != _FUNCTION.selector:
        return None
    try:
        (packed,) = decode_values(_FUNCTION.inputs, data[4:])
    except MalformedAnswer:
        return None
    if not isinstance(packed, bytes) or data[4:] != encode_values(_FUNCTION.inputs, (packed,)):
        return None
    calls: list[InnerCall] = []
    at = 0
    while at < len(packed):
        start = at + _HEAD
        if start > len(packed) or packed[at] not in (Operation.CALL, Operation.DELEGATECALL):
            return None
        size = int.from_bytes(packed[start - WORD : start], "big")
        if size > len(packed) - start or len(calls) == MAX_CALLS:
            return None
        value = int.from_bytes(packed[at + 21 : at + 21 + WORD], "big")
        to = checksum_address(packed[at + 1 : at + 21])
        calls.append(InnerCall(Operation(packed[at]), to, value, packed[start : start + size]))
        at = start + size
    return tuple(calls) or None


def _packed(to: str, value: int, data: bytes) -> bytes:
    if not 0 <= value < 1 << 256:
        raise UnitError(f"{value} wei is no value of a call")
    return (
        bytes([Operation.CALL])
        + parse_address(to)
        + value.to_bytes(WORD, "big")
        + len(data).to_bytes(WORD, "big")
        + data
    )
