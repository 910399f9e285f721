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
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from keeper.domain.action import Action
from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, OutsideError
from keeper.domain.intent import Attempt, IntentState
from keeper.domain.outcome import Outcome
from keeper.execution import endings, opening, written
from keeper.execution.clerk import Clerk
from keeper.execution.dispatch import Dispatch
from keeper.execution.edges import Edges, Terms
from keeper.execution.effect import effect_now
from keeper.execution.gate import Declined, already_there, not_adjusted, overtaken
from keeper.execution.journal import Fallback
from keeper.execution.judging import Judge
from keeper.execution.lanes import Lanes
from keeper.execution.mandate import Unmandated
from keeper.execution.opener import Opener
from keeper.execution.pen import Lane
from keeper.execution.planner import ArmedAction
from keeper.execution.purse import DAY_MS, Purse, Withheld
from keeper.execution.trial import tried
from keeper.execution.work import UNKNOWN, Work
from keeper.ports.route import Answer

__all__ = ["Edges", "Executor", "Terms"]

TOO_LOW_IN_A_ROW = 3
"""So many blocks in a row at which the nonce was said to be used, while no receipt is known: the transaction is given up."""


class Executor:
    """One per keeper. Told after they are durable: ``on_outcome`` each end of an intent, ``on_sent`` each attempt that a route accepted,
    ``on_fallback`` what was for builders alone and becomes public (before it does), ``on_withheld`` once an intent that may cost no more.
    """

    def __init__(
        self,
        edges: Edges,
        terms: Terms,
        armed: Mapping[tuple[str, str], ArmedAction],
        on_outcome: Callable[[Work, Outcome], None],
        on_sent: Callable[[Work], None] = lambda _: None,
        on_refused: Callable[[Unmandated], None] = lambda _: None,
        on_fallback: Callable[[Work, Fallback], None] = lambda *_: None,
        on_withheld: Callable[[Work, Withheld], None] = lambda *_: None,
    ) -> None:
        self._edges = edges
        self._terms = terms
        self._armed = armed
        self._open: dict[str, Work] = {}
        self._purse = Purse(terms.budget)
        self._knows_what_was_paid = False
        self.lanes = Lanes(edges, terms.chain_id, armed, on_refused=on_refused, purse=self._purse)
        self.declined = Declined(live=terms.live)
        self._clerk = Clerk(edges, self.lanes, self._open, on_outcome)
        self._judge = Judge(edges, terms, self.lanes, self._clerk, self._purse)
        self._dispatch = Dispatch(
            edges,
            terms,
            self.lanes,
            self._open,
            self._clerk,
            self._judge,
            self.declined,
            on_sent,
            on_fallback,
            on_withheld,
        )
        self._clerk.ended = self._dispatch.ways.withdraw
        self._opener = Opener(
            edges, terms, self.lanes, armed, self._open, on_outcome, self.declined, self._dispatch.tell_again
        )

    # -- what others see ------------------------------------------------------------------------------------------------------

    @property
    def open_works(self) -> tuple[Work, ...]:
        return tuple(self._open.values())

    @property
    def lane(self) -> Lane | None:
        """Of the first key."""
        return self.lanes.first.lane

    @property
    def sender(self) -> str | None:
        """The first key's address."""
        return self.lanes.first.sender

    def heard_late(self, route: str, attempt: Attempt, answer: Answer) -> None:
        """A builder of this route answered after the answer to the submission was given. It is written down, and nobody waits for that."""
        self._dispatch.ways.late.heard(route, attempt, answer)

    def sender_of(self, action: Action) -> str | None:
        """The address of the key that this action is sent from."""
        return self.lanes.of_action(action).sender

    def over_budget(self, armed: ArmedAction) -> str:
        """Why the budget of gas does not allow a first offer for it now; empty where it does."""
        wei = self.lanes.of_action(armed.action).least_cost_wei(armed)
        return self._purse.too_little(wei, armed.key, self.open_works, self._edges.clock.now_ms())

    # -- from outside ---------------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """Takes up every intent that a previous run left open. Returns how many are open. Raises StoreUnavailable."""
        if self._terms.budget.per_day_wei is not None and not self._knows_what_was_paid:
            before = await written.paid(self._edges.store, self._edges.clock.now_ms() - DAY_MS)
            for receipt, at_ms in before.values():
                self._purse.paid(receipt, at_ms)
            self._knows_what_was_paid = True
        await self._opener.take_up()
        return len(self._open)

    async def refresh(self, block: BlockStamp) -> None:
        """Nonce, balance and priority fee of every key at the newest block, so that the hot path need not ask. Raises OutsideError."""
        await self.lanes.refresh(block)

    async def measure_gas(self, armed: ArmedAction) -> None:
        """Keeps the gas limit of an armed action. Raises Refused when the call would revert now, OutsideError."""
        await self.lanes.of_action(armed.action).measure_gas(armed)

    async def act(self, items: Sequence[opening.Item], block: BlockStamp, marks: Mapping[str, float]) -> None:
        """Writes the records of one tick and its intents in one commit, then carries the intents out as far as they go now.

        ``items`` are drafts in order, each with the order it gives, if any. Raises StoreUnavailable: then nothing was done. A database
        that fails later leaves the intents as they are, for the next head.
        """
        self.lanes.head = block
        works = await self._opener.write_down(items, block, marks)
        for work in works:
            work.read_at = block.hash
        if len(works) == 1:  # most often; a task of its own would only cost time
            with contextlib.suppress(AuditError):
                await self._drive_or_leave(works[0])
            return
        for result in await asyncio.gather(*(self._drive_or_leave(work) for work in works), return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, AuditError):
                raise result

    async def on_head(self, block: BlockStamp) -> None:
        """A new block: whatever is open moves on. Raises OutsideError when the node does not answer; all of it can be repeated."""
        await self.refresh(block)
        await self._drive_all()

    async def settle(self, limit_s: float | None = None) -> None:
        """Waits until builders have answered, and what follows from that is written down; no longer than the limit."""
        await self._dispatch.ways.settle(limit_s)

    async def sign_beforehand(self) -> None:
        """Has the next transaction of every armed action signed, in memory only. After each block, when there is time."""
        if self._terms.live:
            await self.lanes.sign_beforehand(self._open.values)

    async def rebroadcast(self) -> None:
        """Sends the newest attempt of everything unmined once more: nodes forget. Also ends what ran out of time without any head."""
        await self._drive_all()
        troubles = []
        for work in self._in_turn():
            async with work.lock:
                try:
                    await self._send_once_more(work)
                except OutsideError as error:  # it is no reason to leave the others
                    work.trouble = error
                    troubles.append(error)
        if troubles:
            raise troubles[0]

    async def _send_once_more(self, work: Work) -> None:
        waiting = work.intent.state in (IntentState.SIGNED, IntentState.SUBMITTED)
        may_send = waiting and work.cleared and not work.never_sent and self._terms.live
        if may_send and await self._dispatch.holds(work):
            await self._dispatch.send(work)

    async def drive(self, work: Work, *, patient: bool = True) -> None:
        """Takes the steps that are possible now. A node that does not answer leaves the intent as it is, for the next head.

        Not ``patient``: so does a key that is slow.
        """
        async with work.lock:
            work.patient = patient
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
                    await self._judge.judge(work)
                work.trouble = None
            except OutsideError as error:
                work.trouble = error
                if work.intent.state is not IntentState.MINED and self._expired(work):
                    await self._clerk.close(work, endings.expired(work))
            finally:
                work.patient = True
                work.drop_simulation()

    async def _drive_all(self) -> None:
        if self._opener.recovery_due:
            await self.recover()
        for work in self._in_turn():
            await self._drive_or_leave(work)

    def _in_turn(self) -> Sequence[Work]:
        """The lowest nonce first: where a pool has lost it, all later ones wait for it. What has none yet comes last."""
        return sorted(self._open.values(), key=lambda work: work.last_attempt.nonce if work.last_attempt else math.inf)

    async def _drive_or_leave(self, work: Work) -> None:
        """A key that takes its time holds up no head and no other key."""
        pen = self.lanes.of(work)
        if not pen.slow and not self.lanes.is_behind(work.intent.id):
            await self.drive(work, patient=False)
            if work.trouble is None or not pen.slow:
                return
        self.lanes.behind(work.intent.id, partial(self._drive_behind, work))

    async def _drive_behind(self, work: Work) -> None:
        with contextlib.suppress(AuditError):  # it is as it was, for the next head
            await self.drive(work)

    # -- steps ----------------------------------------------------------------------------------------------------------------

    async def _read_again(self, work: Work) -> None:
        """After a write that failed: it may be in the database all the same, and what is there counts."""
        for intent in await self._edges.store.open_intents():
            if intent.id == work.intent.id:
                fresh = await written.take_up(self._edges.store, self._armed, intent)
                work.intent, work.mined = intent, fresh.mined
                work.forget_answers()
                work.writing = None
                fresh.trail.add_unwritten(work.trail)
                work.trail = fresh.trail
                self._dispatch.tell_again(work)
                break
        else:
            outcome = await written.outcome_of(self._edges.store, work.intent)
            self._clerk.done(work, outcome)
        work.unsure = False

    async def _begin(self, work: Work) -> None:
        """From an intent to its first attempt, or to its end."""
        if self._expired(work):
            await self._clerk.close(work, endings.expired(work))
            return
        refusal = await self._gate(work)
        if refusal is not None:
            await self._clerk.close(work, refusal)
            return
        await self._dispatch.sign_and_send(work)

    async def _send_if_cleared(self, work: Work) -> None:
        """Sends a first attempt that was written down before anybody knew whether the call goes through."""
        refusal = await self._gate(work)
        if refusal is None:
            if not await self._dispatch.sent_in_turn(work):
                await self._dispatch.sign_and_send(work)
        elif work.never_sent:
            await self._clerk.close(work, refusal)
        elif not await self._judge.found_mined(work):  # a killed run may have sent it, and then nothing is left to do
            await self._clerk.close(work, endings.perhaps_sent(refusal, work.intent.attempts[-1]))

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
        sender = self.lanes.of(work).sender
        if sender is None:
            return endings.shadow("no signer is configured, so the call was not simulated")
        simulation = work.simulation or self._edges.accounts.simulate(work.call, sender)
        outcome = await tried(self._edges, armed, work, sender, await simulation)
        if self._terms.live:
            work.cleared = outcome is None
            return outcome
        return endings.shadow("the call would go through" if outcome is None else outcome.message)

    async def _watch(self, work: Work) -> None:
        """Looks for the receipt of any attempt; without one, keeps the newest attempt alive while there is time."""
        if await self._judge.found_mined(work):
            return
        attempt = work.intent.attempts[-1]
        pen = self.lanes.of(work)
        ours = attempt.sender == pen.sender  # another key's nonces say nothing about it
        if self._expired(work):
            current = await effect_now(self._edges.chain, work.armed) if work.armed else None
            outcome = already_there(work.armed, current) if work.armed else None
            await self._dispatch.close_unless_mined(work, outcome or endings.expired(work))
        elif not self._terms.live:
            return  # an attempt of an earlier, live run: it is watched, and nothing new is signed or sent
        elif ours and pen.lane is not None and pen.lane.nonce > attempt.nonce:
            await self._nonce_used(work, attempt)
        elif not work.cleared or work.never_sent:
            await self._send_if_cleared(work)
        elif len(work.low_at) >= TOO_LOW_IN_A_ROW:
            current = await effect_now(self._edges.chain, work.armed) if work.armed else None
            outcome = already_there(work.armed, current) if work.armed else None
            await self._dispatch.close_unless_mined(work, outcome or endings.nonce_lost(attempt))
        else:
            await self._dispatch.go_on(work, attempt, ours=ours)

    async def _nonce_used(self, work: Work, attempt: Attempt) -> None:
        """The nonce is gone and none of our transactions took it: they can never be mined any more."""
        # Asked again, in this order: a block that came or was replaced in between must not look like somebody else's transaction.
        pen = self.lanes.of(work)
        await pen.refresh(await self._edges.chain.head())
        if pen.lane is None or pen.lane.nonce <= attempt.nonce or await self._judge.found_mined(work):
            return
        outcome = endings.nonce_taken(attempt) if work.armed is None else await self._gate(work)
        if outcome is None:
            nonce, attempts = pen.lane.nonce, work.intent.attempts
            left = [each for each in attempts if each.sender == pen.sender and each.nonce >= nonce]
            await self._dispatch.sign_and_send(work, left[-1] if left else None)
        else:
            await self._dispatch.close_unless_mined(work, outcome)

    # -- small things ---------------------------------------------------------------------------------------------------------

    def _expired(self, work: Work) -> bool:
        return work.expired(self._edges.clock.now_ms(), self._edges.clock.monotonic_ms())
