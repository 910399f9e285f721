"""Whoever wants to see what the service does while it does it. Seeing never changes what is done."""

from __future__ import annotations

from keeper.domain.block import BlockStamp
from keeper.domain.outcome import Outcome
from keeper.engine import Tick
from keeper.execution.work import Work


class Observer:
    """Hears of each tick and of each end; by default does nothing with it."""

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        """The service is connected and about to evaluate."""

    def ticked(self, tick: Tick) -> None:
        """One block was evaluated and acted upon."""

    def sent(self, work: Work) -> None:
        """A route accepted the newest attempt of this intent, and that is written down."""

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An intent ended."""
