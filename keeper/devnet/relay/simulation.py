"""What transactions would do at the top of the next block, without the node's pool: asked of the node itself (``eth_simulateV1``).

That does not look at nonces and fees, so this does. A second node would have to be given the whole state for every block, and a snapshot of the
node would lose its pool. That both say the same is tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.devnet.anvil import quantity
from keeper.devnet.relay.decoded import Decoded
from keeper.devnet.rpc import RpcClient
from keeper.domain.errors import Refused

NONCE_TOO_LOW = "nonce too low"
GAS_CAP = 16_777_216
"""Of one transaction (EIP-7825)."""


class Unfit(Exception):
    """These transactions cannot all be in this block; its message says why."""


@dataclass(frozen=True, slots=True)
class Top:
    """The block that comes next: its number, time (seconds since 1970 UTC), base fee and gas limit."""

    number: int
    timestamp_s: int
    base_fee_wei: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Ran:
    """How one transaction went. ``data`` is what it returned, or why it reverted; ``error`` is the node's word, empty where it went well."""

    transaction: Decoded
    gas_used: int
    data: str
    error: str


async def next_block(rpc: RpcClient) -> Top:
    """As the node would make it now. Raises as ``RpcClient.call``."""
    block = await rpc.call("eth_getBlockByNumber", "pending", False)
    return Top(*(quantity(block[name]) for name in ("number", "timestamp", "baseFeePerGas", "gasLimit")))


async def simulate(rpc: RpcClient, top: Top, transactions: Sequence[Decoded]) -> tuple[Ran, ...]:
    """How they go, one after the other, at the top of this block. Raises Unfit; and Unreachable as ``RpcClient.call``."""
    await _check(rpc, top, transactions)
    block = {
        "blockOverrides": {
            "number": hex(top.number),
            "time": hex(top.timestamp_s),
            "baseFeePerGas": hex(top.base_fee_wei),
            "gasLimit": hex(top.gas_limit),
        },
        "calls": [_call(one) for one in transactions],
    }
    try:
        (answer,) = await rpc.call("eth_simulateV1", {"blockStateCalls": [block], "validation": True}, "latest")
    except Refused as error:
        raise Unfit(error.message.removeprefix("eth_simulateV1: ")) from None
    return tuple(_ran(one, call) for one, call in zip(transactions, answer["calls"], strict=True))


async def _check(rpc: RpcClient, top: Top, transactions: Sequence[Decoded]) -> None:
    """What a block does not take, whatever the transactions do."""
    if sum(one.gas for one in transactions) > top.gas_limit:
        raise Unfit("more gas than a block has")
    senders = sorted({one.sender for one in transactions})
    asked = [
        (method, [sender, "latest"]) for sender in senders for method in ("eth_getTransactionCount", "eth_getBalance")
    ]
    answers = [quantity(answer) for answer in await rpc.batch(asked)]
    nonces = Counter(dict(zip(senders, answers[::2], strict=True)))
    balances = dict(zip(senders, answers[1::2], strict=True))
    for one in transactions:
        if one.to is None:
            raise Unfit("the node cannot simulate that a contract is made")
        if one.nonce != nonces[one.sender]:
            raise Unfit(NONCE_TOO_LOW if one.nonce < nonces[one.sender] else "nonce too high")
        if one.max_fee_wei < top.base_fee_wei:
            raise Unfit("max fee per gas less than block base fee")
        if one.gas > GAS_CAP:
            raise Unfit("transaction gas limit too high")
        if one.gas * one.max_fee_wei + one.value_wei > balances[one.sender]:
            raise Unfit("insufficient funds for gas * price + value")
        nonces[one.sender] += 1


def _call(one: Decoded) -> dict[str, Any]:
    call: dict[str, Any] = {
        "from": one.sender,
        "to": one.to,
        "nonce": hex(one.nonce),
        "gas": hex(one.gas),
        "maxFeePerGas": hex(one.max_fee_wei),
        "maxPriorityFeePerGas": hex(one.tip_wei),
        "value": hex(one.value_wei),
        "input": "0x" + one.data.hex(),
    }
    if one.access_list:
        call["accessList"] = [
            {"address": "0x" + bytes(address).hex(), "storageKeys": ["0x" + _word(key) for key in keys]}
            for address, keys in (entry.values() for entry in one.access_list)
        ]
    return call


def _word(key: Any) -> str:
    return bytes(key).rjust(32, b"\0").hex()


def _ran(one: Decoded, call: dict[str, Any]) -> Ran:
    failed = quantity(call["status"]) != 1
    error = call.get("error") or {}
    data = str(error.get("data") or call.get("returnData") or "0x")
    return Ran(one, quantity(call["gasUsed"]), data, str(error.get("message") or "reverted") if failed else "")
