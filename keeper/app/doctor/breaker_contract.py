"""What a breaker contract says of itself: is it one, who rules it, and may this key trip there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.adapters.chain.node import NodeClient
from keeper.app.breakers.registered import SILENCE_LIMIT, Contract
from keeper.app.doctor.check import Check, Health
from keeper.domain.abi import decode_results, encode_call, parse_signature
from keeper.domain.abi_codec import decode_values
from keeper.domain.action import AbiValue, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import FROZEN, SILENT_AT, span, utc
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult

OWNER, PENDING_OWNER, GUARDIAN = "owner()(address)", "pendingOwner()(address)", "guardian()(address)"
DOMAIN = "eip712Domain()"
_DOMAIN_TYPES = ("bytes1", "string", "string", "uint256", "address", "bytes32", "uint256")
"""Of EIP-5267; the last is the offset of a list that is empty."""
NAME, VERSION = "CircuitBreaker", "1"
NOBODY = "0x" + "0" * 40
DELEGATED = bytes.fromhex("ef0100")
"""The code of an account of a person that has been delegated (EIP-7702): one key still."""
SENDING_S = 600
"""A heartbeat that is due may take so long."""

COUNCIL = "the council"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a contract answered at one block."""

    owner: str
    pending: str
    guardian: str
    frozen: bool
    limit_s: int
    silent_at_s: Mapping[str, int]


async def not_a_breaker(address: str, code: bytes, node: NodeClient, head: BlockStamp, chain_id: int) -> str:
    """Why it is none, by its own word (EIP-5267); empty when it says it is one."""
    if not code:
        return "there is no contract at this address"
    (result,) = await node.read([encode_call(FunctionCall(address, DOMAIN))], head)
    try:
        if not result.ok:
            raise MalformedAnswer("it reverted")
        _, name, version, chain, verifying, _, _ = map(str, decode_values(_DOMAIN_TYPES, result.data))
    except MalformedAnswer:
        return f"the contract does not answer {DOMAIN}, so it is no CircuitBreaker"
    if (name, version) != (NAME, VERSION):
        return f"the contract calls itself {name[:40]!r}, version {version[:10]!r}, and not {NAME} {VERSION}"
    if (chain, verifying) != (str(chain_id), address):
        return f"the contract takes itself for {verifying} on chain {chain}: keepers' signatures would not fit"
    return ""


async def ask(contract: Contract, node: NodeClient, head: BlockStamp, senders: Sequence[str]) -> Seen:
    """Raises MalformedAnswer, OutsideError. ``senders`` are the keys that it must know."""
    views: list[tuple[str, tuple[str, ...]]] = [
        (view, ()) for view in (OWNER, PENDING_OWNER, GUARDIAN, FROZEN, SILENCE_LIMIT)
    ]
    views += [(SILENT_AT, (sender,)) for sender in senders]
    calls = [encode_call(FunctionCall(contract.address, view, args)) for view, args in views]
    results = await node.read(calls, head)
    values = [_value(view, result) for (view, _), result in zip(views, results, strict=True)]
    return Seen(
        owner=str(values[0]),
        pending=str(values[1]),
        guardian=str(values[2]),
        frozen=bool(values[3]),
        limit_s=int(values[4]),
        silent_at_s={sender: int(value) for sender, value in zip(senders, values[5:], strict=True)},
    )


def identity_check(contract: Contract, seen: Seen) -> Check:
    if seen.frozen:
        message = "the whole contract is frozen: nothing trips"
        return Check(named(contract), Health.FAIL, message, f"{COUNCIL} looks why, and calls unfreeze()")
    message = f"{NAME} {VERSION}, not frozen; a keeper may be silent for {span(seen.limit_s)}"
    return Check(named(contract), Health.OK, message)


async def council_checks(contract: Contract, seen: Seen, node: NodeClient) -> list[Check]:
    name = f"{named(contract)} council"
    found = []
    code = await node.code(seen.owner)
    if not code or code.startswith(DELEGATED):
        message = f"{seen.owner} is one key, and may register and lift anything"
        found.append(Check(name, Health.WARN, message, "make a Safe the council: transferOwnership, acceptOwnership"))
    if seen.pending != NOBODY:
        message = f"ownership is offered to {seen.pending}, which has not accepted it"
        remedy = "let it call acceptOwnership(), or let the council take the offer back: transferOwnership(0x0)"
        found.append(Check(name, Health.WARN, message, remedy))
    if seen.guardian == NOBODY:
        message = "there is no guardian: only the council can revoke a stolen key"
        found.append(Check(name, Health.WARN, message, f"{COUNCIL} names one that is fast: setGuardian(address)"))
    return found or [Check(name, Health.OK, f"{seen.owner}; guardian {seen.guardian}")]


def keeper_check(contract: Contract, seen: Seen, lane: str, sender: str, head: BlockStamp) -> Check:
    """``lane`` is empty for the first key."""
    name, silent_at_s = f"{named(contract)} keeper{f' (lane {lane})' if lane else ''}", seen.silent_at_s[sender]
    add = f"{COUNCIL} adds it: addKeeper({sender})"
    if not silent_at_s:
        return Check(name, Health.FAIL, f"{sender} is no keeper of this contract, and trips nothing", add)
    if head.timestamp_s >= silent_at_s:
        message = f"{sender} was not heard of until {utc(silent_at_s)}, so it is no keeper any more"
        return Check(name, Health.FAIL, message, add)
    left_s, heartbeat_s = silent_at_s - head.timestamp_s, contract.heartbeat_ms // 1000
    message = f"{sender} is a keeper until {utc(silent_at_s)} if it is not heard of before"
    if heartbeat_s > seen.limit_s // 2:
        message += f"; the heartbeat comes each {span(heartbeat_s)}, and the contract's limit is {span(seen.limit_s)}"
        remedy = (
            "set `heartbeat` of the route to a quarter of the limit: the keeper goes by half of the limit until then"
        )
        return Check(name, Health.WARN, message, remedy)
    # As the keeper does it: what is left just before a heartbeat is no reason to worry.
    interval_s = min(heartbeat_s, seen.limit_s // 2)
    if left_s < min(2 * interval_s, seen.limit_s - interval_s - SENDING_S):
        message += f"; that is in {left_s} s, and a heartbeat was due each {span(interval_s)}"
        return Check(
            name, Health.WARN, message, "run the keeper in live mode, or look why its heartbeats fail (`status`)"
        )
    return Check(name, Health.OK, message)


def named(contract: Contract) -> str:
    return f"breaker contract {contract.address}"


def _value(view: str, result: CallResult) -> AbiValue:
    return decode_results(parse_signature(view), answer_data(result, view))[0]


def answer_data(result: CallResult, view: str) -> bytes:
    if not result.ok:
        raise MalformedAnswer(f"{view} reverted")
    return result.data
