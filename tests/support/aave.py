"""A lending market of Aave v3 on the local node: the authors' own compiled contracts from npm (@aave/core-v3, BUSL-1.1), never copied in here.

Two reserves with supply caps and Chainlink's mock feeds; a supplier, and a borrower against collateral. Amounts are in a token's smallest
units, caps in whole tokens, prices in 10 ** -8 dollar. Aave's errors are numbers as text: see its Errors.sol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keeper.devnet.anvil import Anvil
from keeper.devnet.toolchain import Artifact
from keeper.devnet.transactions import calldata, view
from tests.support.contract_calls import any_calldata, linked, refusal, transact
from tests.support.real_contracts import AGGREGATOR, NOBODY, Stand, npm_artifact, put_token

PACKAGE = "@aave/core-v3/artifacts/contracts"
LOGIC = (
    "BorrowLogic",
    "BridgeLogic",
    "ConfiguratorLogic",
    "EModeLogic",
    "LiquidationLogic",
    "PoolLogic",
    "SupplyLogic",
)
"""The libraries that stand alone; FlashLoanLogic, which calls BorrowLogic, comes after them."""
RAY = 10**27
VARIABLE = 2
"""Aave's number of the variable interest rate."""

RESERVE_PAUSED = any_calldata("Error(string)", "29")
SUPPLY_CAP_EXCEEDED = any_calldata("Error(string)", "51")
NOT_POOL_OR_EMERGENCY_ADMIN = any_calldata("Error(string)", "3")
NOT_RISK_OR_POOL_ADMIN = any_calldata("Error(string)", "4")

INIT_RESERVES = "initReserves((address,address,address,uint8,address,address,address,address,string,string,string,string,string,string,bytes)[])"


class Right(StrEnum):
    """What the ACLManager gives; the value is how it is named in its functions."""

    EMERGENCY = "EmergencyAdmin"
    """Pauses a reserve or the pool, and lifts the pause."""
    RISK = "RiskAdmin"
    """Sets caps and risk parameters, freezes a reserve."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """One listed asset. ``supply_cap`` in whole tokens, as it was set first."""

    asset: str
    decimals: int
    feed: str
    supply_cap: int

    def units(self, tokens: int) -> int:
        """Whole tokens in the smallest unit."""
        return tokens * int(10**self.decimals)


@dataclass(frozen=True, slots=True)
class AaveMarket:
    """Addresses are EIP-55. ``admin`` gives the rights and is POOL_ADMIN; ``guardian`` is EMERGENCY_ADMIN, ``steward`` RISK_ADMIN.

    ``supplier`` lends dollars, ``borrower`` owes half of them against ether, ``outsider`` has no right. All three have tokens to spare.
    """

    node: Anvil
    provider: str
    acl: str
    pool: str
    configurator: str
    data_provider: str
    oracle: str
    reserves: Mapping[str, Reserve]
    admin: str
    guardian: str
    steward: str
    supplier: str
    borrower: str
    outsider: str

    async def grant(self, right: Right, to: str) -> None:
        await transact(self.node, self.admin, self.acl, calldata(f"add{right.value}(address)", to))

    async def revoke(self, right: Right, account: str) -> None:
        await transact(self.node, self.admin, self.acl, calldata(f"remove{right.value}(address)", account))

    async def holds(self, right: Right, account: str) -> bool:
        return bool((await view(self.node, self.acl, f"is{right.value}(address)(bool)", account))[0])

    async def paused(self, name: str) -> bool:
        return bool((await view(self.node, self.data_provider, "getPaused(address)(bool)", self.asset(name)))[0])

    async def supply_cap(self, name: str) -> int:
        """In whole tokens."""
        signature = "getReserveCaps(address)(uint256,uint256)"
        return int((await view(self.node, self.data_provider, signature, self.asset(name)))[1])

    async def price(self, name: str) -> int:
        """In 10 ** -8 dollar, by Aave's own oracle."""
        return int((await view(self.node, self.oracle, "getAssetPrice(address)(uint256)", self.asset(name)))[0])

    async def lent(self, name: str, account: str) -> int:
        return await self._position(name, account, 0)

    async def owed(self, name: str, account: str) -> int:
        return await self._position(name, account, 2)

    async def supply(self, name: str, amount: int, by: str) -> None:
        """Raises Refused as the pool reverts."""
        await transact(self.node, by, self.pool, self.supply_data(name, amount, by))

    async def withdraw(self, name: str, amount: int, by: str) -> None:
        """Raises Refused as the pool reverts."""
        await transact(self.node, by, self.pool, self.withdraw_data(name, amount, by))

    async def supply_refused(self, name: str, amount: int, by: str) -> bytes:
        """The pool's revert; fails when it goes through."""
        return await refusal(self.node, by, self.pool, self.supply_data(name, amount, by))

    async def withdraw_refused(self, name: str, amount: int, by: str) -> bytes:
        """The pool's revert; fails when it goes through."""
        return await refusal(self.node, by, self.pool, self.withdraw_data(name, amount, by))

    def supply_data(self, name: str, amount: int, by: str) -> bytes:
        return calldata("supply(address,uint256,address,uint16)", self.asset(name), amount, by, 0)

    def withdraw_data(self, name: str, amount: int, to: str) -> bytes:
        return calldata("withdraw(address,uint256,address)", self.asset(name), amount, to)

    def pause_data(self, name: str, paused: bool) -> bytes:
        """For the configurator."""
        return calldata("setReservePause(address,bool)", self.asset(name), paused)

    def supply_cap_data(self, name: str, tokens: int) -> bytes:
        """For the configurator."""
        return calldata("setSupplyCap(address,uint256)", self.asset(name), tokens)

    def asset(self, name: str) -> str:
        return self.reserves[name].asset

    async def _position(self, name: str, account: str, word: int) -> int:
        signature = "getUserReserveData(address,address)(uint256,uint256,uint256)"
        return int((await view(self.node, self.data_provider, signature, self.asset(name), account))[word])


