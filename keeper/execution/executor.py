"""Carries intents out: write down, check, sign, write down, send, watch, read back.

Every step can be repeated. ``drive`` looks at the durable state of an intent and takes the next step that is possible now; the hot path, every
new head and start-up after a crash all call it. What keeps an effect from happening twice:

- an intent of a (market, action) is written only while none is open (the database enforces it);
- an attempt is written with its nonce before it is sent, so a restart sends the same bytes again;
- another attempt of the same intent takes the same nonce, or a new one only when the old nonce is used up by something else;
- before anything new is signed, the effect is read: what is there already is not done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.block import BlockStamp
from keeper.domain.errors import IntentAlreadyOpen, MalformedAnswer, OutsideError
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt, Intent, IntentState, IntentTrigger, advance
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft
from keeper.execution import endings, journal
from keeper.execution.gate import already_there, simulated
from keeper.execution.pen import Lane, Pen
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Order, Work
from keeper.ports.audit import AuditStore
from keeper.ports.chain import AccountReader, ChainReader
from keeper.ports.clock import Clock
from keeper.ports.route import Route, SubmissionKind
from keeper.ports.signer import Signer

MAX_ATTEMPTS = 8
"""Replacements raise the fee by 12.5 % each: the eighth offers 2.3 times the first. After that the last one is only repeated."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that carrying out an action needs. ``signer`` None is possible in shadow mode only."""

    store: AuditStore
    chain: ChainReader
    accounts: AccountReader
    signer: Signer | None
    routes: Mapping[str, Route]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Terms:
    """``live`` False: decide, check, record, never sign. ``confirmations`` 1: the block of the receipt is enough."""

    chain_id: int
    confirmations: int
    live: bool


