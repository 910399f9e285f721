"""Which actions are simulated in the message that a block is read with, so that a trip at that block needs no request of its own for that.

Nobody knows which rule will trip before the reads are there, so all actions are rehearsed that may be wanted, or none: each is one more
``eth_call`` for the node at each block, though no message more. Where there are more than the configuration allows, it counts that the call went
through at the block before, as the readiness found; where nobody knows, a trip asks for its simulation while its intent is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from keeper.domain.action import Action
from keeper.domain.block import BlockStamp
from keeper.domain.evm import Simulation
from keeper.domain.rehearsal import Rehearsal, Rehearsed
from keeper.execution.pen import signed_beforehand
from keeper.execution.planner import ArmedAction

Key = tuple[str, str]


class Rehearsing:
    """``sender_of`` gives the address that an action is sent from, None without a key. What is ``aside`` the keeper does not send itself."""

    def __init__(
        self,
        armed: Mapping[Key, ArmedAction],
        sender_of: Callable[[Action], str | None],
        limit: int,
        aside: Collection[Key] = (),
    ) -> None:
        found = {
            key: Rehearsal(each.call, sender)
            for key, each in armed.items()
            if key not in aside and signed_beforehand(each) and (sender := sender_of(each.action)) is not None
        }
        self._armed = armed
        self._rehearsals = found if len(found) <= limit else {}

    def due(self, effects: Mapping[Key, str]) -> dict[Key, Rehearsal]:
        """All but those whose effect was there at the last look: nobody would send them."""
        return {key: each for key, each in self._rehearsals.items() if not self._in_effect(key, effects.get(key))}

    def _in_effect(self, key: Key, seen: str | None) -> bool:
        return seen is not None and self._armed[key].in_effect(seen)


def rehearsed(
    due: Mapping[Key, Rehearsal], simulations: Sequence[Simulation | None], block: BlockStamp
) -> dict[Key, Rehearsed]:
    """By (market, action); what the node had no word on is left out."""
    return {
        key: Rehearsed(each, block.hash, simulation)
        for (key, each), simulation in zip(due.items(), simulations, strict=True)
        if simulation is not None
    }
