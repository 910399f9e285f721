"""The demo protocol on a local node: contracts, markets, roles and a little life, and what tests and drills do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.markets import DEFAULT_MARKETS, PRICE_DECIMALS, demo_market, market_id, to_answer
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata, deploy, deployed, send, settle, view
from keeper.domain.action import AbiValue
from keeper.domain.address import keccak256
from keeper.domain.errors import MalformedAnswer, UnitError

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"

# Amounts of the demo dollar, which has 6 decimals.
WITHDRAWAL_LIMIT = 1_000_000 * 10**6
POOL = 5_000_000 * 10**6
DEPOSIT = 100_000 * 10**6
MAX_LEVERAGE = 20
# In 10 ** -18 of the underlying.
POSITION_SIZE = 10**18


class Role(StrEnum):
    """The roles of the demo protocol; the value is what its id is the hash of."""

    PAUSER = "PAUSER_ROLE"
    UNPAUSER = "UNPAUSER_ROLE"
    RISK = "RISK_ROLE"
    ADMIN = "DEFAULT_ADMIN_ROLE"

    @property
    def id(self) -> bytes:
        """The bytes32 of OpenZeppelin's AccessControl."""
        return bytes(32) if self is Role.ADMIN else keccak256(self.value.encode("ascii"))


@dataclass(frozen=True, slots=True)
class World:
    """Addresses are EIP-55. ``feeds`` and ``market_ids`` (bytes32 as 0x-prefixed hex) are by market name.

    ``admin`` is the council, ``keeper`` holds PAUSER and RISK, ``roleless`` has money and no role, ``reporter`` writes the price feeds,
    ``trader`` has the deposits and a position.
    """

    node: Anvil
    exchange: str
    token: str
    multicall: str
    feeds: Mapping[str, str]
    market_ids: Mapping[str, str]
    admin: Account
    keeper: Account
    roleless: Account
    reporter: Account
    trader: Account
    deployed_block: int

    @property
    def markets(self) -> tuple[str, ...]:
        return tuple(self.market_ids)

    async def push_price(self, market: str, price: Decimal, *, at_s: int | None = None, wait: bool = True) -> str:
        """The oracle of a market reports this price in dollars, with ``at_s`` as of that time (seconds UTC, not after the block).

        Returns the transaction's hash: with ``wait`` once it is in a block, else as soon as the node has it.
        Raises UnitError for a price with more than 8 decimals, Refused when it reverts.
        """
        answer = to_answer(price)
        data = calldata("push(int256)", answer) if at_s is None else calldata("pushAt(int256,uint256)", answer, at_s)
        tx_hash = await send(self.node, self.reporter.address, self._feed(market), data)
        if wait:
            await settle(self.node, [tx_hash])
        return tx_hash

    async def settle(self, hashes: Sequence[str]) -> None:
        """Waits until these transactions are in blocks. Raises Refused when one reverted."""
        await settle(self.node, hashes)

    async def price(self, market: str, *, block: int | None = None) -> Decimal:
        """What the oracle of a market says, in dollars."""
        answer = await self.read(
            self._feed(market), "latestRoundData()(uint80,int256,uint256,uint256,uint80)", block=block
        )
        return Decimal(int(answer[1])).scaleb(-PRICE_DECIMALS)

    async def paused(self, market: str, *, block: int | None = None) -> bool:
        return await self._flag(self.exchange, "paused(bytes32)(bool)", self.market_id(market), block=block)

    async def withdrawal_limit(self, market: str, *, block: int | None = None) -> int:
        """Per window, in 10 ** -6 of the demo dollar."""
        answer = await self.read(
            self.exchange, "withdrawalLimit(bytes32)(uint256)", self.market_id(market), block=block
        )
        return int(answer[0])

    async def max_leverage(self, market: str, *, block: int | None = None) -> int:
        answer = await self.read(self.exchange, "maxLeverage(bytes32)(uint256)", self.market_id(market), block=block)
        return int(answer[0])

    async def read(
        self, address: str, signature: str, *args: AbiValue, block: int | None = None
    ) -> tuple[AbiValue, ...]:
        """Any view, as people write it: ``read(world.exchange, "paused(bytes32)(bool)", market_id)``. Raises Refused when it reverts."""
        return await view(self.node, address, signature, *args, block=block)

    async def transact(self, sender: Account, address: str, signature: str, *args: AbiValue) -> str:
        """Any call from one of the accounts, waited for; returns the transaction's hash. Raises Refused when it reverts."""
        tx_hash = await send(self.node, sender.address, address, calldata(signature, *args))
        await settle(self.node, [tx_hash])
        return tx_hash

    async def unpause(self, market: str) -> str:
        """The council lifts the pause."""
        return await self.transact(self.admin, self.exchange, "unpauseMarket(bytes32)", self.market_id(market))

    async def has_role(self, role: Role, address: str) -> bool:
        return await self._flag(self.exchange, "hasRole(bytes32,address)(bool)", role.id, address)

    async def grant(self, role: Role, address: str) -> str:
        return await self.transact(self.admin, self.exchange, "grantRole(bytes32,address)", role.id, address)

    async def revoke(self, role: Role, address: str) -> str:
        return await self.transact(self.admin, self.exchange, "revokeRole(bytes32,address)", role.id, address)

    def market_id(self, market: str) -> str:
        """The bytes32 of a market. Raises UnitError for one that this world does not have."""
        if market not in self.market_ids:
            raise UnitError(f"this world has no market {market!r}", remedy=f"one of {', '.join(self.market_ids)}")
        return self.market_ids[market]

    def _feed(self, market: str) -> str:
        self.market_id(market)
        return self.feeds[market]

    async def _flag(self, address: str, signature: str, *args: AbiValue, block: int | None = None) -> bool:
        (answer,) = await self.read(address, signature, *args, block=block)
        if not isinstance(answer, bool):
            raise MalformedAnswer(f"{signature} did not answer with a bool")
        return answer


