"""The pool in front of the local node: geth's rules that anvil does not have, everything else as it was, and faults on demand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import pytest_asyncio
from eth_account import Account
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.signing.local import LocalSigner
from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.mempool import Mempool
from keeper.devnet.relay import Lottery, Relay
from keeper.devnet.rpc import RpcClient
from keeper.domain.address import keccak256
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.evm import UnsignedTransaction
from keeper.domain.intent import Attempt
from keeper.execution.fees import Fees, bump, escalate
from keeper.ports.route import SubmissionKind
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

GWEI = 10**9
UNDERPRICED = ("replacement transaction underpriced", -32000)


class Ground:
    """A node that mines when told, the pool in front of it, and a client of each."""

    def __init__(self, node: Anvil, pool: Mempool, http: RpcClient) -> None:
        self.node, self.pool, self.http = node, pool, http

    def signed(
        self, nonce: int, max_fee_wei: int, tip_wei: int, *, account: int = 0, gas: int = 21_000, value: int = 0
    ) -> str:
        fields = {"type": 2, "chainId": self.node.chain_id, "to": self.node.accounts[9].address, "data": b""}
        fees = {"maxFeePerGas": max_fee_wei, "maxPriorityFeePerGas": tip_wei}
        key = self.node.accounts[account].private_key
        signed = Account.sign_transaction(fields | fees | {"nonce": nonce, "gas": gas, "value": value}, key)
        return f"0x{signed.raw_transaction.hex()}"

    async def send(self, raw: str) -> Any:
        """Its hash, or what it was refused with."""
        return await said(self.http, raw)

    @property
    def pending(self) -> list[str]:
        return [one.tx_hash for one in self.pool.pending]

    async def next_nonce(self, account: int = 0) -> int:
        address = self.node.accounts[account].address
        return quantity(await self.node.rpc("eth_getTransactionCount", address, "latest"))

    async def set_base_fee(self, wei: int) -> None:
        """That of the next block. A block later the node computes it anew, so it is set before each."""
        await self.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))


async def said(client: RpcClient | Anvil, raw: str) -> Any:
    call = client.rpc if isinstance(client, Anvil) else client.call
    try:
        return await call("eth_sendRawTransaction", raw)
    except Refused as error:
        return error.message.removeprefix("eth_sendRawTransaction: "), error.code


def hash_of(raw: str) -> str:
    return "0x" + keccak256(bytes.fromhex(raw[2:])).hex()


@pytest_asyncio.fixture
async def ground(anvil_manual: Anvil) -> AsyncIterator[Ground]:
    ticks = itertools.count(1_000, 1_000)
    async with Mempool(anvil_manual.http_url, lambda: next(ticks)) as pool:
        client = RpcClient(pool.http_url)
        yield Ground(anvil_manual, pool, client)
        await client.close()


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


# ------------------------------------------------------------------------------------------------------- replacements


async def test_replacement__one_wei_below_ten_percent__is_refused_here_and_taken_by_a_bare_node(ground: Ground) -> None:
    boundaries = [(10 * GWEI, 11 * GWEI), (10 * GWEI + 9, 11 * GWEI + 9), (2_000_000_019, 2_200_000_020)]
    async with Anvil(no_mining=True) as bare:
        for nonce, (old, least) in enumerate(boundaries):
            first, short = ground.signed(nonce, old, old), ground.signed(nonce, least - 1, least - 1)
            assert await ground.send(first) == hash_of(first)
            assert await ground.send(short) == UNDERPRICED
            for fees in ((least, least - 1), (2 * least, least - 1), (least - 1, least - 2)):
                assert await ground.send(ground.signed(nonce, *fees)) == UNDERPRICED
            assert ground.pending[nonce] == hash_of(first)
            assert await said(bare, first) == hash_of(first)
            assert await said(bare, short) == hash_of(short)
            second = ground.signed(nonce, least, least)
            assert await ground.send(second) == hash_of(second)
    await ground.node.mine()
    assert await ground.next_nonce() == len(boundaries)
    assert await ground.node.rpc("eth_getTransactionReceipt", hash_of(second)) is not None
    assert await ground.node.rpc("eth_getTransactionReceipt", hash_of(first)) is None


async def test_replacement__tip_of_one_wei__needs_two_and_the_cap_its_tenth(ground: Ground) -> None:
    cap = 5 * GWEI
    await ground.send(ground.signed(0, cap, 1))
    assert await ground.send(ground.signed(0, cap * 2, 1)) == UNDERPRICED
    assert await ground.send(ground.signed(0, cap * 11 // 10 - 1, 2)) == UNDERPRICED
    good = ground.signed(0, cap * 11 // 10, 2)
    assert await ground.send(good) == hash_of(good)


async def test_replacement__by_the_keepers_own_rule__is_taken_each_time(ground: Ground) -> None:
    """Through the keeper's own client, route and signer, where nothing but the old offer asks for more."""
    signer = LocalSigner(bytes.fromhex(ground.node.accounts[0].private_key[2:]))
    node = NodeClient(ground.pool.ws_url)
    route = PublicRoute("public", [node])
    tips = [1, 2, 3, 7, 9, 10, 11, 19, GWEI]

    async def attempt(nonce: int, fees: Fees) -> Attempt:
        to, chain_id = ground.node.accounts[9].address, ground.node.chain_id
        unsigned = UnsignedTransaction(chain_id, nonce, to, b"", 21_000, fees.max_fee_wei, fees.priority_fee_wei)
        signed = await signer.sign(unsigned)
        return Attempt(
            "i", 1, chain_id, signer.address, nonce, fees.max_fee_wei, fees.priority_fee_wei,
            21_000, to, "0x", signed.tx_hash, signed.raw, 0,
        )  # fmt: skip

    try:
        for nonce, tip in enumerate(tips):
            fees = Fees(2 * GWEI + tip, tip)
            for replaced in (bump, bump, escalate, bump, escalate):
                one = await attempt(nonce, fees)
                answer = await route.submit(one, 0)
                assert answer.kind is SubmissionKind.ACCEPTED, (fees, answer)
                assert (await route.submit(one, 0)).kind is SubmissionKind.KNOWN
                fees = replaced(fees, 0, 0)
    finally:
        await route.close()
        await node.close()
    assert len(ground.pending) == len(tips)


