"""What the methods do: they check what came, and write it into the book."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keeper.devnet.anvil import quantity
from keeper.devnet.relay import builders
from keeper.devnet.relay.book import LIFE_BLOCKS, Book, Bundle, Private, Status
from keeper.devnet.relay.builders import Builder
from keeper.devnet.relay.decoded import Decoded, NotATransaction, decode
from keeper.devnet.relay.fields import HASH, Fields
from keeper.devnet.relay.refusing import INVALID_PARAMS, NO_METHOD, REFUSED, Refusal
from keeper.devnet.relay.simulation import Unfit, next_block, simulate
from keeper.devnet.rpc import RpcClient

MOST_TRANSACTIONS: Final = 100
MOST_BYTES: Final = 300_000
"""Of a bundle's transactions together."""
MOST_BLOCKS_AHEAD: Final = 25
"""Of a bundle's block."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: ``signer`` is empty without a signature. ``buried``: what comes is taken and never mined."""

    builder: Builder
    signer: str
    buried: bool = False


class Desk:
    """Of all builders. ``answer`` raises Refusal, and as ``RpcClient.call``."""

    def __init__(self, rpc: RpcClient, book: Book, chain_id: int) -> None:
        self._rpc = rpc
        self._book = book
        self._chain_id = chain_id
        self._methods: Mapping[str, Callable[[Asker, Any], Coroutine[Any, Any, Any]]] = {
            builders.SEND_BUNDLE: self._send_bundle,
            builders.CALL_BUNDLE: self._call_bundle,
            builders.CANCEL_BUNDLE: self._cancel_bundle,
            builders.SEND_PRIVATE: self._send_private,
            builders.CANCEL_PRIVATE: self._cancel_private,
            builders.SEND_RAW: self._send_raw,
        }

    async def answer(self, asker: Asker, method: str, params: Any) -> Any:
        """The result."""
        if re.fullmatch(r"flashbots_get\w*Stats\w*", method):
            raise Refusal(REFUSED, "this method is no longer offered")
        if method not in asker.builder.methods or method not in self._methods:
            raise Refusal(NO_METHOD, f"the method {method} does not exist/is not available")
        if not isinstance(params, list) or len(params) != 1:
            raise Refusal(INVALID_PARAMS, "params must hold one argument")
        return await self._methods[method](asker, params[0])

    async def status(self, builder: Builder, tx_hash: str) -> dict[str, Any]:
        """As the status page has it."""
        private = self._book.privates.get((builder.name, tx_hash))
        status = Status.UNKNOWN if private is None else await self._status(private)
        found: dict[str, Any] = {"status": status.value, "hash": tx_hash, "fastMode": False, "seenInMempool": False}
        if private is None:
            return found | {"maxBlockNumber": 0, "transaction": None}
        one = private.transaction
        found |= {"maxBlockNumber": private.last_block, "transaction": _told(one)}
        return found | ({"simError": private.sim_error} if private.sim_error else {})

    async def _status(self, private: Private) -> Status:
        one = private.transaction
        receipt, nonce, newest = await self._rpc.batch(
            [
                ("eth_getTransactionReceipt", [one.tx_hash]),
                ("eth_getTransactionCount", [one.sender, "latest"]),
                ("eth_blockNumber", []),
            ]
        )
        if receipt is not None:
            return Status.INCLUDED
        if private.cancelled:
            return Status.CANCELLED
        over = quantity(newest) >= private.last_block or quantity(nonce) > one.nonce
        return Status.FAILED if over else Status.PENDING

    async def _send_bundle(self, asker: Asker, asked: Any) -> Any:
        said = Fields(asked)
        uuid = said.uuid()
        if said.value.get("txs") == [] and asker.builder.empty_cancels and uuid:
            self._book.cancel(asker.builder.name, uuid, asker.signer)
            return {"bundleHash": None}
        transactions = self._decoded(said.texts("txs"))
        earliest, latest = said.times()
        may_revert = said.hashes("revertingTxHashes")
        said.texts("builders", required=False)  # all of them are asked anyway
        newest = quantity(await self._rpc.call("eth_blockNumber"))
        block = said.number("blockNumber", required=not asker.builder.any_block)
        block = newest + 1 if block is None else block
        if block <= newest:
            raise Refusal(REFUSED, "target block is in the past")
        if block > newest + MOST_BLOCKS_AHEAD:
            raise Refusal(REFUSED, f"target block is more than {MOST_BLOCKS_AHEAD} blocks ahead")
        if all(one.tip_wei == 0 for one in transactions):
            raise Refusal(REFUSED, "bundle pays no tip")
        bundle = Bundle(
            asker.builder.name,
            asker.signer,
            transactions,
            block,
            uuid,
            earliest,
            latest,
            may_revert,
            asker.buried,
        )
        self._book.add(bundle)
        return {"bundleHash": bundle.bundle_hash}

    async def _call_bundle(self, asker: Asker, asked: Any) -> Any:
        said = Fields(asked)
        transactions = self._decoded(said.texts("txs"))
        said.number("blockNumber", required=True)
        top = await next_block(self._rpc)
        try:
            ran = await simulate(self._rpc, top, transactions)
        except Unfit as unfit:
            raise Refusal(REFUSED, f"err: {unfit}") from None
        results: list[dict[str, Any]] = [
            {
                "txHash": one.transaction.tx_hash,
                "fromAddress": one.transaction.sender,
                "toAddress": one.transaction.to,
                "gasUsed": one.gas_used,
                "gasPrice": str(top.base_fee_wei + one.transaction.effective_tip_wei(top.base_fee_wei)),
                "gasFees": str(one.gas_used * one.transaction.effective_tip_wei(top.base_fee_wei)),
                "coinbaseDiff": str(one.gas_used * one.transaction.effective_tip_wei(top.base_fee_wei)),
                "ethSentToCoinbase": "0",
                **({"error": "execution reverted", "revert": one.data} if one.error else {"value": one.data}),
            }
            for one in ran
        ]
        fees, gas = sum(int(one["coinbaseDiff"]) for one in results), sum(one.gas_used for one in ran)
        bundle = Bundle(asker.builder.name, asker.signer, transactions, top.number)
        return {
            "bundleHash": bundle.bundle_hash,
            "bundleGasPrice": str(fees // gas if gas else 0),
            "coinbaseDiff": str(fees),
            "ethSentToCoinbase": "0",
            "gasFees": str(fees),
            "results": results,
            "stateBlockNumber": top.number - 1,
            "totalGasUsed": gas,
        }

    async def _cancel_bundle(self, asker: Asker, asked: Any) -> Any:
        uuid = Fields(asked).uuid()
        if not uuid:
            raise Refusal(INVALID_PARAMS, "replacementUuid is required")
        cancelled = self._book.cancel(asker.builder.name, uuid, asker.signer)
        return 200 if asker.builder.answers_200 else cancelled

    async def _send_private(self, asker: Asker, asked: Any) -> Any:
        said = Fields(asked)
        (one,) = self._decoded([said.text("tx")])
        said.check_preferences()
        last_block = said.value.get("maxBlockNumber")
        if (
            type(last_block) is not int or last_block < 0
        ):  # a number was right once, and the `flashbots` package still sends one
            last_block = said.number("maxBlockNumber", required=False)
        return await self._take_private(asker, one, last_block)

    async def _send_raw(self, asker: Asker, asked: Any) -> Any:
        if not isinstance(asked, str):
            raise Refusal(INVALID_PARAMS, "a raw transaction is a text")
        (one,) = self._decoded([asked])
        return await self._take_private(asker, one, None)

    async def _take_private(self, asker: Asker, one: Decoded, last_block: int | None) -> Any:
        if one.tip_wei == 0:
            raise Refusal(REFUSED, "tip must be above zero")
        longest = quantity(await self._rpc.call("eth_blockNumber")) + LIFE_BLOCKS
        last = longest if last_block is None else min(last_block, longest)
        self._book.add_private(Private(asker.builder.name, asker.signer, one, last, asker.buried))
        return 200 if asker.builder.answers_200 else one.tx_hash

    async def _cancel_private(self, asker: Asker, asked: Any) -> Any:
        tx_hash = Fields(asked).text("txHash").lower()
        if not HASH.fullmatch(tx_hash):
            raise Refusal(INVALID_PARAMS, "txHash is not a hash")
        return self._book.cancel_private(asker.builder.name, tx_hash, asker.signer)

    def _decoded(self, texts: Sequence[str]) -> tuple[Decoded, ...]:
        if not texts:
            raise Refusal(INVALID_PARAMS, "bundle missing txs")
        if len(texts) > MOST_TRANSACTIONS:
            raise Refusal(INVALID_PARAMS, f"more than {MOST_TRANSACTIONS} transactions")
        if sum(len(text) // 2 - 1 for text in texts) > MOST_BYTES:
            raise Refusal(INVALID_PARAMS, f"more than {MOST_BYTES} bytes")
        found = tuple(_transaction(text) for text in texts)
        for one in found:
            if one.chain_id != self._chain_id:
                raise Refusal(REFUSED, f"invalid chain id: {one.chain_id}, want {self._chain_id}")
        return found


def _transaction(text: str) -> Decoded:
    try:
        if not text.startswith("0x"):
            raise NotATransaction("no 0x")
        return decode(bytes.fromhex(text[2:]))
    except ValueError:
        raise Refusal(INVALID_PARAMS, "txs holds what is not a signed transaction") from None


def _told(one: Decoded) -> dict[str, Any]:
    return {
        "from": one.sender,
        "to": one.to,
        "gasLimit": str(one.gas),
        "maxFeePerGas": str(one.max_fee_wei),
        "maxPriorityFeePerGas": str(one.tip_wei),
        "nonce": str(one.nonce),
        "value": str(one.value_wei),
    }
