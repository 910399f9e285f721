"""Holds a CircuitBreaker on the chain against its reviewed file: every value, and that there is nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from keeper.domain.address import checksum_address, keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE
from keeper.domain.errors import MalformedAnswer, Refused
from scripts.breaker_artifact import Compiled
from scripts.breaker_chain import Chain
from scripts.breaker_limits import duration
from scripts.breaker_model import ZERO, Breaker, Params

STATE_TYPE = "(uint240,uint8,bool,uint40,uint40,uint40,uint32)"
READY, TRIPPED, RATIFIED = 1, 2, 3
NAME, VERSION = b"CircuitBreaker", b"1"
REMEDY_COUNCIL = "the council corrects the chain, or the file is corrected, reviewed and checked again"
_FIELDS = (
    "target",
    "duration_s",
    "cooldown_s",
    "window_s",
    "safe",
    "lock_s",
    "budget",
    "required",
    "call",
    "undo",
    "probe",
    "bounds",
)
_REGISTERED = f"Registered(bytes32,address,bytes4,{BREAKER_TYPE})"
_UNREGISTERED = "Unregistered(bytes32)"
_ADDED, _REVOKED = "KeeperAdded(address)", "KeeperRevoked(address,address)"


class Mark(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    mark: Mark
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A contract on a chain, with the block that deployed it. Asked at ``block``; None: at the newest, as on a fork."""

    chain: Chain
    address: str
    deployed_block: int
    block: int | None

    @property
    def last_block(self) -> int:
        """The number of the block that is asked."""
        return self.chain.block() if self.block is None else self.block

    def ask(self, signature: str, *args: Any, results: list[str]) -> tuple[Any, ...]:
        """A view of the contract at the block."""
        return self.chain.ask(self.address, signature, *args, results=results, block=self.block)

    def one_address(self, signature: str) -> str:
        """A view that answers with one address, as EIP-55."""
        (answer,) = self.ask(signature, results=["address"])
        return checksum_address(bytes.fromhex(answer[2:]))

    def registered(self, id: bytes) -> bytes:
        """What ``breakerOf`` answers, byte by byte."""
        data = keccak256(b"breakerOf(bytes32)")[:4] + id
        return self.chain.call(self.address, data, block=self.block)

    def state(self, id: bytes) -> tuple[int, int, bool, int, int, int, int]:
        """recent, status, armed, expiresAt, readyAt, lockedUntil, nonce."""
        (found,) = self.ask("stateOf(bytes32)", id, results=[STATE_TYPE])
        recent, status, armed, expires, ready, locked, nonce = found
        return recent, status, armed, expires, ready, locked, nonce


def deployed_block(chain: Chain, address: str, newest: int) -> int | None:
    """The first block with code at the address; None when the node does not keep states that old.

    Looks back in steps that double, so that right after a deployment a node that keeps a few states only is enough.
    """
    try:
        step, low = 1, newest
        while low > 0 and chain.code(address, low):
            low, step = max(0, newest - step), step * 2
        high = newest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if chain.code(address, middle) else (middle, high)
    except Refused:
        return None
    return high


def compare(place: Place, params: Params, contract: Compiled) -> list[Finding]:
    """Everything about the contract, in the order in which it is worth reading."""
    parts: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: code(place, contract),
        lambda: domain(place, params, contract),
        lambda: ownership(place, params),
        lambda: settings(place, params),
        lambda: keepers(place, params),
        lambda: registrations(place, params),
        lambda: states(place, params),
    )
    findings: list[Finding] = []
    for part in parts:
        try:
            findings += part()
        except (Refused, MalformedAnswer) as error:
            findings.append(Finding(Mark.FAIL, f"the contract does not answer as a CircuitBreaker: {error.message}"))
    return findings


def code(place: Place, contract: Compiled) -> Iterator[Finding]:
    """The runtime code is the compiled one. Immutables differ by chain and address: ``domain`` is about them."""
    found = place.chain.code(place.address, place.block)
    if len(found) == len(contract.runtime) and contract.without_immutables(found) == contract.runtime:
        yield Finding(Mark.OK, f"code: {len(found)} bytes, as compiled; hash 0x{keccak256(found).hex()}")
        return
    yield Finding(
        Mark.FAIL,
        f"code: the {len(found)} bytes at {place.address} are not contracts/CircuitBreaker.sol as compiled here",
        "compile the commit that was deployed and look again; if it differs still, this is another contract: give it no right",
    )


