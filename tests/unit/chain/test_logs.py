"""Logs, as nodes write them and as they should not."""

from __future__ import annotations

import json

import pytest

from keeper.adapters.chain import logs
from keeper.domain.address import checksum_address
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import Log

pytestmark = pytest.mark.unit

ADDRESS = checksum_address(b"\x11" * 20)
BLOCK, TX, TOPIC, OTHER = "0x" + "1a" * 32, "0x" + "2b" * 32, "0x" + "3c" * 32, "0x" + "4d" * 32
LOG: dict[str, object] = {
    "address": ADDRESS.lower(),
    "topics": [TOPIC, OTHER],
    "data": "0x0102",
    "blockNumber": "0x10",
    "blockHash": BLOCK,
    "transactionHash": TX,
    "logIndex": "0x3",
    "removed": False,
}
RECEIPT: dict[str, object] = {
    "transactionHash": TX,
    "status": "0x1",
    "blockNumber": "0x10",
    "blockHash": BLOCK,
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca00",
    "logs": [LOG],
}
READ = Log(ADDRESS, (TOPIC, OTHER), b"\x01\x02", 16, BLOCK, TX, 3)


def test_params__of_a_search__are_what_nodes_take() -> None:
    (where,) = json.loads(logs.params(ADDRESS, (TOPIC, None), 5, 16))
    assert where == {"address": ADDRESS, "topics": [TOPIC, None], "fromBlock": "0x5", "toBlock": "0x10"}


def test_search__as_nodes_answer__is_the_logs() -> None:
    assert logs.found([LOG], ADDRESS, (TOPIC, None), 16, 16) == [READ]
    assert logs.found([], ADDRESS, (TOPIC,), 0, 16) == []
    without = {key: value for key, value in LOG.items() if key != "removed"}
    assert logs.found([without], ADDRESS, (), 0, 16) == [READ]
    assert logs.found([LOG], ADDRESS, (TOPIC.upper().replace("0X", "0x"),), 0, 16) == [READ]


@pytest.mark.parametrize(
    "name", ["address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex"]
)
@pytest.mark.parametrize("value", [None, 5, "", "zz", [5], {}, "0x" + "f" * 65])
def test_search__field_missing_or_wrong__is_malformed(name: str, value: object) -> None:
    with pytest.raises(MalformedAnswer):
        logs.found([{**LOG, name: value}], ADDRESS, (TOPIC,), 0, 2**64)


@pytest.mark.parametrize("answer", [None, 5, "0x", {}, [None], [[]], [{}], [{**LOG, "removed": True}]])
def test_search__answer_that_is_none__is_malformed(answer: object) -> None:
    with pytest.raises(MalformedAnswer):
        logs.found(answer, ADDRESS, (), 0, 16)


@pytest.mark.parametrize(
    ("address", "topics", "first", "last"),
    [
        (checksum_address(b"\x22" * 20), (), 0, 16),
        (ADDRESS, (OTHER,), 0, 16),
        (ADDRESS, (None, TOPIC), 0, 16),
        (ADDRESS, (None, None, None), 0, 16),
        (ADDRESS, (), 17, 20),
        (ADDRESS, (), 0, 15),
    ],
)
def test_search__log_that_was_not_asked_for__is_malformed(
    address: str, topics: tuple[str | None, ...], first: int, last: int
) -> None:
    with pytest.raises(MalformedAnswer, match="not asked for"):
        logs.found([LOG], address, topics, first, last)


def test_search__out_of_order_or_twice__is_malformed() -> None:
    later = {**LOG, "logIndex": "0x4"}
    assert len(logs.found([LOG, later], ADDRESS, (), 0, 16)) == 2
    for answer in ([later, LOG], [LOG, LOG]):
        with pytest.raises(MalformedAnswer, match="order"):
            logs.found(answer, ADDRESS, (), 0, 16)


def test_receipt__with_logs__gives_them_whatever_contract_they_are_of() -> None:
    assert logs.in_receipt(RECEIPT, TX) == [READ]
    assert logs.in_receipt({**RECEIPT, "logs": []}, TX) == []
    assert logs.in_receipt(None, TX) is None
    assert logs.in_receipt({**RECEIPT, "blockHash": None}, TX) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"logs": None},
        {"logs": "0x"},
        {"logs": [{**LOG, "transactionHash": OTHER}]},
        {"logs": [{**LOG, "blockHash": OTHER}]},
        {"transactionHash": OTHER},
        {"logs": [{**LOG, "topics": [TOPIC] * 5}]},
    ],
)
def test_receipt__with_what_does_not_belong_there__is_malformed(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswer):
        logs.in_receipt(RECEIPT | changes, TX)
