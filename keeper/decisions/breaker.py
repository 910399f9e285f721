"""The breaker of one market, as a transition table.

========= =====================================================================
armed     watches, and may act
tripped   an incident is open; whatever was done was done on the keeper's own authority
ratified  the council has confirmed what was done
lifted    the council has taken it back
expired   what was done has run out by itself, by a term written on chain
locked    a human has overridden the keeper, which may not act until it is armed again
disarmed  switched off
========= =====================================================================

A trigger that the table does not list raises InvalidTransition: a breaker in a state that nobody thought of must stop, not guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from keeper.domain.errors import InvalidTransition


class BreakerState(StrEnum):
    ARMED = "armed"
    TRIPPED = "tripped"
    RATIFIED = "ratified"
    LIFTED = "lifted"
    EXPIRED = "expired"
    LOCKED = "locked"
    DISARMED = "disarmed"


class BreakerTrigger(StrEnum):
    TRIP = "trip"
    """The first rule of the market trips; or something is done again after what was done had run out."""
    CLEAR = "clear"
    """All rules of the market are clear, and the council has not spoken."""
    RATIFY = "ratify"
    LIFT = "lift"
    EXPIRE = "expire"
    LOCK = "lock"
    DISARM = "disarm"
    ARM = "arm"


_A, _T, _R, _L, _E, _K, _D = BreakerState
_ON = BreakerTrigger

TRANSITIONS: Mapping[tuple[BreakerState, BreakerTrigger], BreakerState] = MappingProxyType(
    {
        (_A, _ON.TRIP): _T,
        (_A, _ON.LOCK): _K,
        (_A, _ON.DISARM): _D,
        (_T, _ON.CLEAR): _A,
        (_T, _ON.RATIFY): _R,
        (_T, _ON.LIFT): _L,
        (_T, _ON.EXPIRE): _E,
        (_T, _ON.LOCK): _K,
        (_T, _ON.DISARM): _D,
        (_R, _ON.LIFT): _L,
        (_R, _ON.EXPIRE): _E,
        (_R, _ON.LOCK): _K,
        (_R, _ON.DISARM): _D,
        (_L, _ON.ARM): _A,
        (_L, _ON.LOCK): _K,
        (_L, _ON.DISARM): _D,
        (_E, _ON.TRIP): _T,
        (_E, _ON.RATIFY): _R,
        (_E, _ON.LIFT): _L,
        (_E, _ON.ARM): _A,
        (_E, _ON.LOCK): _K,
        (_E, _ON.DISARM): _D,
        (_K, _ON.ARM): _A,
        (_K, _ON.DISARM): _D,
        (_D, _ON.ARM): _A,
    }
)


def advance(state: BreakerState, trigger: BreakerTrigger) -> BreakerState:
    """The next state. Raises InvalidTransition when the table does not list it."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise InvalidTransition(f"a breaker that is {state} has no {trigger}") from None
