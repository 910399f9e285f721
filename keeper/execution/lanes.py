"""The keys of a keeper: each has a pen, with nonces and a turn of its own, so that what one key sends never waits for what another does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial

from keeper.domain.action import Action, ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.intent import Attempt
from keeper.execution.edges import Edges
from keeper.execution.mandate import MandatedSigner, Mandates, Unmandated, within
from keeper.execution.pen import Pen, signed_beforehand
from keeper.execution.planner import ArmedAction
from keeper.execution.purse import Purse
from keeper.execution.work import Work
from keeper.ports.signer import Signer

Key = tuple[str, str]


class Lanes:
    """``first`` is the pen of the keeper's first key, which may be none. Keys of the same address share a pen, lest two give out one nonce.

    Every key is put behind ``mandates`` here, and nobody else of those who carry out gets one.
    """

    def __init__(
        self,
        edges: Edges,
        chain_id: int,
        armed: Mapping[Key, ArmedAction],
        on_refused: Callable[[Unmandated], None] = lambda _: None,
        purse: Purse | None = None,
    ) -> None:
        self._armed = armed
        self._senders = edges.senders
        first = self._senders.get("")
        standing = [
            (sender, each.call)
            for each in armed.values()
            if signed_beforehand(each) and (sender := self._senders.get(each.action.lane, first)) is not None
        ]
        self.mandates = Mandates(chain_id, standing, within(purse.budget) if purse is not None else None, on_refused)

        def pen(signer: Signer | None) -> Pen:
            mandated = MandatedSigner(signer, self.mandates) if signer is not None else None
            return Pen(edges.chain, edges.accounts, mandated, edges.clock, chain_id, purse)

        self.first = pen(edges.signer)
        self._by_sender: dict[str, Pen] = {} if first is None else {first: self.first}
        for signer in edges.lanes.values():
            if signer.address not in self._by_sender:
                self._by_sender[signer.address] = pen(signer)
        self.pens: tuple[Pen, ...] = (
            self.first,
            *(each for each in self._by_sender.values() if each is not self.first),
        )
        if purse is not None:
            purse.first_offers = self._first_offers
        self._running: dict[object, asyncio.Task[None]] = {}
        self._again: set[object] = set()

    # -- which key --------------------------------------------------------------------------------------------------------------

    def named(self, lane: str) -> Pen:
        """The first for an empty name, and for one that is not there: the keeper's own actions name one that may not be."""
        sender = self._senders.get(lane)
        return self.first if sender is None else self._by_sender[sender]

    def of_action(self, action: Action) -> Pen:
        """By the action's lane."""
        return self.named(action.lane)

    def of(self, work: Work) -> Pen:
        """Of the key that signed the newest attempt, while it is there: a replacement has to be its. Else by the action."""
        last = work.last_attempt
        if last is not None and last.sender in self._by_sender:
            return self._by_sender[last.sender]
        return self.first if work.armed is None else self.of_action(work.armed.action)

    def is_busy(self, action: Action, works: Iterable[Work]) -> bool:
        """Whether one of these works is of the key that the action would be sent from."""
        pen = self.of_action(action)
        return any(self.of(work) is pen for work in works)

    # -- what all of them know --------------------------------------------------------------------------------------------------

    @property
    def head(self) -> BlockStamp | None:
        """The newest block seen."""
        return self.first.head

    @head.setter
    def head(self, block: BlockStamp) -> None:
        for pen in self.pens:
            pen.head = block

    async def refresh(self, block: BlockStamp) -> None:
        """Nonce, balance and priority fee of every key. Raises OutsideError, when all that answered are known."""
        if len(self.pens) == 1:
            await self.first.refresh(block)
            return
        for result in await asyncio.gather(*(pen.refresh(block) for pen in self.pens), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def spent(self, attempt: Attempt) -> None:
        """The attempt is mined."""
        for pen in self.pens:
            pen.spent(attempt)

    def _first_offers(self) -> dict[Key, int]:
        """What the first offer of each action may cost now, in wei, but for the keeper's own business."""
        wanted = [each for each in self._armed.values() if each.action.kind is not ActionKind.UPKEEP]
        return {each.key: self.of_action(each.action).first_cost_wei(each) for each in wanted}

    # -- off the way of a pause -------------------------------------------------------------------------------------------------

    async def sign_beforehand(self, works: Callable[[], Iterable[Work]]) -> None:
        """Has the next transaction of every armed action signed, in memory only. Keys that take their time do so behind the scenes."""
        for pen in self.pens:
            mine = [each for each in self._armed.values() if self.of_action(each.action) is pen]
            if not pen.slow:
                await pen.sign_beforehand(mine, works())
            if pen.slow:
                self.behind(pen, partial(_sign_with_patience, pen, mine, works))

    def behind(self, what: object, run: Callable[[], Coroutine[object, object, None]]) -> None:
        """Runs it behind the scenes; where it runs already, once more after that. A bug in it is logged by the event loop."""
        if self.is_behind(what):
            self._again.add(what)
            return
        self._running[what] = asyncio.get_running_loop().create_task(self._repeated(what, run))

    def is_behind(self, what: object) -> bool:
        """Whether it runs behind the scenes now."""
        task = self._running.get(what)
        return task is not None and not task.done()

    async def _repeated(self, what: object, run: Callable[[], Coroutine[object, object, None]]) -> None:
        try:
            await run()
            while what in self._again:
                self._again.discard(what)
                await run()
        finally:
            self._again.discard(what)
            if self._running.get(what) is asyncio.current_task():
                del self._running[what]


async def _sign_with_patience(pen: Pen, armed: Iterable[ArmedAction], works: Callable[[], Iterable[Work]]) -> None:
    await pen.sign_beforehand(armed, works(), patient=True)
