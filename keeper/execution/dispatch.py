"""Makes attempts and sends them, on and on until a block has one: written down first, for as much as it takes, to whoever may have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.domain.errors import MalformedAnswer, OutsideError
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
from keeper.execution.line import presses
from keeper.execution.pen import Pen
from keeper.execution.purse import Withheld, cap_after, worst_wei
from keeper.execution.ways import Ways
from keeper.execution.work import Work
from keeper.ports.route import SubmissionKind

_TOLD = frozenset({SubmissionKind.REFUSED, SubmissionKind.OVER_CAP, SubmissionKind.INVALID})
"""Answers that people hear of, once for each intent that goes on."""
_IN_VAIN = frozenset({SubmissionKind.UNREACHABLE, SubmissionKind.NONCE_TOO_LOW})
"""Answers after which nobody would take the attempt before it either."""


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
        self.ways = Ways(edges, lanes, open_works, clerk, self._after_builders, on_sent)

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
                elif isinstance(attempt, Withheld) and self._is_next(work, pen):
                    await self._send_anew(work)
                return
            await self._keep_and_send(work, attempt, pen)

    async def _keep_and_send(self, work: Work, attempt: Attempt, pen: Pen) -> None:
        """Written down, then sent. Whoever asks has the pen's turn."""
        work.marks.setdefault("signed", self._edges.clock.monotonic_ms())
        work.writing = (attempt.sender, attempt.nonce)
        try:
            await self._clerk.append(work, journal.attempt_draft(work.intent, attempt))
            work.add(attempt)
        finally:
            pen.release(work)
        await self.send(work)

    async def sent_in_turn(self, work: Work) -> bool:
        """Sends what was signed ahead if its nonce is next in line: an earlier one may have been refused meanwhile, or a later one been quicker.

        The answer is waited for before the next one is sent: were this one refused, all later nonces would wait for it.
        """
        if not work.never_sent:
            await self.send(work)
            await self._after_builders(work)  # an earlier run may have waited for them long enough
            return True
        pen = self._lanes.of(work)
        async with pen.sending:
            too_dear = work.cap_wei is not None and worst_wei(work.intent.attempts[-1]) > work.cap_wei
            fits = self._is_next(work, pen) and not too_dear
            if fits and await self.holds(work):
                await self._send_anew(work)
            return fits

    def _is_next(self, work: Work, pen: Pen) -> bool:
        """Whether nothing of the newest attempt is anywhere, and its nonce is next in line. Whoever asks has the turn."""
        last = work.last_attempt
        return last is not None and work.never_sent and last.nonce == pen.next_nonce(self._open.values())

    async def _send_anew(self, work: Work) -> None:
        work.unsent -= {work.intent.attempts[-1].nonce}
        await self.send(work)

    async def send(self, work: Work, *, again: bool = True) -> None:
        """Sends the newest attempt to whoever may have it. ``again``: also where it was accepted before."""
        attempt = work.last_attempt
        if attempt is None:
            return
        work.nowhere.discard(attempt.tx_hash)
        self._lanes.of(work).was_sent(attempt)
        answer = await self.ways.send(work, attempt, self._block, again=again)
        if answer is not None:
            self._is_stuck(work)  # counted from now on
            for other in self.ways.line.secret_before(work):
                self.ways.wake(other)
        if answer is None or answer.kind in journal.ACCEPTED:
            return
        older = self.ways.taken_before(work, attempt)
        if answer.kind is SubmissionKind.OVER_CAP:
            work.cap_wei = cap_after(attempt, answer.cap_wei, older)
        if older is not None and answer.kind not in _IN_VAIN:
            await self.ways.publish_again(work, older, self._block)
        others = [other.tx_hash for other in work.intent.attempts[:-1] if other.nonce >= attempt.nonce]
        alone = work.nowhere.issuperset(others)
        alone = alone and work.intent.state is IntentState.SIGNED and not self.ways.may_be_with_builders(work)
        ending = endings.refusal(answer, attempt, alone=alone)
        if ending is not None:
            await self._clerk.close(work, ending)
        elif answer.kind in _TOLD:
            if (
                alone and attempt.tx_hash not in work.trail.lost
            ):  # nobody has it, so nothing has to wait behind its nonce until it is tried again
                work.unsent |= {attempt.nonce}
                work.nowhere.add(attempt.tx_hash)
            await self._page(work, Withheld(f"nodes refuse the transaction ({answer.message})", refused=True))

    async def go_on(self, work: Work, attempt: Attempt, *, ours: bool) -> None:
        """No block has it: on to whoever may have it now, for as much as it takes. What only builders had may become public here."""
        fallback = self.ways.fallback_due(work, self._block)
        bid = self._bid(work, attempt) if ours else None
        nothing = fallback is None and bid is None and not self.ways.has_something(work, attempt, self._block)
        if nothing and not (ours and self._is_stuck(work)):
            return
        if not await self.holds(work):
            return
        if fallback is not None:
            await self._fall_back(work, attempt, fallback)
            bid = self._bid(work, attempt) if ours else None
        if ours and self._is_stuck(work):
            if not await self._somebody_did_it(work):
                await self._sign_lower(work)
            return
        if isinstance(bid, Bid):
            if not await self._somebody_did_it(work):
                over = bidding.over_cap(work.answer)  # what was refused for its price is nothing that has to be outbid
                await self.sign_and_send(
                    work, (self.ways.taken_before(work, attempt) if over else None) or attempt, bid
                )
            return
        if bid is not None:
            await self._page(work, bid)
        await self.send(work, again=bid is not None)
        first = work.trail.first_block
        if first is not None and self._block > first and not self.ways.is_public(work):
            await self._somebody_did_it(work)  # builders leave out what would revert by now, and never say so

    async def _somebody_did_it(self, work: Work) -> bool:
        """Whether nothing is left to do, so that nothing more has to be offered for it. Then the intent has ended, or is mined."""
        try:
            there = already_there(work.armed, await effect_now(self._edges.chain, work.armed)) if work.armed else None
        except MalformedAnswer:  # nobody knows, and what was decided still has to be done
            return False
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
        if self.ways.fallback_due(work, self._block) is not None:
            if not await self._judge.found_mined(work):
                await self.go_on(work, attempt, ours=attempt.sender == self._lanes.of(work).sender)
        elif work.private is not None and self.ways.never_public(work) and self.ways.nobody_takes(work, self._block):
            await self._page(work, Withheld(f"no builder takes it ({work.private.message})", nobody=True))

    def _bid(self, work: Work, attempt: Attempt) -> Bid | Withheld | None:
        """What the next attempt has to offer, if there has to be one."""
        public = self.ways.is_public(work) and self.ways.line.moves(work)
        budgeted = self._terms.budget.limited
        bid = bidding.wanted(
            work, attempt, self._lanes.head, public=public, budgeted=budgeted, others=self._open.values()
        )
        return Bid.KEEP_UP if bid is None and self.ways.must_differ(work, attempt) and work.armed is not None else bid

    def _is_stuck(self, work: Work) -> bool:
        """Whether it has been seen for a block that nothing of it can land: an earlier nonce is nobody's, or of what is never public."""
        line, public = self.ways.line, self.ways.is_public(work) and presses(work)
        secret = [other for other in line.secret_before(work) if self.ways.never_public(other)] if public else []
        if work.armed is None or not (secret or line.missing_before(work)):
            work.stuck_at = None
            return False
        if work.stuck_at is None:
            work.stuck_at = self._block
        if self._block <= work.stuck_at:
            return False
        for other in secret:
            other.yields = True
        return True

    async def _sign_lower(self, work: Work) -> None:
        """One more attempt, with the first nonce that is free: what it has behind that may still be mined too, and is the same call."""
        newest = work.intent.attempts[-1]
        pen = self._lanes.of(work)
        async with pen.sending:
            if await self.holds(work):
                attempt = await pen.write(work, self._open.values(), None, patient=work.patient)
                if isinstance(attempt, Attempt) and attempt.nonce < newest.nonce:
                    await self._keep_and_send(work, attempt, pen)
                    return
                pen.release(work)
                if isinstance(attempt, Withheld):
                    await self._page(work, attempt)
        await self.send(work)

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
        work.trail.untold = None

    def tell_again(self, work: Work) -> None:
        """What was written down of a fallback, where nobody knows whether people heard of it: twice is better than never."""
        fallback = Fallback.read(work.trail.untold)
        if fallback is not None:
            self._on_fallback(work, fallback)
        work.trail.untold = None

    async def _page(self, work: Work, withheld: Withheld) -> None:
        """People are told once for each intent that no more is offered."""
        work.withheld = withheld.message
        if withheld.refused:  # that is in the record of the broadcast already
            if not work.refusal_told:
                work.refusal_told = True
                self._on_withheld(work, withheld)
            return
        if work.trail.paged:
            return
        attempt = work.last_attempt
        if attempt is not None:
            now_ms = self._edges.clock.now_ms()
            draft = journal.withheld_draft(work.intent, attempt, work.route, withheld, self._block, now_ms)
            await self._clerk.append(work, draft)
        work.trail.paged = True
        self._on_withheld(work, withheld)

    @property
    def _block(self) -> int:
        """The number of the newest block."""
        return self._lanes.head.number if self._lanes.head is not None else 0
