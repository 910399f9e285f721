"""What is in a block: looked for, written down, waited for, judged by its effect. A receipt is not success."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.evm import Receipt
from keeper.domain.intent import IntentTrigger, advance
from keeper.execution import endings, journal
from keeper.execution.clerk import Clerk
from keeper.execution.edges import Edges, Terms
from keeper.execution.effect import after_revert, effect_after, place, receipt_now
from keeper.execution.lanes import Lanes
from keeper.execution.planner import ArmedAction
from keeper.execution.purse import Purse
from keeper.execution.work import Work


class Judge:
    """One per executor, with whose locks it works."""

    def __init__(self, edges: Edges, terms: Terms, lanes: Lanes, clerk: Clerk, purse: Purse) -> None:
        self._edges = edges
        self._terms = terms
        self._lanes = lanes
        self._clerk = clerk
        self._purse = purse

    async def found_mined(self, work: Work) -> bool:
        """Whether any of the attempts has a receipt, which is then written down."""
        receipt = await receipt_now(self._edges.accounts, work.intent)
        if receipt is None:
            return False
        work.marks.setdefault("included", self._edges.clock.monotonic_ms())
        now_ms = self._edges.clock.now_ms()
        await self._clerk.append(work, journal.receipt_draft(work.intent, receipt, now_ms))
        work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.MINE))
        work.mined = receipt
        self._purse.paid(receipt, now_ms)
        for attempt in work.intent.attempts:
            if attempt.tx_hash == receipt.tx_hash:
                self._lanes.spent(attempt)
        return True

    async def judge(self, work: Work) -> None:
        """Its status, its block, and then the effect at that block."""
        receipt = await receipt_now(self._edges.accounts, work.intent)
        written_down = work.mined
        moved = receipt is not None and written_down is not None and place(receipt) != place(written_down)
        if receipt is None or moved:
            gone = written_down.tx_hash if written_down else work.intent.attempts[-1].tx_hash
            await self._clerk.append(work, journal.receipt_gone_draft(work.intent, gone, self._edges.clock.now_ms()))
            work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.UNMINE))
            work.mined = None
            self._purse.returned(gone)
            work.forget_answers()
            return
        head = self._lanes.head
        newest = max(receipt.block_number, head.number if head is not None else 0)
        if newest < receipt.block_number + self._terms.confirmations - 1:
            return
        if receipt.status != 1:
            await self._clerk.close(work, await after_revert(self._edges.chain, work, receipt))
        elif work.armed is None:
            await self._clerk.close(work, endings.not_read(work, receipt))
        else:
            await self._read_back(work, work.armed, receipt)

    async def _read_back(self, work: Work, armed: ArmedAction, receipt: Receipt) -> None:
        clock = self._edges.clock
        late = work.expired(clock.now_ms(), clock.monotonic_ms())
        after, read_at, readable = await effect_after(self._edges.chain, armed, receipt, block_may_be_forgotten=late)
        if readable:
            work.marks.setdefault("verified", clock.monotonic_ms())
        draft = journal.effect_draft(work.intent, armed, after, read_at, clock.now_ms())
        outcome = endings.no_effect(work, receipt, after)
        if armed.in_effect(after):
            outcome = endings.worked(work, receipt, after, read_at)
        await self._clerk.close(work, outcome, draft)
