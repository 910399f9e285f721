"""A contract of a fork that answers one call differently, and every other one as before.

Its code is put aside under another address and run from there with the storage, balance and address of its own (DELEGATECALL); in front of
it stands code that knows the hash of one calldata. Opcodes: the Ethereum yellow paper, appendix H.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from eth_utils.crypto import keccak

from keeper.devnet.anvil import Anvil
from keeper.domain.abi import decode_results, encode_call, parse_signature
from keeper.domain.action import FunctionCall
from keeper.domain.errors import Refused

NOW: Final = "now"
"""A word of an answer that is the time of the block."""
Word = int | str
ROUND: Final = "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
_ASIDE: Final = 0xD1110000000000000000000000000000000000
_WORD: Final = 1 << 256


def answering(calldata: bytes, words: Sequence[Word], aside: str) -> bytes:
    """The runtime code. ``words`` are whole numbers below 2**256, or NOW; ``aside`` is where the contract's own code is."""
    copied = bytes.fromhex("366000600037")  # CALLDATACOPY(0, 0, CALLDATASIZE)
    known = bytes.fromhex("36600020") + b"\x7f" + keccak(calldata) + b"\x14"  # KECCAK256(0, CALLDATASIZE) EQ
    forward = (
        bytes.fromhex("60006000366000") + b"\x73" + bytes.fromhex(aside[2:]) + bytes.fromhex("5af4")
    )  # DELEGATECALL
    forward += bytes.fromhex("3d600060003e")  # RETURNDATACOPY(0, 0, RETURNDATASIZE)
    reverting, returning = bytes.fromhex("3d6000fd"), bytes.fromhex("5b3d6000f3")
    well = len(copied) + len(known) + 4 + len(forward) + 4 + len(reverting)
    head = copied + known + _jump_if(well + len(returning)) + forward + _jump_if(well) + reverting + returning
    answer = b"\x5b"
    for number, word in enumerate(words):
        pushed = b"\x42" if word == NOW else b"\x7f" + (int(word) % _WORD).to_bytes(32)
        answer += pushed + b"\x61" + (32 * number).to_bytes(2) + b"\x52"  # TIMESTAMP or PUSH32; MSTORE
    return head + answer + b"\x61" + (32 * len(words)).to_bytes(2) + bytes.fromhex("6000f3")


def _jump_if(place: int) -> bytes:
    return b"\x61" + place.to_bytes(2) + b"\x57"


async def change(node: Anvil, call: FunctionCall, index: int, factor: Decimal) -> None:
    """From the next block on, result ``index`` of this view is so many times what it is now. Raises OutsideError.

    A round of a price feed is as new as its block.
    """
    data = encode_call(call).data
    said = bytes.fromhex(str(await node.rpc("eth_call", {"to": call.target, "data": "0x" + data.hex()}, "latest"))[2:])
    results = decode_results(parse_signature(call.signature), said)
    value = results[index]
    if not isinstance(value, int) or len(said) != 32 * len(results):
        raise Refused(f"{call.signature} at {call.target} does not answer with plain numbers")
    words: list[Word] = [int.from_bytes(said[at : at + 32]) for at in range(0, len(said), 32)]
    words[index] = int(value * factor)
    if call.signature == ROUND:
        words[2] = words[3] = NOW
    aside = f"0x{(_ASIDE + int(call.target, 16) % 2**64):040x}"
    await node.set_code(aside, str(await node.rpc("eth_getCode", call.target, "latest")))
    await node.set_code(call.target, "0x" + answering(data, words, aside).hex())