# -------------------------------------------------------------------------------------------------- what gets in else


async def test_pool__what_geth_refuses__is_refused_in_its_words(ground: Ground) -> None:
    first = ground.signed(0, 5 * GWEI, GWEI)
    assert await ground.send(first) == hash_of(first)
    assert await ground.send(first) == ("already known", -32000)
    assert await ground.send(first.replace("0x", "0x").upper().replace("0X", "0x")) == ("already known", -32000)
    await ground.node.mine()
    assert await ground.send(first) == ("nonce too low: next nonce 1, tx nonce 0", -32000)
    below = "transaction gas price below minimum: gas tip cap 0, minimum needed 1"
    assert await ground.send(ground.signed(1, 5 * GWEI, 0)) == (below, -32000)
    words, code = await ground.send(ground.signed(1, GWEI, GWEI + 1))
    assert (words.split(":")[0], code) == ("max priority fee per gas higher than max fee per gas", -32000)


async def test_pool__what_the_node_refuses__has_the_nodes_words(ground: Ground) -> None:
    for raw in (ground.signed(0, 5 * GWEI, GWEI, gas=20_000), ground.signed(0, 5 * GWEI, GWEI)[:-2], "0x02ff"):
        words, code = await said(ground.node, raw)
        assert await ground.send(raw) == (words, code)
    assert ground.pending == []


