"""Logs, as ``eth_getLogs`` and receipts give them. Held against what was asked for: a log of another place is a MalformedAnswer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from keeper.adapters.chain import answers, hexes
from keeper.domain.address import checksum_address
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import Log
from keeper.domain.text import shown

MOST_TOPICS = 4


def params(address: str, topics: Sequence[str | None], first: int, last: int) -> str:
    """The parameters of ``eth_getLogs``, as JSON."""
    where = {"address": address, "topics": list(topics), "fromBlock": hex(first), "toBlock": hex(last)}
    return json.dumps([where])


def found(answer: object, address: str, topics: Sequence[str | None], first: int, last: int) -> list[Log]:
    """The answer of ``eth_getLogs``. Raises MalformedAnswer, also for a log that was not asked for."""
    logs = _logs(answer, "eth_getLogs")
    for log in logs:
        fits = log.address == address and first <= log.block_number <= last and _fits(log.topics, topics)
        if not fits:
            raise MalformedAnswer(
                f"eth_getLogs gave a log of {log.address} in block {log.block_number}, which was not asked for"
            )
    places = [(log.block_number, log.index) for log in logs]
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise MalformedAnswer("eth_getLogs gave its logs out of order, or one twice")
    return logs


def in_receipt(answer: object, tx_hash: str) -> list[Log] | None:
    """The logs of this transaction's receipt, None while it is in no block. Raises MalformedAnswer."""
    receipt = answers.receipt(answer, tx_hash)
    if receipt is None:
        return None
    logs = _logs(hexes.fields(answer, "the receipt").get("logs"), "the receipt")
    for log in logs:
        if (log.tx_hash, log.block_hash) != (receipt.tx_hash, receipt.block_hash):
            raise MalformedAnswer(f"the receipt of {receipt.tx_hash} holds a log of {log.tx_hash}")
    return logs


def _logs(answer: object, what: str) -> list[Log]:
    if not isinstance(answer, list):
        raise MalformedAnswer(f"the logs of {what} are {shown(answer)}, not a list")
    return [_log(each) for each in answer]


def _log(answer: object) -> Log:
    log = hexes.fields(answer, "a log")
    topics = log.get("topics")
    if not isinstance(topics, list) or len(topics) > MOST_TOPICS:
        raise MalformedAnswer(f"the topics of a log are {shown(topics)}")
    if log.get("removed") not in (None, False):
        raise MalformedAnswer("a log of a block that is not of the chain any more")
    address = hexes.data(log.get("address"), "the address of a log")
    if len(address) != 20:
        raise MalformedAnswer(f"the address of a log has {len(address)} bytes, not 20")
    number = hexes.quantity(log.get("blockNumber"), "the block number of a log")
    if number > answers.MAX_NUMBER:
        raise MalformedAnswer(f"the block number of a log is {shown(number)}, more than there can be")
    return Log(
        address=checksum_address(address),
        topics=tuple(hexes.hash32(topic, "a topic") for topic in topics),
        data=hexes.data(log.get("data"), "the data of a log"),
        block_number=number,
        block_hash=hexes.hash32(log.get("blockHash"), "the block hash of a log"),
        tx_hash=hexes.hash32(log.get("transactionHash"), "the transaction hash of a log"),
        index=hexes.quantity(log.get("logIndex"), "the index of a log"),
    )


def _fits(topics: Sequence[str], wanted: Sequence[str | None]) -> bool:
    if len(topics) < len(wanted):
        return False
    return all(want is None or want.lower() == topic for want, topic in zip(wanted, topics, strict=False))
