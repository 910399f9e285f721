"""One stage for the chain's conformance suite: a real node and the chain in memory, moved by the same hand.

Both carry a *cell* at ``CELL``: called without data it answers its value, with data that begins with 0xff it reverts with that data, and
with any other data it takes the first word as its new value.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eth_account import Account as Key

from keeper.adapters.chain.fleet import Fleet, FleetPolicy, Member
from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage, tell
from keeper.adapters.chain.multicall import MULTICALL3
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.devnet.anvil import Anvil
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import send
from keeper.domain.action import Call
from keeper.domain.address import checksum_address
from keeper.domain.block import BlockStamp
from keeper.ports.chain import AccountReader, BlockReader, Broadcaster, ChainReader
from tests.support.eventually import eventually

CELL = checksum_address(b"\xce\x11".rjust(20, b"\0"))
NOBODY = checksum_address(b"\xde\xad".rjust(20, b"\0"))
CELL_CODE = "0x" + "".join(
    [
        "3615601857",  # no data: go to 0x18
        "60003560f81c60ff14602457",  # the first byte is 0xff: go to 0x24
        "60003560005500",  # store the first word
        "5b60005460005260206000f3",  # 0x18: return what is stored
        "5b366000600037366000fd",  # 0x24: revert with the data
    ]
)
TELLER = checksum_address(b"\x7e\x11".rjust(20, b"\0"))
"""Tells its calldata, with the first word of it as the only topic; reverts without data."""
TELLER_CODE = "0x" + "".join(
    [
        "36600857600080fd",  # no data: go on to revert, else to 0x08
        "5b",
        "366000600037",  # copy the data to memory
        "600035366000a100",  # LOG1 with the first word
    ]
)
SENDER_KEY = "0x" + "11" * 32
ETHER = 10**18


class FullClient(ChainReader, BlockReader, AccountReader, Broadcaster, Protocol):
    """All four ports of a chain in one object."""

    @property
    def requests_made(self) -> int:
        """How many requests were sent so far."""


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


READ = Call(CELL, b"")
REVERT = Call(CELL, b"\xffnope")


def write(number: int) -> Call:
    return Call(CELL, word(number))


@dataclass(frozen=True, slots=True)
class Stage:
    """``put`` changes the cell and mines the block that shows it; ``lose`` and ``restore`` take the chain away and bring one back.

    ``coalesces``: a listener that does not take its heads gets the newest.
    """

    client: FullClient
    batches: bool
    put: Callable[[int], Awaitable[BlockStamp]]
    mine: Callable[[], Awaitable[BlockStamp]]
    fund: Callable[[str, int], Awaitable[None]]
    lose: Callable[[], Awaitable[None]]
    restore: Callable[[], Awaitable[None]]
    coalesces: bool = False


def teller(data: bytes, _: str, storage: Storage) -> bytes:
    if not data:
        raise Reverted
    tell(storage, ["0x" + data[:32].hex()], data)
    return b""


@asynccontextmanager
async def memory_stage(_: Path) -> AsyncIterator[Stage]:
    chain = MemoryChain()

    def cell(data: bytes, _: str, storage: Storage) -> bytes:
        if not data:
            return word(int(str(storage["value"])))
        if data[0] == 0xFF:
            raise Reverted(data)
        storage["value"] = int.from_bytes(data[:32].ljust(32, b"\0"), "big")
        return b""

    async def put(number: int) -> BlockStamp:
        chain.store(CELL, value=number)
        return chain.mine()

    async def mine() -> BlockStamp:
        return chain.mine()

    async def fund(address: str, wei: int) -> None:
        chain.fund(address, wei)

    async def lose() -> None:
        chain.go_down()

    async def restore() -> None:
        chain.come_back()

    chain.install(CELL, cell, value=0)
    chain.install(TELLER, teller)
    chain.mine()
    yield Stage(chain, True, put, mine, fund, lose, restore)
    await chain.close()


@asynccontextmanager
async def node_stage(
    folder: Path, *, ipc: bool = False, http: bool = False, multicall: bool = True
) -> AsyncIterator[Stage]:
    path = folder / "node.ipc" if ipc else None
    async with Anvil(no_mining=True, ipc_path=path) as node:
        await set_up(node, multicall=multicall)
        url = str(path) if path else node.http_url if http else node.ws_url
        client = NodeClient(url, request_timeout_s=10)

        async def mine() -> BlockStamp:
            await node.mine()
            return await client.head()

        async def put(number: int) -> BlockStamp:
            # a transaction, because anvil_setStorageAt rewrites the newest block's state and so the past
            await send(node, node.accounts[0].address, CELL, word(number))
            return await mine()

        async def lose() -> None:
            node.kill()

        async def restore() -> None:
            await node.start()

        try:
            yield Stage(client, multicall, put, mine, node.set_balance, lose, restore)
        finally:
            await client.close()


class CountedFleet(Fleet):
    """A fleet that says how many requests its nodes got."""

    def __init__(self, nodes: list[NodeClient]) -> None:
        members = [Member(f"primary-{place}", node) for place, node in enumerate(nodes, 1)]
        super().__init__(
            members, chain_id=31337, clock=SystemClock(), report=lambda _: None, policy=FleetPolicy(slow_ms=10_000)
        )
        self.nodes = nodes

    @property
    def requests_made(self) -> int:
        return sum(node.requests_made for node in self.nodes)


@asynccontextmanager
async def fleet_stage(_: Path, *, primaries: int) -> AsyncIterator[Stage]:
    """A fleet over several connections to one node."""
    async with Anvil(no_mining=True) as node:
        await set_up(node)
        fleet = CountedFleet([NodeClient(node.ws_url, request_timeout_s=10) for _ in range(primaries)])

        async def mine() -> BlockStamp:
            await node.mine()
            return await fleet.head()

        async def put(number: int) -> BlockStamp:
            await send(node, node.accounts[0].address, CELL, word(number))
            return await mine()

        async def lose() -> None:
            node.kill()

        async def restore() -> None:
            await node.start()

        await fleet.head()
        newest = fleet._following.newest
        await eventually(lambda: all(newest))
        block = await mine()  # heard once the subscriptions stand: no request is made any more that nobody asked for
        await eventually(lambda: all(heard is not None and heard.number >= block.number for heard in newest))
        try:
            yield Stage(fleet, True, put, mine, node.set_balance, lose, restore, coalesces=True)
        finally:
            await fleet.close()


async def set_up(node: Anvil, *, multicall: bool = True) -> None:
    """The cell and Multicall3, in a block."""
    await node.set_code(CELL, CELL_CODE)
    await node.set_code(TELLER, TELLER_CODE)
    if multicall:
        await node.set_code(MULTICALL3, load_artifact("Multicall3").deployed_bytecode)
    await node.mine()


def sender() -> str:
    """The address of the key that ``signed`` signs with."""
    return str(Key.from_key(SENDER_KEY).address)


def signed(
    call: Call, nonce: int, *, max_fee_wei: int = 10**10, gas: int = 100_000, chain_id: int = 31337
) -> tuple[str, str]:
    """(raw, hash) of a transaction."""
    fields = {
        "chainId": chain_id,
        "nonce": nonce,
        "to": call.to,
        "data": "0x" + call.data.hex(),
        "gas": gas,
        "value": 0,
    }
    fields |= {"maxFeePerGas": max_fee_wei, "maxPriorityFeePerGas": min(10**9, max_fee_wei), "type": 2}
    done = Key.sign_transaction(fields, SENDER_KEY)
    return "0x" + bytes(done.raw_transaction).hex(), "0x" + bytes(done.hash).hex()


async def listening(stage: Stage) -> AsyncIterator[BlockStamp]:
    """A subscription that stands, with every head so far taken from it: the next block that is mined is the next head."""
    heads = stage.client.heads()
    first = asyncio.ensure_future(anext(heads))
    newest = await stage.mine()
    while not first.done():
        newest = await stage.mine()
        await asyncio.sleep(0.01)
    seen = first.result()
    while seen.number < newest.number:
        seen = await anext(heads)
    return heads
