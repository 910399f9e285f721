"""Contracts of other protocols on the local node: compiled by their own authors where their packages ship it, never copied in here.

Uniswap v3 (@uniswap/v3-core), Chainlink's proxy and mock (@chainlink/abi) come as bytecode from npm; MockPyth (@pythnetwork/pyth-sdk-solidity) and
OpenZeppelin's vault are compiled with the doubles of ``tests/solidity``. ``multicall3.hex`` is the runtime code of Multicall3 (MIT licence, by Matt
Solomon and others, https://www.multicall3.com) as it stands on mainnet; its hash there is ``MULTICALL3_CODE_HASH``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.toolchain import Artifact, load_artifact, repository_root
from keeper.devnet.transactions import calldata, deployed, send, settle, view
from keeper.domain.action import AbiValue
from keeper.domain.address import checksum_address, keccak256

FACTORY = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"
PROXY = "@chainlink/abi/v0.6/EACAggregatorProxy.json"
AGGREGATOR = "@chainlink/abi/v0.6/tests/MockV3Aggregator.json"
MULTICALL3_CODE_HASH = "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"
GAS = 12_000_000
NOBODY = "0x0000000000000000000000000000000000000000"
FEE, TICK_SPACING = 3_000, 60
LOWEST, HIGHEST = -887_220, 887_220
"""The widest range that this fee's tick spacing allows."""


def multicall3_code() -> str:
    """0x-prefixed runtime code."""
    return "0x" + (Path(__file__).parent / "multicall3.hex").read_text().strip()


def npm_artifact(place: str) -> Artifact:
    """A compiled contract in node_modules."""
    found = json.loads((repository_root() / "node_modules" / place).read_text(encoding="utf-8"))
    return Artifact(found["contractName"], tuple(found["abi"]), found["bytecode"], found["deployedBytecode"])


@dataclass(frozen=True, slots=True)
class Stand:
    """The node with one account that does everything."""

    node: Anvil

    @property
    def sender(self) -> str:
        return self.node.accounts[0].address

    async def put(self, artifact: Artifact, *args: Any) -> str:
        """Deploys it; the address."""
        inputs: list[dict[str, Any]] = next(
            (entry["inputs"] for entry in artifact.abi if entry["type"] == "constructor"), []
        )
        code = bytes.fromhex(artifact.bytecode[2:]) + encode([entry["type"] for entry in inputs], args)
        return (await deployed(self.node, [await send(self.node, self.sender, None, code, GAS)]))[0]

    async def do(self, to: str, signature: str, *args: AbiValue, at_s: int | None = None) -> None:
        """One transaction in a block of its own, of the time ``at_s``. Raises Refused when it reverts."""
        await self.raw(to, calldata(signature, *args), at_s=at_s)

    async def raw(self, to: str, data: bytes, *, at_s: int | None = None) -> None:
        if at_s is not None:
            await self.node.rpc("evm_setNextBlockTimestamp", at_s)
        await settle(self.node, [await send(self.node, self.sender, to, data, GAS)])

    async def wait_until(self, at_s: int) -> None:
        """An empty block of this time."""
        await self.node.rpc("evm_setNextBlockTimestamp", at_s)
        await self.node.mine()

    async def read(self, to: str, signature: str, *args: AbiValue) -> int:
        """The first result of a view, a number."""
        return int((await view(self.node, to, signature, *args))[0])

    async def time_s(self) -> int:
        """The newest block's own time."""
        return quantity((await self.node.rpc("eth_getBlockByNumber", "latest", False))["timestamp"])

    async def one_after_the_other(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """What these calls answer in one block that is never mined; b"" for one that reverts."""
        asked = [{"from": self.sender, "to": to, "data": "0x" + data.hex()} for to, data in calls]
        answer = await self.node.rpc("eth_simulateV1", {"blockStateCalls": [{"calls": asked}]}, "latest")
        return [bytes.fromhex(one["returnData"][2:]) if one["status"] == "0x1" else b"" for one in answer[0]["calls"]]


@dataclass(frozen=True, slots=True)
class Pool:
    """A Uniswap v3 pool of ``base`` (18 decimals) and ``quote`` (6 decimals), not initialised, and a hand full of both."""

    stand: Stand
    address: str
    base: str
    quote: str
    hand: str

    @property
    def inverted(self) -> bool:
        """Whether token0 is the quote."""
        return int(self.quote, 16) < int(self.base, 16)

    async def mint(self, liquidity: int, lower: int = LOWEST, upper: int = HIGHEST, at_s: int | None = None) -> None:
        signature = "mint(address,int24,int24,uint128)"
        await self.stand.do(self.hand, signature, self.address, lower, upper, liquidity, at_s=at_s)

    async def burn(self, liquidity: int, lower: int = LOWEST, upper: int = HIGHEST, at_s: int | None = None) -> None:
        signature = "burn(address,int24,int24,uint128)"
        await self.stand.do(self.hand, signature, self.address, lower, upper, liquidity, at_s=at_s)

    async def buy_base(self, quote_amount: int, at_s: int | None = None) -> None:
        """A real swap: so much of the quote token for as much of the base as it brings."""
        limit = 4_295_128_740 if self.inverted else 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_341
        signature = "swap(address,bool,int256,uint160)"
        await self.stand.do(self.hand, signature, self.address, self.inverted, quote_amount, limit, at_s=at_s)

    async def root_and_tick(self) -> tuple[int, int]:
        """sqrtPriceX96 and tick of slot0."""
        root, tick = await view(self.stand.node, self.address, "slot0()(uint160,int24)")
        return int(root), int(tick)


async def put_token(stand: Stand, decimals: int) -> str:
    return await stand.put(load_artifact("AnyToken", file="Vault"), decimals)


async def put_pool(stand: Stand) -> Pool:
    """A fresh pool of two fresh tokens."""
    factory = await stand.put(npm_artifact(FACTORY))
    base, quote = await put_token(stand, 18), await put_token(stand, 6)
    await stand.do(factory, "createPool(address,address,uint24)", base, quote, FEE)
    (address,) = await view(stand.node, factory, "getPool(address,address,uint24)(address)", base, quote, FEE)
    hand = await stand.put(load_artifact("PoolHand"))
    for token in (base, quote):
        await stand.do(token, "mint(address,uint256)", hand, 10**40)
    return Pool(stand, checksum_address(bytes.fromhex(str(address)[2:])), base, quote, hand)


def pyth_update(price_id: str, price: int, conf: int, expo: int, published_s: int) -> bytes:
    """Calldata that brings one price to MockPyth."""
    one = (price, conf, expo, published_s)
    price_type = "(int64,uint64,int32,uint256)"
    feed = encode([f"(bytes32,{price_type},{price_type})"], [(bytes.fromhex(price_id[2:]), one, one)])
    return keccak256(b"updatePriceFeeds(bytes[])")[:4] + encode(["bytes[]"], [[feed]])
