"""The errors of the contract CircuitBreaker in words, each with what to do. A test holds the table against the compiled contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keeper.domain.abi import parse_signature
from keeper.domain.action import AbiValue
from keeper.domain.circuit_breaker import breaker_name, utc

CALL_FAILED: Final = "CallFailed"

COUNCIL = "only the council can change this; act by hand if the market is at risk"
WAIT = "the keeper tries again by itself after the action's `retry`; act by hand if the market is at risk"
VALUES = "correct `new`, `bounds` or `max_step` of the action, or `breaker_values`, so that they lie within what is registered"
FAULTY = (
    "the contract behind the breaker does not do what is registered: look at it with the council before anything else"
)


@dataclass(frozen=True, slots=True)
class BreakerError:
    """``form`` holds ``{0}`` and so on for the arguments: identifiers as names, those of ``times`` as times."""

    name: str
    types: tuple[str, ...]
    form: str
    remedy: str
    lacks_authority: bool = False
    times: tuple[int, ...] = ()

    def words(self, values: Sequence[AbiValue]) -> str:
        """The error for people."""
        shown = []
        for place, (type_name, value) in enumerate(zip(self.types, values, strict=True)):
            if type_name == "bytes32" and isinstance(value, bytes):
                shown.append(breaker_name("0x" + value.hex()))
            elif isinstance(value, bytes):
                shown.append("0x" + value[:36].hex())
            else:
                shown.append(utc(int(value)) if place in self.times else str(value))
        return self.form.format(*shown)


_KEY = "the council adds the key of this keeper: addKeeper(address)"
_NO_KEY = (
    "if it was revoked because it may be stolen: a new key, never this one; else the council calls addKeeper(address)"
)
_ERRORS = (
    BreakerError("NotKeeper", ("address",), "{0} is no keeper of this contract", _NO_KEY, lacks_authority=True),
    BreakerError(
        "KeeperSilent",
        ("address", "uint256"),
        "{0} was not heard of until {1}, so it is no keeper any more",
        _KEY,
        lacks_authority=True,
        times=(1,),
    ),
    BreakerError("IsFrozen", (), "the whole breaker contract is frozen", COUNCIL),
    BreakerError("UnknownBreaker", ("bytes32",), "no breaker {0} is registered", "correct `breaker` of the action"),
    BreakerError("NotArmed", ("bytes32",), "breaker {0} is disarmed", COUNCIL),
    BreakerError("InEffect", ("bytes32",), "breaker {0} has tripped, and that trip has not ended", WAIT),
    BreakerError("NotInEffect", ("bytes32",), "breaker {0} is not tripped", "nothing is to be ended"),
    BreakerError(
        "CoolingDown", ("bytes32", "uint256"), "breaker {0} rests until {1} after its last trip", WAIT, times=(1,)
    ),
    BreakerError(
        "LockedAfterLift",
        ("bytes32", "uint256"),
        "the council lifted the last trip of breaker {0}; it is locked until {1}",
        COUNCIL,
        times=(1,),
    ),
    BreakerError(
        "BudgetSpent", ("bytes32", "uint256"), "the trips of breaker {0} are used up until {1}", WAIT, times=(1,)
    ),
    BreakerError(
        "AlreadySo", ("bytes32",), "what breaker {0} would bring about is there already", "nothing is to be done"
    ),
    BreakerError("NotDue", ("bytes32", "uint256"), "the trip of breaker {0} lasts until {1}", WAIT, times=(1,)),
    BreakerError(
        "WrongNumberOfValues",
        ("uint256", "uint256"),
        "the breaker has {0} bounds, and {1} values were given",
        "correct `breaker_values` of the action: one for each bound that is registered",
    ),
    BreakerError(
        "OutOfBounds",
        ("uint256", "uint256", "uint256", "uint256"),
        "value {1} of bound {0} is outside of {2} to {3}",
        VALUES,
    ),
    BreakerError(
        "NotTighter",
        ("uint256", "uint256", "uint256"),
        "value {1} of bound {0} is not on the safe side of {2}, which it is now",
        VALUES,
    ),
    BreakerError(
        "StepTooLarge",
        ("uint256", "uint256", "uint256", "uint256"),
        "value {1} of bound {0} is further than one step of {3} from {2}, which it is now",
        VALUES,
    ),
    BreakerError("NoEvidence", (), "the trip names no evidence", "this is a fault in the keeper: report it"),
    BreakerError(
        "WrongNumberOfSignatures",
        ("uint256", "uint256"),
        "the breaker wants the signatures of {0} keepers, and got {1}",
        "set `orders` of the route, so that the keepers can sign together",
    ),
    BreakerError(
        "SignersNotAscending",
        ("address", "address"),
        "signatures of {0} and {1} are not in order, or the same keeper signed twice",
        "this is a fault in the keeper: report it",
    ),
    BreakerError(
        "DeadlineOutOfBounds",
        ("uint256",),
        "the deadline {0} of the signed order is past, or too far ahead",
        "compare the clocks of the keepers",
        times=(0,),
    ),
    BreakerError(CALL_FAILED, ("address", "bytes"), "{0} refused the call of the breaker", FAULTY),
    BreakerError("NoAnswer", ("address", "bytes"), "the view at {0} does not answer", FAULTY),
    BreakerError("EffectMissing", ("bytes32",), "the call of breaker {0} goes through without its effect", FAULTY),
    BreakerError("UndoMissing", ("bytes32",), "the undo call of breaker {0} goes through without its effect", FAULTY),
    BreakerError("NothingTripped", (), "not one of several orders could be carried out", WAIT),
)
REFUSALS = {parse_signature(f"{error.name}({','.join(error.types)})").selector: error for error in _ERRORS}
"""By selector."""