# Decimals, price in 10 ** -8 dollar, supply cap in whole tokens.
DOLLAR, ETHER = "dollar", "ether"
LISTED = {DOLLAR: (6, 10**8, 10_000_000), ETHER: (18, 2_000 * 10**8, 50_000)}
PURSE = 100_000_000
"""Whole tokens of each kind for everyone."""
DOLLARS, COLLATERAL, OWED = 4_000_000, 5_000, 2_000_000
"""Whole tokens: what the supplier lends, what the borrower gives as collateral, and owes."""


async def deploy_aave(node: Anvil) -> AaveMarket:
    """The market on a node that mines each transaction at once; about a second."""
    admin, guardian, steward, supplier, borrower, outsider = (account.address for account in node.accounts[:6])
    stand = Stand(node)
    provider = await stand.put(_artifact("protocol/configuration/PoolAddressesProvider"), "local", admin)
    await stand.do(provider, "setACLAdmin(address)", admin)
    acl = await stand.put(_artifact("protocol/configuration/ACLManager"), provider)
    await stand.do(provider, "setACLManager(address)", acl)
    for role, holder in (("PoolAdmin", admin), (Right.EMERGENCY.value, guardian), (Right.RISK.value, steward)):
        await stand.do(acl, f"add{role}(address)", holder)
    pool, configurator = await _put_pool(stand, provider)
    data_provider = await stand.put(_artifact("misc/AaveProtocolDataProvider"), provider)
    await stand.do(provider, "setPoolDataProvider(address)", data_provider)
    reserves = {}
    for name, (decimals, price, cap) in LISTED.items():
        feed = await stand.put(npm_artifact(AGGREGATOR), 8, price)
        reserves[name] = Reserve(await put_token(stand, decimals), decimals, feed, cap)
    assets, feeds = [one.asset for one in reserves.values()], [one.feed for one in reserves.values()]
    oracle = await stand.put(_artifact("misc/AaveOracle"), provider, assets, feeds, NOBODY, NOBODY, 10**8)
    await stand.do(provider, "setPriceOracle(address)", oracle)
    market = AaveMarket(
        node=node,
        provider=provider,
        acl=acl,
        pool=pool,
        configurator=configurator,
        data_provider=data_provider,
        oracle=oracle,
        reserves=MappingProxyType(reserves),
        admin=admin,
        guardian=guardian,
        steward=steward,
        supplier=supplier,
        borrower=borrower,
        outsider=outsider,
    )
    await _list_reserves(stand, market)
    await _bring_to_life(market)
    return market


