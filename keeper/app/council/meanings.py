"""What calls mean that the keeper knows without being told: of the contract CircuitBreaker, of tokens, of rights, and batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE
from keeper.domain.multisend import MULTI_SEND
from keeper.domain.proposal import Level
from keeper.domain.safe_calls import Meaning, by_selector

UNLIMITED: Final = 1 << 255
"""An allowance of so much or more is never used up: nobody has that many tokens."""
APPROVALS: Final = frozenset({"approve(address,uint256)", "increaseAllowance(address,uint256)"})
PAYMENTS: Final = frozenset({"transfer(address,uint256)", "transferFrom(address,address,uint256)"})
"""The last address of these gets the tokens."""
REGISTER: Final = f"register(bytes32,{BREAKER_TYPE})"
"""Its second argument holds the calls that keepers may make from then on."""

BREAKER_CALLS: Final = by_selector(
    (
        Meaning("trip(bytes32,uint256[],bytes32)", Level.NOTE, "Trips the breaker {0}"),
        Meaning("tripMany((bytes32,uint256[],bytes32)[])", Level.NOTE, "Trips several breakers"),
        Meaning("tripSigned((bytes32,uint256[],bytes32),uint256,bytes[])", Level.NOTE, "Trips a breaker that keepers signed for"),
        Meaning("heartbeat()", Level.NOTE, "Gives a keeper's sign of life"),
        Meaning("expire(bytes32)", Level.NOTE, "Ends the trip of the breaker {0}, whose time is over"),
        Meaning(REGISTER, Level.WARNING, "Registers the breaker {0}"),
        Meaning("unregister(bytes32)", Level.WARNING, "Takes the breaker {0} out: keepers can no longer trip it"),
        Meaning("arm(bytes32)", Level.NOTE, "Lets the breaker {0} trip again"),
        Meaning("ratify(bytes32)", Level.NOTE, "Makes the trip of the breaker {0} last until the council lifts it"),
        Meaning("lift(bytes32,bool)", Level.NOTE, "Ends the trip of the breaker {0} and locks it (its undo is called: {1})"),
        Meaning("addKeeper(address)", Level.WARNING, "Makes {0} a keeper, which may trip breakers"),
        Meaning("revokeKeeper(address)", Level.WARNING, "Takes all rights of the keeper {0} away"),
        Meaning("setGuardian(address)", Level.WARNING, "Makes {0} the guardian, who may disarm, freeze and revoke"),
        Meaning("setSilenceLimit(uint32)", Level.WARNING, "Lets keepers be silent for {0} s before they lose their rights"),
        Meaning("disarm(bytes32)", Level.WARNING, "Keeps the breaker {0} from tripping"),
        Meaning("freeze()", Level.WARNING, "Keeps all breakers from tripping"),
        Meaning("unfreeze()", Level.NOTE, "Lets breakers trip again"),
    )
)  # fmt: skip
"""Of ``ICircuitBreaker.sol``, by selector."""

COMMON_CALLS: Final = by_selector(
    (
        Meaning(MULTI_SEND, Level.NOTE, "Makes these calls, all or none"),
        Meaning("transfer(address,uint256)", Level.NOTE, "Sends {1} of the token's smallest units to {0}"),
        Meaning("transferFrom(address,address,uint256)", Level.NOTE, "Moves {2} of the token's smallest units from {0} to {1}"),
        Meaning("approve(address,uint256)", Level.NOTE, "Lets {0} take up to {1} of the token's smallest units"),
        Meaning("increaseAllowance(address,uint256)", Level.NOTE, "Lets {0} take {1} more of the token's smallest units"),
        Meaning("setApprovalForAll(address,bool)", Level.WARNING, "Lets {0} move every token of this kind: {1}"),
        Meaning("grantRole(bytes32,address)", Level.WARNING, "Gives the role {0} to {1}"),
        Meaning("revokeRole(bytes32,address)", Level.WARNING, "Takes the role {0} from {1}"),
        Meaning("renounceRole(bytes32,address)", Level.WARNING, "Gives up the role {0} of {1}"),
        Meaning("transferOwnership(address)", Level.WARNING, "Makes {0} the owner"),
        Meaning("renounceOwnership()", Level.WARNING, "Leaves the contract without an owner"),
        Meaning("acceptOwnership()", Level.WARNING, "Becomes the owner"),
        Meaning("upgradeTo(address)", Level.WARNING, "Puts the code at {0} in the place of all its code"),
        Meaning("upgradeToAndCall(address,bytes)", Level.WARNING, "Puts the code at {0} in the place of all its code, and runs it"),
        Meaning("pause()", Level.NOTE, "Pauses it as a whole"),
        Meaning("unpause()", Level.NOTE, "Unpauses it as a whole"),
    )
)  # fmt: skip
"""Of any contract that the configuration says nothing else of, by selector."""

_ROLES: Final = {"0x" + bytes(32).hex(): "DEFAULT_ADMIN_ROLE"} | {
    "0x" + keccak256(name.encode("ascii")).hex(): name
    for name in (
        "ADMIN_ROLE", "PAUSER_ROLE", "UNPAUSER_ROLE", "RISK_ROLE", "GUARDIAN_ROLE", "KEEPER_ROLE", "MINTER_ROLE",
        "BURNER_ROLE", "UPGRADER_ROLE", "OPERATOR_ROLE", "MANAGER_ROLE", "PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE",
    )
}  # fmt: skip

_VERBS = frozenset(
    (
        "set", "pause", "unpause", "stop", "start", "halt", "resume", "enable", "disable", "update", "change", "increase",
        "decrease", "raise", "lower", "limit", "add", "remove", "open", "close", "lock", "unlock", "freeze", "unfreeze",
        "activate", "deactivate", "reset", "restore",
    )
)  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_MARKETS = frozenset({"market", "vault", "pool", "asset", "reserve", "token"})


def role_name(role: str) -> str:
    """A role for people: its usual name where it has one."""
    return _ROLES.get(role, role)


def sentence(function: str, args: Sequence[str], market: str, where: str) -> str:
    """A function of the protocol in words, from its name: ``setWithdrawalLimit(bytes32,uint256)`` ->
    ``Sets the withdrawal limit of the market ETH-PERP to 5 on the exchange``.

    ``args`` are those that do not stand for the market, ``market`` is empty where none does.
    """
    words = [word.lower() for word in _WORD.findall(function.partition("(")[0])]
    if not words or words[0] not in _VERBS:
        of = f" for the market {market}" if market else ""
        return f"Calls {function} of {where}{of}{_with(args)}"
    verb, noun = f"{words[0].capitalize()}s", " ".join(words[1:])
    if market:
        thing = f"the market {market}" if noun in _MARKETS or not noun else f"the {noun} of the market {market}"
        return f"{verb} {thing}{_to(args)} on {where}"
    if noun in _MARKETS and args:
        return f"{verb} the {noun} {args[0]} (not in the configuration){_to(args[1:])} on {where}"
    return f"{verb} the {noun}{_to(args)} on {where}" if noun else f"{verb} {where}{_to(args)}"


def _to(args: Sequence[str]) -> str:
    return f" to {args[0]}" if len(args) == 1 else _with(args)


def _with(args: Sequence[str]) -> str:
    return f" with {', '.join(args)}" if args else ""