def domain(place: Place, params: Params, contract: Compiled) -> Iterator[Finding]:
    """What keepers sign for: the immutables are exactly name, version, chain and address, and an order's digest is made of them."""
    held = contract.immutables_in(place.chain.code(place.address, place.block))
    id, evidence, deadline = params.breakers[0].id, bytes(31) + b"\1", 2**40
    (digest,) = place.ask(
        "orderDigest((bytes32,uint256[],bytes32),uint256)", (id, [], evidence), deadline, results=["bytes32"]
    )
    order = order_digest(params.chain_id, place.address, id, [], evidence, place.state(id)[6], deadline)
    if held == immutables(params.chain_id, place.address) and digest == order:
        yield Finding(Mark.OK, "signatures: keepers sign for this contract on this chain")
    else:
        message = (
            f"signatures: keepers would not sign for CircuitBreaker 1 at {place.address} on chain {params.chain_id}"
        )
        yield Finding(Mark.FAIL, message, "this is another contract: give it no right")


def domain_separator(chain_id: int, contract: str) -> bytes:
    """EIP-712 domain of the contract."""
    kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    types, hashes = ["bytes32", "bytes32", "bytes32", "uint256", "address"], (keccak256(NAME), keccak256(VERSION))
    return keccak256(encode(types, [kind, *hashes, chain_id, contract]))


def immutables(chain_id: int, contract: str) -> set[bytes]:
    """What OpenZeppelin's EIP712 keeps in the code: domain, chain, address, and name and version as hashes and as short strings."""
    short = {text.ljust(31, b"\0") + bytes([len(text)]) for text in (NAME, VERSION)}
    place = {chain_id.to_bytes(32, "big"), bytes(12) + bytes.fromhex(contract[2:])}
    return {domain_separator(chain_id, contract), keccak256(NAME), keccak256(VERSION)} | short | place


def order_digest(
    chain_id: int, contract: str, id: bytes, values: list[int], evidence: bytes, nonce: int, deadline: int
) -> bytes:
    """EIP-712 digest of an order, made without the contract."""
    kind = keccak256(b"Trip(bytes32 id,uint256[] values,bytes32 evidence,uint256 nonce,uint256 deadline)")
    packed = keccak256(b"".join(value.to_bytes(32, "big") for value in values))
    words = [kind, id, packed, evidence, nonce, deadline]
    return keccak256(
        b"\x19\x01" + domain_separator(chain_id, contract) + keccak256(encode(["bytes32"] * 4 + ["uint256"] * 2, words))
    )


def ownership(place: Place, params: Params) -> Iterator[Finding]:
    """Who owns it, and whether the council has accepted."""
    owner, pending = place.one_address("owner()"), place.one_address("pendingOwner()")
    if owner == params.council:
        yield Finding(Mark.OK, f"owner: the council {owner}")
        if pending != ZERO:
            yield Finding(Mark.WARN, f"owner: the council has offered the contract to {pending}", "is that intended?")
    elif owner != params.deployer:
        yield Finding(Mark.FAIL, f"owner: {owner}, neither the file's council nor its deployer", REMEDY_COUNCIL)
    elif pending == params.council:
        yield Finding(
            Mark.WARN,
            f"owner: still the deployer {owner}; the council {pending} has not accepted",
            "NOT IN FORCE: give it no right before the council has called acceptOwnership()",
        )
    else:
        offered = "nobody" if pending == ZERO else pending
        yield Finding(
            Mark.FAIL,
            f"owner: the deployer {owner}, and the contract is offered to {offered}, not to the council {params.council}",
            "run scripts/deploy_breaker again: it goes on from here",
        )


def settings(place: Place, params: Params) -> Iterator[Finding]:
    """Guardian, silence limit, freeze."""
    guardian = place.one_address("guardian()")
    yield _equal("guardian", guardian, params.guardian)
    (limit,) = place.ask("silenceLimit()", results=["uint32"])
    yield _equal("silence limit", duration(limit), duration(params.silence_limit_s))
    (frozen,) = place.ask("frozen()", results=["bool"])
    if frozen:
        yield Finding(Mark.FAIL, "frozen: nothing can trip", "the council calls unfreeze() when it wants trips again")


