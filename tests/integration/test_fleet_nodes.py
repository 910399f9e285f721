"""Several real nodes: one that lies is found out within one block, one that dies is replaced, a reorganisation is walked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.chain.witness import EndpointWitness
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import send
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import (
    Backfilled,
    ChainEvent,
    Disagreement,
    DownReason,
    EndpointDown,
    EndpointUp,
    FailedOver,
    Gap,
    Reorg,
)
from keeper.domain.errors import OutsideError, Refused
from keeper.domain.testimony import Otherwise, QuorumPolicy, Silence, Word
from tests.support.chain_stage import CELL, READ, set_up, word
from tests.support.eventually import eventually
from tests.support.keeper_stage import until
from tests.support.lying_node import FAKE_HASH, LyingNode, altered_hash, altered_value, invented_head, lying_node
from tests.support.twin_nodes import Twins, fleet_over, twin_nodes

pytestmark = pytest.mark.integration

POLICY = QuorumPolicy(2, 500, Otherwise.HOLD)


@pytest_asyncio.fixture
async def twins() -> AsyncIterator[Twins]:
    async with twin_nodes(2) as started:
        yield started


@pytest_asyncio.fixture
async def liar(twins: Twins) -> AsyncIterator[LyingNode]:
    """A proxy in front of the second node; it tells the truth until it is told otherwise."""
    async with lying_node(twins.nodes[1].http_url) as node:
        yield node


# -- a second node that lies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("honest", [True, False])
async def test_witness__one_altered_value__is_found_out_before_anything_is_done(
    twins: Twins, liar: LyingNode, honest: bool
) -> None:
    await twins.mine(7)
    told: list[ChainEvent] = []
    primary, verify = NodeClient(twins.nodes[0].ws_url), NodeClient(liar.url)
    witness = EndpointWitness([("verify-1", verify)], report=told.append)
    liar.lie = liar.lie if honest else altered_value
    block = await primary.head()
    results = await primary.read([READ, READ], block)
    testimony = await witness.testify(block, [READ, READ], results, POLICY.deadline_ms)
    assert POLICY.met_by(testimony) is honest
    if not honest:
        (statement,) = testimony.statements
        assert statement.word is Word.DISAGREES
        assert [one.call for one in statement.differences] == [1]
        assert isinstance(told[0], Disagreement)
    await primary.close()
    await verify.close()


async def test_primary_lies__about_a_value__stands_alone(twins: Twins, liar: LyingNode) -> None:
    """The word of one node is not enough, also when it is the one in use."""
    await twins.mine(7)
    liar.lie = altered_value
    honest = NodeClient(twins.nodes[0].ws_url)
    witness = EndpointWitness([("verify-1", honest)], report=lambda _: None)
    async with fleet_over([liar.url]) as consumer:
        block = await consumer.fleet.head()
        results = await consumer.fleet.read([READ, READ], block)
        testimony = await witness.testify(block, [READ, READ], results, POLICY.deadline_ms)
    assert (testimony.agreeing, testimony.disagreeing) == (1, 1)
    assert not POLICY.met_by(testimony)
    await honest.close()


async def test_compare_head__one_altered_hash__is_found_out_at_that_block(twins: Twins, liar: LyingNode) -> None:
    told: list[ChainEvent] = []
    verify = NodeClient(liar.url)
    witness = EndpointWitness([("verify-1", verify)], report=told.append, compare_deadline_ms=300)
    async with fleet_over([twins.nodes[0].ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        assert (await witness.compare_head(consumer.seen[-1])).agreeing == 2
        liar.lie = altered_hash
        await twins.mine()
        await consumer.until(3)
        (statement,) = (await witness.compare_head(consumer.seen[-1])).statements
    assert statement.word is Word.DISAGREES
    assert (statement.differences[0].call, statement.differences[0].theirs) == (None, FAKE_HASH)
    assert [(one.endpoint, one.block) for one in told if isinstance(one, Disagreement)] == [("verify-1", 3)]
    await verify.close()


async def test_compare_head__verify_lags_five_blocks__is_found_out_at_the_next(twins: Twins, liar: LyingNode) -> None:
    verify = NodeClient(liar.url)
    witness = EndpointWitness([("verify-1", verify)], report=lambda _: None, compare_deadline_ms=200)
    async with fleet_over([twins.nodes[0].ws_url]) as consumer:
        for _ in range(6):
            await twins.mine()
        await consumer.until(7)
        liar.lag = 5
        await twins.mine()
        await consumer.until(8)
        (statement,) = (await witness.compare_head(consumer.seen[-1])).statements
    assert (statement.silence, statement.behind) == (Silence.BEHIND, 5)
    await verify.close()


async def test_primary__lags_five_blocks__another_takes_over_and_nothing_is_missed(
    twins: Twins, liar: LyingNode
) -> None:
    async with fleet_over([liar.url, twins.nodes[0].ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        liar.lag = 5
        for _ in range(4):
            await twins.mine()
        await consumer.until_told(FailedOver)
        await twins.mine()
        await consumer.until(7)
        downs = [one.reason for one in consumer.log if isinstance(one, EndpointDown)]
    assert consumer.numbers == [2, 3, 4, 5, 6, 7]
    assert downs == [DownReason.LAGGING]


# -- lag: five blocks at once, one block never ------------------------------------------------------------------------------------

NEVER_MS = 3_600_000


@pytest.mark.parametrize("who", ["primary", "verify"])
async def test_lag__grows_to_five_blocks__is_found_at_that_block_and_not_before(
    twins: Twins, liar: LyingNode, who: str
) -> None:
    """The time allowance is an hour here: only that five blocks need none can be the reason."""
    honest = twins.nodes[0].ws_url
    primaries, verifiers = ([liar.url], [honest]) if who == "primary" else ([honest], [liar.url])
    async with fleet_over(primaries, verifiers, lag_ms=NEVER_MS) as consumer:
        for _ in range(6):
            await twins.mine()
        newest, head = consumer.fleet._following.newest, await twins.nodes[0].block_number()
        await eventually(lambda: all(heard is not None and heard.number == head for heard in newest))
        liar.stays_at = head
        for ahead in range(head + 1, head + 5):
            await twins.mine()
            await eventually(lambda: ahead in [heard.number for heard in newest if heard is not None])  # noqa: B023
            await asyncio.sleep(0.3)
            assert [entry for entry in consumer.log if isinstance(entry, EndpointDown)] == []
        await twins.mine()
        await consumer.until_told(EndpointDown)
        (down,) = [entry for entry in consumer.log if isinstance(entry, EndpointDown)]
    assert (down.endpoint, down.reason) == (f"{who}-1", DownReason.LAGGING)
    assert down.message.endswith("is 5 behind")


async def test_lag__one_block_behind_all_the_time__is_nothing(twins: Twins, liar: LyingNode) -> None:
    async with fleet_over([twins.nodes[0].ws_url], [liar.url], lag_ms=0) as consumer:
        await twins.mine()
        liar.lag = 1
        for _ in range(8):
            await twins.mine()
            await consumer.until(twins.newest)
            await asyncio.sleep(0.1)
    assert [entry for entry in consumer.log if not isinstance(entry, BlockStamp)] == []


# -- heads that do not exist ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [0, 1, 1_000])
async def test_invented_heads__with_other_nodes__are_not_followed_and_no_real_block_is_lost(
    twins: Twins, liar: LyingNode, ahead: int
) -> None:
    honest = twins.nodes[0]
    async with fleet_over([liar.url, honest.ws_url], [honest.http_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        liar.lie = invented_head(ahead)
        for _ in range(3):
            await twins.mine()
        await consumer.until(5)
        for _ in range(2):
            await twins.mine()
        await consumer.until(7)
        truth = [await honest.rpc("eth_getBlockByNumber", hex(number), False) for number in range(2, 8)]
        told = [entry for entry in consumer.log if isinstance(entry, EndpointDown | FailedOver | Gap | Reorg)]
    assert [block.hash for block in consumer.seen] == [each["hash"] for each in truth]
    assert [type(entry) for entry in told] == [EndpointDown, FailedOver]
    assert isinstance(told[0], EndpointDown)
    assert (told[0].endpoint, told[0].reason) == ("primary-1", DownReason.UNKNOWN_BLOCKS)


async def test_invented_heads__only_primary_and_a_verify_endpoint__are_not_followed(
    twins: Twins, liar: LyingNode
) -> None:
    """There is no next primary: nothing is given out until the truth comes back, and then all of it."""
    async with fleet_over([liar.url], [twins.nodes[0].ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        liar.lie = invented_head(1_000)
        await twins.mine()
        await consumer.until_told(EndpointDown)
        liar.lie = lambda _, result: result
        await twins.mine()
        await consumer.until(4)
        (down,) = [entry for entry in consumer.log if isinstance(entry, EndpointDown)]
    assert (down.endpoint, down.reason) == ("primary-1", DownReason.UNKNOWN_BLOCKS)
    assert consumer.numbers == [2, 3, 4]


async def test_invented_head__of_the_only_node__leaves_a_gap_and_the_real_blocks_are_given_all_the_same(
    twins: Twins, liar: LyingNode
) -> None:
    async with fleet_over([liar.url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        liar.lie = invented_head(1_000)
        await twins.mine()
        await consumer.until(1_003)
        liar.lie = lambda _, result: result
        for _ in range(
            3
        ):  # which of the heads the proxy sees is its matter; a single low one may be that of a node that is behind
            await twins.mine()
            await asyncio.sleep(0.2)
        await consumer.until(6)
        gaps = [entry for entry in consumer.log if isinstance(entry, Gap)]
        reorg = [entry for entry in consumer.log if isinstance(entry, Reorg)][-1]
    invented = [number for number in consumer.numbers if number > 1_000]
    assert gaps[0].first == 3
    assert gaps[0].reason
    assert (reorg.depth, reorg.ancestor) == (len(invented), 2)  # only what was given out can be taken back
    assert [number for number in consumer.numbers if number < 1_000] == [2, 3, 4, 5, 6]


async def test_many_blocks_at_once__that_other_nodes_know__are_followed(twins: Twins, liar: LyingNode) -> None:
    """A jump of twenty blocks looks absurd, and another node knows the block."""
    async with fleet_over([liar.url], [twins.nodes[0].ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        liar.lag = 20
        for _ in range(20):
            await twins.mine()
        liar.lag = 0
        await consumer.until(twins.newest)
        downs = [entry.reason for entry in consumer.log if isinstance(entry, EndpointDown)]
    assert consumer.numbers == list(range(2, twins.newest + 1))
    assert DownReason.UNKNOWN_BLOCKS not in downs


# -- lies about hashes: who is to blame -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stands_by_it", [True, False])
async def test_primary_lies_about_hashes__it_is_blamed_and_left_and_never_the_healthy_one(
    twins: Twins, liar: LyingNode, stands_by_it: bool
) -> None:
    first = twins.nodes[0]
    async with fleet_over([liar.url, first.ws_url], [first.http_url], return_ms=600) as consumer:
        await twins.mine(1)
        await consumer.until(2)
        if stands_by_it:
            liar.forges = 3
        else:
            liar.lie = altered_hash
        for number in range(3, 9):
            await twins.mine(number)
            await consumer.until(number)
            with suppress(OutsideError):
                await consumer.fleet.read([READ], consumer.seen[-1])
            await asyncio.sleep(0.2)
        await until(lambda: consumer.fleet.active == "primary-2")
        assert [one.data for one in await consumer.fleet.read([READ], consumer.seen[-1])] == [word(8)]
        truth = [await first.rpc("eth_getBlockByNumber", hex(number), False) for number in range(2, 9)]
    downs = [(one.endpoint, one.reason) for one in consumer.log if isinstance(one, EndpointDown)]
    assert downs == [("primary-1", DownReason.OUTVOTED if stands_by_it else DownReason.UNKNOWN_BLOCKS)]
    assert len([one for one in consumer.log if isinstance(one, FailedOver)]) == 1
    assert {each["hash"] for each in truth} <= {block.hash for block in consumer.seen}, "every real block was given"


async def test_two_primaries_have_different_blocks__both_are_named_and_neither_is_left(
    twins: Twins, liar: LyingNode
) -> None:
    """There is no verify endpoint, and nobody to say who of them is wrong."""
    async with fleet_over([twins.nodes[0].ws_url, liar.url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        liar.forges = 3
        await twins.mine()
        await consumer.until_told(Disagreement)
        (told,) = [one for one in consumer.log if isinstance(one, Disagreement)]
        assert (told.endpoint, told.in_use, told.block) == ("primary-2", "primary-1", 3)
        assert consumer.fleet.active == "primary-1"
        assert [one for one in consumer.log if isinstance(one, EndpointDown)] == []


# -- nodes that refuse calls and answer everything else -----------------------------------------------------------------------------


async def test_primaries_refuse_calls__each_is_named_once_and_neither_is_well_before_it_answers_calls(
    twins: Twins, liar: LyingNode
) -> None:
    async with (
        lying_node(twins.nodes[0].http_url) as other,
        fleet_over([liar.url, other.url], return_ms=100) as consumer,
    ):
        await twins.mine()
        await consumer.until(2)
        liar.refuses = other.refuses = frozenset({"eth_call"})
        for number in range(3, 9):
            await twins.mine()
            await consumer.until(number)
            with pytest.raises(Refused):
                await consumer.fleet.read([READ], consumer.seen[-1])
            await asyncio.sleep(0.05)
        before = liar.counts["eth_call"]
        await until(lambda: liar.counts["eth_call"] >= before + 2)  # two trials
        downs = [one for one in consumer.log if isinstance(one, EndpointDown)]
        assert {(one.endpoint, one.reason) for one in downs} == {
            ("primary-1", DownReason.NO_ANSWER),
            ("primary-2", DownReason.NO_ANSWER),
        }
        assert len(downs) == 2
        assert [one for one in consumer.log if isinstance(one, EndpointUp)] == []
        assert len([one for one in consumer.log if isinstance(one, FailedOver)]) <= 1
        liar.refuses = other.refuses = frozenset()
        await until(lambda: len([one for one in consumer.log if isinstance(one, EndpointUp)]) == 2)
        assert [one.data for one in await consumer.fleet.read([READ], consumer.seen[-1])] == [word(0)]


async def test_one_primary_refuses_calls__it_is_left_once_and_not_returned_to_while_it_refuses(
    twins: Twins, liar: LyingNode
) -> None:
    async with fleet_over([liar.url, twins.nodes[0].ws_url], return_ms=100) as consumer:
        liar.refuses = frozenset({"eth_call"})
        for number in range(2, 12):
            await twins.mine()
            await consumer.until(number)
            assert (await consumer.fleet.read([READ], consumer.seen[-1]))[0].data == word(0)
            await asyncio.sleep(0.3)
        told = [one for one in consumer.log if isinstance(one, EndpointDown | EndpointUp | FailedOver)]
        assert [(type(one), getattr(one, "endpoint", "")) for one in told] == [
            (FailedOver, ""),
            (EndpointDown, "primary-1"),
        ]
        liar.refuses = frozenset()
        await until(lambda: consumer.fleet.active == "primary-1")


# -- a node that is stopped and keeps its connections -------------------------------------------------------------------------------


@pytest.mark.parametrize("http", [False, True])
async def test_stopped_primary__heads_go_on_at_the_next_block(twins: Twins, http: bool) -> None:
    """Lag cannot be the reason: its allowance is an hour, and one block is no lag."""
    urls = [node.http_url if http else node.ws_url for node in twins.nodes]
    async with fleet_over(urls, lag_ms=NEVER_MS) as consumer:
        await twins.mine()
        await consumer.until(2)
        twins.freeze(0)
        await twins.mine()
        await consumer.until(3)
        twins.thaw(0)
        await consumer.until_told(EndpointDown)
        (down,) = [entry for entry in consumer.log if isinstance(entry, EndpointDown)]
    assert (down.endpoint, down.reason) == ("primary-1", DownReason.NO_ANSWER)
    assert consumer.numbers == [2, 3]


async def test_chain_makes_no_blocks__nobody_is_blamed(twins: Twins) -> None:
    async with fleet_over([node.ws_url for node in twins.nodes], lag_ms=0, return_ms=0) as consumer:
        await twins.mine()
        await consumer.until(2)
        await asyncio.sleep(2.5)
        await twins.mine()
        await consumer.until(3)
    assert [entry for entry in consumer.log if not isinstance(entry, BlockStamp)] == []


# -- a reorganisation -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("http", [False, True])
async def test_reorg__by_the_node__is_told_and_the_new_branch_is_given(twins: Twins, http: bool) -> None:
    node = twins.nodes[0]
    async with fleet_over([node.http_url if http else node.ws_url]) as consumer:
        for number in range(2, 7):
            await twins.mine()
            await consumer.until(number)
        old = consumer.seen[-1]
        await node.rpc("anvil_reorg", 2, [])
        await consumer.until_told(Reorg)
        await consumer.until(6)
        await node.mine()
        await consumer.until(7)
        told = [one for one in consumer.log if isinstance(one, Reorg)]
        truth = [await node.rpc("eth_getBlockByNumber", hex(number), False) for number in range(5, 8)]
    assert (told[0].ancestor, told[0].old_hash) == (4, old.hash)
    assert [block.hash for block in consumer.seen[5:]] == [one["hash"] for one in truth]
    assert len({block.hash for block in consumer.seen}) == len(consumer.seen)


async def test_revert_to_a_snapshot__and_on_from_there__is_a_reorg(twins: Twins) -> None:
    node = twins.nodes[0]
    async with fleet_over([node.ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        snapshot = await node.rpc("evm_snapshot")
        for number in (3, 4, 5):
            await twins.mine()
            await consumer.until(number)
        await node.rpc("evm_revert", snapshot)
        await send(node, node.accounts[0].address, CELL, word(9))
        await node.mine()
        await consumer.until_told(Reorg)
        await consumer.until(3)
        assert [one.depth for one in consumer.log if isinstance(one, Reorg)] == [3]
        results = await consumer.fleet.read([READ], consumer.seen[-1])
    assert results[0].data == word(9)


# -- a batch where there is no Multicall3 -----------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def plain() -> AsyncIterator[LyingNode]:
    """An honest proxy in front of a node without Multicall3."""
    async with Anvil(no_mining=True) as node:
        await set_up(node, multicall=False)
        async with lying_node(node.http_url) as proxy:
            yield proxy


async def _read(client: NodeClient, count: int) -> tuple[BlockStamp, list[bytes]]:
    block = await client.head()
    return block, [one.data for one in await client.read((READ,) * count, block)]


@pytest.mark.parametrize(("count", "batches"), [(2, 1), (100, 1), (101, 2), (250, 3)])
async def test_read__without_multicall__is_one_batch_for_each_hundred(
    plain: LyingNode, count: int, batches: int
) -> None:
    client = NodeClient(plain.url)
    _, data = await _read(client, count)
    assert data == [word(0)] * count
    assert plain.counts["batch"] == batches
    assert plain.counts["eth_call"] == 1  # that Multicall3 is not there
    await client.close()


async def test_read__one_call_without_multicall__is_no_batch(plain: LyingNode) -> None:
    client = NodeClient(plain.url)
    await _read(client, 1)
    assert (plain.counts["batch"], plain.counts["eth_call"]) == (0, 2)
    await client.close()


async def test_read__node_that_refuses_batches__is_asked_one_by_one_and_not_tempted_again(plain: LyingNode) -> None:
    plain.batches = False
    client = NodeClient(plain.url)
    for _ in range(3):
        _, data = await _read(client, 10)
        assert data == [word(0)] * 10
    assert plain.counts["batch"] == 1
    assert plain.counts["eth_call"] == 1 + 3 * 10
    await client.close()


async def test_read__with_multicall__is_one_call(twins: Twins, liar: LyingNode) -> None:
    client = NodeClient(liar.url)
    await _read(client, 100)
    assert (liar.counts["eth_call"], liar.counts["batch"]) == (1, 0)
    await client.close()


async def test_backfill__of_many_blocks__is_one_batch(twins: Twins, liar: LyingNode) -> None:
    async with fleet_over([liar.url]) as consumer:
        for _ in range(2):
            await twins.mine()
        await consumer.until(3)
        before = liar.counts["batch"]
        await twins.nodes[1].rpc("anvil_mine", hex(20))
        await consumer.until(23)
        assert liar.counts["batch"] - before == 1
        assert [one for one in consumer.log if isinstance(one, Gap)] == []
        late = [one for one in consumer.log if isinstance(one, Backfilled)]
    # which of the heads the proxy saw is its matter: all blocks are given once
    assert consumer.numbers == list(range(2, 24))
    assert late
