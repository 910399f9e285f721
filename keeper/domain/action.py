"""An action: what to call, on which market, and how to see that it worked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keeper.domain.adjustment import Adjustment

AbiValue = int | bool | str | bytes

PREVIOUS = "{previous}"
"""Stands in the arguments of an undo where the value goes that the view answered before the action, and is the log's."""


class ActionKind(StrEnum):
    PAUSE = "pause"
    RATE_LIMIT = "rate-limit"
    ADJUST = "adjust"
    PAUSE_ALL = "pause-all"
    """Stops more than the market that asks, such as the whole protocol."""
    UPKEEP = "upkeep"
    """The keeper's own: a sign of life to the breaker contract, or the end of what has run out there. No rule asks for it."""


ASKED_FOR = frozenset(ActionKind) - {ActionKind.UPKEEP}
"""What a rule may ask for."""

UPKEEP_LANE = "upkeep"
"""The lane that the keeper's own transactions take where there is one of this name, but for signs of life: those are of the key that gives them."""


class SafeSide(StrEnum):
    """In which direction a parameter is tightened."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Call:
    """One contract call, ready to send: ``to`` is EIP-55, ``data`` the calldata."""

    to: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call as people write it: ``pauseMarket(bytes32)`` with its arguments as text.

    For a view the signature names the results too: ``paused(bytes32)(bool)``.
    """

    target: str
    signature: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BreakerTrip:
    """A breaker that is registered with the contract CircuitBreaker: its address (EIP-55), the identifier (0x and 64 digits), and a value for
    each of its bounds as text (``{new}`` where an adjustment gives it).
    """

    contract: str
    id: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """The view that shows the effect, and what it must answer once the action has worked, as text (``true``, ``250000``)."""

    read: FunctionCall
    expect: str


@dataclass(frozen=True, slots=True)
class Action:
    """One configured action bound to one market.

    ``safe_side`` is set for parameters: the new value must lie on that side of the current one (tighten only).
    ``expires_ms`` is how long after the decision the action may still be sent; ``gas_limit`` None means estimate.
    ``undo`` is what a council would call to take it back, ``{previous}`` among its arguments; the keeper never calls it.
    With a ``breaker`` the protocol is not called by the key: the breaker contract is, and makes ``call`` as it is registered there.
    With an ``adjustment`` the argument ``{new}`` of the call, and what is expected of the effect, follow from what the view answers.
    ``keep`` names the invariants that it may not break. ``public_after`` is how many blocks it is sent to builders alone where its route leads
    to them (0: never alone; None: always). ``lane`` names the key that signs it; empty: the keeper's first one.
    """

    name: str
    market: str
    kind: ActionKind
    call: FunctionCall
    effect: Effect
    route: str
    expires_ms: int
    undo: FunctionCall | None = None
    safe_side: SafeSide | None = None
    gas_limit: int | None = None
    adjustment: Adjustment | None = None
    breaker: BreakerTrip | None = None
    keep: tuple[str, ...] = ()
    public_after: int | None = None
    lane: str = ""
