"""What was found, and the actions that come of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keeper.app.drafting.aave import Aave, aave_behind
from keeper.app.drafting.contract import Contract, Look
from keeper.app.drafting.known import (
    ASSET,
    COMET,
    ID,
    LIDO_PAUSE,
    LIDO_PAUSER,
    PATTERNS,
    SET_UINT,
    Pattern,
    Right,
    Where,
)
from keeper.app.drafting.rights import Held, modules_of, rights_of
from keeper.domain.abi import parse_signature
from keeper.domain.action import FunctionCall
from keeper.domain.adjustment import NEW
from keeper.domain.bits import put
from keeper.domain.errors import UnitError
from keeper.execution.reverts import explain

MOST_MARKETS = 3
"""More reserves than this are not all proposed: people say which."""
_WORD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One action. ``may``: whether the keeper's address could do it now, and ``why``; None where that cannot be told.

    ``target`` is called and ``read_at`` answers the view, which was ``now``; ``floors`` are the bounds of a cap by market.
    """

    name: str
    pattern: Pattern
    contract: str
    target: str
    read_at: str
    now: str
    needs: str
    may: bool | None
    why: str
    floors: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """``contracts`` as they were named; ``markets`` are the assets by the name of their market; ``doubts`` is what could not be told."""

    chain_id: int
    keeper: str
    market: str
    contracts: list[Contract] = field(default_factory=list)
    rights: list[Held] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    markets: dict[str, str] = field(default_factory=dict)
    aave: Aave | None = None


async def draft_of(
    look: Look, chain_id: int, named: dict[str, str], keeper: str, market: str, abi: frozenset[bytes] = frozenset()
) -> Draft:
    """Reads everything. ``named`` are the contracts by what people call them. Raises OutsideError, KeeperError for an address without code."""
    draft = Draft(chain_id, keeper, market)
    tokens = {}
    for name, address in named.items():
        contract = await look.contract(name, address, abi)
        draft.contracts.append(contract)
        if await _is_token(look, contract):
            tokens[name] = address
        draft.aave = draft.aave or await aave_behind(look, contract)
    await _rights(look, draft)
    await _markets(look, draft, tokens)
    for contract in _called(draft):
        for pattern in PATTERNS:
            await _propose(look, draft, contract, pattern)
    await _lido(look, draft)
    _doubts(draft, tokens)
    return draft


async def _is_token(look: Look, contract: Contract) -> bool:
    asked = [(contract.address, view, ()) for view in ("decimals()(uint8)", "totalSupply()(uint256)")]
    return contract.has("transfer(address,uint256)") and None not in await look.texts(asked)


def _called(draft: Draft) -> list[Contract]:
    """Those named, and the configurator that was found behind them."""
    found = list(draft.contracts)
    if draft.aave and draft.aave.configurator.address not in {one.address for one in found}:
        found.append(draft.aave.configurator)
    return found


async def _rights(look: Look, draft: Draft) -> None:
    acl = draft.aave.acl if draft.aave else None
    for contract in [*draft.contracts, *([acl] if acl else [])]:
        draft.rights += await rights_of(look, contract, draft.keeper, acl)
        if contract.has("isModuleEnabled(address)"):
            others = {one.name: one.address for one in draft.contracts if one is not contract}
            draft.rights += await modules_of(
                look, contract, others | ({"keeper": draft.keeper} if draft.keeper else {})
            )


async def _markets(look: Look, draft: Draft, tokens: dict[str, str]) -> None:
    """One market for each asset, or the one that is asked for."""
    assets = list(tokens.values())
    if draft.aave:
        known = draft.aave.reserves
        assets = [asset for asset in assets if asset in known] or list(known)
        if len(assets) > MOST_MARKETS:
            listed = ", ".join(assets[:MOST_MARKETS])
            draft.doubts.append(
                f"{len(assets)} reserves: {listed} are proposed; name others with --contract asset=0x..."
            )
            assets = assets[:MOST_MARKETS]
    if not assets:
        draft.markets[draft.market or "MAIN"] = ""
        return
    for number, asset in enumerate(assets, start=1):
        symbol = _WORD.sub("-", await look.text(asset, "symbol()(string)") or "").strip("-")[:32]
        name = draft.market if draft.market and len(assets) == 1 else symbol.upper() or f"ASSET-{number}"
        draft.markets[name if name not in draft.markets else f"{name}-{number}"] = asset


def market_id(name: str) -> str:
    """The name as bytes32, left-aligned, as most contracts hold it."""
    return "0x" + name.encode()[:32].ljust(32, b"\0").hex()


