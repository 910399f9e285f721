"""Headers, receipts, fee history and errors, as nodes write them and as they should not."""

from __future__ import annotations

import pytest

from keeper.adapters.chain import answers
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, Refused
from keeper.domain.evm import Receipt

pytestmark = pytest.mark.unit

HASH, PARENT, OTHER = "0x" + "1a" * 32, "0x" + "2b" * 32, "0x" + "3c" * 32
HEADER: dict[str, object] = {
    "number": "0x10",
    "hash": HASH,
    "parentHash": PARENT,
    "timestamp": "0x6553f100",
    "baseFeePerGas": "0x3b9aca00",
    "gasUsed": "0x0",
    "gasLimit": "0x1c9c380",
    "logsBloom": "0x00",
}
RECEIPT: dict[str, object] = {
    "transactionHash": OTHER,
    "status": "0x1",
    "blockNumber": "0x10",
    "blockHash": HASH,
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca00",
}


def test_header__as_nodes_send_it__is_a_stamp() -> None:
    assert answers.block_stamp(HEADER) == BlockStamp(16, HASH, PARENT, 1_700_000_000, 875_000_000)


def test_header__hashes_in_upper_case__are_lowered() -> None:
    assert answers.block_stamp({**HEADER, "hash": "0x" + "1A" * 32}).hash == HASH


@pytest.mark.parametrize("name", ["number", "timestamp"])
def test_header__more_than_64_bits_of_blocks_or_seconds__is_malformed(name: str) -> None:
    assert answers.block_stamp({**HEADER, name: hex(answers.MAX_NUMBER)})
    with pytest.raises(MalformedAnswer, match="more than there can be"):
        answers.block_stamp({**HEADER, name: hex(answers.MAX_NUMBER + 1)})


def test_header__chain_without_base_fee__has_none() -> None:
    header = {key: value for key, value in HEADER.items() if key not in ("baseFeePerGas", "gasUsed", "gasLimit")}
    assert answers.block_stamp(header).next_base_fee_wei == 0
    assert answers.block_stamp({**header, "baseFeePerGas": None}).next_base_fee_wei == 0


@pytest.mark.parametrize("name", ["number", "hash", "parentHash", "timestamp", "gasUsed", "gasLimit"])
@pytest.mark.parametrize("value", [None, 5, "", "0x", "latest", [], {}])
def test_header__field_missing_or_wrong__is_malformed(name: str, value: object) -> None:
    with pytest.raises(MalformedAnswer):
        answers.block_stamp({**HEADER, name: value})
    with pytest.raises(MalformedAnswer):
        answers.block_stamp({key: kept for key, kept in HEADER.items() if key != name})


@pytest.mark.parametrize("value", [None, [], "0x", 5])
def test_header__not_an_object__is_malformed(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        answers.block_stamp(value)


@pytest.mark.parametrize("status", [0, 1])
def test_receipt__mined__says_how_it_ended(status: int) -> None:
    found = answers.receipt({**RECEIPT, "status": hex(status)}, OTHER)
    assert found == Receipt(OTHER, status, 16, HASH, 21_000, 10**9)


@pytest.mark.parametrize("answer", [None, {**RECEIPT, "blockHash": None, "blockNumber": None}])
def test_receipt__not_in_a_block__is_none(answer: object) -> None:
    assert answers.receipt(answer, OTHER) is None


@pytest.mark.parametrize(
    "change",
    [
        {"transactionHash": HASH},
        {"status": "0x2"},
        {"status": None},
        {"status": True},
        {"blockNumber": None},
        {"gasUsed": 21000},
        {"effectiveGasPrice": "1"},
        {"blockHash": "0x00"},
    ],
)
def test_receipt__wrong_shape_or_of_another_transaction__is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswer):
        answers.receipt({**RECEIPT, **change}, OTHER)


def test_receipt__asked_for_in_upper_case__is_found() -> None:
    assert answers.receipt(RECEIPT, "0x" + "3C" * 32) is not None


def test_rewards__one_figure_for_each_block__are_listed() -> None:
    assert answers.rewards_wei({"reward": [["0x1"], ["0x0"], ["0xa"]]}) == [1, 0, 10]
    assert answers.rewards_wei({"oldestBlock": "0x0"}) == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"reward": "0x1"},
        {"reward": ["0x1"]},
        {"reward": [[]]},
        {"reward": [["0x1", "0x2"]]},
        {"reward": [[1]]},
    ],
)
def test_rewards__wrong_shape__are_malformed(answer: object) -> None:
    with pytest.raises(MalformedAnswer):
        answers.rewards_wei(answer)


@pytest.mark.parametrize(
    ("error", "data"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x08C379A0"}, "0x08c379a0"),
        ({"code": 3, "message": "execution reverted"}, ""),
        ({"code": 3, "message": "execution reverted", "data": None}, ""),
        ({"code": -32015, "message": "VM execution error.", "data": "Reverted 0x08c379a0"}, "0x08c379a0"),
        ({"code": -32000, "message": "revert", "data": {"data": "0x01"}}, "0x01"),
        ({"code": -32000, "message": "revert", "data": {"message": "x"}}, ""),
        ({"code": -32000, "message": "revert", "data": "no hex"}, ""),
    ],
)
def test_refusal__data_in_the_ways_of_the_nodes__is_found(error: dict[str, object], data: str) -> None:
    refused = answers.refusal(error)
    assert isinstance(refused, Refused)
    assert refused.data == data
    assert answers.is_revert(refused)


@pytest.mark.parametrize(
    "error",
    ["no", 5, [], {}, {"code": 3}, {"message": "x"}, {"code": "3", "message": "x"}, {"code": True, "message": "x"}],
)
def test_refusal__wrong_shape__is_malformed(error: object) -> None:
    with pytest.raises(MalformedAnswer):
        answers.refusal(error)


def test_refusal__control_characters_and_length__are_tamed() -> None:
    refused = answers.refusal({"code": 3, "message": "a\x00\x1b[31m" + "b" * 1000})
    assert refused.message.isprintable()
    assert len(refused.message) == 200


def test_refusal__without_words__says_so() -> None:
    assert answers.refusal({"code": 1, "message": ""}).message == "an error without words"


@pytest.mark.parametrize(
    ("code", "words", "revert"),
    [
        (3, "anything", True),
        (-32015, "VM execution error.", True),
        (-32000, "execution reverted: nope", True),
        (-32000, "out of gas", True),
        (-32000, "invalid opcode: INVALID", True),
        (-32000, "header not found", False),
        (-32001, "Resource not found", False),
        (-32005, "rate limit exceeded", False),
        (-32602, "BlockOutOfRangeError: block height is 1 but requested was 2457", False),
    ],
)
def test_refusal__of_the_contract_or_of_the_node__is_told_apart(code: int, words: str, revert: bool) -> None:
    assert answers.is_revert(Refused(words, code=code)) is revert
