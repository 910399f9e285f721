"""Takes out of the queue what the keeper gave up while the service would not let it, and puts its file aside: nobody shall sign what is pointless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keeper.app.council.case import Sight
from keeper.app.council.ledger import Ledger, Proposed, Step
from keeper.app.council.proposer import Proposer
from keeper.ports.clock import Clock

AGAIN_MS: Final = 60_000
"""Between two tries."""


class Tidying:
    """One Safe."""

    def __init__(self, proposer: Proposer, ledger: Ledger, clock: Clock) -> None:
        self._proposer = proposer
        self._ledger = ledger
        self._clock = clock
        self._gone: set[str] = set()
        self._not_before_ms = 0.0

    def left(self, known: Sequence[Proposed]) -> list[Proposed]:
        """Own ones that are given up and were left there, when it is time to try again."""
        if self._clock.monotonic_ms() < self._not_before_ms:
            return []
        return [one for one in known if one.hash not in self._gone and _lies_there(one)]

    def files(self, known: Sequence[Proposed]) -> None:
        """Signatures that were given for what is over now must not be found by what is proposed later; nobody waits for the folder."""
        self._proposer.filing.again({one.hash: one.transaction for one in known if one.last(Step.SUPERSEDED)})

    async def look(self, left: Sequence[Proposed], sight: Sight) -> None:
        """Raises AuditError, SigningError."""
        if not left or sight.page is None:
            return
        self._not_before_ms = self._clock.monotonic_ms() + AGAIN_MS
        there = {queued.claimed_hash for queued in sight.page.queued}
        for one in left:
            if one.transaction.nonce < sight.state.nonce or one.hash not in there:
                self._gone.add(one.hash)
            elif not await self._proposer.withdraw(one):
                why = "it was given up before, and could not be taken back then"
                await self._ledger.step(one, Step.SUPERSEDED, why=why, withdrawn=True, left_there="")


def _lies_there(one: Proposed) -> bool:
    superseded = one.last(Step.SUPERSEDED)
    return not one.adopted and superseded is not None and bool(superseded[1].get("left_there"))
