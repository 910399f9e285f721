"""A transaction pool as geth keeps it, in front of a node that is less strict: what gets in, what gets out, and what waits for a lower base fee."""

from __future__ import annotations

import asyncio
from typing import Any

from keeper.devnet.anvil import quantity
from keeper.devnet.pool_rules import (
    FEE_CAP_WEI,
    PoolRefusal,
    RawTransaction,
    check_alone,
    check_funds,
    check_replacement,
)
from keeper.devnet.rpc import RpcClient
from keeper.domain.errors import Refused

_SEND = "eth_sendRawTransaction"
_BASE_FEE_TOO_LOW = "max fee per gas less than block base fee"
_HAS_IT = "transaction already imported"
"""Both as anvil says it."""


class Pool:
    """One place per sender and nonce. It knows only what was added to it: transactions that reach the node in other ways are the node's own.

    anvil refuses a transaction below the present base fee, and forgets one that a rising base fee has overtaken; geth keeps both, so they wait
    here and the node gets them again with every block.
    """

    def __init__(self, node: RpcClient, fee_cap_wei: int = FEE_CAP_WEI) -> None:
        self._node = node
        self._fee_cap_wei = fee_cap_wei
        self._places: dict[tuple[str, int], RawTransaction] = {}
        self._waiting: set[str] = set()
        self._mined: set[str] = set()
        self._one = asyncio.Lock()

    @property
    def pending(self) -> tuple[RawTransaction, ...]:
        """What is in the pool, by the newest block that was followed."""
        return tuple(one for one in self._places.values() if one.tx_hash not in self._mined)

    @property
    def waiting(self) -> frozenset[str]:
        """The hashes of those that wait for a lower base fee, and that the node does not have."""
        return frozenset(self._waiting)

    async def add(self, transaction: RawTransaction) -> str:
        """Its hash, once the pool has it. Raises PoolRefusal with geth's words or the node's; Unreachable or MalformedAnswer for the node."""
        async with self._one:
            check_alone(transaction, self._fee_cap_wei)
            next_nonce, balance_wei = await self._account(transaction.sender)
            place = (transaction.sender, transaction.nonce)
            old = self._places.get(place)
            if transaction.nonce < next_nonce:
                raise PoolRefusal(f"nonce too low: next nonce {next_nonce}, tx nonce {transaction.nonce}")
            if old is not None and old.tx_hash == transaction.tx_hash:
                raise PoolRefusal("already known")
            check_funds(balance_wei, self._row(transaction.sender, next_nonce), transaction)
            if old is not None:
                check_replacement(old, transaction)
            await self._hand_over(transaction, old)
            self._places[place] = transaction
            self._mined.discard(transaction.tx_hash)
            return transaction.tx_hash

    async def follow(self) -> None:
        """Looks at the newest block: what it has passed leaves the pool, what a reorganisation took back is there again, and the node gets it all."""
        async with self._one:
            next_nonces = {sender: await self._next_nonce(sender) for sender in {place[0] for place in self._places}}
            for (sender, nonce), transaction in list(self._places.items()):
                if nonce < next_nonces[sender]:
                    self._mined.add(transaction.tx_hash)
                    self._waiting.discard(transaction.tx_hash)
                    continue
                self._mined.discard(transaction.tx_hash)
                try:
                    await self._offer(transaction)
                except PoolRefusal as refusal:
                    # mined a moment ago: the next block says so. Else it fits no more, as when its sender has spent the money: geth drops it too
                    if not refusal.message.startswith("nonce too low"):
                        self._forget(transaction)

    async def drop(self, tx_hash: str) -> RawTransaction | None:
        """Takes it out of here and of the node's pool, as a node that is short of room would. None when it is not in the pool."""
        async with self._one:
            found = next((one for one in self.pending if one.tx_hash == tx_hash.lower()), None)
            if found is not None:
                self._forget(found)
                await self._node.call("anvil_dropTransaction", found.tx_hash)
            return found

    async def pending_nonce(self, address: str, said: int) -> int:
        """The next nonce behind all that stands in a row; ``said`` is the node's own answer, which lacks what waits here."""
        async with self._one:
            mine = {nonce for sender, nonce in self._places if sender.lower() == address.lower()}
            while said in mine:
                said += 1
            return said

    async def _hand_over(self, new: RawTransaction, old: RawTransaction | None) -> None:
        if not await self._offer(new) and old is not None:  # the node must not mine it in place of what replaced it
            await self._node.call("anvil_dropTransaction", old.tx_hash)
        if old is not None:
            self._waiting.discard(old.tx_hash)

    async def _offer(self, transaction: RawTransaction) -> bool:
        """Whether the node has it now; False: it waits for a lower base fee. Raises PoolRefusal with the node's words."""
        try:
            await self._node.call(_SEND, transaction.raw)
        except Refused as error:
            words = error.message.removeprefix(f"{_SEND}: ")
            if words == _BASE_FEE_TOO_LOW:
                self._waiting.add(transaction.tx_hash)
                return False
            if words != _HAS_IT:
                raise PoolRefusal(words, error.code) from None
        self._waiting.discard(transaction.tx_hash)
        return True

    def _row(self, sender: str, nonce: int) -> dict[int, RawTransaction]:
        """The sender's, from this nonce to the first gap: what geth calls pending."""
        row: dict[int, RawTransaction] = {}
        while (one := self._places.get((sender, nonce))) is not None:
            row[nonce] = one
            nonce += 1
        return row

    async def _account(self, sender: str) -> tuple[int, int]:
        """Its next nonce, and its balance in wei."""
        calls = [("eth_getTransactionCount", [sender, "latest"]), ("eth_getBalance", [sender, "latest"])]
        nonce, balance = await self._node.batch(calls)
        return quantity(nonce), quantity(balance)

    async def _next_nonce(self, sender: str) -> int:
        return quantity(await self._node.call("eth_getTransactionCount", sender, "latest"))

    def _forget(self, transaction: RawTransaction) -> None:
        self._places.pop((transaction.sender, transaction.nonce), None)
        self._waiting.discard(transaction.tx_hash)


def as_pending(transaction: RawTransaction) -> dict[str, Any]:
    """What a node answers about a transaction that is in no block, in short."""
    return {
        "hash": transaction.tx_hash,
        "from": transaction.sender.lower(),
        "nonce": hex(transaction.nonce),
        "maxFeePerGas": hex(transaction.max_fee_wei),
        "maxPriorityFeePerGas": hex(transaction.tip_wei),
        "gasPrice": hex(transaction.max_fee_wei),
        "blockHash": None,
        "blockNumber": None,
        "transactionIndex": None,
    }
