"""The client on a real node: pinned reads, requests made, reorganisations, a node that is killed or hangs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from web3 import AsyncWeb3

from keeper.adapters.chain.link import WebSocketLink
from keeper.adapters.chain.multicall import MULTICALL3
from keeper.adapters.chain.node import NodeClient
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import send
from keeper.devnet.world import World
from keeper.domain.abi import decode_results, encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, Refused, Unreachable
from tests.support.chain_stage import CELL, CELL_CODE, READ, REVERT, set_up, word

pytestmark = pytest.mark.integration

BLOCK_NUMBER = encode_call(FunctionCall(MULTICALL3, "getBlockNumber()"))


@pytest_asyncio.fixture
async def node() -> AsyncIterator[Anvil]:
    async with Anvil(no_mining=True) as started:
        await set_up(started)
        yield started


@pytest_asyncio.fixture
async def client(node: Anvil) -> AsyncIterator[NodeClient]:
    made = NodeClient(node.ws_url, request_timeout_s=10)
    yield made
    await made.close()


async def put(node: Anvil, number: int) -> None:
    await send(node, node.accounts[0].address, CELL, word(number))
    await node.mine()


async def drain(heads: AsyncIterator[BlockStamp]) -> None:
    """Takes heads until they end."""
    async for _ in heads:
        pass


async def test_reads__of_the_demo_protocol__are_one_request_and_what_the_contracts_say(world: World) -> None:
    market = world.market_id("ETH-PERP")
    views = [
        FunctionCall(world.exchange, "paused(bytes32)(bool)", (market,)),
        FunctionCall(world.exchange, "maxLeverage(bytes32)(uint256)", (market,)),
        FunctionCall(world.feeds["ETH-PERP"], "decimals()(uint8)"),
        FunctionCall(world.token, "decimals()(uint8)"),
    ]
    client = NodeClient(world.node.ws_url)
    block = await client.head()
    before = client.requests_made
    results = await client.read([encode_call(view) for view in views], block)
    assert client.requests_made - before == 1
    decoded = [
        decode_results(parse_signature(view.signature), one.data)[0] for view, one in zip(views, results, strict=True)
    ]
    assert decoded == [False, await world.max_leverage("ETH-PERP"), 8, 6]
    await client.close()


async def test_reads__every_block_of_the_past__are_pinned(node: Anvil, client: NodeClient) -> None:
    stamps = []
    for number in range(1, 6):
        await put(node, number)
        stamps.append(await client.head())
    for number, stamp in enumerate(stamps, start=1):
        cell, at = await client.read((READ, BLOCK_NUMBER), stamp)
        assert (cell.data, at.data) == (word(number), word(stamp.number))


async def test_reads__of_a_block_that_was_reorganised_away__are_refused_and_not_those_of_its_successor(
    node: Anvil, client: NodeClient
) -> None:
    await put(node, 1)
    gone = await client.head()
    await node.rpc("anvil_reorg", 1, [])
    instead = await client.head()
    assert (instead.number, instead.hash == gone.hash) == (gone.number, False)
    with pytest.raises(Refused):
        await client.read([READ], gone)
    assert (await client.read([BLOCK_NUMBER], instead))[0].data == word(instead.number)


async def test_reads__more_than_fit_in_a_request__are_chunked_and_in_order(node: Anvil) -> None:
    client = NodeClient(node.ws_url, max_calls_per_request=10)
    await put(node, 3)
    block = await client.head()
    calls = [READ, REVERT] * 12 + [BLOCK_NUMBER]
    before = client.requests_made
    results = await client.read(calls, block)
    assert client.requests_made - before == 3
    assert [result.data for result in results] == [word(3), REVERT.data] * 12 + [word(block.number)]
    await client.close()


async def test_reads__multicall_deployed_later__is_used_after_a_while(node: Anvil) -> None:
    await node.set_code(MULTICALL3, "0x")
    await node.mine()
    client = NodeClient(node.ws_url)
    first = await client.head()
    await client.read([READ] * 5, first)
    assert client.requests_made == 1 + 1 + 1
    await client.read([READ] * 5, first)
    assert client.requests_made == 1 + 1 + 1 + 1
    await set_up(node)
    await node.mine(300)
    later = await client.head()
    before = client.requests_made
    await client.read([READ] * 5, later)
    assert client.requests_made - before == 1
    await client.close()


async def test_stamp__base_fee_of_the_next_block__is_what_the_node_takes(node: Anvil, client: NodeClient) -> None:
    for number in range(6):
        before = await client.head()
        for index in range(number):
            await send(node, node.accounts[index].address, None, bytes.fromhex("5b600056"), 6_000_000)
        await node.mine()
        header = await node.rpc("eth_getBlockByNumber", "latest", False)
        assert int(header["baseFeePerGas"], 16) == before.next_base_fee_wei


async def test_priority_fee__blocks_with_tips__is_a_high_one_of_them(node: Anvil, client: NodeClient) -> None:
    for gwei in range(1, 11):
        fields = {
            "from": node.accounts[gwei - 1].address,
            "to": CELL,
            "gas": hex(100_000),
            "data": "0x" + word(gwei).hex(),
        }
        tip = hex(gwei * 10**9)
        await node.rpc("eth_sendTransaction", {**fields, "maxPriorityFeePerGas": tip, "maxFeePerGas": hex(10**12)})
        await node.mine()
    assert await client.priority_fee_wei() == 9 * 10**9


async def test_killed_and_started_again__same_port__the_client_goes_on(node: Anvil, client: NodeClient) -> None:
    heads = client.heads()
    waiting = asyncio.ensure_future(anext(heads))
    while not waiting.done():
        await node.mine()
    node.freeze()
    hanging = [asyncio.ensure_future(client.chain_id()) for _ in range(5)]
    await asyncio.sleep(0.05)
    node.kill()
    results = await asyncio.wait_for(asyncio.gather(*hanging, return_exceptions=True), 10)
    assert [type(result) for result in results] == [Unreachable] * 5
    with pytest.raises(Unreachable):
        await asyncio.wait_for(drain(heads), 10)
    await node.start()
    assert await client.chain_id() == 31337
    again = asyncio.ensure_future(anext(client.heads()))
    while not again.done():
        await node.mine()
    assert again.result().number >= 1


async def test_frozen_node__requests__end_with_the_time_out_and_answers_after_the_thaw_are_new_ones(
    node: Anvil,
) -> None:
    client = NodeClient(node.ws_url, request_timeout_s=0.5)
    assert await client.chain_id() == 31337
    node.freeze()
    try:
        with pytest.raises(Unreachable, match="no answer within"):
            await client.head()
    finally:
        node.thaw()
    for _ in range(20):
        try:
            head = await client.head()
            break
        except Unreachable:  # a busy machine may need more than the half second
            continue
    assert head.number == await node.block_number()
    await client.close()


async def test_close__with_requests_on_their_way__fails_them_at_once(node: Anvil) -> None:
    client = NodeClient(node.ws_url, request_timeout_s=30)
    await client.chain_id()
    node.freeze()
    try:
        requests = [asyncio.ensure_future(client.head()) for _ in range(3)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            await client.close()
            results = await asyncio.gather(*requests, return_exceptions=True)
    finally:
        node.thaw()
    assert [type(result) for result in results] == [Unreachable] * 3


async def test_ipc__socket_file__serves_heads_and_reads(tmp_path: Path) -> None:
    path = tmp_path / "node.ipc"
    async with Anvil(no_mining=True, ipc_path=path) as node:
        await set_up(node)
        client = NodeClient(str(path))
        first = asyncio.ensure_future(anext(client.heads()))
        while not first.done():
            await node.mine()
        assert len(await client.read([READ] * 100, first.result())) == 100
        node.kill()
        with pytest.raises(OutsideError):
            await client.head()
        await client.close()


async def test_contract__that_fills_memory__is_an_answer_of_the_contract_and_not_of_the_node(
    node: Anvil, client: NodeClient
) -> None:
    # an endless loop and an invalid opcode: out of gas is the call's failure
    endless = Call("0x000000000000000000000000000000000000bEEF", b"")
    await node.set_code(endless.to, "0x5b600056")
    await node.mine()
    simulation = await client.simulate(endless, node.accounts[0].address)
    assert not simulation.ok
    assert simulation.error


async def test_web3__on_top_of_the_link__works(node: Anvil) -> None:
    async with AsyncWeb3(WebSocketLink(node.ws_url, request_timeout_s=10)) as web3:
        assert await web3.eth.chain_id == 31337
        assert bytes(await web3.eth.get_code(web3.to_checksum_address(CELL))).hex() == CELL_CODE[2:]
        block = await web3.eth.get_block("latest")
        assert block["number"] == await node.block_number()


async def test_request__as_the_node_sees_it__is_the_same_json_as_web3s(node: Anvil) -> None:
    link = WebSocketLink(node.ws_url, request_timeout_s=10)
    await link.open(10)
    plain = await link.request("eth_getBalance", json.dumps([CELL, "latest"]))
    usual = await link.make_request("eth_getBalance", [CELL, "latest"])  # type: ignore[arg-type]
    assert plain["result"] == usual["result"] == "0x0"
    await link.disconnect()