def keepers(place: Place, params: Params) -> Iterator[Finding]:
    """Exactly the file's keepers, and each of them alive."""
    listed: dict[str, None] = {}
    for log in place.chain.logs(place.address, [_ADDED, _REVOKED], place.deployed_block, place.last_block):
        keeper = checksum_address(bytes.fromhex(str(log["topics"][1])[-40:]))
        if str(log["topics"][0]) == _topic(_ADDED):
            listed[keeper] = None
        else:
            listed.pop(keeper, None)
    now = place.chain.time_s()
    for keeper in params.keepers:
        (silent_at,) = place.ask("silentAt(address)", keeper, results=["uint256"])
        if not silent_at:
            yield Finding(Mark.FAIL, f"keeper {keeper} is not listed", "the council calls addKeeper")
        elif silent_at <= now:
            yield Finding(
                Mark.FAIL, f"keeper {keeper} is silent and cannot trip", "start it; the council calls addKeeper"
            )
        else:
            yield Finding(Mark.OK, f"keeper {keeper}, silent unless heard of within {(silent_at - now) // 3600} h")
    for keeper in listed:
        if keeper not in params.keepers:
            yield Finding(Mark.FAIL, f"keeper {keeper} is not in the file", "revokeKeeper, or add it to the file")


def registrations(place: Place, params: Params) -> Iterator[Finding]:
    """Exactly the file's breakers, each as the file says to the last byte."""
    on_chain: dict[bytes, None] = {}
    for log in place.chain.logs(place.address, [_REGISTERED, _UNREGISTERED], place.deployed_block, place.last_block):
        id = bytes.fromhex(str(log["topics"][1])[2:])
        if str(log["topics"][0]) == _topic(_REGISTERED):
            on_chain[id] = None
        else:
            on_chain.pop(id, None)
    for breaker in params.breakers:
        yield from _registration(place, breaker)
    for id in on_chain.keys() - {breaker.id for breaker in params.breakers}:
        yield Finding(
            Mark.FAIL, f"breaker {_name(id)} is registered and not in the file", "unregister it, or add it to the file"
        )


def states(place: Place, params: Params) -> Iterator[Finding]:
    """What keeps a breaker from tripping right now."""
    for breaker in params.breakers:
        _, status, armed, expires_at, _, _, _ = place.state(breaker.id)
        if status and not armed:
            yield Finding(
                Mark.FAIL, f"breaker {breaker.name} is disarmed", "the council calls arm when it wants trips again"
            )
        if status == TRIPPED:
            yield Finding(Mark.WARN, f"breaker {breaker.name} is in effect until {expires_at} (unix seconds)")
        if status == RATIFIED:
            yield Finding(Mark.WARN, f"breaker {breaker.name} is in effect until the council lifts it")


def _registration(place: Place, breaker: Breaker) -> Iterator[Finding]:
    if place.state(breaker.id)[1] == 0:
        yield Finding(
            Mark.FAIL,
            f"breaker {breaker.name} is not registered",
            "run scripts/deploy_breaker again, or the council registers it",
        )
        return
    found = place.registered(breaker.id)
    if found == breaker.encoded():
        yield Finding(Mark.OK, f"breaker {breaker.name}: {breaker.call.text} on {breaker.target}, as in the file")
        return
    try:
        (words,) = decode([BREAKER_TYPE], found)
        (wanted,) = decode([BREAKER_TYPE], breaker.encoded())
    except (DecodingError, OverflowError):
        raise MalformedAnswer("breakerOf does not answer with a Breaker") from None
    for field, there, here in zip(_FIELDS, words, wanted, strict=True):
        if there != here:
            yield Finding(
                Mark.FAIL,
                f"breaker {breaker.name}.{field}: the chain says {_shown(there)}, the file says {_shown(here)}",
                REMEDY_COUNCIL,
            )


def _equal(name: str, found: str, wanted: str) -> Finding:
    if found == wanted:
        return Finding(Mark.OK, f"{name}: {found}")
    return Finding(Mark.FAIL, f"{name}: the chain says {found}, the file says {wanted}", REMEDY_COUNCIL)


def _topic(event: str) -> str:
    return "0x" + keccak256(event.encode("ascii")).hex()


def _name(id: bytes) -> str:
    text = id.rstrip(b"\0")
    return text.decode("ascii") if text.isascii() and text.decode("ascii").isprintable() and text else "0x" + id.hex()


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return f"({', '.join(_shown(one) for one in value)})" if isinstance(value, tuple) else str(value)
