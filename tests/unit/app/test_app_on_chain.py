"""The log against the chain, with nodes that are told what to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.adapters.chain.node import NodeClient
from keeper.app.cli.on_chain import document_of, exit_of
from keeper.app.evidence_hash import evidence_hash
from keeper.app.exit_codes import Exit
from keeper.app.onchain import nodes as meeting
from keeper.app.onchain.findings import Found, Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import Story, Told, number, part, text
from keeper.app.onchain.transactions import check_transactions, mined_as_told
from keeper.app.onchain.trips import LEAST_STEP, STEP, check_trip, event_as_told, evidence_as_told, search_trips
from keeper.app.onchain.verifying import MOST_BLOCKS, begun
from keeper.config.model import ChainConfig, Endpoint, EndpointRole
from keeper.config.secret import Secret
from keeper.domain.action import BreakerTrip
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import TRIPPED_TOPIC, trip_call
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from keeper.domain.evm import Log, Receipt
from keeper.domain.order import TripOrder, signed_order, trip_signed_call
from keeper.domain.record import Json, Record, RecordKind
from tests.support.on_chain_records import BREAKER, CONTRACT, KEY, RECEIPT, SENDER, attempt, told_of

pytestmark = pytest.mark.unit


class Node:
    """Answers what it was told, or raises it."""

    def __init__(self, **answers: Any) -> None:
        self.name = "a node"
        self.answers = answers
        self.ranges: list[tuple[int, int]] = []

    def _say(self, method: str) -> Any:
        answer = self.answers.get(method)
        if isinstance(answer, OutsideError):
            raise answer
        return answer

    async def receipt(self, _: str) -> Receipt | None:
        return cast("Receipt | None", self._say("receipt"))

    async def logs(self, _: str, __: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        most = self.answers.get("most_blocks", 10**9)
        if last - first + 1 > most:
            raise Refused("query exceeds max block range", code=-32005)
        self.ranges.append((first, last))
        return [log for log in self._say("logs") if first <= log.block_number <= last]


def nodes(*these: Node, heads: Sequence[int] | None = None) -> Nodes:
    return Nodes(cast("list[NodeClient]", list(these)), [10**9] * len(these) if heads is None else heads)


def report() -> Report:
    return Report(("a node",), 31337, 1_000)


# -- asking -------------------------------------------------------------------------------------------------------------------


async def test_ask__everyone_is_asked_and_who_does_not_answer_is_left_out() -> None:
    asked = nodes(Node(), Node(receipt=Refused("pruned")), Node(receipt=RECEIPT))
    assert await asked.ask(lambda node: node.receipt("0x")) == [("a node", None), ("a node", RECEIPT)]


async def test_ask__nobody_answers__an_error_that_is_no_refusal_goes_before() -> None:
    pruned, babble = Refused("missing trie node"), MalformedAnswer("nonsense")
    with pytest.raises(MalformedAnswer):
        await nodes(Node(receipt=pruned), Node(receipt=babble)).ask(lambda node: node.receipt("0x"))
    with pytest.raises(Refused, match="missing trie node"):
        await nodes(Node(receipt=pruned), Node(receipt=Refused("other"))).ask(lambda node: node.receipt("0x"))


# -- transactions -------------------------------------------------------------------------------------------------------------


async def checked(told: Told, *these: Node, heads: Sequence[int] | None = None, log_block: int = 20) -> Report:
    found = Report(("a node",), 31337, 1_000, log_block)
    await check_transactions(nodes(*these, heads=heads), told, found)
    return found


async def test_transaction__as_told__is_checked() -> None:
    found = await checked(told_of(), Node(receipt=RECEIPT))
    assert (found.found, found.unchecked, found.checked[Subject.TRANSACTION]) == ([], [], 1)


async def test_transaction__that_one_node_tells_otherwise__is_a_finding_and_one_that_forgot_it_is_none() -> None:
    found = await checked(told_of(), Node(), Node(receipt=RECEIPT))
    assert (found.found, found.checked[Subject.TRANSACTION]) == ([], 1)
    found = await checked(told_of(), Node(receipt=RECEIPT), Node(receipt=replace(RECEIPT, status=0)))
    assert "a node says status 0" in found.found[0].message


async def test_transaction__that_a_reorganisation_took__is_told_by_the_log_or_a_finding() -> None:
    told = told_of()
    found = await checked(told, Node())
    assert "the chain does not have it" in found.found[0].message
    told.reorganised = True
    found = await checked(told, Node())
    assert (found.found, found.reorganised, found.checked[Subject.TRANSACTION]) == ([], 1, 0)


async def test_transaction__never_mined_as_told__is_checked_and_mined_after_all_is_a_finding() -> None:
    told = told_of(mined=False)
    assert (await checked(told, Node())).checked[Subject.TRANSACTION] == 1
    found = await checked(told, Node(receipt=RECEIPT))
    assert "the log has no receipt of it" in found.found[0].message


async def test_transaction__mined_while_its_intent_is_open__waits_for_the_keeper() -> None:
    told = told_of(mined=False)
    told.outcome = None
    found = await checked(told, Node(receipt=RECEIPT))
    assert (found.found, len(found.unchecked), found.complete) == ([], 1, False)


@pytest.mark.parametrize(("head", "found"), [(9, False), (10, True)])
async def test_transaction__that_nobody_has__is_a_finding_only_where_a_node_has_its_block(
    head: int, found: bool
) -> None:
    said = await checked(told_of(), Node(), heads=[head])
    assert (bool(said.found), bool(said.unchecked)) == (found, not found)
    assert said.checked[Subject.TRANSACTION] == 0
    assert found or "no endpoint has block 10, the newest that any has is 9" in said.unchecked[0].why


@pytest.mark.parametrize(("head", "right"), [(19, 0), (20, 1)])
async def test_transaction__never_mined_as_told__is_right_only_where_a_node_has_the_blocks_of_the_log(
    head: int, right: int
) -> None:
    said = await checked(told_of(mined=False), Node(), heads=[head])
    assert (said.checked[Subject.TRANSACTION], said.complete, said.ok) == (right, bool(right), True)


async def test_transaction__that_a_node_behind_does_not_have__is_not_right_because_the_other_refuses() -> None:
    said = await checked(told_of(mined=False), Node(), Node(receipt=Refused("limit")), heads=[5, 30])
    assert (said.checked[Subject.TRANSACTION], said.complete) == (0, False)
    assert "limit" in said.unchecked[0].why


@pytest.mark.parametrize("error", [Unreachable("away"), MalformedAnswer("nonsense"), Refused("limit")])
async def test_transaction__nobody_answers__is_not_checked_and_not_complete(error: OutsideError) -> None:
    found = await checked(told_of(), Node(receipt=error))
    assert (found.ok, found.complete, found.checked[Subject.TRANSACTION]) == (True, False, 0)
    assert exit_of(found) is Exit.OUTSIDE


async def test_transaction__of_another_chain__is_not_checked() -> None:
    told = told_of()
    told.attempts = [attempt(chain_id=1)]
    found = await checked(told, Node(receipt=RECEIPT))
    assert "is of chain 1" in found.unchecked[0].why


async def test_receipt_record__of_no_attempt__is_a_finding() -> None:
    told = told_of()
    told.receipts["0x" + "99" * 32] = next(iter(told.receipts.values()))
    found = await checked(told, Node(receipt=RECEIPT))
    assert any("no attempt of the intent is this transaction" in each.message for each in found.found)


def test_receipt__every_field_that_differs__is_named() -> None:
    (record,) = told_of().receipts.values()
    assert record is not None
    assert mined_as_told(record, RECEIPT, "node") == []
    other = Receipt(RECEIPT.tx_hash, 0, 11, "0x" + "00" * 32, 1, 2)
    ((message, remedy),) = mined_as_told(record, other, "node")
    for key in ("status", "block", "block_hash", "gas_used", "effective_gas_price_wei"):
        assert message.count(f"{key} ") >= 2
    assert remedy


# -- trips --------------------------------------------------------------------------------------------------------------------


def event(told: Told, **changes: Any) -> Log:
    values: dict[str, Any] = {
        "address": CONTRACT,
        "topics": (
            TRIPPED_TOPIC,
            BREAKER,
            "0x" + SENDER[2:].lower().rjust(64, "0"),
            text(told.intent.body, "evidence"),
        ),
        "data": b"",
        "block_number": 10,
        "block_hash": "0x" + "1a" * 32,
        "tx_hash": RECEIPT.tx_hash,
        "index": 0,
    }
    return Log(**(values | changes))


def test_evidence__of_its_own_decision__is_right() -> None:
    assert evidence_as_told(told_of()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evidence": "0x" + "00" * 32}, "is not the hash of decision record"),
        ({"data": "0x"}, "names other evidence"),
        ({"data": "nonsense"}, "names other evidence"),
        ({"to": SENDER}, "is not of breaker"),
        ({"breaker": {"contract": CONTRACT, "id": "0x" + "77" * 32}}, "is not of breaker"),
    ],
)
def test_evidence__anything_else_in_the_intent__is_a_finding(changes: dict[str, Json], words: str) -> None:
    assert any(words in message for message, _ in evidence_as_told(told_of(intent=changes)))


def test_evidence__of_another_keeper__counts_where_this_one_signed_it_for_its_own_decision() -> None:
    theirs = b"\x33" * 32
    order = TripOrder(31337, CONTRACT, BREAKER, (), theirs, 1, 2_000_000_000)
    from eth_keys.datatypes import PrivateKey

    signature = PrivateKey(KEY).sign_msg_hash(order.digest).to_bytes()
    signed = signed_order(order, signature[:64] + bytes([signature[64] + 27]))
    data = "0x" + trip_signed_call([signed]).data.hex()
    told = told_of(intent={"data": data, "evidence": "0x" + theirs.hex()})
    assert any("is not the hash" in message for message, _ in evidence_as_told(told))
    told.borrowed = {"0x" + theirs.hex()}
    assert evidence_as_told(told) == []
    plain = "0x" + trip_call(BreakerTrip(CONTRACT, BREAKER), theirs).data.hex()
    told = told_of(intent={"data": plain, "evidence": "0x" + theirs.hex()})
    told.borrowed = {"0x" + theirs.hex()}
    assert evidence_as_told(told), "who trips alone rests on its own decision"


async def test_trip__that_came_to_no_call__names_no_evidence() -> None:
    told = told_of(intent={"data": "0x", "evidence": "0x"})
    found = report()
    await check_trip(nodes(Node()), told, found)
    assert found.found, "it was signed, so it must have been a call"
    told.attempts.clear()
    found = report()
    await check_trip(nodes(Node()), told, found)
    assert (found.found, found.checked[Subject.TRIP]) == ([], 0)


async def test_attempt__of_another_call_than_its_intent__is_a_finding() -> None:
    found = await checked(told_of(intent={"data": "0x1234"}), Node(receipt=RECEIPT))
    assert "another call than its intent" in found.found[0].message


def test_event__as_told__is_right_and_anything_else_is_a_finding() -> None:
    told = told_of()
    assert event_as_told(told, "0x", [event(told)]) == []
    others: list[list[Log]] = [
        [],
        [event(told, address=SENDER)],
        [event(told, topics=("0x" + "00" * 32, *event(told).topics[1:]))],
        [event(told, topics=event(told).topics[:3])],
        [event(told, topics=(TRIPPED_TOPIC, "0x" + "77" * 32, *event(told).topics[2:]))],
    ]
    for logs in others:
        assert "did not trip in it" in event_as_told(told, "0x", logs)[0][0]
    other = event(told, topics=(*event(told).topics[:3], "0x" + "00" * 32))
    assert "names the evidence 0x00" in event_as_told(told, "0x", [other])[0][0]


async def searched(
    story: Story,
    node: Node,
    *more: Node,
    configured: tuple[str, ...] = (CONTRACT,),
    last: int = 1_000,
    heads: Sequence[int] | None = None,
) -> Report:
    found = Report(("a node",), 31337, last)
    await search_trips(nodes(node, *more, heads=heads), story, configured, found, lambda _: None)
    return found


def story_of(told: Told) -> Story:
    return Story([told], {SENDER.lower()}, 5)


async def test_search__what_the_log_tells__is_right() -> None:
    told = told_of()
    found = await searched(story_of(told), Node(logs=[event(told)]))
    assert (found.found, found.unchecked, found.first, found.last) == ([], [], 5, 1_000)


async def test_search__unknown_transaction_or_breaker__is_found() -> None:
    told = told_of()
    stranger = event(told, tx_hash="0x" + "99" * 32)
    other = event(told, topics=(TRIPPED_TOPIC, "0x" + "77" * 32, *event(told).topics[2:]))
    found = await searched(story_of(told), Node(logs=[stranger]))
    assert found.found[0].seq is None
    assert SENDER.lower() in found.found[0].message
    found = await searched(story_of(told), Node(logs=[other]))
    assert found.found[0].seq == told.intent.seq


async def test_search__one_node_hides_a_trip__the_other_tells_of_it_once() -> None:
    told = told_of()
    stranger = Node(logs=[event(told, tx_hash="0x" + "99" * 32)])
    assert len((await searched(story_of(told), Node(logs=[]), stranger, stranger)).found) == 1
    assert len((await searched(story_of(told), Node(logs=Unreachable("away")), stranger)).found) == 1


async def test_search__nodes_with_other_heads__each_is_asked_for_what_it_has() -> None:
    told = told_of()
    late = event(told, tx_hash="0x" + "99" * 32, block_number=900)
    slow, good, none = Node(logs=[]), Node(logs=[late]), Node(logs=[])
    found = await searched(story_of(told), slow, good, none, heads=[300, 1_000, 3])
    assert [each.subject for each in found.found] == [Subject.TRIP]
    assert (slow.ranges, good.ranges, none.ranges) == ([(5, 300)], [(5, 300), (301, 1_000)], [])


async def test_search__only_a_node_behind_answers__the_blocks_that_it_has_not_are_not_checked() -> None:
    told = told_of()
    early = event(told, tx_hash="0x" + "99" * 32, block_number=10)
    found = await searched(story_of(told), Node(logs=[early]), Node(logs=Unreachable("away")), heads=[300, 1_000])
    assert len(found.found) == 1, "what was found before counts all the same"
    assert ["away" in each.why for each in found.unchecked] == [True]


@pytest.mark.parametrize(("last", "complete"), [(4, False), (5, True)])
async def test_search__that_cannot_begin__is_not_checked(last: int, complete: bool) -> None:
    found = await searched(story_of(told_of()), Node(logs=[]), last=last)
    assert (found.complete, found.first) == (complete, 5 if complete else None)


# -- how far the nodes are ----------------------------------------------------------------------------------------------------

LAG = 3
CHAIN = ChainConfig(31337, (), 1, lag_blocks=LAG)


def begun_with(*heads: int, log_block: int = 100) -> Report:
    return begun(nodes(*(Node() for _ in heads), heads=heads), CHAIN, log_block)


@pytest.mark.parametrize("heads", [(100,), (100, 100), (100, 100 + LAG), (5_000, 5_000 - LAG)])
def test_heads__with_the_log_and_with_each_other__are_all_right(heads: tuple[int, ...]) -> None:
    found = begun_with(*heads)
    assert (found.unchecked, found.block, exit_of(found)) == ([], max(heads), Exit.DONE)


@pytest.mark.parametrize(
    ("heads", "behind"),
    [((99,), 1), ((0,), 1), ((99, 100), 1), ((100, 99), 1), ((7, 99), 2), ((100, 101 + LAG), 1), ((5_000, 99), 1)],
)
def test_heads__behind_the_log_or_each_other__are_not_checked_and_end_with_3(
    heads: tuple[int, ...], behind: int
) -> None:
    found = begun_with(*heads)
    assert (len(found.unchecked), found.block, exit_of(found)) == (behind, max(heads), Exit.OUTSIDE)
    assert f"the newest block of a node is {min(heads)}, and " in " ".join(each.why for each in found.unchecked)


def test_head__that_cannot_be__is_not_gone_by() -> None:
    found = begun_with(2**62, 200)
    assert (found.block, exit_of(found)) == (200, Exit.OUTSIDE)
    assert "there cannot be so many between" in found.unchecked[0].why
    assert begun_with(2**62).block == 0
    assert begun_with(100 + MOST_BLOCKS).unchecked == []


@pytest.mark.parametrize(
    ("heads", "asked", "known"),
    [([100], 1, 100), ([97, 99, 100], 3, 100), ([99, 99, 99, 100], 3, 99), ([96, 100], 1, 96)],
)
async def test_head__just_behind_the_log__gets_a_moment(
    monkeypatch: pytest.MonkeyPatch, heads: list[int], asked: int, known: int
) -> None:
    monkeypatch.setattr(meeting, "MOMENT_S", 0)
    chains = [MemoryChain() for _ in heads]
    for chain, head in zip(chains, heads, strict=True):
        for _ in range(head):
            chain.mine()
    answering = iter(chains)

    class Growing(Node):
        async def chain_id(self) -> int:
            return 31337

        async def head(self) -> BlockStamp:
            return await next(answering).head()

    monkeypatch.setattr(meeting, "NodeClient", lambda *_, **__: Growing())
    endpoint = Endpoint(Secret("http://localhost"), "http://localhost", EndpointRole.PRIMARY)
    met = await Nodes.meet(replace(CHAIN, endpoints=(endpoint,)), 100)
    assert (met.heads, len(list(answering))) == ((known,), len(heads) - asked)


async def test_search__of_a_contract_that_is_not_configured_any_more__goes_by_the_log() -> None:
    told = told_of()
    found = await searched(story_of(told), Node(logs=[event(told, tx_hash="0x" + "99" * 32)]), configured=())
    assert len(found.found) == 1


async def test_search__many_blocks__goes_in_steps_without_holes() -> None:
    node = Node(logs=[])
    await searched(story_of(told_of()), node, last=5 + 2 * STEP)
    assert node.ranges == [(5, 4 + STEP), (5 + STEP, 4 + 2 * STEP), (5 + 2 * STEP, 5 + 2 * STEP)]


@pytest.mark.parametrize("most", [LEAST_STEP, 40, 999])
async def test_search__node_that_takes_fewer_blocks__gets_fewer(most: int) -> None:
    told = told_of()
    node = Node(logs=[event(told, tx_hash="0x" + "99" * 32)], most_blocks=most)
    found = await searched(story_of(told), node)
    assert len(found.found) == 1
    assert node.ranges[0][0] == 5
    assert node.ranges[-1][1] == 1_000
    assert all(begin == end + 1 for (_, end), (begin, _) in zip(node.ranges, node.ranges[1:], strict=False))


async def test_search__node_that_takes_next_to_none__is_not_checked() -> None:
    found = await searched(story_of(told_of()), Node(logs=[], most_blocks=LEAST_STEP - 1))
    assert (found.ok, found.complete) == (True, False)
    assert "max block range" in found.unchecked[0].why


async def test_search__nothing_to_search_for__asks_nothing() -> None:
    nobody = Story([], set(), 5)
    assert (await searched(nobody, Node(logs=Unreachable("away")))).complete
    assert (await searched(Story([], {SENDER.lower()}, None), Node(), configured=())).complete


async def test_search__no_block_to_begin_at__is_not_checked() -> None:
    found = await searched(Story([], {SENDER.lower()}, None), Node())
    assert not found.complete


# -- what comes out -----------------------------------------------------------------------------------------------------------


def test_exit__what_differs_goes_before_what_could_not_be_asked_and_old_state_alone_is_done() -> None:
    found = report()
    assert exit_of(found) is Exit.DONE
    found.unchecked.append(Unchecked(Subject.EFFECT, 5, "missing trie node"))
    assert exit_of(found) is Exit.DONE
    found.unchecked.append(Unchecked(Subject.TRIP, None, "limit"))
    assert exit_of(found) is Exit.OUTSIDE
    found.found.append(Found(Subject.TRIP, None, "unknown", "revoke"))
    assert exit_of(found) is Exit.FOUND


def test_document__has_everything_with_stable_keys() -> None:
    found = report()
    found.hold(Subject.TRANSACTION, 5, [("differs", "look")])
    found.hold(Subject.EFFECT, 6, [])
    document = document_of(found)
    assert document["checked"] == {"transactions": 0, "effects": 1, "trips": 0, "executions": 0, "nonces": 0}
    assert document["findings"] == [{"subject": "transaction", "seq": 5, "message": "differs", "remedy": "look"}]
    assert (document["ok"], document["complete"], document["searched"]) == (False, True, None)


@pytest.mark.parametrize(
    ("value", "said"), [("5", 5), (5, 5), ("x", None), (None, None), (-1, None), ("9" * 79, None), (True, None)]
)
def test_number__of_a_body__is_whole_or_none(value: Json, said: int | None) -> None:
    assert number({"key": value}, "key") == said


def test_part__of_a_body__is_an_object_or_empty() -> None:
    assert part({"key": [1]}, "key") == {}
    assert part({"key": {"a": 1}}, "key") == {"a": 1}


def test_evidence_hash__of_the_record_in_these_tests__is_what_the_intent_names() -> None:
    told = told_of()
    assert isinstance(told.decision, Record)
    assert told.decision.kind is RecordKind.DECISION
    assert text(told.intent.body, "evidence") == "0x" + evidence_hash(told.decision).hex()