async def test_pool__what_a_bare_node_takes_and_geth_does_not__is_refused(ground: Ground) -> None:
    dear, cut = ground.signed(0, 10**15, GWEI, gas=1_001), ground.signed(0, 5 * GWEI, GWEI)
    assert await ground.send(dear) == ("tx fee (1.00 ether) exceeds the configured cap (1.00 ether)", -32000)
    assert await ground.send(cut + "00") == ("rlp: input contains more than one value", -32000)
    assert ground.pending == []
    account = ground.node.accounts[3]
    await ground.node.set_balance(account.address, 10**18)
    first, second, smaller = (
        ground.signed(nonce, 5 * GWEI, GWEI, account=3, value=value)
        for nonce, value in ((0, 6 * 10**17), (1, 6 * 10**17), (1, 3 * 10**17))
    )
    assert await ground.send(first) == hash_of(first)
    words, code = await ground.send(second)
    assert (words.split(":")[0], code) == ("insufficient funds for gas * price + value", -32000)
    assert await ground.send(smaller) == hash_of(smaller)
    again = ground.signed(0, 6 * GWEI, 2 * GWEI, account=3, value=6 * 10**17)
    assert await ground.send(again) == hash_of(again), "what it replaces is not paid"


async def test_pool__a_gap_in_the_nonces__waits_until_it_is_closed(ground: Ground) -> None:
    second, first = ground.signed(1, 5 * GWEI, GWEI), ground.signed(0, 5 * GWEI, GWEI)
    assert await ground.send(second) == hash_of(second)
    await ground.node.mine()
    assert await ground.next_nonce() == 0
    assert await ground.send(ground.signed(1, 5 * GWEI + 1, GWEI + 1)) == UNDERPRICED
    await ground.send(first)
    await ground.node.mine()
    assert await ground.next_nonce() == 2


