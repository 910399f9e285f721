"""What builders answered after the answer to the submission was given: who knew of a transaction before its block stands in the log too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from keeper.domain.intent import Attempt
from keeper.execution import journal
from keeper.execution.edges import Edges
from keeper.execution.journal import ACCEPTED
from keeper.execution.work import Work
from keeper.ports.route import Answer, SubmissionKind

KEPT: Final = 32
"""So many intents are remembered after they were last sent to builders, whether they have ended or not."""


class LateAnswers:
    """One per executor. ``begin`` starts what nobody waits for. It moves no intent, and takes no lock."""

    def __init__(self, edges: Edges, begin: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        self._edges = edges
        self._begin = begin
        self._works: dict[str, Work] = {}
        self._waiting: dict[tuple[str, str, str], list[Answer]] = {}

    def expect(self, work: Work) -> None:
        """It is sent to builders now."""
        self._works.pop(work.intent.id, None)
        self._works[work.intent.id] = work
        while len(self._works) > KEPT:
            del self._works[next(iter(self._works))]

    def heard(self, route: str, attempt: Attempt, answer: Answer) -> None:
        """One answer. What this builder had said already to this attempt is not written down again."""
        work = self._works.get(attempt.intent)
        if work is None:
            return
        if answer.kind in ACCEPTED:
            work.trail.heard_secretly(attempt.tx_hash, SubmissionKind.ACCEPTED, _block(work, attempt))
        known = work.heard.get((route, attempt.tx_hash))
        if known is not None and known[1].get((answer.to, answer.method)) == answer.kind:
            return
        if known is not None:
            known[1][answer.to, answer.method] = answer.kind
        key = (attempt.intent, route, attempt.tx_hash)
        if key in self._waiting:
            self._waiting[key].append(answer)
            return
        self._waiting[key] = [answer]
        self._begin(partial(self._write, work, route, attempt, key))

    async def _write(self, work: Work, route: str, attempt: Attempt, key: tuple[str, str, str]) -> None:
        """Raises AuditError."""
        answers = self._waiting.pop(key)
        block, now_ms = _block(work, attempt), self._edges.clock.now_ms()
        await self._edges.store.append([journal.late_draft(work.intent, attempt, route, answers, block, now_ms)])


def _block(work: Work, attempt: Attempt) -> int:
    """The number of the newest block when builders were asked last; of an older attempt, when anything was first sent."""
    tx_hash, block = work.asked
    return block if tx_hash == attempt.tx_hash else work.trail.first_block or 0
