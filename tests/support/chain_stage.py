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

from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.adapters.chain.multicall import MULTICALL3
from keeper.adapters.chain.node import NodeClient
from keeper.devnet.anvil import Anvil
from keeper.devnet.toolchain import load_artifact
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.ports.chain import AccountReader, Broadcaster, ChainReader

CELL = "0x00000000000000000000000000000000000ce110"
CELL = "0x0000000000000000000000000000000000C0FFEE"
NOBODY = "0x000000000000000000000000000000000000dEaD"
CELL_CODE = (
    "0x3615601857600035 60f81c60ff146024576000356000550 05b60005460005260206000f35b366000600037366000fd".replace(
        " ", ""
    )
)
SENDER_KEY = "0xac0974bec39a17e398a4ba12d14d2da95cb5c0f0f8f1d0a3a0d3c2d1b0a29f8e"
ETHER = 10**18


class FullClient(ChainReader, AccountReader, Broadcaster, Protocol):
    """All three ports of a chain in one object."""

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
    """``put`` changes the cell and mines the block that shows it; ``lose`` and ``restore`` take the chain away and bring one back."""

    client: FullClient
    batches: bool
    put: Callable[[int], Awaitable[BlockStamp]]
    mine: Callable[[], Awaitable[BlockStamp]]
    fund: Callable[[str, int], Awaitable[None]]
    lose: Callable[[], Awaitable[None]]
    restore: Callable[[], Awaitable[None]]


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
    chain.mine()
    yield Stage(chain, True, put, mine, fund, lose, restore)
    await chain.close()


@asynccontextmanager
async def node_stage(folder: Path, *, ipc: bool = False, multicall: bool = True) -> AsyncIterator[Stage]:
    path = folder / "node.ipc" if ipc else None
    async with Anvil(no_mining=True, ipc_path=path) as node:
        await set_up(node, multicall=multicall)
        client = NodeClient(str(path) if path else node.ws_url, request_timeout_s=10)

        async def mine() -> BlockStamp:
            await node.mine()
            return await client.head()

        async def put(number: int) -> BlockStamp:
            await node.rpc("anvil_setStorageAt", CELL, "0x" + "0" * 64, "0x" + word(number).hex())
            return await mine()

        async def lose() -> None:
            node.kill()

        async def restore() -> None:
            await node.start()

        try:
            yield Stage(client, multicall, put, mine, node.set_balance, lose, restore)
        finally:
            await client.close()


async def set_up(node: Anvil, *, multicall: bool = True) -> None:
    """The cell and Multicall3, in a block."""
    await node.set_code(CELL, CELL_CODE)
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


async def next_heads(client: ChainReader, count: int, ready: asyncio.Event) -> list[BlockStamp]:
    """The next heads; ``ready`` is set when the subscription is sure to stand (as far as anybody can see)."""
    found: list[BlockStamp] = []
    heads = client.heads()
    first = asyncio.ensure_future(anext(heads))
    await asyncio.sleep(0.2)
    ready.set()
    found.append(await first)
    while len(found) < count:
        found.append(await anext(heads))
    await heads.aclose()  # type: ignore[attr-defined]
    return found
