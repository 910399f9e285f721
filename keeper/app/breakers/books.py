"""The books of orders as the keeper uses them: none is waited for without end, and what is wrong with one is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, TypeVar

from keeper.app.breakers.pledges import Pledges
from keeper.app.faults import Faults
from keeper.domain.errors import AuditError, OutsideError, Unreachable
from keeper.domain.order import SignedOrder
from keeper.ports.clock import Clock
from keeper.ports.orders import OrderBook, OrderPage

ANSWER_S = 6.0
"""A little longer than the books' own limit, whose words say more. What waits must lapse in time even when a book keeps to no limit."""

T = TypeVar("T")


class Books:
    """By contract. Every method raises Unreachable, at the latest after ``ANSWER_S``."""

    def __init__(self, books: Mapping[str, OrderBook], clock: Clock, faults: Faults) -> None:
        self._books = books
        self._clock = clock
        self._faults = faults
        self._restored: set[str] = set()

    def __contains__(self, contract: str) -> bool:
        return contract in self._books

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    async def put(self, signed: SignedOrder) -> None:
        await self._within(self._books[signed.order.contract].put(signed))

    async def look(self, contract: str, since_s: int) -> OrderPage:
        """The book's orders; what is wrong with it is told."""
        try:
            page = await self._within(self._books[contract].look(since_s))
        except OutsideError as error:
            self._faults.down(f"orders:{contract}", "unreachable", error.message, error.remedy)
            raise
        if page.skipped:
            first = page.skipped[0]
            more = f" (and {len(page.skipped) - 1} more)" if len(page.skipped) > 1 else ""
            remedy = "somebody left what is no order of these keepers; it is not used. Find out who, and take it away"
            self._faults.down(f"orders:{contract}", "skipped", f"{first.place}: {first.why}{more}", remedy)
        else:
            self._faults.up(f"orders:{contract}")
        return page

    async def restore(self, contract: str, pledged: Pledges, chain_id: int, now_s: int) -> None:
        """Once in a run: what was written down as signed, and did not get into the book or was lost from it, is put there. Raises nothing."""
        if contract in self._restored:
            return
        try:
            page = await self.look(contract, now_s)
            there = {(one.order, one.signer) for one in page.signed}
            for order in await pledged.open(now_s):
                mine = order.contract == contract and order.chain_id == chain_id
                if mine and (order, pledged.address) not in there:
                    signed = await pledged.sign(order, now_s, {})
                    if isinstance(signed, SignedOrder):
                        await self.put(signed)
            self._restored.add(contract)
        except (OutsideError, AuditError):
            return  # the next look tries again

    async def _within(self, asked: Coroutine[Any, Any, T]) -> T:
        answer = asyncio.ensure_future(asked)
        pause = asyncio.ensure_future(self._clock.sleep(ANSWER_S))
        try:
            await asyncio.wait({answer, pause}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
        finally:
            answer.cancel()
            pause.cancel()
        raise Unreachable(
            f"the book of orders has not answered within {ANSWER_S:g} s",
            remedy="look at `orders` of the route: is the server up, the disk mounted, the network open?",
        )