async def test_pool__below_the_base_fee__waits_and_is_mined_once_it_has_fallen(ground: Ground) -> None:
    raw = ground.signed(0, GWEI // 10, 1)
    assert await said(ground.node, raw) == ("max fee per gas less than block base fee", -32003)
    assert await ground.send(raw) == hash_of(raw)
    assert await ground.send(raw) == ("already known", -32000)
    assert ground.pool.waiting == {hash_of(raw)}
    found = await ground.http.call("eth_getTransactionByHash", hash_of(raw))
    assert (found["hash"], found["blockNumber"], found["nonce"]) == (hash_of(raw), None, "0x0")
    address = ground.node.accounts[0].address
    assert await ground.http.call("eth_getTransactionCount", address, "pending") == "0x1"
    assert await ground.http.call("eth_getTransactionCount", address, "latest") == "0x0"
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 0
    await ground.set_base_fee(GWEI // 20)
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 1
    assert ground.pool.waiting == frozenset()
    await ground.pool.settled()
    assert ground.pending == []


async def test_pool__overtaken_by_the_base_fee__is_not_forgotten(ground: Ground) -> None:
    raw = ground.signed(0, 2 * GWEI, 1)
    assert await ground.send(raw) == hash_of(raw)
    await ground.set_base_fee(3 * GWEI)
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 0
    await ground.pool.settled()
    assert ground.pool.waiting == {hash_of(raw)}
    assert await ground.send(ground.signed(0, 2 * GWEI + 1, 2)) == UNDERPRICED
    await ground.set_base_fee(GWEI)
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 1


async def test_pool__blocks_of_the_node_itself__are_followed(ground: Ground) -> None:
    """Nobody asks for anything: the pool hears of blocks by itself."""
    raw = ground.signed(0, 2 * GWEI, 1)
    await ground.set_base_fee(3 * GWEI)
    assert await ground.send(raw) == hash_of(raw)
    while await ground.next_nonce() == 0:
        await ground.set_base_fee(GWEI)
        await ground.node.mine()
        await asyncio.sleep(0.005)


async def test_pool__replaced_by_one_that_waits__is_not_mined_in_its_place(ground: Ground) -> None:
    first, second = ground.signed(0, 2 * GWEI, 10), ground.signed(0, 2_200_000_000, 11)
    assert await ground.send(first) == hash_of(first)
    await ground.set_base_fee(3 * GWEI)
    assert await ground.send(ground.signed(0, 2_199_999_999, 11)) == UNDERPRICED
    assert await ground.send(second) == hash_of(second)
    assert ground.pool.waiting == {hash_of(second)}
    await ground.set_base_fee(GWEI)
    await ground.node.mine()
    assert await ground.next_nonce() == 0
    await ground.http.call("evm_mine")
    assert await ground.node.rpc("eth_getTransactionReceipt", hash_of(second)) is not None


async def test_pool__waiting_without_the_money_for_it__is_refused(ground: Ground) -> None:
    await ground.node.set_balance(ground.node.accounts[0].address, 21_000 * 10 - 1)
    words, code = await ground.send(ground.signed(0, 10, 1))
    assert (words, code) == (
        "insufficient funds for gas * price + value: balance 209999, tx cost 210000, overshot 1",
        -32000,
    )
    assert ground.pool.waiting == frozenset()
    await ground.node.set_balance(ground.node.accounts[0].address, 21_000 * 10)
    raw = ground.signed(0, 10, 1)
    assert await ground.send(raw) == hash_of(raw)


async def test_pool__a_reorganisation_took_it_back__it_is_mined_again(ground: Ground) -> None:
    await ground.node.mine()
    before = await ground.node.rpc("evm_snapshot")
    raw = ground.signed(0, 5 * GWEI, GWEI)
    await ground.send(raw)
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 1
    await ground.pool.settled()
    assert ground.pending == []
    await ground.node.rpc("evm_revert", before)
    await ground.pool.settled()
    assert ground.pending == [hash_of(raw)]
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 1


# ------------------------------------------------------------------------------------------------- what it writes down


async def test_seen__everything_that_came__with_time_and_block(ground: Ground) -> None:
    first, low = ground.signed(0, 5 * GWEI, GWEI), ground.signed(0, 5 * GWEI, GWEI + 1)
    never = ground.signed(0, 9 * GWEI, 9 * GWEI)
    await ground.send(first)
    await ground.node.mine(3)
    await ground.send(low)
    await said(ground.node, never)
    seen = ground.pool.seen(hash_of(first).upper().replace("0X", "0x"))
    assert seen is not None
    assert (seen.at_ms, seen.block, seen.raw, seen.answer) == (1_000, 0, first, hash_of(first))
    refused = ground.pool.seen(hash_of(low))
    assert refused is not None
    assert (refused.at_ms, refused.block) == (2_000, 3)
    assert refused.answer == "nonce too low: next nonce 1, tx nonce 0"
    assert ground.pool.seen(hash_of(never)) is None
    await ground.send(first)
    assert [one.tx_hash for one in ground.pool.arrivals] == [hash_of(first), hash_of(low), hash_of(first)]
    assert ground.pool.seen(hash_of(first)) is seen


@pytest.mark.parametrize("method", ["eth_sendRawTransactionSync", "eth_sendRawTransactionConditional"])
async def test_other_ways_in__are_not_there(ground: Ground, method: str) -> None:
    with pytest.raises(Refused, match="does not exist") as caught:
        await ground.http.call(method, ground.signed(0, 5 * GWEI, GWEI), {})
    assert caught.value.code == -32601
    assert await ground.node.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}


# ------------------------------------------------------------------------------------------------------ what passes


async def test_everything_else__over_both__is_as_the_node_says_it(ground: Ground) -> None:
    body = b'{"jsonrpc": "2.0", "id": "a", "method": "eth_getBlockByNumber", "params": ["latest", false]}'
    asked = [body, b"[" + body + b"," + body + b"]", b"not json", b'{"jsonrpc":"2.0","id":1,"method":"eth_nonsense"}']
    async with httpx.AsyncClient(trust_env=False) as client:
        for content in asked:
            headers = {"content-type": "application/json"}
            here = await client.post(ground.pool.http_url, content=content, headers=headers)
            there = await client.post(ground.node.http_url, content=content, headers=headers)
            assert here.content == there.content
    async with connect(ground.pool.ws_url) as here_ws, connect(ground.node.ws_url) as there_ws:
        for content in asked[:2]:
            await here_ws.send(content.decode())
            await there_ws.send(content.decode())
            assert await here_ws.recv() == await there_ws.recv()


async def test_batch__with_a_transaction_in_it__is_answered_in_its_order(ground: Ground) -> None:
    raw = ground.signed(0, 5 * GWEI, GWEI)
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_sendRawTransaction", "params": [raw]},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_sendRawTransaction", "params": [raw]},
    ]
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = (await client.post(ground.pool.http_url, json=batch)).json()
    assert [one["id"] for one in answers] == [1, 2, 3]
    assert answers[0]["result"] == hex(ground.node.chain_id)
    assert answers[1]["result"] == hash_of(raw)
    assert answers[2]["error"] == {"code": -32000, "message": "already known"}
    assert len(ground.pool.arrivals) == 2


