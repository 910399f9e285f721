"""An action's call, simulated at each block before anybody wants it: when it is wanted, it is known already whether it goes through."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.action import Call
from keeper.domain.evm import Simulation


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is simulated: this call from this address."""

    call: Call
    sender: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it at the block with this hash. It says nothing about another call, another sender or another block."""

    rehearsal: Rehearsal
    block_hash: str
    simulation: Simulation

    def answers(self, call: Call, sender: str, block_hash: str) -> bool:
        """Whether this is what a simulation of that would say."""
        return block_hash == self.block_hash and self.rehearsal == Rehearsal(call, sender)
