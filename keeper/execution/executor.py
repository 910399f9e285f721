"""Carries intents out: write down what is signed, check, send, watch, read back.

Every step can be repeated. ``drive`` looks at the durable state of an intent and takes the next step that is possible now; the hot path, every
new head and start-up after a crash all call it. What keeps an effect from happening twice:

- an intent of a (market, action) is written only while none is open (the database enforces it);
- an attempt is written with its nonce before it is sent, so a restart sends the same bytes again, once the gate lets the call through;
- another attempt of the same intent takes the same nonce, or a new one only when the old nonce is used up by something else;
- before anything new is signed, the effect is read: what is there already is not done again, and a new value that was made of a current one
  that is not there any more is not sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, OutsideError
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt, IntentState, IntentTrigger, advance
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.record import Draft
from keeper.execution import endings, journal, opening, written
from keeper.execution.edges import Edges, Terms
from keeper.execution.effect import after_revert, effect_after, effect_now, place, receipt_now
from keeper.execution.gate import Declined, already_there, may_pass, not_adjusted, overtaken
from keeper.execution.opener import Opener
from keeper.execution.pen import Lane, Pen
from keeper.execution.planner import ArmedAction
from keeper.execution.trial import tried
from keeper.execution.work import UNKNOWN, Work
from keeper.ports.route import SubmissionKind

__all__ = ["Edges", "Executor", "Terms"]

MAX_ATTEMPTS = 8
"""Replacements raise the fee by 12.5 % each: the eighth offers 2.3 times the first. After that the last one is only repeated."""


class Executor:
    """One per keeper. ``on_outcome`` is told each end of an intent, ``on_sent`` each attempt that a route accepted, after they are durable."""

    def __init__(
        self,
        edges: Edges,
        terms: Terms,
        armed: Mapping[tuple[str, str], ArmedAction],
        on_outcome: Callable[[Work, Outcome], None],
        on_sent: Callable[[Work], None] = lambda _: None,
    ) -> None:
        self._edges = edges
        self._terms = terms
        self._armed = armed
        self._on_outcome = on_outcome
        self._on_sent = on_sent
        self._open: dict[str, Work] = {}
        self._pen = Pen(edges.chain, edges.accounts, edges.signer, edges.clock, terms.chain_id)
        self.declined = Declined(live=terms.live)
        self._sending = asyncio.Lock()
        self._opener = Opener(edges, terms, self._pen, armed, self._open, self._sending, on_outcome, self.declined)

    # -- what others see ------------------------------------------------------------------------------------------------------

    @property
    def open_works(self) -> tuple[Work, ...]:
        return tuple(self._open.values())

    @property
    def lane(self) -> Lane | None:
        return self._pen.lane

    @property
    def sender(self) -> str | None:
        return self._pen.sender

    # -- from outside ---------------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """Takes up every intent that a previous run left open. Returns how many are open. Raises StoreUnavailable."""
        await self._opener.take_up()
        return len(self._open)

    async def refresh(self, block: BlockStamp) -> None:
        """Nonce, balance and priority fee at the newest block, so that the hot path need not ask. Raises OutsideError."""
        await self._pen.refresh(block)

    async def measure_gas(self, armed: ArmedAction) -> None:
        """Keeps the gas limit of an armed action. Raises Refused when the call would revert now, OutsideError."""
        await self._pen.measure_gas(armed)

    async def act(self, items: Sequence[opening.Item], block: BlockStamp, marks: Mapping[str, float]) -> None:
        """Writes the records of one tick and its intents in one commit, then carries the intents out as far as they go now.

        ``items`` are drafts in order, each with the order it gives, if any. Raises StoreUnavailable: then nothing was done. A database
        that fails later leaves the intents as they are, for the next head.
        """
        self._pen.head = block
        works = await self._opener.write_down(items, block, marks)
        for work in works:
            work.read_at = block.hash
        if len(works) == 1:  # most often; a task of its own would only cost time
            with contextlib.suppress(AuditError):
                await self.drive(works[0])
            return
        for result in await asyncio.gather(*(self.drive(work) for work in works), return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, AuditError):
                raise result

    async def on_head(self, block: BlockStamp) -> None:
        """A new block: whatever is open moves on. Raises OutsideError when the node does not answer; all of it can be repeated."""
        await self.refresh(block)
        await self._drive_all()

    async def sign_beforehand(self) -> None:
        """Has the next transaction of every armed action signed, in memory only. After each block, when there is time."""
        if self._terms.live:
            await self._pen.sign_beforehand(self._armed.values(), self._open.values())

    async def rebroadcast(self) -> None:
        """Sends the newest attempt of everything unmined once more: nodes forget. Also ends what ran out of time without any head."""
        await self._drive_all()
        for work in self.open_works:
            async with work.lock:
                waiting = work.intent.state in (IntentState.SIGNED, IntentState.SUBMITTED)
                if waiting and work.cleared and not work.never_sent and self._terms.live and await self._holds(work):
                    await self._send(work)

    async def drive(self, work: Work) -> None:
        """Takes the steps that are possible now. A node that does not answer leaves the intent as it is, for the next head."""
        async with work.lock:
            try:
                if work.unsure:
                    await self._read_again(work)
                if work.intent.state is IntentState.OPEN:
                    await self._begin(work)
                elif work.intent.state is IntentState.SIGNED and work.simulation is not None:
                    await self._send_if_cleared(work)
                elif work.intent.state in (IntentState.SIGNED, IntentState.SUBMITTED):
                    await self._watch(work)
                if work.intent.state is IntentState.MINED:
                    await self._judge(work)
                work.trouble = None
            except OutsideError as error:
                work.trouble = error
                if work.intent.state is not IntentState.MINED and self._expired(work):
                    await self._close(work, endings.expired(work))
            finally:
                work.drop_simulation()

    async def _drive_all(self) -> None:
        if self._opener.recovery_due:
            await self.recover()
        for work in self.open_works:
            await self.drive(work)

    # -- steps ----------------------------------------------------------------------------------------------------------------

    async def _read_again(self, work: Work) -> None:
        """After a write that failed: it may be in the database all the same, and what is there counts."""
        for intent in await self._edges.store.open_intents():
            if intent.id == work.intent.id:
                fresh = await written.take_up(self._edges.store, self._armed, intent)
                work.intent, work.mined, work.answer = intent, fresh.mined, None
                break
        else:
            outcome = await written.outcome_of(self._edges.store, work.intent)
            self._done(work, outcome)
        work.unsure = False

    async def _begin(self, work: Work) -> None:
        """From an intent to its first attempt, or to its end."""
        if self._expired(work):
            await self._close(work, endings.expired(work))
            return
        refusal = await self._gate(work)
        if refusal is not None:
            await self._close(work, refusal)
            return
        await self._sign_and_send(work)

    async def _send_if_cleared(self, work: Work) -> None:
        """Sends a first attempt that was written down before anybody knew whether the call goes through."""
        refusal = await self._gate(work)
        if refusal is None:
            if not await self._sent_in_turn(work):
                await self._sign_and_send(work)
        elif work.never_sent:
            await self._close(work, refusal)
        elif not await self._found_mined(work):  # a killed run may have sent it, and then nothing is left to do
            await self._close(work, endings.perhaps_sent(refusal, work.intent.attempts[-1]))

    async def _sent_in_turn(self, work: Work) -> bool:
        """Sends what was signed ahead if its nonce is next in line: an earlier one may have been refused meanwhile, or a later one been quicker.

        The answer is waited for before the next one is sent: were this one refused, all later nonces would wait for it.
        """
        if not work.never_sent:
            await self._send(work)
            return True
        async with self._sending:
            fits = work.intent.attempts[-1].nonce == self._pen.next_nonce(self._open.values())
            if fits and await self._holds(work):
                work.unsent = frozenset()
                await self._send(work)
            return fits

    async def _gate(self, work: Work) -> Outcome | None:
        """Everything that can end an intent before anything of it is sent."""
        armed = work.armed
        if armed is None:
            return endings.not_configured(work)
        if (refusal := not_adjusted(armed)) is not None:
            return refusal
        unread = work.simulation is None or work.intent.effect_before == UNKNOWN
        outcome = overtaken(armed, await effect_now(self._edges.chain, armed)) if unread else None
        if (outcome := outcome or self.declined.outcome(armed)) is not None:
            return outcome
        if self.sender is None:
            return endings.shadow("no signer is configured, so the call was not simulated")
        simulation = work.simulation or self._edges.accounts.simulate(work.call, self.sender)
        outcome = await tried(self._edges, armed, work, self.sender, await simulation)
        if self._terms.live:
            work.cleared = outcome is None
            return outcome
        return endings.shadow("the call would go through" if outcome is None else outcome.message)

    async def _sign_and_send(self, work: Work, replaces: Attempt | None = None) -> None:
        """One more attempt: written down, then sent. One at a time, so that a refused nonce is free again for the next."""
        async with self._sending:
            if not await self._holds(work):
                return
            attempt = await self._pen.write(work, self._open.values(), replaces)
            if isinstance(attempt, Outcome):
                if replaces is None and not may_pass(work.armed, attempt):  # else the replaced one may still be mined
                    await self._close(work, attempt)
                return
            work.marks.setdefault("signed", self._edges.clock.monotonic_ms())
            await self._append(work, journal.attempt_draft(work.intent, attempt))
            work.add(attempt)
            work.answer = None
            await self._send(work)

    async def _send(self, work: Work) -> None:
        """Sends the newest attempt and records the answer when it is another than the last one."""
        attempt = work.last_attempt
        if attempt is None:
            return
        route_name = work.armed.action.route if work.armed else next(iter(self._edges.ways))
        route = self._edges.ways[route_name].open
        assert route is not None, "every way has one that is open"
        answer = await route.submit(attempt, self._pen.head.number if self._pen.head is not None else 0)
        work.marks.setdefault("broadcast", self._edges.clock.monotonic_ms())
        if work.answer is None or work.answer.kind is not answer.kind:
            await self._append(
                work, journal.broadcast_draft(work.intent, attempt, route_name, answer, self._edges.clock.now_ms())
            )
            if answer.kind in journal.ACCEPTED and (work.answer is None or work.answer.kind not in journal.ACCEPTED):
                self._on_sent(work)
        work.answer = answer
        if answer.kind in journal.ACCEPTED:
            work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.SEND))
            return
        alone = not any(other.nonce == attempt.nonce for other in work.intent.attempts[:-1])
        ending = endings.refusal(answer, attempt, alone=alone)
        if ending is not None and work.intent.state is IntentState.SIGNED:
            await self._close(work, ending)

    async def _watch(self, work: Work) -> None:
        """Looks for the receipt of any attempt; without one, keeps the newest attempt alive while there is time."""
        if await self._found_mined(work):
            return
        attempt = work.intent.attempts[-1]
        ours = attempt.sender == self.sender  # another key's nonces say nothing about it
        if self._expired(work):
            current = await effect_now(self._edges.chain, work.armed) if work.armed else None
            outcome = already_there(work.armed, current) if work.armed else None
            await self._close_unless_mined(work, outcome or endings.expired(work))
        elif not self._terms.live:
            return  # an attempt of an earlier, live run: it is watched, and nothing new is signed or sent
        elif ours and self._pen.lane is not None and self._pen.lane.nonce > attempt.nonce:
            await self._nonce_used(work, attempt)
        elif not work.cleared or work.never_sent:
            await self._send_if_cleared(work)
        elif ours and self._outbid(work, attempt):
            await self._sign_and_send(work, replaces=attempt)
        elif (work.answer is None or work.answer.kind not in journal.ACCEPTED) and await self._holds(work):
            await self._send(work)

    async def _holds(self, work: Work) -> bool:
        """Whether a parameter is still what its new value was made of, and the breaker is the one. If not, the intent ends, unless it was mined."""
        head, unsent = self._pen.head, work.last_attempt is None or work.never_sent
        fresh = unsent and head is not None and head.hash == work.read_at
        outcome = self.declined.outcome(work.armed)
        if work.armed is None or (outcome is None and (work.armed.adjusted is None or fresh)):
            return not work.blind
        outcome = outcome or overtaken(work.armed, await effect_now(self._edges.chain, work.armed))
        if outcome is None:
            return True
        if unsent:
            await self._close(work, outcome)
        elif not await self._found_mined(work):
            await self._close(work, endings.perhaps_sent(outcome, work.intent.attempts[-1]))
        return False

    async def _found_mined(self, work: Work) -> bool:
        """Whether one of the attempts has a receipt, which is then written down."""
        receipt = await receipt_now(self._edges.accounts, work.intent)
        if receipt is None:
            return False
        work.marks.setdefault("included", self._edges.clock.monotonic_ms())
        await self._append(work, journal.receipt_draft(work.intent, receipt, self._edges.clock.now_ms()))
        work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.MINE))
        work.mined = receipt
        for attempt in work.intent.attempts:
            if attempt.tx_hash == receipt.tx_hash:
                self._pen.spent(attempt)
        return True

    async def _close_unless_mined(self, work: Work, outcome: Outcome) -> None:
        """What looks like somebody else's work may be our own, in a block that came after the receipts were asked for."""
        if outcome.kind is not OutcomeKind.SUPERSEDED or not await self._found_mined(work):
            await self._close(work, outcome)

    def _outbid(self, work: Work, attempt: Attempt) -> bool:
        """The offer is too low for the next block, for the transaction that has the nonce, or for those behind it; there may be another one."""
        if work.armed is None or len(work.intent.attempts) >= MAX_ATTEMPTS:
            return False
        underpriced = work.answer is not None and work.answer.kind is SubmissionKind.UNDERPRICED
        too_low = self._pen.head is not None and self._pen.head.next_base_fee_wei > attempt.max_fee_wei
        return underpriced or too_low or work.holds_up(self.open_works, self._pen.head)

    async def _nonce_used(self, work: Work, attempt: Attempt) -> None:
        """The nonce is gone and none of our transactions took it: they can never be mined any more."""
        # Asked again, in this order: a block that came or was replaced in between must not look like somebody else's transaction.
        await self._pen.refresh(await self._edges.chain.head())
        if self._pen.lane is None or self._pen.lane.nonce <= attempt.nonce or await self._found_mined(work):
            return
        outcome = endings.nonce_taken(attempt) if work.armed is None else await self._gate(work)
        if outcome is None:
            await self._sign_and_send(work)
        else:
            await self._close_unless_mined(work, outcome)

    async def _judge(self, work: Work) -> None:
        """A receipt is not success: its status, its block, and then the effect at that block."""
        receipt = await receipt_now(self._edges.accounts, work.intent)
        written_down = work.mined
        moved = receipt is not None and written_down is not None and place(receipt) != place(written_down)
        if receipt is None or moved:
            gone = written_down.tx_hash if written_down else work.intent.attempts[-1].tx_hash
            await self._append(work, journal.receipt_gone_draft(work.intent, gone, self._edges.clock.now_ms()))
            work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.UNMINE))
            work.mined = work.answer = None  # so that it is sent again
            return
        newest = max(receipt.block_number, self._pen.head.number if self._pen.head is not None else 0)
        if newest < receipt.block_number + self._terms.confirmations - 1:
            return
        if receipt.status != 1:
            await self._close(work, await after_revert(self._edges.chain, work, receipt))
        elif work.armed is None:
            await self._close(work, endings.not_read(work, receipt))
        else:
            await self._read_back(work, work.armed, receipt)

    async def _read_back(self, work: Work, armed: ArmedAction, receipt: Receipt) -> None:
        after, read_at, readable = await effect_after(
            self._edges.chain, armed, receipt, block_may_be_forgotten=self._expired(work)
        )
        if readable:
            work.marks.setdefault("verified", self._edges.clock.monotonic_ms())
        draft = journal.effect_draft(work.intent, armed, after, read_at, self._edges.clock.now_ms())
        outcome = endings.no_effect(work, receipt, after)
        if armed.in_effect(after):
            outcome = endings.worked(work, receipt, after, read_at)
        await self._close(work, outcome, draft)

    async def _close(self, work: Work, outcome: Outcome, *before: Draft) -> None:
        """Writes the outcome, in one commit with the drafts ``before`` it, and tells it."""
        ending = journal.outcome_draft(work.intent, outcome, self._edges.clock.now_ms(), work.timeline_ms())
        await self._append(work, *before, ending)
        self._done(work, outcome)

    def _done(self, work: Work, outcome: Outcome | None) -> None:
        work.intent = replace(work.intent, state=IntentState.DONE)
        self._open.pop(work.intent.id, None)
        if outcome is not None:
            self._on_outcome(work, outcome)

    # -- small things ---------------------------------------------------------------------------------------------------------

    async def _append(self, work: Work, *drafts: Draft) -> None:
        try:
            await self._edges.store.append(drafts)
        except BaseException:
            work.unsure = True
            raise

    def _expired(self, work: Work) -> bool:
        return work.expired(self._edges.clock.now_ms(), self._edges.clock.monotonic_ms())
