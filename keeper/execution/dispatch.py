"""Makes attempts and sends them, on and on until a block has one: written down first, for as much as it takes, to whoever may have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.domain.errors import OutsideError
from keeper.domain.intent import Attempt, IntentState
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.execution import bidding, endings, journal
from keeper.execution.bidding import Bid
from keeper.execution.clerk import Clerk
from keeper.execution.edges import Edges, Terms
from keeper.execution.effect import effect_now
from keeper.execution.gate import Declined, already_there, may_pass, overtaken
from keeper.execution.journal import Fallback
from keeper.execution.judging import Judge
from keeper.execution.lanes import Lanes
from keeper.execution.purse import Withheld
from keeper.execution.ways import Ways
from keeper.execution.work import Work


class Dispatch:
    """One per executor, with whose locks it works. ``open_works`` by intent id is shared with it."""

    def __init__(
        self,
        edges: Edges,
        terms: Terms,
        lanes: Lanes,
        open_works: Mapping[str, Work],
        clerk: Clerk,
        judge: Judge,
        declined: Declined,
        on_sent: Callable[[Work], None],
        on_fallback: Callable[[Work, Fallback], None],
        on_withheld: Callable[[Work, Withheld], None],
    ) -> None:
        self._edges = edges
        self._terms = terms
        self._lanes = lanes
        self._open = open_works
        self._clerk = clerk
        self._judge = judge
        self._declined = declined
        self._on_fallback = on_fallback
        self._on_withheld = on_withheld
        self.ways = Ways(edges, clerk, self._after_builders, on_sent)

    async def sign_and_send(self, work: Work, replaces: Attempt | None = None, bid: Bid = Bid.KEEP_UP) -> None:
        """One more attempt: written down, then sent. One at a time, so that a refused nonce is free again for the next."""
        pen = self._lanes.of(work)
        async with pen.sending:
            if not await self.holds(work):
                return
            try:
                attempt = await pen.write(work, self._open.values(), replaces, bid=bid, patient=work.patient)
            except OutsideError:
                if replaces is not None:
                    await self.send(work)
                raise
            if not isinstance(attempt, Attempt):
                if isinstance(attempt, Withheld):
                    await self._page(work, attempt)
                elif replaces is None and not may_pass(work.armed, attempt):  # else the replaced one may still be mined
                    await self._clerk.close(work, attempt)
                if replaces is not None:  # better the old offer once more than nothing
                    await self.send(work)
                return
            work.marks.setdefault("signed", self._edges.clock.monotonic_ms())
            await self._clerk.append(work, journal.attempt_draft(work.intent, attempt))
            work.add(attempt)
            await self.send(work)

    async def sent_in_turn(self, work: Work) -> bool:
        """Sends what was signed ahead if its nonce is next in line: an earlier one may have been refused meanwhile, or a later one been quicker.

        The answer is waited for before the next one is sent: were this one refused, all later nonces would wait for it.
        """
        if not work.never_sent:
            await self.send(work)
            return True
        pen = self._lanes.of(work)
        async with pen.sending:
            fits = work.intent.attempts[-1].nonce == pen.next_nonce(self._open.values())
            if fits and await self.holds(work):
                work.unsent = frozenset()
                await self.send(work)
            return fits

    async def send(self, work: Work, *, again: bool = True) -> None:
        """Sends the newest attempt to whoever may have it. ``again``: also where it was accepted before."""
        attempt = work.last_attempt
        if attempt is None:
            return
        answer = await self.ways.send(work, attempt, self._block, again=again)
        if answer is None or answer.kind in journal.ACCEPTED or work.intent.state is not IntentState.SIGNED:
            return
        alone = not any(other.nonce == attempt.nonce for other in work.intent.attempts[:-1])
        ending = endings.refusal(answer, attempt, alone=alone and not self.ways.may_be_with_builders(work))
        if ending is not None:
            await self._clerk.close(work, ending)

    async def go_on(self, work: Work, attempt: Attempt, *, ours: bool) -> None:
        """No block has it: on to whoever may have it now, for as much as it takes. What only builders had may become public here."""
        fallback = self.ways.fallback_due(work, self._block)
        bid = self._bid(work, attempt) if ours else None
        if fallback is None and bid is None and not self.ways.has_something(work, attempt, self._block):
            return
        if not await self.holds(work):
            return
        if fallback is not None:
            await self._fall_back(work, attempt, fallback)
            bid = self._bid(work, attempt) if ours else None
        if isinstance(bid, Bid):
            if not await self._somebody_did_it(work):
                await self.sign_and_send(work, attempt, bid)
            return
        if bid is not None:
            await self._page(work, bid)
        await self.send(work, again=bid is not None)

    async def _somebody_did_it(self, work: Work) -> bool:
        """Whether nothing is left to do, so that nothing more has to be offered for it. Then the intent has ended, or is mined."""
        there = already_there(work.armed, await effect_now(self._edges.chain, work.armed)) if work.armed else None
        if there is None:
            return False
        await self.close_unless_mined(work, there)
        return True

    async def close_unless_mined(self, work: Work, outcome: Outcome) -> None:
        """What looks like somebody else's work may be our own, in a block that came after the receipts were asked for."""
        if outcome.kind is not OutcomeKind.SUPERSEDED or not await self._judge.found_mined(work):
            await self._clerk.close(work, outcome)

    async def holds(self, work: Work) -> bool:
        """Whether a parameter is still what its new value was made of, and the breaker is the one. If not, the intent ends, unless it was mined."""
        head, unsent = self._lanes.head, work.last_attempt is None or work.never_sent
        fresh = unsent and head is not None and head.hash == work.read_at
        outcome = self._declined.outcome(work.armed)
        if work.armed is None or (outcome is None and (work.armed.adjusted is None or fresh)):
            return not work.blind
        outcome = outcome or overtaken(work.armed, await effect_now(self._edges.chain, work.armed))
        if outcome is None:
            return True
        if unsent:
            await self._clerk.close(work, outcome)
        elif not await self._judge.found_mined(work):
            await self._clerk.close(work, endings.perhaps_sent(outcome, work.intent.attempts[-1]))
        return False

    async def _after_builders(self, work: Work) -> None:
        """They have answered: where none of them takes it, it becomes public at once."""
        attempt, clock = work.last_attempt, self._edges.clock
        may_send = self._terms.live and work.cleared and not work.expired(clock.now_ms(), clock.monotonic_ms())
        if attempt is None or not may_send:
            return
        if self.ways.fallback_due(work, self._block) is not None and not await self._judge.found_mined(work):
            await self.go_on(work, attempt, ours=attempt.sender == self._lanes.of(work).sender)

    def _bid(self, work: Work, attempt: Attempt) -> Bid | Withheld | None:
        """What the next attempt has to offer, if there has to be one."""
        public = self.ways.is_public(work) and self._in_line(work, attempt)
        budgeted = self._terms.budget.limited
        bid = bidding.wanted(
            work, attempt, self._lanes.head, public=public, budgeted=budgeted, others=self._open.values()
        )
        return Bid.KEEP_UP if bid is None and self.ways.must_differ(work, attempt) and work.armed is not None else bid

    def _in_line(self, work: Work, attempt: Attempt) -> bool:
        """Whether a block could take it: nobody can, at any price, while an earlier nonce of the key is missing."""
        lane = self._lanes.of(work).lane
        held = {held for other in self._open.values() for held in other.held_nonces}
        return lane is None or all((attempt.sender, nonce) in held for nonce in range(lane.nonce, attempt.nonce))

    async def _fall_back(self, work: Work, attempt: Attempt, fallback: Fallback) -> None:
        """From now on it is public: written down before it is, and told."""
        way = self.ways.of(work)
        assert way.open is not None, "what falls back has an open way"
        draft = journal.fallback_draft(
            work.intent, attempt, way.open.name, fallback, work.private, self._block, self._edges.clock.now_ms()
        )
        await self._clerk.append(work, draft)
        work.trail.note(draft.body)
        self._on_fallback(work, fallback)

    async def _page(self, work: Work, withheld: Withheld) -> None:
        """People are told once for each intent that no more is offered."""
        work.withheld = withheld.message
        if work.trail.paged:
            return
        attempt = work.last_attempt
        if attempt is not None:
            now_ms = self._edges.clock.now_ms()
            draft = journal.withheld_draft(work.intent, attempt, work.route, withheld.message, self._block, now_ms)
            await self._clerk.append(work, draft)
        work.trail.paged = True
        self._on_withheld(work, withheld)

    @property
    def _block(self) -> int:
        """The number of the newest block."""
        return self._lanes.head.number if self._lanes.head is not None else 0
