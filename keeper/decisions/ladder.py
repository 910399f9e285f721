"""The ladder of a market: what is stronger than what.

=========== =========================== ==========================================================
rung        a rule asks for it by       what it does
=========== =========================== ==========================================================
observe     no action, severity info    nothing; its trips are recorded as incidents
alert       ``alert``                   people are told, once in an incident
adjust      an action of that kind      a parameter is tightened
rate-limit  an action of that kind      a limit is tightened
pause       an action of that kind      the market is stopped
pause-all   an action of that kind      more than the market is stopped, such as the whole protocol
=========== =========================== ==========================================================

Going up is always allowed. Nothing goes down: while a stronger action is in effect in the incident, a weaker one is declined, and the keeper never
loosens what it did; it only stops asking. Telling people is never too weak. What is in effect on one market says nothing about another: a pause-all
that the council has lifted must not keep the other markets from being paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from keeper.decisions.spec import ActionPolicy
from keeper.decisions.standing import Phase, Standing
from keeper.domain.action import ActionKind

RUNGS: Mapping[ActionKind, int] = MappingProxyType(
    {ActionKind.ADJUST: 2, ActionKind.RATE_LIMIT: 3, ActionKind.PAUSE: 4, ActionKind.PAUSE_ALL: 5}
)


def stronger_in_effect(
    standings: Mapping[tuple[int, str], Standing],
    policies: Mapping[str, ActionPolicy],
    market: int,
    action: str,
    incident: str,
) -> bool:
    """Whether something above ``action`` worked on this market in this incident, and nobody took it back."""
    rung = RUNGS[policies[action].kind]
    for name, policy in policies.items():
        if RUNGS[policy.kind] > rung:
            standing = standings.get((market, name))
            if standing is not None and standing.phase is Phase.WORKED and standing.incident == incident:
                return True
    return False
