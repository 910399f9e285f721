"""What a node's answers mean: headers, receipts, fee history, errors. Everything is checked; nothing is trusted for its shape."""

from __future__ import annotations

from keeper.adapters.chain import hexes
from keeper.adapters.chain.fees import next_base_fee_wei
from keeper.domain.address import checksum_address
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, Refused
from keeper.domain.evm import Receipt, Sent
from keeper.domain.text import printable, shown

MAX_NUMBER = 2**63 - 1
"""Of a block, and of its time in seconds: nodes keep both in 64 bits, so what is beyond is no block, and nobody lags behind it."""

_REVERT_CODES = frozenset({3, -32015})
"""3: geth, reth, erigon, anvil, besu; -32015: nethermind."""
_REVERT_WORDS = (
    "revert",
    "vm execution error",
    "invalid opcode",
    "out of gas",
    "invalid jump",
    "stack underflow",
    "stack overflow",
    "evm error",
)


def block_stamp(header: object) -> BlockStamp:
    """The stamp of a header, as ``newHeads`` and ``eth_getBlockByNumber`` give it. Raises MalformedAnswer."""
    block = hexes.fields(header, "the header")
    base_fee = block.get("baseFeePerGas")
    next_fee = 0
    if base_fee is not None:
        next_fee = next_base_fee_wei(
            hexes.quantity(base_fee, "baseFeePerGas"),
            hexes.quantity(block.get("gasUsed"), "gasUsed"),
            hexes.quantity(block.get("gasLimit"), "gasLimit"),
        )
    return BlockStamp(
        number=_counted(block.get("number"), "the block number"),
        hash=hexes.hash32(block.get("hash"), "the block hash"),
        parent_hash=hexes.hash32(block.get("parentHash"), "the parent hash"),
        timestamp_s=_counted(block.get("timestamp"), "the block timestamp"),
        next_base_fee_wei=next_fee,
    )


def _counted(value: object, what: str) -> int:
    number = hexes.quantity(value, what)
    if number > MAX_NUMBER:
        raise MalformedAnswer(f"{what} is {shown(value)}, more than there can be")
    return number


def sent(answer: object, sender: str, nonce: int) -> Sent | None:
    """The transaction of this sender and nonce in a block with its transactions, None where it is not there. Raises MalformedAnswer."""
    if answer is None:
        return None
    transactions = hexes.fields(answer, "the block").get("transactions")
    if not isinstance(transactions, list):
        raise MalformedAnswer(f"the block's transactions are {shown(transactions)}, not a list")
    for each in transactions:
        one = hexes.fields(each, "a transaction of the block")
        mine = str(one.get("from")).lower() == sender.lower()
        if mine and hexes.quantity(one.get("nonce"), "a transaction's nonce") == nonce:
            to = one.get("to")
            return Sent(
                hexes.hash32(one.get("hash"), "a transaction's hash"),
                None if to is None else checksum_address(hexes.data(to)),
                "0x" + hexes.data(one.get("input")).hex()[:8],
                hexes.quantity(one.get("value"), "a transaction's value"),
            )
    return None


def receipt(answer: object, tx_hash: str) -> Receipt | None:
    """The receipt of this transaction, None while it is in no block. Raises MalformedAnswer, also for another's receipt."""
    if answer is None:
        return None
    found = hexes.fields(answer, "the receipt")
    if found.get("blockHash") is None:
        return None  # some nodes answer for pending transactions
    its_hash = hexes.hash32(found.get("transactionHash"), "the receipt's transaction hash")
    if its_hash != tx_hash.lower():
        raise MalformedAnswer(f"the receipt is of {its_hash}, not of {shown(tx_hash, 80)}")
    status = hexes.quantity(found.get("status"), "the receipt's status")
    if status not in (0, 1):
        raise MalformedAnswer(f"the receipt's status is {status}")
    return Receipt(
        tx_hash=its_hash,
        status=status,
        block_number=hexes.quantity(found.get("blockNumber"), "the receipt's block number"),
        block_hash=hexes.hash32(found.get("blockHash"), "the receipt's block hash"),
        gas_used=hexes.quantity(found.get("gasUsed"), "the receipt's gas"),
        effective_gas_price_wei=hexes.quantity(found.get("effectiveGasPrice"), "the receipt's gas price"),
    )


def rewards_wei(answer: object) -> list[int]:
    """The one percentile asked for of each block of ``eth_feeHistory``; empty blocks say 0. Raises MalformedAnswer."""
    rows = hexes.fields(answer, "the fee history").get("reward")
    if rows is None:
        return []  # a node that has no history yet leaves it out
    if not isinstance(rows, list):
        raise MalformedAnswer(f"the fee history's reward is {shown(rows)}")
    found = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 1:
            raise MalformedAnswer(f"the fee history's reward holds {shown(row)}")
        found.append(hexes.quantity(row[0], "a reward"))
    return found


def refusal(error: object) -> Refused:
    """A JSON-RPC error as Refused, with the revert data where the node gives some. Raises MalformedAnswer when it is none."""
    body = hexes.fields(error, "the error")
    code, message = body.get("code"), body.get("message")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        raise MalformedAnswer(f"the error is {shown(body)}")
    return Refused(printable(message) or "an error without words", code=code, data=_revert_data(body.get("data")))


def is_revert(error: Refused) -> bool:
    """Whether the node ran the call and the contract (not the node) said no."""
    words = error.message.lower()
    return error.code in _REVERT_CODES or any(word in words for word in _REVERT_WORDS)


def _revert_data(value: object) -> str:
    """Nodes give it bare, under ``data``, or after a word (``Reverted 0x..``); empty when there is none to be read."""
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, str):
        return ""
    candidate = value.rsplit(" ", 1)[-1]
    try:
        return "0x" + hexes.data(candidate).hex()
    except MalformedAnswer:
        return ""


def stamp_or_none(answer: object) -> BlockStamp | None:
    """Of a block that the node may not have."""
    return None if answer is None else block_stamp(answer)
