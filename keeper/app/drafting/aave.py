"""An Aave v3 market, found from whichever of its contracts was named: all of them know the PoolAddressesProvider."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.app.drafting.contract import NOTHING, Contract, Look
from keeper.app.drafting.known import GRACE_PAUSE

MOST_RESERVES = 128
_PARTS = {
    "configurator": "getPoolConfigurator()(address)",
    "acl": "getACLManager()(address)",
    "data": "getPoolDataProvider()(address)",
    "oracle": "getPriceOracle()(address)",
    "pool": "getPool()(address)",
}


@dataclass(frozen=True, slots=True)
class Aave:
    """``reserves`` are the assets (at most MOST_RESERVES). ``emergency_freezes``: whether EMERGENCY_ADMIN may freeze too, as it may from 3.1 on."""

    configurator: Contract
    acl: Contract
    data: str
    oracle: str
    pool: str
    reserves: tuple[str, ...]
    emergency_freezes: bool


async def aave_behind(look: Look, contract: Contract) -> Aave | None:
    """The market that the contract belongs to; None where it belongs to none. Raises OutsideError, and KeeperError for a part without code."""
    if contract.has("ADDRESSES_PROVIDER()"):
        provider = await look.text(contract.address, "ADDRESSES_PROVIDER()(address)") or contract.address
    elif contract.has("getPoolConfigurator()"):
        provider = contract.address
    else:
        return None
    answers = dict(zip(_PARTS, await look.texts([(provider, view, ()) for view in _PARTS.values()]), strict=True))
    if any(answer is None or answer == NOTHING for answer in answers.values()):
        return None
    found = {part: str(answer) for part, answer in answers.items()}
    configurator = await look.contract("configurator", found["configurator"])
    return Aave(
        configurator=configurator,
        acl=await look.contract("acl", found["acl"]),
        data=found["data"],
        oracle=found["oracle"],
        pool=found["pool"],
        reserves=await look.addresses(found["pool"], "getReservesList()", MOST_RESERVES),
        emergency_freezes=configurator.has(GRACE_PAUSE),
    )