async def test_subscription__of_heads__goes_on_beside_transactions(ground: Ground) -> None:
    node = NodeClient(ground.pool.ws_url)
    heads = node.heads()
    numbers: list[int] = []

    async def listen() -> None:
        async for head in heads:
            numbers.append(head.number)
            if len(numbers) == 1:
                listening.set()
            if numbers[-1] >= 2:
                return

    listening = asyncio.Event()
    task = asyncio.create_task(listen())
    while not listening.is_set():
        await ground.node.mine()
        await asyncio.sleep(0.005)
    raw = ground.signed(0, 50 * GWEI, GWEI)
    assert await node.send_raw(raw) == hash_of(raw)
    await ground.node.mine(2)
    await task
    assert await ground.next_nonce() == 1
    await heads.aclose()
    await node.close()


# ------------------------------------------------------------------------------------------------------------ faults


async def test_fault__down__connections_break_and_new_ones_are_refused_until_it_is_up(ground: Ground) -> None:
    raw = ground.signed(0, 5 * GWEI, GWEI)
    await ground.send(raw)
    url = ground.pool.ws_url
    async with connect(url) as client:
        await client.ping()
        await ground.pool.go_down()
        await ground.pool.go_down()
        with pytest.raises(ConnectionClosed):
            await client.recv()
    with pytest.raises(Unreachable):
        await ground.http.call("eth_chainId")
    with pytest.raises(ConnectionRefusedError):
        await connect(url)
    assert len(ground.pool.arrivals) == 1
    await ground.pool.come_up()
    assert ground.pool.ws_url == url
    assert await ground.send(raw) == ("already known", -32000)


async def test_fault__hanging__nothing_passes_until_it_is_healed(ground: Ground) -> None:
    async with connect(ground.pool.ws_url) as client:
        await (await client.ping())
        ground.pool.hang()
        raw = ground.signed(0, 5 * GWEI, GWEI)
        sending = asyncio.create_task(ground.send(raw))
        await eventually(lambda: ground.pool.seen(hash_of(raw)))
        await client.send('{"jsonrpc":"2.0","id":5,"method":"eth_chainId","params":[]}')
        assert await ground.node.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
        assert not sending.done()
        await ground.node.mine()
        ground.pool.heal()
        assert await sending == hash_of(raw)
        assert [one.block for one in ground.pool.arrivals] == [0]
        assert '"id":5' in str(await client.recv())


async def test_fault__hanging_and_then_down__whoever_waits_is_cut_off(ground: Ground) -> None:
    ground.pool.hang()
    raw = ground.signed(0, 5 * GWEI, GWEI)
    sending = asyncio.create_task(ground.send(raw))
    await eventually(lambda: ground.pool.seen(hash_of(raw)))
    await ground.pool.go_down()
    with pytest.raises(Unreachable):
        await sending
    assert ground.pending == []


async def test_fault__answer_lost__it_is_in_the_pool_all_the_same(ground: Ground) -> None:
    raw = ground.signed(0, 5 * GWEI, GWEI)
    ground.pool.lose_answers()
    with pytest.raises(Unreachable):
        await ground.send(raw)
    assert await ground.send(raw) == ("already known", -32000)
    other = ground.signed(1, 5 * GWEI, GWEI)
    ground.pool.lose_answers()
    node = NodeClient(ground.pool.ws_url)
    with pytest.raises(Unreachable):
        await node.send_raw(other)
    with pytest.raises(Refused, match="already known"):
        await node.send_raw(other)
    await node.close()


async def test_fault__swallowed__it_has_its_hash_and_is_nowhere(ground: Ground) -> None:
    raw = ground.signed(0, 5 * GWEI, GWEI)
    ground.pool.swallow()
    assert await ground.send(raw) == hash_of(raw)
    assert ground.pending == []
    assert ground.pool.seen(hash_of(raw)) is not None
    assert await ground.send(raw) == hash_of(raw)
    assert len(ground.pending) == 1


