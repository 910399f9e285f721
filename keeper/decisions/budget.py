"""How many actions a day: counted over the last 24 hours of the keeper's time, so that no midnight makes room for twice as many.

What counts is each action that a rule got in an incident; trying it again after it failed is still the same one. An action that is exempt is
counted like any other, and never held.

Why critical pauses are exempt unless the configuration says ``exempt: []``: a budget that holds them can be used up by whoever provokes
cheap trips first. A false pause costs until the council lifts it, and is bounded by its cooldown; a missed one may cost everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.decisions.spec import ActionPolicy, Limits
from keeper.domain.verdict import Severity

DAY_MS = 86_400_000

Acts = list[tuple[int, int]]


def forget(acts: Acts, at_ms: int) -> None:
    """Drops what is 24 hours old or older."""
    old = 0
    while old < len(acts) and at_ms - acts[old][0] >= DAY_MS:
        old += 1
    del acts[:old]


def spent(acts: Sequence[tuple[int, int]], limits: Limits, market: int) -> bool:
    """Whether nothing more may be decided on this market."""
    if limits.actions_per_day is not None and len(acts) >= limits.actions_per_day:
        return True
    most = limits.actions_per_market_per_day
    return most is not None and sum(one == market for _, one in acts) >= most


def exempt(limits: Limits, policy: ActionPolicy, severity: Severity) -> bool:
    """Whether no budget holds this action when a rule of this severity asks for it."""
    return severity is Severity.CRITICAL and policy.kind in limits.exempt
