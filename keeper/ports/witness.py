"""Somebody outside of the log's machine who keeps its checkpoints."""

from __future__ import annotations

from typing import Protocol

from keeper.domain.checkpoint import SignedCheckpoint


class Witness(Protocol):
    """Raises OutsideError when it cannot be asked, or does not take what it is given."""

    @property
    def name(self) -> str:
        """As people may see it."""

    async def last(self, genesis: str) -> int:
        """The number of the newest checkpoint of the log that begins with this record, known to be kept there; 0: none is known."""

    async def keep(self, signed: SignedCheckpoint) -> None:
        """Kept when it returns. The same one again does no harm."""

    async def close(self) -> None:
        """Safe to call twice."""
