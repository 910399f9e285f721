"""Everything that the node's public pool has ever held since the watching began, and when: a filter of the node loses nothing between two looks."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Self

from keeper.devnet.anvil import quantity
from keeper.devnet.relay.decoded import Decoded, NotATransaction, decode
from keeper.devnet.rpc import RpcClient

DRAIN = "eth_getFilterChanges"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A transaction was in the public pool. ``block`` was the newest block then.

    ``uncled``: it was private, and a reorganisation took its block away.
    """

    tx_hash: str
    block: int
    uncled: bool = False


class Pool:
    """The node's public pool. Every method raises as ``RpcClient.call``; Refused when the node has forgotten the filter."""

    def __init__(self, rpc: RpcClient, filter_id: str) -> None:
        self._rpc = rpc
        self._filter_id = filter_id
        self.seen: dict[str, Sighting] = {}

    @classmethod
    async def watched(cls, rpc: RpcClient) -> Self:
        """Watches from now on; what is in it already counts."""
        self = cls(rpc, str(await rpc.call("eth_newPendingTransactionFilter")))
        block = quantity(await rpc.call("eth_blockNumber"))
        content = await rpc.call("txpool_content")
        self.note((one["hash"] for one in _all(content)), block)
        return self

    @property
    def drain(self) -> tuple[str, list[Any]]:
        """The request that answers with the hashes since the last such request."""
        return DRAIN, [self._filter_id]

    async def look(self, uncled: Iterable[str] = ()) -> None:
        """Notes what came since the last look; ``uncled`` are those that came because a reorganisation took their block away.

        No block may be made meanwhile, or it is dated too late.
        """
        hashes = await self._rpc.call(DRAIN, self._filter_id)
        block = quantity(await self._rpc.call("eth_blockNumber"))
        self.note(uncled, block, uncled=True)
        self.note(hashes, block)

    def note(self, hashes: Iterable[Any], block: int, but: Collection[str] = (), *, uncled: bool = False) -> None:
        """The first sighting counts. ``but`` are those that went into the node only to be mined."""
        for tx_hash in map(str, hashes):
            if tx_hash not in but:
                self.seen.setdefault(tx_hash, Sighting(tx_hash, block, uncled))

    async def ready(self, base_fee_wei: int) -> list[Decoded]:
        """What could be mined next, the best tip first and each sender's in the order of their nonces; without what nobody signed."""
        content = await self._rpc.call("txpool_content")
        hashes = [str(one["hash"]) for sender in content["pending"].values() for one in sender.values()]
        raws = (
            await self._rpc.batch([("eth_getRawTransactionByHash", [tx_hash]) for tx_hash in hashes]) if hashes else []
        )
        by_sender: dict[str, list[Decoded]] = {}
        for tx_hash, raw in zip(hashes, raws, strict=True):
            one = _decoded(raw)
            if one is not None and one.tx_hash == tx_hash:
                by_sender.setdefault(one.sender, []).append(one)
        return _by_tip(by_sender, base_fee_wei)


def _all(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for part in content.values() for sender in part.values() for one in sender.values()]


def _decoded(raw: Any) -> Decoded | None:
    try:
        return decode(bytes.fromhex(str(raw).removeprefix("0x")))
    except (NotATransaction, ValueError):
        return None


def _by_tip(by_sender: dict[str, list[Decoded]], base_fee_wei: int) -> list[Decoded]:
    """The order of a block: of all that could come next, the one with the best tip."""
    queues = [sorted(each, key=lambda one: one.nonce, reverse=True) for each in by_sender.values()]
    heads = [(-queue[-1].effective_tip_wei(base_fee_wei), number) for number, queue in enumerate(queues)]
    heapq.heapify(heads)
    ordered: list[Decoded] = []
    while heads:
        _, number = heapq.heappop(heads)
        queue = queues[number]
        ordered.append(queue.pop())
        if queue:
            heapq.heappush(heads, (-queue[-1].effective_tip_wei(base_fee_wei), number))
    return ordered
