"""What happened to a breaker between two looks at it, as its state on the chain proves it.

The nonce grows with each trip, each end and each registration; the times of trips are kept; only a lift moves the end of the lock.
"""

from __future__ import annotations

from enum import StrEnum

from keeper.domain.circuit_breaker import BreakerState, BreakerStatus, BreakerTerms

IN_EFFECT = frozenset({BreakerStatus.TRIPPED, BreakerStatus.RATIFIED})


class Turn(StrEnum):
    TRIPPED = "tripped"
    RATIFIED = "ratified"
    LIFTED = "lifted"
    EXPIRED = "expired"


ENDS = frozenset({Turn.LIFTED, Turn.EXPIRED})


def turns(before: BreakerState, now: BreakerState) -> tuple[Turn, ...]:
    """In order. A nonce that is smaller than it was is another branch of the chain, from which nothing follows.

    Of two ends between two looks it is known only that one of them was a lift: then both are told as one.
    """
    if now.nonce < before.nonce:
        return ()
    tripped = now.recent_s[:1] != before.recent_s[:1]
    lifted = now.locked_until_s != before.locked_until_s
    found: list[Turn] = []
    if before.status in IN_EFFECT and now.nonce > before.nonce:
        found.append(Turn.LIFTED if lifted or before.status is BreakerStatus.RATIFIED else Turn.EXPIRED)
    if tripped:
        found.append(Turn.TRIPPED)
        if now.status not in IN_EFFECT:
            found.append(Turn.LIFTED if lifted else Turn.EXPIRED)
    if now.status is BreakerStatus.RATIFIED and (tripped or before.status is not BreakerStatus.RATIFIED):
        found.append(Turn.RATIFIED)
    return tuple(found)


def since(known: BreakerStatus, now: BreakerState, terms: BreakerTerms) -> tuple[Turn, ...]:
    """What came of a trip that was in effect as ``known`` when it was last heard of, in an earlier run.

    A lift ends trip and begins the lock in the same second, so both times point at it.
    """
    if now.status is BreakerStatus.READY:
        ended_s = now.ready_at_s - terms.cooldown_s
        lifted = known is BreakerStatus.RATIFIED or now.locked_until_s - terms.lock_s == ended_s
        return (Turn.LIFTED if lifted else Turn.EXPIRED,)
    if now.status is BreakerStatus.RATIFIED and known is BreakerStatus.TRIPPED:
        return (Turn.RATIFIED,)
    return ()
