"""Blocks: who builds one, what of theirs goes through at its top, and then the public pool."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from keeper.devnet.anvil import quantity
from keeper.devnet.relay.book import Book, Bundle, Private
from keeper.devnet.relay.builders import Builder
from keeper.devnet.relay.decoded import Decoded
from keeper.devnet.relay.lottery import Lottery
from keeper.devnet.relay.pool import Pool
from keeper.devnet.relay.simulation import NONCE_TOO_LOW, Top, Unfit, next_block, simulate
from keeper.devnet.rpc import RpcClient
from keeper.domain.errors import MalformedAnswer, SetupError

REMEMBERED: Final = 64
"""So many blocks with private transactions are looked after: whether a reorganisation took them away."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the winner had for this block and did not put in. ``name`` is the bundle's hash or the private transaction's."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One block. ``winner``: whose private transactions it could hold (None: nobody's); ``private`` are the hashes of those that it holds.

    ``transactions`` are all of its hashes in order. ``uncled`` were private in a block that is gone, and are in the public pool now.
    """

    number: int
    block_hash: str
    winner: str | None
    private: tuple[str, ...]
    transactions: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    uncled: tuple[str, ...] = ()


class Slots:
    """Makes the blocks of a node that makes none by itself. Every method raises as ``RpcClient.call``."""

    def __init__(self, rpc: RpcClient, book: Book, pool: Pool, builders: Sequence[Builder], lottery: Lottery) -> None:
        self.lottery = lottery
        self._rpc = rpc
        self._book = book
        self._pool = pool
        self._builders = tuple(builders)
        self._mined: deque[tuple[int, str, tuple[Decoded, ...]]] = deque(maxlen=REMEMBERED)
        self._lock = asyncio.Lock()

    async def next(self) -> Slot:
        """Mines one block: what the winner of the lottery has for it, then the public pool."""
        async with self._lock:
            uncled = await self._make_uncles_public()
            top = await next_block(self._rpc)
            winner = self.lottery.winner(top.number)
            chosen, left_out = await self._choose(winner, top)
            await self._mine(top, chosen)
            block = await self._rpc.call("eth_getBlockByNumber", hex(top.number), False)
            if block is None:
                raise MalformedAnswer(f"the node did not make block {top.number}")
            hashes = tuple(map(str, block["transactions"]))
            private = tuple(one for one in chosen if one.tx_hash in hashes)
            if private:
                self._mined.append((top.number, str(block["hash"]), private))
            self._book.forget_before(top.number + 1)
            names = tuple(one.tx_hash for one in private)
            return Slot(top.number, str(block["hash"]), winner, names, hashes, tuple(left_out), uncled)

    async def reorganise(self, depth: int) -> tuple[str, ...]:
        """Takes away the newest blocks. Whatever was in them is in the public pool then, private or not; their hashes, oldest first."""
        async with self._lock:
            newest = quantity(await self._rpc.call("eth_blockNumber"))
            raws: list[Any] = []
            for number in range(newest - depth + 1, newest + 1):
                block = await self._rpc.call("eth_getBlockByNumber", hex(number), False)
                asked = [("eth_getRawTransactionByHash", [tx_hash]) for tx_hash in block["transactions"]]
                raws += await self._rpc.batch(asked) if asked else []
            await self._rpc.call("anvil_rollback", depth)
            answers = await self._rpc.batch([("eth_sendRawTransaction", [raw]) for raw in raws]) if raws else []
            await self._make_uncles_public()
            return tuple(answer for answer in answers if isinstance(answer, str))

    async def look(self) -> None:
        """Notes what the public pool holds, between two blocks."""
        async with self._lock:
            await self._pool.look()

    async def _make_uncles_public(self) -> tuple[str, ...]:
        """What was in a block that is gone is known to all who saw that block."""
        gone: list[Decoded] = []
        kept = deque(self._mined, REMEMBERED)
        for mined in self._mined:
            number, block_hash, private = mined
            block = await self._rpc.call("eth_getBlockByNumber", hex(number), False)
            if block is None or block["hash"] != block_hash:
                kept.remove(mined)
                gone += private
        self._mined = kept
        hashes = tuple(one.tx_hash for one in gone)
        if gone:  # one that is in another block, or in the pool again, is refused
            await self._rpc.batch([("eth_sendRawTransaction", [one.raw_text]) for one in gone])
            await self._pool.look(hashes)
        return hashes

    async def _choose(self, winner: str | None, top: Top) -> tuple[list[Decoded], list[LeftOut]]:
        """All or nothing: a bundle, or a private transaction alone. Those that pay more come first."""
        chosen: list[Decoded] = []
        left_out: list[LeftOut] = []
        if winner is None:
            return chosen, left_out
        names = [one.name for one in self._builders if winner in (one.name, *one.leads_to)]
        offers: list[Bundle | Private] = [*self._book.bundles_for(names, top.number, top.timestamp_s)]
        offers += self._book.privates_for(names, top.number)
        for offer in sorted(offers, key=lambda one: _pays(one, top), reverse=True):
            transactions = _transactions(offer)
            if all(one in chosen for one in transactions):
                continue  # another builder's copy, or the same as a bundle and alone
            reason = await self._refusal(offer, chosen, top)
            if isinstance(offer, Private):
                offer.settled = reason == NONCE_TOO_LOW
                if offer.settled:
                    continue
                offer.sim_error = reason
            if reason:
                left_out.append(LeftOut(_name(offer), reason))
            else:
                chosen += transactions
        return chosen, left_out

    async def _refusal(self, offer: Bundle | Private, before: Sequence[Decoded], top: Top) -> str:
        """Why it is not put in after those; empty: it is."""
        transactions = _transactions(offer)
        try:
            ran = await simulate(self._rpc, top, [*before, *transactions])
        except Unfit as unfit:
            return str(unfit)
        if _pays(offer, top) <= 0:
            return "pays no tip"
        may_revert = offer.may_revert if isinstance(offer, Bundle) else frozenset[str]()
        failed = [one for one in ran[len(before) :] if one.error and one.transaction.tx_hash not in may_revert]
        return f"{failed[0].transaction.tx_hash} would fail: {failed[0].error}" if failed else ""

    async def _mine(self, top: Top, chosen: Sequence[Decoded]) -> None:
        """One request, which the node carries out in order: nothing private is in its pool for longer than that takes."""
        calls: list[tuple[str, Sequence[Any]]] = [self._pool.drain]
        if chosen:
            # the node mines in the order of arrival, so the public pool arrives once more
            public = await self._pool.ready(top.base_fee_wei)
            places = {one.place for one in chosen}
            calls += [("anvil_dropTransaction", [one.tx_hash]) for one in public]
            calls += [("eth_sendRawTransaction", [one.raw_text]) for one in chosen]
            calls += [("eth_sendRawTransaction", [one.raw_text]) for one in public if one.place not in places]
        calls += [("evm_mine", []), self._pool.drain]
        answers = await self._rpc.batch(calls)
        before, after = answers[0], answers[-1]
        if not isinstance(before, list) or not isinstance(after, list):
            raise SetupError("the node has forgotten that its pool is watched", remedy="was it started anew?")
        if isinstance(answers[-2], Exception):
            raise answers[-2]
        self._pool.note(before, top.number - 1)
        self._pool.note(after, top.number, but={one.tx_hash for one in chosen})


def _transactions(offer: Bundle | Private) -> tuple[Decoded, ...]:
    return offer.transactions if isinstance(offer, Bundle) else (offer.transaction,)


def _name(offer: Bundle | Private) -> str:
    return offer.bundle_hash if isinstance(offer, Bundle) else offer.transaction.tx_hash


def _pays(offer: Bundle | Private, top: Top) -> int:
    """In wei, at most: the gas that is allowed for at the tip that the base fee leaves."""
    return sum(one.gas * one.effective_tip_wei(top.base_fee_wei) for one in _transactions(offer))