async def _put_pool(stand: Stand, provider: str) -> tuple[str, str]:
    """Pool and PoolConfigurator, each behind the proxy that the provider makes for it, linked with eight libraries."""
    logic = {_source(name): await stand.put(_artifact(_logic(name))) for name in LOGIC}
    flash_loans = await stand.put(linked(_artifact(_logic("FlashLoanLogic")), logic))
    logic[_source("FlashLoanLogic")] = flash_loans
    pool = await stand.put(linked(_artifact("protocol/pool/Pool"), logic), provider)
    configurator = await stand.put(linked(_artifact("protocol/pool/PoolConfigurator"), logic))
    await stand.do(provider, "setPoolImpl(address)", pool)
    await stand.do(provider, "setPoolConfiguratorImpl(address)", configurator)
    proxies = [await view(stand.node, provider, f"get{name}()(address)") for name in ("Pool", "PoolConfigurator")]
    return str(proxies[0][0]), str(proxies[1][0])


async def _list_reserves(stand: Stand, market: AaveMarket) -> None:
    tokens = [
        await stand.put(_artifact(f"protocol/tokenization/{name}"), market.pool)
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    # The kink at 80 % of use; 4 % a year more up to it, 60 % more above it. No stable rate.
    shape = (RAY * 8 // 10, 0, RAY * 4 // 100, RAY * 60 // 100, 0, 0, 0, 0, 0)
    rate = await stand.put(_artifact("protocol/pool/DefaultReserveInterestRateStrategy"), market.provider, *shape)
    listing = [
        (*tokens, one.decimals, rate, one.asset, market.admin, NOBODY, *(f"{kind} {name}" for kind in "aAvVsS"), b"")
        for name, one in market.reserves.items()
    ]
    await stand.raw(market.configurator, any_calldata(INIT_RESERVES, listing))
    for name, one in market.reserves.items():
        # Loans up to 75 % of the collateral, liquidation from 80 % with 5 % for the liquidator.
        signature = "configureReserveAsCollateral(address,uint256,uint256,uint256)"
        await stand.do(market.configurator, signature, one.asset, 7_500, 8_000, 10_500)
        await stand.do(market.configurator, "setReserveBorrowing(address,bool)", one.asset, True)
        await stand.raw(market.configurator, market.supply_cap_data(name, one.supply_cap))


async def _bring_to_life(market: AaveMarket) -> None:
    for one in market.reserves.values():
        for person in (market.supplier, market.borrower, market.outsider):
            amount = one.units(PURSE)
            await transact(market.node, person, one.asset, calldata("mint(address,uint256)", person, amount))
            await transact(market.node, person, one.asset, calldata("approve(address,uint256)", market.pool, amount))
    dollar, ether = market.reserves[DOLLAR], market.reserves[ETHER]
    await market.supply(DOLLAR, dollar.units(DOLLARS), market.supplier)
    await market.supply(ETHER, ether.units(COLLATERAL), market.borrower)
    signature = "borrow(address,uint256,uint256,uint16,address)"
    loan = calldata(signature, dollar.asset, dollar.units(OWED), VARIABLE, 0, market.borrower)
    await transact(market.node, market.borrower, market.pool, loan)


def _artifact(contract: str) -> Artifact:
    """Of ``misc/AaveOracle`` and the like."""
    return npm_artifact(f"{PACKAGE}/{contract}.sol/{contract.rpartition('/')[2]}.json")


def _logic(name: str) -> str:
    return f"protocol/libraries/logic/{name}"


def _source(library: str) -> str:
    """What the compiler calls it."""
    return f"contracts/{_logic(library)}.sol:{library}"
