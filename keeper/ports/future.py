"""Looking at the state after calls that nobody has made yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.future import Future, Step


class StateAfter(Protocol):
    """Simulates calls one after the other on the state of a block. Nothing is signed, and nothing reaches the chain.

    Every method raises Unreachable (no answer), Refused (it cannot be done here, with why) or MalformedAnswer.
    """

    async def after(self, steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> Future:
        """All steps in the block after this one, in order, and then the reads. A step that reverts is an answer, not an error."""

    async def close(self) -> None:
        """Lets go of whatever it holds. Safe to call twice."""
