"""Reads and rehearsals in one message: on a real node, and on nodes that take no batch, have no Multicall3, or refuse a part of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.chain.fleet import Fleet, Member
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.devnet.anvil import Anvil
from keeper.domain.action import Call
from keeper.domain.errors import Refused
from keeper.domain.evm import Simulation
from keeper.domain.rehearsal import Rehearsal
from tests.support.chain_stage import CELL, NOBODY, READ, REVERT, set_up, word
from tests.support.lying_node import LyingNode, lying_node

pytestmark = pytest.mark.integration

GOOD = Rehearsal(Call(CELL, word(5)), NOBODY)
BAD = Rehearsal(REVERT, NOBODY)


@pytest.fixture(params=[True, False], ids=["multicall", "no-multicall"])
def multicall(request: pytest.FixtureRequest) -> bool:
    """Whether the chain has it."""
    found: bool = request.param
    return found


@pytest_asyncio.fixture
async def proxy(multicall: bool) -> AsyncIterator[LyingNode]:
    async with Anvil(no_mining=True) as node:
        await set_up(node, multicall=multicall)
        await node.mine()
        async with lying_node(node.http_url) as found:
            yield found


def client_of(proxy: LyingNode, **more: Any) -> NodeClient:
    return NodeClient(proxy.url, **more)


async def test_rehearse__with_the_reads__one_message_and_both_answers(proxy: LyingNode, multicall: bool) -> None:
    client = client_of(proxy)
    block = await client.head()
    results, simulations = await client.read_and_rehearse((READ,) * 3, (GOOD, BAD), block)
    assert [one.data for one in results] == [word(0)] * 3
    if multicall:
        assert simulations[0] == Simulation(True, b"")
        assert simulations[1] is not None
        assert (simulations[1].ok, simulations[1].data) == (False, REVERT.data)
        assert (proxy.counts["batch"], proxy.counts["eth_call"]) == (1, 0)
    else:  # without Multicall3 nothing is rehearsed: it is rare, and the reads are what counts
        assert simulations == [None, None]
        await client.read_and_rehearse((READ,) * 3, (GOOD, BAD), block)
        assert proxy.counts["batch"] == 1 + 2
    await client.close()


async def test_rehearse__through_the_fleet__as_the_node(proxy: LyingNode, multicall: bool) -> None:
    fleet = Fleet([Member("primary-1", client_of(proxy))], chain_id=31337, clock=SystemClock(), report=lambda _: None)
    block = await fleet.head()
    results, simulations = await fleet.read_and_rehearse((READ,), (GOOD,), block)
    assert [one.data for one in results] == [word(0)]
    assert simulations == [Simulation(True, b"") if multicall else None]
    await fleet.close()


async def test_rehearse__node_that_takes_no_batch__reads_alone_and_is_not_tempted_again(proxy: LyingNode) -> None:
    proxy.batches = False
    client = client_of(proxy)
    block = await client.head()
    for _ in range(2):
        results, simulations = await client.read_and_rehearse((READ,), (GOOD,), block)
        assert [one.data for one in results] == [word(0)]
        assert simulations == [None]
    assert proxy.counts["batch"] == 1
    await client.close()


@pytest.mark.parametrize("fits", [True, False])
async def test_rehearse__more_than_a_batch_holds__reads_alone(proxy: LyingNode, multicall: bool, fits: bool) -> None:
    client = client_of(proxy, max_batch=3 if fits else 2)
    block = await client.head()
    results, simulations = await client.read_and_rehearse((READ,), (GOOD, GOOD), block)
    assert [one.data for one in results] == [word(0)]
    assert (simulations == [None, None]) is not (fits and multicall)
    await client.close()


async def test_rehearse__a_block_that_is_gone__is_refused_as_a_read_is(proxy: LyingNode) -> None:
    client = client_of(proxy)
    block = await client.head()
    gone = type(block)(block.number, "0x" + "ab" * 32, block.parent_hash, block.timestamp_s)
    with pytest.raises(Refused):
        await client.read_and_rehearse((READ,), (GOOD,), gone)
    await client.close()


async def test_rehearse__its_answer_is_no_hex__is_no_word_on_it_and_the_reads_stand(proxy: LyingNode) -> None:
    def lie(request: dict[str, Any], result: Any) -> Any:
        called = request["method"] == "eth_call" and "from" in request["params"][0]
        return "nonsense" if called else result

    proxy.lie = lie
    client = client_of(proxy)
    results, simulations = await client.read_and_rehearse((READ,), (GOOD,), await client.head())
    assert [one.data for one in results] == [word(0)]
    assert simulations == [None]
    await client.close()


async def test_rehearse__every_part_is_refused_for_its_number__is_read_alone(
    proxy: LyingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-32005 to each request of a batch, as some providers limit them."""
    answered = proxy.answer

    async def limited(_: LyingNode, message: Any) -> Any:
        if not isinstance(message, list):
            return await answered(message)
        proxy.counts["limited"] += 1
        error = {"code": -32005, "message": "too many requests in a batch"}
        return [{"jsonrpc": "2.0", "id": one["id"], "error": error} for one in message]

    monkeypatch.setattr(LyingNode, "answer", limited)
    client = client_of(proxy)
    block = await client.head()
    for _ in range(2):
        results, simulations = await client.read_and_rehearse((READ,), (GOOD,), block)
        assert [one.data for one in results] == [word(0)]
        assert simulations == [None]
    assert proxy.counts["limited"] == 1
    await client.close()