async def deploy_world(node: Anvil, markets: Sequence[str] = DEFAULT_MARKETS) -> World:
    """Deploys the demo protocol with these markets, in any mining mode, which it leaves as it is.

    Four blocks, and where each transaction is mined at once, one block for each (21 for three markets).

    Raises SetupError (contracts not compiled), UnitError (a market's name), Refused or Unreachable (the node).
    """
    admin, keeper, roleless, reporter, trader = node.accounts[:5]
    ids = {name: market_id(name) for name in markets}
    await node.set_code(MULTICALL3, load_artifact("Multicall3").deployed_bytecode)

    feed_code = load_artifact("PriceFeed")
    sent = [await deploy(node, admin.address, load_artifact("DemoToken"))]
    for name in ids:
        answer = to_answer(demo_market(name).start_price)
        sent.append(
            await deploy(node, reporter.address, feed_code, PRICE_DECIMALS, f"{name.split('-')[0]} / USD", answer)
        )
    token, *feeds = await deployed(node, sent)
    code = load_artifact("PerpExchange")
    (exchange,) = await deployed(node, [await deploy(node, admin.address, code, token, admin.address)])

    world = World(
        node=node,
        exchange=exchange,
        token=token,
        multicall=MULTICALL3,
        feeds=MappingProxyType(dict(zip(ids, feeds, strict=True))),
        market_ids=MappingProxyType(ids),
        admin=admin,
        keeper=keeper,
        roleless=roleless,
        reporter=reporter,
        trader=trader,
        deployed_block=await node.block_number(),
    )
    await _open_markets(world)
    await _bring_to_life(world)
    return world


async def _open_markets(world: World) -> None:
    """Markets and roles by the council; the trader gets money. Accounts do not depend on one another here, so it may be one block."""
    sent = []
    for name, key in world.market_ids.items():
        data = calldata(
            "addMarket(bytes32,address,uint256,uint256)", key, world.feeds[name], WITHDRAWAL_LIMIT, MAX_LEVERAGE
        )
        sent.append(await send(world.node, world.admin.address, world.exchange, data))
    for role in (Role.PAUSER, Role.RISK):
        data = calldata("grantRole(bytes32,address)", role.id, world.keeper.address)
        sent.append(await send(world.node, world.admin.address, world.exchange, data))
    money = (POOL + DEPOSIT) * len(world.market_ids)
    for data in (
        calldata("mint(address,uint256)", world.trader.address, money),
        calldata("approve(address,uint256)", world.exchange, money),
    ):
        sent.append(await send(world.node, world.trader.address, world.token, data))
    await settle(world.node, sent, hurry=True)


async def _bring_to_life(world: World) -> None:
    """Each market gets a pool, a deposit and an open position, so that a pause stops something."""
    sent = []
    for key in world.market_ids.values():
        for data in (
            calldata("fundPool(bytes32,uint256)", key, POOL),
            calldata("deposit(bytes32,uint256)", key, DEPOSIT),
            calldata("openPosition(bytes32,int256)", key, POSITION_SIZE),
        ):
            sent.append(await send(world.node, world.trader.address, world.exchange, data))
    await settle(world.node, sent, hurry=True)
