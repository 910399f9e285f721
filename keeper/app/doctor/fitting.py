"""What a breaker that fits the action still does otherwise: it allows less, or sees the effect by another view."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.action import Action
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.breaker_registration import Bound, Registration, Side
from keeper.domain.units import plain
from keeper.execution.planner import ArmedAction

BPS = 10_000


def wider(action: Action, registered: Registration) -> Iterator[str]:
    """Where the action allows itself more than the breaker allows it: then the contract refuses, or the value is clamped otherwise."""
    adjustment, trip = action.adjustment, action.breaker
    if adjustment is None or trip is None or len(trip.values) != len(registered.bounds):
        return
    for bound, value in zip(registered.bounds, trip.values, strict=True):
        if value == NEW and bound.side is not Side.KEPT:
            yield from _wider(adjustment, bound)


def blind(armed: ArmedAction, registered: Registration) -> bool:
    """Whether the breaker sees the effect by other views than the action: each may hold it for done when the other does not."""
    views = [(bound.target, bound.call) for bound in registered.bounds if bound.side is not Side.KEPT]
    if registered.probe.call:
        views.append((registered.probe.target, registered.probe.call))
    return (armed.effect_call.to, armed.effect_call.data) not in views


def _wider(adjustment: Adjustment, bound: Bound) -> Iterator[str]:
    if adjustment.least < bound.minimum:
        yield f"`bounds.min` is {adjustment.least}, the breaker's {bound.minimum}"
    if adjustment.most > bound.maximum:
        yield f"`bounds.max` is {adjustment.most}, the breaker's {bound.maximum}"
    step = adjustment.max_step
    if step is None or step * BPS > bound.max_step_bps:
        mine = "not set" if step is None else f"{plain(step * 100)}%"
        yield f"`max_step` is {mine}, the breaker's {bound.max_step_bps} bps of the current value"