async def _propose(look: Look, draft: Draft, contract: Contract, pattern: Pattern) -> None:
    if not contract.has(pattern.call):
        return
    if pattern.where is Where.AAVE_DATA and (draft.aave is None or contract.address != draft.aave.configurator.address):
        if draft.aave is None:
            hint = "name its Pool or PoolAddressesProvider too"
            draft.doubts.append(f"{contract.name} has {pattern.call}, as Aave's PoolConfigurator has: {hint}")
        return
    if ASSET in pattern.variables and not all(draft.markets.values()):
        draft.doubts.append(f"{contract.name} has {pattern.call}: name the asset with --contract asset=0x...")
        return
    read_at = draft.aave.data if draft.aave and pattern.where is Where.AAVE_DATA else contract.address
    seen: dict[str, str] = {}
    for market, asset in draft.markets.items() if pattern.variables else [*draft.markets.items()][:1]:
        view_args = tuple(_filled(arg, market, asset) for arg in pattern.view_args)
        now = await look.text(read_at, parse_signature(pattern.view).view_of(pattern.index), *view_args)
        if now is None:
            by_name = f" for {market}; name the contract's market with --market NAME" if ID in pattern.variables else ""
            draft.doubts.append(
                f"{contract.name} has {pattern.call}, but {pattern.view} does not answer{by_name}: no action without it"
            )
            return
        seen[market] = now
    floors = {market: str(int(now) // 2) for market, now in seen.items()} if pattern.share else {}
    for market in [market for market, floor in floors.items() if floor == "0" or _unlimited(int(seen[market]))]:
        where = f" of {market}" if pattern.variables else ""
        found = "the greatest number that there is" if floors[market] != "0" else seen[market]
        draft.doubts.append(
            f"{contract.name}: {pattern.view}{where} is {found}, so there is nothing to cut by {pattern.call}"
        )
        floors[market] = "1"
    market = next((market for market in seen if floors.get(market) != "1"), "")
    if not market:
        return
    now, asset = seen[market], draft.markets[market]
    new = str(int(int(now) * Decimal(pattern.share))) if pattern.share else str(int(now) | COMET) if pattern.new else ""
    args = put(tuple(_filled(arg, market, asset) for arg in pattern.args), NEW, new)
    may, why = await _may(look, FunctionCall(contract.address, pattern.call, args), draft.keeper)
    name = _free(pattern.name, contract, draft)
    needs = _needs(pattern, contract, draft)
    draft.proposals.append(
        Proposal(name, pattern, contract.name, contract.address, read_at, now, needs, may, why, floors)
    )


def _unlimited(value: int) -> bool:
    """Whether it is the greatest number of a type (uint64 .. uint256), which says that there is no cap: a fifth less would be none either."""
    return value >= (1 << 64) - 1 and value & (value + 1) == 0


def _filled(arg: str, market: str, asset: str) -> str:
    return {ASSET: asset, ID: market_id(market)}.get(arg, arg)


async def _lido(look: Look, draft: Draft) -> None:
    """A breaker like Lido's, with the contracts among those named that it can pause."""
    for breaker in draft.contracts:
        if not (breaker.has(LIDO_PAUSE) and breaker.has("getPauser(address)")):
            continue
        for other in draft.contracts:
            now = await look.text(other.address, "isPaused()(bool)") if other is not breaker else None
            pauser = await look.text(breaker.address, LIDO_PAUSER, other.address) if now is not None else None
            if now is None or pauser is None:
                continue
            call = FunctionCall(breaker.address, LIDO_PAUSE, (other.address,))
            may, why = await _may(look, call, draft.keeper)
            words = "this contract stops, for the time that the breaker's admin has set, once"
            pattern = Pattern("pause", "pause-all", LIDO_PAUSE, "isPaused()(bool)", words, (other.address,))
            name, needs = (
                _free("pause", other, draft),
                f"the pauser of {other.name} in {breaker.name}, which is {pauser}",
            )
            draft.proposals.append(
                Proposal(name, pattern, breaker.name, breaker.address, other.address, now, needs, may, why)
            )


async def _may(look: Look, call: FunctionCall, keeper: str) -> tuple[bool | None, str]:
    if not keeper:
        return None, "no --keeper-address was given"
    try:
        simulation = await look.simulate(call, keeper)
    except UnitError as error:
        return None, error.message
    if simulation.ok:
        return True, "it would go through now"
    revert = explain(simulation.data, simulation.error)
    return (False if revert.lacks_authority else None), f"it would be refused now: {revert.text}"


def _free(name: str, contract: Contract, draft: Draft) -> str:
    taken = {one.name for one in draft.proposals}
    if name not in taken:
        return name
    longer = f"{name}-{_WORD.sub('-', contract.name).strip('-').lower() or 'other'}"[:48]
    return next(each for each in (longer, *(f"{longer}-{number}" for number in range(2, 100))) if each not in taken)


def _needs(pattern: Pattern, contract: Contract, draft: Draft) -> str:
    if pattern.aave is not None:
        right = pattern.aave
        if pattern.name == "freeze-reserve" and draft.aave and draft.aave.emergency_freezes:
            right = Right.EITHER
        return f"{right} in Aave's ACLManager"
    roles = [held.right for held in draft.rights if held.contract == contract.name and held.right in pattern.roles]
    if roles:
        return " or ".join(roles)
    holders = [f"{held.right} ({held.who})" for held in draft.rights if held.contract == contract.name and held.who]
    return f"perhaps {', '.join(holders)}" if holders else "not known: the contract names no role that is known here"


def _doubts(draft: Draft, tokens: dict[str, str]) -> None:
    for contract in draft.contracts:
        if contract.has(SET_UINT):
            draft.doubts.append(
                f"{contract.name} sets numbers under keys, as GMX's Config: begin with --preset gmx-parameter"
            )
        used = any(one.contract == contract.name or one.read_at == contract.address for one in draft.proposals)
        a_part = draft.aave is not None and (
            contract.has("ADDRESSES_PROVIDER()") or contract.has("getPoolConfigurator()")
        )
        tried = any(text.startswith(f"{contract.name} has ") for text in draft.doubts)
        if (
            not used
            and not tried
            and not a_part
            and contract.name not in tokens
            and not contract.has("isModuleEnabled(address)")
        ):
            draft.doubts.append(
                f"{contract.name}: none of its {len(contract.selectors)} functions is known here; "
                "write the action by hand, or give --abi"
            )
    draft.doubts = list(dict.fromkeys(draft.doubts))
