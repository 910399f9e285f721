"""An action's call, simulated at each block before anybody wants it: when it is wanted, it is known already whether it goes through."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import Simulation


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is simulated: this call from this address."""

    call: Call
    sender: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it at the block with this hash. It says nothing about another call or another sender."""

    rehearsal: Rehearsal
    block_hash: str
    simulation: Simulation

    def answers(self, call: Call, sender: str, block: BlockStamp) -> bool:
        """Whether that needs no simulation of its own at this block: it was made here, or the call went through at the block before.

        What would have reverted there may go through by now, so that is asked again (docs/decisions/0012).
        """
        if self.rehearsal != Rehearsal(call, sender):
            return False
        return self.block_hash == block.hash or (self.simulation.ok and self.block_hash == block.parent_hash)