class Executor:
    """One per keeper. ``on_outcome`` is told each end of an intent, after it is durable."""

    def __init__(
        self,
        edges: Edges,
        terms: Terms,
        armed: Mapping[tuple[str, str], ArmedAction],
        on_outcome: Callable[[Work, Outcome], None],
    ) -> None:
        self._edges = edges
        self._terms = terms
        self._armed = armed
        self._on_outcome = on_outcome
        self._open: dict[str, Work] = {}
        self._pen = Pen(edges.chain, edges.accounts, edges.signer, edges.clock, terms.chain_id)
        self._sending = asyncio.Lock()

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
        """Takes up every intent that a previous run left open. Returns how many. Raises StoreUnavailable."""
        for intent in await self._edges.store.open_intents():
            if intent.id not in self._open:
                self._open[intent.id] = Work(intent, self._armed.get((intent.market, intent.action)))
        return len(self._open)

    async def refresh(self, block: BlockStamp) -> None:
        """Nonce, balance and priority fee at the newest block, so that the hot path need not ask. Raises OutsideError."""
        await self._pen.refresh(block)

    async def measure_gas(self, armed: ArmedAction) -> None:
        """Keeps the gas limit of an armed action. Raises Refused when the call would revert now, OutsideError."""
        await self._pen.measure_gas(armed)

    async def act(
        self, items: Sequence[tuple[Draft, Order | None]], block: BlockStamp, marks: Mapping[str, float]
    ) -> None:
        """Writes the records of one tick and its intents in one commit, then carries the intents out as far as they go now.

        ``items`` are drafts in order, each with the order it gives, if any. Raises StoreUnavailable: then nothing was done.
        """
        self._pen.head = block
        drafts: list[Draft] = []
        works: list[Work] = []
        for draft, order in items:
            drafts.append(draft)
            if order is None:
                continue
            work = self._new_work(order, block, marks)
            if work is not None:
                works.append(work)
                drafts.append(journal.intent_draft(work.intent, order.armed, self.sender))
        try:
            await self._edges.store.append(drafts)
        except IntentAlreadyOpen:
            # Another replica, or an earlier run, is at it. What was seen is recorded all the same; what is open is taken up.
            for work in works:
                work.drop_simulation()
            await self._edges.store.append([draft for draft, _ in items])
            await self.recover()
            return
        except BaseException:
            for work in works:
                work.drop_simulation()
            raise
        durable = self._edges.clock.monotonic_ms()
        for work in works:
            work.marks["intent_durable"] = durable
            self._open[work.intent.id] = work
        await asyncio.gather(*(self.drive(work) for work in works))

    async def on_head(self, block: BlockStamp) -> None:
        """A new block: whatever is open moves on. Raises OutsideError when the node does not answer; all of it can be repeated."""
        await self.refresh(block)
        for work in self.open_works:
            await self.drive(work)

    async def rebroadcast(self) -> None:
        """Sends the newest attempt of everything unmined once more: nodes forget. Also ends what ran out of time without any head."""
        for work in self.open_works:
            await self.drive(work)
            async with work.lock:
                waiting = work.intent.state in (IntentState.SIGNED, IntentState.SUBMITTED)
                if waiting and self._terms.live and not self._expired(work):
                    await self._send(work)

    async def drive(self, work: Work) -> None:
        """Takes the steps that are possible now. A node that does not answer leaves the intent as it is, for the next head."""
        async with work.lock:
            try:
                if work.intent.state is IntentState.OPEN:
                    await self._begin(work)
                elif work.intent.state in (IntentState.SIGNED, IntentState.SUBMITTED):
                    await self._watch(work)
                if work.intent.state is IntentState.MINED:
                    await self._judge(work)
            except OutsideError:
                if work.intent.state is not IntentState.MINED and self._expired(work):
                    await self._close(work, endings.expired(work, reachable=False))

    # -- steps ----------------------------------------------------------------------------------------------------------------

    def _new_work(self, order: Order, block: BlockStamp, marks: Mapping[str, float]) -> Work | None:
        armed = order.armed
        if any(work.key == armed.key for work in self._open.values()):
            return None
        intent = Intent(
            id=order.id,
            market=armed.action.market,
            action=armed.action.name,
            incident=order.incident,
            state=IntentState.OPEN,
            created_ms=order.at_ms,
            expires_ms=order.at_ms + armed.action.expires_ms,
            to=armed.call.to,
            data="0x" + armed.call.data.hex(),
            effect_before=order.before if order.before is not None else "unknown",
        )
        work = Work(intent, armed, dict(marks))
        if self.sender is not None and already_there(armed, order.before) is None:
            # The simulation runs while the intent is being written: both must be done before anything is signed.
            work.simulation = asyncio.ensure_future(
                self._edges.accounts.simulate(armed.call, self.sender, block),
            )
        return work

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

    async def _gate(self, work: Work) -> Outcome | None:
        """Everything that can end an intent before it is signed."""
        armed = work.armed
        if armed is None:
            work.drop_simulation()
            return endings.not_configured(work)
        simulation = work.simulation
        if simulation is None:  # taken up after a restart, or the effect was there when it was decided
            current = await self._read_effect(armed, await self._edges.chain.head())
            outcome = already_there(armed, current)
            if outcome is not None:
                return outcome
        if self.sender is None:
            return endings.shadow("no signer is configured, so the call was not simulated")
        if simulation is None:
            result = await self._edges.accounts.simulate(armed.call, self.sender)
        else:
            work.simulation = None
            result = await simulation
        outcome = simulated(armed, self.sender, result)
        if self._terms.live:
            return outcome
        return endings.shadow("the call would go through" if outcome is None else outcome.message)

    async def _sign_and_send(self, work: Work, replaces: Attempt | None = None) -> None:
        """One more attempt: written down, then sent. One at a time, so that a refused nonce is free again for the next."""
        async with self._sending:
            attempt = await self._pen.write(work, self._open.values(), replaces)
            if isinstance(attempt, Outcome):
                await self._close(work, attempt)
                return
            work.marks.setdefault("signed", self._edges.clock.monotonic_ms())
            await self._append(work, journal.attempt_draft(work.intent, attempt))
            work.intent = replace(
                work.intent,
                state=advance(work.intent.state, IntentTrigger.SIGN),
                attempts=(*work.intent.attempts, attempt),
            )
            work.answer = None
            await self._send(work)

    async def _send(self, work: Work) -> None:
        """Sends the newest attempt and records the answer when it is another than the last one."""
        attempt = work.last_attempt
        if attempt is None:
            return
        route_name = work.armed.action.route if work.armed else next(iter(self._edges.routes))
        answer = await self._edges.routes[route_name].submit(attempt)
        work.marks.setdefault("broadcast", self._edges.clock.monotonic_ms())
        if work.answer is None or work.answer.kind is not answer.kind:
            await self._append(
                work, journal.broadcast_draft(work.intent, attempt, route_name, answer, self._edges.clock.now_ms())
            )
        work.answer = answer
        if answer.kind in journal.ACCEPTED:
            work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.SEND))
            return
        ending = endings.refusal(answer, attempt, first=len(work.intent.attempts) == 1)
        if ending is not None and work.intent.state is IntentState.SIGNED:
            await self._close(work, ending)

    async def _watch(self, work: Work) -> None:
        """Looks for the receipt of any attempt; without one, keeps the newest attempt alive while there is time."""
        for attempt in reversed(work.intent.attempts):
            receipt = await self._edges.accounts.receipt(attempt.tx_hash)
            if receipt is not None:
                work.marks.setdefault("included", self._edges.clock.monotonic_ms())
                await self._append(work, journal.receipt_draft(work.intent, receipt, self._edges.clock.now_ms()))
                work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.MINE))
                return
        attempt = work.intent.attempts[-1]
        if self._expired(work):
            await self._close(work, await self._late(work))
        elif not self._terms.live:
            return  # an attempt of an earlier, live run: it is watched, and nothing new is signed or sent
        elif self._pen.lane is not None and self._pen.lane.nonce > attempt.nonce:
            await self._nonce_used(work, attempt)
        elif self._outbid(work, attempt) and len(work.intent.attempts) < MAX_ATTEMPTS:
            await self._sign_and_send(work, replaces=attempt)
        elif work.answer is None or work.answer.kind not in journal.ACCEPTED:
            await self._send(work)

    def _outbid(self, work: Work, attempt: Attempt) -> bool:
        """The offer is too low for the next block, or for the transaction that already has the nonce."""
        if work.answer is not None and work.answer.kind is SubmissionKind.UNDERPRICED:
            return True
        return self._pen.head is not None and self._pen.head.next_base_fee_wei > attempt.max_fee_wei

    async def _nonce_used(self, work: Work, attempt: Attempt) -> None:
        """The nonce is gone and none of our transactions took it: they can never be mined any more."""
        current = await self._current_effect(work)
        outcome = already_there(work.armed, current) if work.armed else None
        if outcome is None and work.armed is None:
            outcome = endings.nonce_taken(attempt)
        if outcome is not None:
            await self._close(work, outcome)
            return
        await self._sign_and_send(work)

    async def _judge(self, work: Work) -> None:
        """A receipt is not success: its status, its block, and then the effect at that block."""
        receipt = await self._receipt(work)
        if receipt is None:
            gone = work.intent.attempts[-1].tx_hash
            await self._append(work, journal.receipt_gone_draft(work.intent, gone, self._edges.clock.now_ms()))
            work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.UNMINE))
            return
        if self._pen.head is not None and self._pen.head.number < receipt.block_number + self._terms.confirmations - 1:
            return
        if receipt.status != 1:
            await self._close(work, endings.reverted(receipt))
            return
        await self._read_back(work, receipt)

    async def _read_back(self, work: Work, receipt: Receipt) -> None:
        armed = work.armed
        after = "unreadable"
        if armed is not None:
            try:
                after = await self._read_effect(armed, _stamp(receipt))
            except MalformedAnswer as error:
                after = f"unreadable: {error.message}"
            else:
                work.marks.setdefault("verified", self._edges.clock.monotonic_ms())
            await self._append(
                work, journal.effect_draft(work.intent, armed, after, receipt.block_number, self._edges.clock.now_ms())
            )
        worked = armed is not None and armed.in_effect(after)
        await self._close(
            work, endings.worked(work, receipt, after) if worked else endings.no_effect(work, receipt, after)
        )

    async def _close(self, work: Work, outcome: Outcome) -> None:
        work.drop_simulation()
        draft = journal.outcome_draft(work.intent, outcome, self._edges.clock.now_ms(), work.timeline_ms())
        await self._append(work, draft)
        work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.CLOSE))
        self._open.pop(work.intent.id, None)
        self._on_outcome(work, outcome)

    # -- small things ---------------------------------------------------------------------------------------------------------

    async def _append(self, work: Work, draft: Draft) -> None:
        await self._edges.store.append([draft])

    async def _receipt(self, work: Work) -> Receipt | None:
        for attempt in reversed(work.intent.attempts):
            receipt = await self._edges.accounts.receipt(attempt.tx_hash)
            if receipt is not None:
                return receipt
        return None

    async def _read_effect(self, armed: ArmedAction, block: BlockStamp) -> str:
        results = await self._edges.chain.read([armed.effect_call], block)
        return armed.effect_text(results[0])

    async def _current_effect(self, work: Work) -> str | None:
        if work.armed is None:
            return None
        return await self._read_effect(work.armed, await self._edges.chain.head())

    async def _late(self, work: Work) -> Outcome:
        """Out of time with a transaction that may be anywhere."""
        outcome = already_there(work.armed, await self._current_effect(work)) if work.armed else None
        if outcome is not None:
            return outcome
        return endings.expired(work)

    def _expired(self, work: Work) -> bool:
        return self._edges.clock.now_ms() > work.intent.expires_ms


def _stamp(receipt: Receipt) -> BlockStamp:
    return BlockStamp(receipt.block_number, receipt.block_hash, "", 0)
