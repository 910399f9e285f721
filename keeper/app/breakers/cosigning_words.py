"""How something that several keepers must sign comes to nothing: in words for people, and for the log."""

from __future__ import annotations

from collections.abc import Collection

from keeper.app.breakers.views import Standing
from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import breaker_name
from keeper.domain.order import TripOrder
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Draft, RecordKind
from keeper.domain.verdict import Severity
from keeper.execution.work import Order
from keeper.ports.notifier import Notice


def refused(trip: BreakerTrip, standing: Standing, now_s: int) -> Outcome | None:
    """The end of what the contract would not do now, whoever signs."""
    why = standing.refusal(now_s)
    if not why:
        return None
    return Outcome(
        OutcomeKind.FAILED,
        Reason.SIMULATION_REVERTED,
        f"{_name(trip)} would not trip: {why}",
        remedy="nothing was signed; act by hand if the market is at risk",
    )


def not_a_keeper(trip: BreakerTrip, address: str) -> Outcome:
    """The end of what this keeper wants: nothing that it signs counts."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.MISSING_ROLE,
        f"{address} is no keeper of {trip.contract}, or was silent for too long: its signature would not count",
        remedy=(
            f"if it was revoked because it may be stolen: a new key, never this one; else let the council call addKeeper({address})"
        ),
    )


def too_few(trip: BreakerTrip, required: int, signers: Collection[str], missing: str, trouble: str) -> Outcome:
    """Out of time. ``required`` is 0 when that is not known, ``trouble`` what stood in the way last, if anything."""
    said = f"{len(signers)} of {required or 'several'} keepers signed"
    said += f" ({', '.join(sorted(signers))})" if signers else ""
    said += f"; {missing}" + (f"; {trouble}" if trouble else "")
    return Outcome(
        OutcomeKind.FAILED,
        Reason.TOO_FEW_SIGNATURES,
        f"{_name(trip)}: {said}",
        remedy="act by hand if the market is at risk; do the others run, and have they the same `orders` and values?",
    )


def not_signed(others: Collection[str]) -> str:
    """``others`` are live keepers that signed something before."""
    return f"not signed: {', '.join(sorted(others))}" if others else "no other keeper has ever signed here"


def notice(order: Order, outcome: Outcome) -> Notice:
    """What people are told."""
    market, action = order.armed.key
    body = f"{outcome.message}\n{outcome.remedy}\nincident {order.incident}"
    title = f"{market}: {action} {outcome.kind} ({outcome.reason})"
    within = f"incident/{order.incident}"
    return Notice(
        f"outcome/{order.id}", title, body, Severity.CRITICAL, settles=True, within=within, subject=f"{market}/{action}"
    )


def waits(order: Order, trip: TripOrder, signers: Collection[str], required: int, left_s: int) -> Notice:
    """Signed, and too few others have so far."""
    market, action = order.armed.key
    title = f"{market}: {action} waits for signatures, {len(signers)} of {required}"
    body = (
        f"breaker {breaker_name(trip.id)} of {trip.contract} waits for {required - len(signers)} more: {len(signers)} of {required} keepers signed "
        f"({', '.join(sorted(signers)) or 'nobody'}), {left_s} s left\n"
        f"digest 0x{trip.digest.hex()}\ndo the others run? They may sign by hand: keeper breaker CONFIG sign FILE\nincident {order.incident}"
    )
    return Notice(f"waits/{order.id}", title, body, Severity.WARNING, within=f"incident/{order.incident}")


def ending(order: Order, outcome: Outcome, at_ms: int) -> Draft:
    """The outcome of a decision that never became an intent."""
    market, action = order.armed.key
    return Draft(
        RecordKind.OUTCOME,
        {
            "kind": outcome.kind.value,
            "reason": outcome.reason.value,
            "message": outcome.message,
            "remedy": outcome.remedy,
            "tx_hash": None,
            "block": None,
            "timeline_ms": {},
        },
        at_ms,
        market=market,
        action=action,
        incident=order.incident,
    )


def _name(trip: BreakerTrip) -> str:
    return f"breaker {breaker_name(trip.id)} of {trip.contract}"
