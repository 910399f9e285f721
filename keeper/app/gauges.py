"""What can be read off a running keeper whenever somebody asks: nothing here asks anybody, waits or changes anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from keeper.app.checkpoints import Checkpoints
from keeper.app.council.desks import Desks
from keeper.app.courier import Courier
from keeper.app.scribe import Scribe
from keeper.execution.executor import Executor
from keeper.execution.work import Work


@dataclass(frozen=True, slots=True)
class Gauges:
    """The parts of one service that onlookers may read. ``incidents`` are the open ones, one of a market at most."""

    executor: Executor
    scribe: Scribe
    courier: Courier
    desks: Desks
    checkpoints: Checkpoints
    incidents: Callable[[], Collection[str]]

    @property
    def open_works(self) -> Sequence[Work]:
        """The intents that have not ended and that the keeper itself carries out."""
        return self.executor.open_works

    @property
    def proposals(self) -> Sequence[Work]:
        """The intents that wait for the owners of a Safe."""
        return self.desks.works

    def balance_wei(self, lane: str) -> int | None:
        """What the key of this lane had when it was last looked at (an empty name is the first key); None: never looked."""
        account = self.executor.lanes.named(lane).lane
        return account.balance_wei if account is not None else None
