"""What the page asks of whoever knows the council's matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.app.council.matter import Matter
from keeper.domain.proposal import SafeState


class CouncilView(Protocol):
    """One Safe. Raises OutsideError (node, service), AuditError (log) and UnitError (an unknown hash, or something unsafe to do)."""

    async def state(self) -> SafeState:
        """The Safe as the chain has it now."""

    async def queue(self) -> Sequence[Matter]:
        """What is open, in the order of nonce."""

    async def matter(self, hash_or_prefix: str, /) -> Matter:
        """One proposal; the page asks with all 64 digits of its safeTxHash."""

    async def history(self) -> Sequence[Matter]:
        """What is over by the log, newest first."""

    async def confirm(self, matter: Matter, signature: bytes, /, *, via: str) -> Matter:
        """Adds an owner's signature over the hash computed here, after checking it; the matter as it stands then."""

    async def seen(self, matter: Matter, /, *, via: str) -> None:
        """Somebody has read it."""