async def test_fault__dropped__it_may_be_sent_again_even_for_less(ground: Ground) -> None:
    raw = ground.signed(0, 5 * GWEI, GWEI)
    await ground.send(raw)
    assert await ground.pool.drop(hash_of(raw))
    assert not await ground.pool.drop(hash_of(raw))
    await ground.http.call("evm_mine")
    assert await ground.next_nonce() == 0
    cheaper = ground.signed(0, 4 * GWEI, GWEI)
    assert await ground.send(cheaper) == hash_of(cheaper)


async def test_node__dies_and_is_back__connections_break_and_the_pool_serves_again(ground: Ground) -> None:
    raw = ground.signed(0, 5 * GWEI, GWEI)
    await ground.send(raw)
    async with connect(ground.pool.ws_url) as client:
        await (await client.ping())
        ground.node.kill()
        with pytest.raises(ConnectionClosed):
            await client.recv()
    with pytest.raises(Unreachable):
        await ground.http.call("eth_chainId")
    await ground.node.start()
    assert quantity(await ground.http.call("eth_chainId")) == ground.node.chain_id
    await ground.pool.settled()
    await ground.node.mine()
    assert await ground.next_nonce() == 1


async def test_node__not_there__is_said_at_the_start() -> None:
    async with Anvil() as node:
        url = node.http_url
    with pytest.raises(Unreachable):
        await Mempool(url, lambda: 0).__aenter__()


async def test_node__that_mines_at_once__takes_transactions_through_it(anvil: Anvil) -> None:
    async with Mempool(anvil.http_url, lambda: 0) as pool:
        client = RpcClient(pool.http_url)
        maker = Ground(anvil, pool, client)
        for nonce in range(3):
            raw = maker.signed(nonce, 5 * GWEI, GWEI)
            assert await maker.send(raw) == hash_of(raw)
        while await maker.next_nonce() < 3:  # noqa: ASYNC110 the node mines at once, and answers before it has
            await asyncio.sleep(0.01)
        await client.close()


# ----------------------------------------------------------------------------------------------------- with the relay


async def test_mempool__with_the_relay_on_one_node__knows_only_what_was_sent_to_it(opened: AsyncExitStack) -> None:
    """First to builders who win no block, then with the same nonce and more money to everybody."""
    node = await opened.enter_async_context(Anvil(no_mining=True, extra=("--order", "fifo")))
    nobody = Lottery(1, [], empty_percent=100)
    relay = await opened.enter_async_context(Relay.open(node.http_url, lottery=nobody))
    pool = await opened.enter_async_context(Mempool(node.http_url, SystemClock().now_ms))
    client = RpcClient(pool.http_url)
    opened.push_async_callback(client.close)
    titan = await opened.enter_async_context(httpx.AsyncClient(trust_env=False))
    ground = Ground(node, pool, client)
    secret, public = ground.signed(0, 5 * GWEI, GWEI), ground.signed(0, 5_500_000_000, 1_100_000_000)
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendPrivateTransaction", "params": [{"tx": secret}]}
    assert (await titan.post(relay.url("titan"), json=asked)).json()["result"] == 200
    assert (await relay.slots.next()).transactions == ()
    assert pool.seen(hash_of(secret)) is None
    assert await ground.send(public) == hash_of(public)
    seen, sighting = pool.seen(hash_of(public)), await relay.sighting(hash_of(public))
    assert seen is not None
    assert sighting is not None
    assert seen.block == sighting.block == 1
    waits = ground.signed(0, GWEI // 10, 1, account=1)
    assert await ground.send(waits) == hash_of(waits)
    assert (await relay.slots.next()).transactions == (hash_of(public),)
    await pool.settled()
    assert ground.pending == [hash_of(waits)]
    await relay.slots.reorganise(1)
    await pool.settled()
    assert sorted(ground.pending) == sorted([hash_of(public), hash_of(waits)])
    assert (await relay.slots.next()).transactions == (hash_of(public),)
    assert pool.seen(hash_of(secret)) is None
