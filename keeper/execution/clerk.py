"""Writes down what becomes of an intent, and tells its end. Whoever carries out writes through this one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keeper.domain.intent import IntentState
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft
from keeper.execution import journal
from keeper.execution.edges import Edges
from keeper.execution.lanes import Lanes
from keeper.execution.work import Work


class Clerk:
    """``open_works`` by intent id is shared with the executor. ``on_outcome`` is told each end, after it is durable; ``ended`` each work before."""

    def __init__(
        self,
        edges: Edges,
        lanes: Lanes,
        open_works: dict[str, Work],
        on_outcome: Callable[[Work, Outcome], None],
    ) -> None:
        self._store = edges.store
        self._clock = edges.clock
        self._lanes = lanes
        self._open = open_works
        self._on_outcome = on_outcome
        self.ended: Callable[[Work], None] = lambda _: None

    async def append(self, work: Work, *drafts: Draft) -> None:
        """One commit. Raises AuditError: then what is in the log is read before the work goes on."""
        try:
            await self._store.append(drafts)
        except BaseException:
            work.unsure = True
            raise

    async def close(self, work: Work, outcome: Outcome, *before: Draft) -> None:
        """Writes the outcome, in one commit with the drafts ``before`` it, and tells it."""
        ending = journal.outcome_draft(work.intent, outcome, self._clock.now_ms(), work.timeline_ms())
        await self.append(work, *before, ending)
        self.done(work, outcome)

    def done(self, work: Work, outcome: Outcome | None) -> None:
        """The intent has ended, and that is written down. ``outcome`` None: nobody knows how."""
        work.intent = replace(work.intent, state=IntentState.DONE)
        self._open.pop(work.intent.id, None)
        self._lanes.mandates.take_back(work.intent.id)
        self.ended(work)
        if outcome is not None:
            self._on_outcome(work, outcome)
