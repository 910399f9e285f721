"""The book that forgets: for tests, and for keepers in one process."""

from __future__ import annotations

from keeper.domain.errors import Unreachable
from keeper.domain.order import SignedOrder
from keeper.ports.orders import OrderPage


class MemoryOrderBook:
    """Implements ``keeper.ports.orders.OrderBook``. Several keepers may hold the same object."""

    def __init__(self) -> None:
        self._signed: dict[tuple[bytes, str], SignedOrder] = {}
        self._closed = False

    async def put(self, signed: SignedOrder) -> None:
        self._check_open()
        self._signed[signed.order.digest, signed.signer] = signed

    async def look(self, since_s: int) -> OrderPage:
        self._check_open()
        return OrderPage(tuple(one for one in self._signed.values() if one.order.deadline_s >= since_s))

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unreachable("the order book is closed")
