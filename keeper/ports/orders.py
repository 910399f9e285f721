"""Where keepers leave what several of them must sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keeper.domain.order import SignedOrder


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that lies there and is no signed order; ``place`` says where, ``why`` what is wrong with it."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Each order once for each signer, in no particular order. Every signature was checked against the order's digest, computed here."""

    signed: tuple[SignedOrder, ...]
    skipped: tuple[Skipped, ...] = ()


class OrderBook(Protocol):
    """Shared by all keepers of a contract, and trusted with nothing: whoever can write to it can leave rubbish, and take signatures away.

    Every method raises Unreachable when it cannot be read or written.
    """

    async def put(self, signed: SignedOrder) -> None:
        """Leaves it for the others, durably. Once more changes nothing."""

    async def look(self, since_s: int) -> OrderPage:
        """Every signed order whose deadline is ``since_s`` or later."""

    async def close(self) -> None:
        """Let go. Safe to call twice."""
