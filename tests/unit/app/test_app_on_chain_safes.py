"""What the log says that a Safe executed, held against nodes that are told what to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from keeper.adapters.chain.node import NodeClient
from keeper.app.council.ledger import transaction_body
from keeper.app.council.onchain import EXECUTED_TOPIC, FAILED_TOPIC
from keeper.app.onchain.findings import Report, Subject
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.safes import check_execution
from keeper.app.onchain.telling import Carried, Told
from keeper.app.onchain.transactions import check_transactions
from keeper.domain.address import checksum_address
from keeper.domain.errors import OutsideError, Unreachable
from keeper.domain.evm import Log, Receipt
from keeper.domain.record import Json, RecordKind
from keeper.domain.safe import Operation, SafeTransaction
from tests.support.on_chain_records import record

pytestmark = pytest.mark.unit

SAFE = checksum_address(b"\x5a" * 20)
TARGET = checksum_address(b"\x7a" * 20)
WANTED = SafeTransaction(31337, SAFE, 4, TARGET, b"\x01\x02\x03\x04")
TX = "0x" + "ee" * 32
BLOCK_HASH = "0x" + "1a" * 32
RECEIPT = Receipt(TX, 1, 10, BLOCK_HASH, 100_000, 2 * 10**9)
EVENT = Log(SAFE, (EXECUTED_TOPIC, WANTED.hash_text), bytes(32), 10, BLOCK_HASH, TX, 0)


class Node:
    def __init__(self, receipt: Receipt | OutsideError | None = RECEIPT, *logs: Log) -> None:
        self.name = "a node"
        self._receipt, self._logs = receipt, logs or (EVENT,)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        assert tx_hash == TX
        if isinstance(self._receipt, OutsideError):
            raise self._receipt
        return self._receipt

    async def logs_of(self, _: str) -> Sequence[Log] | None:
        return None if self._receipt is None else self._logs


def carried(
    wanted: SafeTransaction = WANTED, *, proposed: dict[str, Json] | None = None, for_intent: bool = True, **said: Json
) -> Carried:
    """As the desk writes it. ``proposed`` changes the record of what was proposed, ``said`` that of the execution."""
    body: dict[str, Json] = {
        "step": "executed", "safe": SAFE, "safe_tx_hash": wanted.hash_text, "ok": True,
        "tx_hash": TX, "block": 10, "block_hash": BLOCK_HASH,
    }  # fmt: skip
    intent: dict[str, Json] = {"to": TARGET, "data": "0x01020304"}
    told = Told(record(1, RecordKind.INTENT, intent), None, "")
    made = record(2, RecordKind.PROPOSAL, {"step": "made", **transaction_body(wanted), **(proposed or {})}, None)
    executed = record(3, RecordKind.PROPOSAL, body | said, None)
    found = Carried(executed, made, told if for_intent else None)
    told.carried.append(found)
    told.outcome = record(4, RecordKind.OUTCOME, {"kind": "included", "tx_hash": TX, "block": 10})
    return found


async def checked(one: Carried, *these: Node, heads: Sequence[int] | None = None) -> Report:
    report = Report(("a node",), 31337, 1_000, 20)
    asked = cast("list[NodeClient]", list(these or (Node(),)))
    await check_execution(Nodes(asked, heads or [10**9] * len(asked)), one, report)
    return report


async def problem(one: Carried, *these: Node) -> str:
    report = await checked(one, *these)
    (found,) = report.found
    assert (found.subject, found.seq, report.checked[Subject.EXECUTION]) == (Subject.EXECUTION, 3, 0)
    assert found.remedy
    return found.message


@pytest.mark.parametrize("for_intent", [True, False])
async def test_execution__as_told__is_checked(for_intent: bool) -> None:
    report = await checked(carried(for_intent=for_intent))
    assert (report.found, report.unchecked, report.checked[Subject.EXECUTION]) == ([], [], 1)


async def test_execution__of_a_safe_that_has_the_hash_in_the_data__is_checked() -> None:
    old = replace(EVENT, topics=(EXECUTED_TOPIC,), data=WANTED.hash + bytes(32))
    assert (await checked(carried(), Node(RECEIPT, old))).checked[Subject.EXECUTION] == 1


async def test_execution__whose_call_failed__is_what_the_safe_says() -> None:
    failed = replace(EVENT, topics=(FAILED_TOPIC, WANTED.hash_text))
    assert (await checked(carried(ok=False), Node(RECEIPT, failed))).checked[Subject.EXECUTION] == 1
    assert "the log says that its call worked; a node says that it failed" in await problem(
        carried(), Node(RECEIPT, failed)
    )
    assert "the log says that its call failed; a node says that it worked" in await problem(carried(ok=False))


@pytest.mark.parametrize(
    "event",
    [
        replace(EVENT, address=TARGET),
        replace(EVENT, topics=(EXECUTED_TOPIC, "0x" + "00" * 32)),
        replace(EVENT, topics=("0x" + "00" * 32, WANTED.hash_text)),
        replace(EVENT, topics=()),
    ],
)
async def test_execution__that_the_safe_did_not_announce__is_a_finding(event: Log) -> None:
    assert f"executed no {WANTED.hash_text} in transaction {TX}" in await problem(carried(), Node(RECEIPT, event))


@pytest.mark.parametrize("changes", [{"block_number": 11}, {"block_hash": "0x" + "2b" * 32}, {"status": 0}])
async def test_execution__mined_elsewhere_or_reverted__is_a_finding_of_that_node(changes: dict[str, Any]) -> None:
    assert "a node says block" in await problem(carried(), Node(), Node(replace(RECEIPT, **changes)))


async def test_execution__that_only_one_node_has__is_checked_there_and_that_none_has_is_a_finding() -> None:
    assert (await checked(carried(), Node(None), Node())).checked[Subject.EXECUTION] == 1
    assert "the chain does not have it" in await problem(carried(), Node(None))


async def test_execution__that_a_reorganisation_took_and_the_log_says_so__is_counted_apart() -> None:
    one = carried()
    assert one.told is not None
    one.told.reorganised = True
    report = await checked(one, Node(None))
    assert (report.found, report.reorganised, report.checked[Subject.EXECUTION]) == ([], 1, 0)


async def test_execution__that_nobody_can_know__is_not_checked() -> None:
    for report in (
        await checked(carried(), Node(Unreachable("away"))),
        await checked(carried(), Node(None), heads=[9]),
        await checked(carried(proposed={"chain_id": 1})),
    ):
        assert (report.found, report.checked[Subject.EXECUTION]) == ([], 0)
        assert [each.seq for each in report.unchecked] == [3]
        assert not report.complete


@pytest.mark.parametrize(
    "forged", [{"data": "0x05060708"}, {"to": SAFE}, {"nonce": "5"}, {"value": "1"}, {"safe_tx_hash": "0x" + "00" * 32}]
)
async def test_proposal__changed__has_another_hash(forged: dict[str, Json]) -> None:
    assert "its safeTxHash is not that of its fields" in await problem(carried(proposed=forged))


async def test_proposal__without_a_record_or_to_another_safe__is_a_finding() -> None:
    assert "no record says what was proposed" in await problem(replace(carried(), proposed=None))
    assert f"executed by {TARGET}" in await problem(carried(safe=TARGET))


@pytest.mark.parametrize(
    "other",
    [
        replace(WANTED, to=SAFE),
        replace(WANTED, data=b""),
        replace(WANTED, value=1),
        replace(WANTED, operation=Operation.DELEGATECALL),
    ],
)
async def test_proposal__of_another_call_than_was_decided__is_a_finding_with_an_intent_only(
    other: SafeTransaction,
) -> None:
    event = Node(RECEIPT, replace(EVENT, topics=(EXECUTED_TOPIC, other.hash_text)))
    assert "another call than its intent" in await problem(carried(other), event)
    assert (await checked(carried(other, for_intent=False), event)).checked[Subject.EXECUTION] == 1


async def test_outcome__of_what_a_safe_executed__needs_its_record() -> None:
    one = carried()
    assert one.told is not None
    report = Report(("a node",), 31337, 1_000, 20)
    await check_transactions(Nodes(cast("list[NodeClient]", [Node()]), [10**9]), one.told, report)
    assert report.found == []
    one.told.carried.clear()
    await check_transactions(Nodes(cast("list[NodeClient]", [Node()]), [10**9]), one.told, report)
    assert "no record of a receipt or an execution says so" in report.found[0].message
