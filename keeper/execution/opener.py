"""Writes new intents down, and takes up those that are written down already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, IntentAlreadyOpen, InvalidTransition
from keeper.domain.outcome import Outcome
from keeper.execution import endings, opening, written
from keeper.execution.edges import Edges, Terms
from keeper.execution.gate import Declined
from keeper.execution.lanes import Lanes
from keeper.execution.pen import Pen
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work

OPENING_TRIES = 3
"""Each try takes up what stands in the way, so the second one succeeds unless somebody else opens intents at the same time."""


class Opener:
    """``open_works`` by intent id is shared with the executor. What is opened here has a mandate from before it is signed until it ends."""

    def __init__(
        self,
        edges: Edges,
        terms: Terms,
        lanes: Lanes,
        armed: Mapping[tuple[str, str], ArmedAction],
        open_works: dict[str, Work],
        on_outcome: Callable[[Work, Outcome], None],
        declined: Declined,
        on_taken_up: Callable[[Work], None] = lambda _: None,
    ) -> None:
        self._edges = edges
        self._terms = terms
        self._lanes = lanes
        self._armed = armed
        self._open = open_works
        self._on_outcome = on_outcome
        self._declined = declined
        self._on_taken_up = on_taken_up
        self._opening = asyncio.Lock()
        self.recovery_due = False

    async def take_up(self) -> None:
        """Every intent that the journal has open and this run does not know. Raises StoreUnavailable."""
        async with self._opening:
            await self._take_up_all()

    async def write_down(
        self, items: Sequence[opening.Item], block: BlockStamp, marks: Mapping[str, float]
    ) -> Sequence[Work]:
        """The new intents, durable. Where another replica or an earlier run is at it already, its intent is taken up instead.

        Raises StoreUnavailable: then nothing was done, as far as this run is concerned.
        """
        async with self._opening:
            return await self._write_down(items, block, marks)

    async def _write_down(
        self, items: Sequence[opening.Item], block: BlockStamp, marks: Mapping[str, float]
    ) -> Sequence[Work]:
        if self.recovery_due:  # what may be in the database has nonces, which nobody else should be given
            with suppress(AuditError):
                await self._take_up_all()
        for tries_left in reversed(range(OPENING_TRIES)):
            planned = opening.plan(items, list(self._open.values()), self._sender, marks, block.number)
            for work in planned.works:
                self._lanes.mandates.give(work.intent.id, self._sender(work), work.call)
            try:
                await opening.simulate_meanwhile(planned, self._edges.accounts, self._sender, block, self._declined)
                await self._append_signed(planned)
            except (IntentAlreadyOpen, InvalidTransition):
                self._drop(planned)
                await self._take_up_all()
                if tries_left == 0:
                    await self._give_up_opening(items, planned)
            except BaseException:
                self._drop(planned)
                self.recovery_due = True  # it may be in the database all the same
                raise
            else:
                return planned.works
        return ()

    async def _append_signed(self, planned: opening.Opening) -> None:
        """The intents in one commit, with their first attempts where these can be signed at once."""
        mine: list[Pen] = []
        try:
            for pen in dict.fromkeys(self._lanes.of(work) for work in planned.works) if self._terms.live else ():
                # Whoever has the turn may be waiting for a node: then the intents are written alone, which does not wait for anybody.
                if pen.sending.free:
                    await pen.sending.take()
                    mine.append(pen)
            if mine:
                planned = await opening.sign_ahead(planned, mine, self._lanes.of, self._open.values())
            await self._edges.store.append(planned.drafts)
            self._opened(planned.works)
        finally:  # now that the attempts are known: else somebody might have taken the same nonce
            for pen in mine:
                pen.sending.give_back()

    def _opened(self, works: Sequence[Work]) -> None:
        durable = self._edges.clock.monotonic_ms()
        for work in works:
            work.marks["intent_durable"] = durable
            if work.intent.attempts:
                work.marks["signed"] = durable
            self._open[work.intent.id] = work
            self._lanes.of(work).release(work)  # its attempts are seen from now on

    def _sender(self, work: Work) -> str | None:
        return self._lanes.of(work).sender

    def _drop(self, planned: opening.Opening) -> None:
        planned.drop()
        for work in planned.works:
            self._lanes.mandates.take_back(work.intent.id)
            self._lanes.of(work).release(work)

    async def _give_up_opening(self, items: Sequence[opening.Item], planned: opening.Opening) -> None:
        """What was decided is recorded all the same, and that nothing came of it is told."""
        endings_of = [(work, endings.already_open(work)) for work in planned.works]
        await self._edges.store.append(opening.refused(items, endings_of, self._edges.clock.now_ms()))
        for work, outcome in endings_of:
            self._on_outcome(work, outcome)

    async def _take_up_all(self) -> None:
        fresh: list[Work] = []
        known = set(self._open)  # before the look: what is closed while we look must not be taken up again
        for pen in self._lanes.pens:
            if pen.sender is not None:
                pen.remember(await written.offers(self._edges.store, self._terms.chain_id, pen.sender))
        for intent in await self._edges.store.open_intents():
            elsewhere = (intent.market, intent.action) in self._terms.aside and not intent.attempts
            if intent.id not in known and not elsewhere:
                work = self._open[intent.id] = await written.take_up(self._edges.store, self._armed, intent)
                fresh.append(work)
                if work.armed is not None:  # nothing more is signed of what the configuration does not have any more
                    self._lanes.mandates.give(intent.id, self._sender(work), work.call)
        for work in fresh:
            self._let_go(work)
            self._on_taken_up(work)
        self.recovery_due = False

    def _let_go(self, work: Work) -> None:
        """Of two open intents with one nonce, the other one was given it after nodes had refused this one."""
        last = work.last_attempt
        if last is None or last.tx_hash not in work.trail.refused or last.tx_hash in work.trail.taken | work.trail.lost:
            return
        if any((last.sender, last.nonce) in other.held_nonces for other in self._open.values() if other is not work):
            work.unsent |= {last.nonce}
            work.nowhere.add(last.tx_hash)
