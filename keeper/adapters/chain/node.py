"""A node over WebSocket, IPC or HTTP: heads, pinned reads, what a sender asks, and sending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from keeper.adapters.chain import answers, calling, hexes, logs, simulating
from keeper.adapters.chain.batches import BatchRefused, Request
from keeper.adapters.chain.fees import suggested_priority_fee_wei
from keeper.adapters.chain.http_link import Connection, open_connection
from keeper.adapters.chain.multicall import MULTICALL3
from keeper.adapters.chain.plan import Chunk, ReadPlans, call_params, pinned
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, UnitError, Unreachable
from keeper.domain.evm import CallResult, Log, Receipt, Sent, Simulation
from keeper.domain.future import Future, Step
from keeper.domain.redact import redact_text, redact_url, secret_parts
from keeper.domain.rehearsal import Rehearsal
from keeper.domain.text import shown

T = TypeVar("T")

GWEI = 10**9
_RETRY_BLOCKS = 300
"""After Multicall3 was found missing, or a batch was refused, this many blocks are read without it before it is tried again."""
_SCHEMES = ("ws://", "wss://", "http://", "https://")
_BATCH_LIMITS = frozenset({-32003, -32005, -32600})
"""What nodes answer to single requests of a batch that is too large for them; alone they may be answered."""


class NodeClient:
    """ChainReader, BlockReader, AccountReader, StateAfter, ContractReader and Broadcaster over one endpoint.

    Connects when first used and again after a loss; it never retries a request by itself. Every method raises Unreachable, Refused or
    MalformedAnswer, whose words name the endpoint without its secrets. ``requests_made`` counts messages: a batch is one.
    """

    def __init__(
        self,
        url: str,
        *,
        request_timeout_s: float = 5.0,
        connect_timeout_s: float = 5.0,
        multicall: str = MULTICALL3,
        max_calls_per_request: int = 500,
        max_request_bytes: int = 250_000,
        max_batch: int = 100,
        priority_floor_wei: int = GWEI,
    ) -> None:
        """``url``: ws://, wss://, the path of an IPC socket, or http://, https:// (then heads are polled). Raises UnitError for another."""
        if "://" in url and not url.startswith(_SCHEMES):
            raise UnitError(
                f"{redact_url(url)} is not the address of a node", remedy="use ws://, wss://, https:// or an IPC socket"
            )
        self.name = redact_url(url)
        self._url = url
        self._secrets = secret_parts(url)
        self._request_timeout_s = request_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._priority_floor_wei = priority_floor_wei
        self._plans = ReadPlans(multicall, max_calls=max_calls_per_request, max_bytes=max_request_bytes)
        self._max_batch = max_batch
        self._no_multicall_before = 0
        self._looked_at = ""
        self._no_batch_before = 0
        self._link: Connection | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._requests_before = 0

    @property
    def requests_made(self) -> int:
        """JSON-RPC messages sent so far, over all connections."""
        return self._requests_before + (self._link.requests_made if self._link is not None else 0)

    # -- ChainReader -----------------------------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        """The chain the node serves."""
        return await self._ask("eth_chainId", "[]", lambda answer: hexes.quantity(answer, "the chain id"))

    async def head(self) -> BlockStamp:
        """The newest block."""
        block = await self._ask("eth_getBlockByNumber", '["latest",false]', answers.block_stamp)
        self._looked_at = block.hash
        return block

    async def heads(self) -> AsyncGenerator[BlockStamp]:
        """Every new head, in order, from now on, or from the last look at ``head`` on. Raises when the connection or an announcement is bad; call
        again to go on.
        """
        seen = self._looked_at
        link = await self._connected()
        try:
            name, queue, answer = await link.subscribe("newHeads")
            if not name:
                raise MalformedAnswer(f"eth_subscribe answered {shown(calling.result(answer))}")
        except OutsideError as error:
            raise self._named(error) from None
        try:
            given = -1
            if seen and (missed := await self.head()).hash != seen:
                given = missed.number  # what came between that look and the subscription is announced to nobody
                yield missed
            while True:
                announced = await queue.get()
                if isinstance(announced, OutsideError):
                    raise announced
                block = answers.block_stamp(announced)
                if block.number > given:
                    given = -1
                    yield block
        except OutsideError as error:
            raise self._named(error) from None
        finally:
            await link.unsubscribe(name)

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """All answers at this block, pinned by its hash (EIP-1898): one request for each chunk; without Multicall3 a batch."""
        at = pinned(block)
        if block.number < self._no_multicall_before:
            return await self._read_each(calls, block)
        parts = await _all([self._read_chunk(chunk, at) for chunk in self._plans.chunks(calls)])
        found: list[CallResult] = []
        for part in parts:
            if part is None:
                self._no_multicall_before = block.number + _RETRY_BLOCKS
                return await self._read_each(calls, block)
            found += part
        return found

    async def read_and_rehearse(
        self, calls: Sequence[Call], rehearsals: Sequence[Rehearsal], block: BlockStamp
    ) -> tuple[Sequence[CallResult], Sequence[Simulation | None]]:
        """As ``read``, with an ``eth_call`` for each rehearsal in the same message. Where it cannot be one message, nothing is rehearsed."""
        chunks, at = self._plans.chunks(calls), pinned(block)
        fits = len(chunks) + len(rehearsals) <= self._max_batch
        if rehearsals and fits and block.number >= max(self._no_multicall_before, self._no_batch_before):
            requests = [("eth_call", chunk.params + at) for chunk in chunks]
            requests += [("eth_call", call_params(each.call, each.sender) + at) for each in rehearsals]
            found = await self._batch_or_none(requests, block.number, calling.itself, calling.itself)
            results = self._results(chunks, found[: len(chunks)], block) if found is not None else None
            if found is not None and results is not None:
                return results, [calling.simulation(answer) for answer in found[len(chunks) :]]
        return await self.read(calls, block), [None] * len(rehearsals)

    async def close(self) -> None:
        """Lets go of the connection; whatever waits for it fails with Unreachable. Safe to call twice."""
        self._closed = True
        await self._drop()

    # -- BlockReader -----------------------------------------------------------------------------------------------------------

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        """The blocks by their numbers, as far as the node has them, in batches."""
        requests = [("eth_getBlockByNumber", f'["{number:#x}",false]') for number in range(first, last + 1)]
        found = await self._many(requests, last, answers.stamp_or_none)
        return [block for block in found if block is not None]

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        """``eth_getBlockByHash``."""
        return await self._ask("eth_getBlockByHash", f"[{json.dumps(block_hash)},false]", answers.stamp_or_none)

    # -- AccountReader ---------------------------------------------------------------------------------------------------------

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        """``eth_call`` from this sender. A revert is an answer; ``error`` holds the node's words then."""
        at = '"latest"]' if block is None else pinned(block)
        try:
            return Simulation(True, await self._ask("eth_call", call_params(call, sender) + at, hexes.data))
        except Refused as error:
            return Simulation(False, calling.revert_data(error), error.message)

    async def account(self, address: str) -> tuple[int, int]:
        """(nonce, balance in wei) at the newest block."""
        params = json.dumps([address, "latest"])
        balance = self._ask("eth_getBalance", params, lambda answer: hexes.quantity(answer, "the balance"))
        nonce, wei = await _all([self._nonce(address, "latest"), balance])
        return nonce, wei

    async def nonce_at(self, address: str, block: int) -> int:
        """How many transactions the account had sent by the end of this block. Raises Refused where the node has let go of that state."""
        return await self._nonce(address, hex(block))

    async def pending_nonce(self, address: str) -> int:
        """``eth_getTransactionCount`` of the pending block."""
        return await self._nonce(address, "pending")

    async def sent_in(self, block: int, sender: str, nonce: int) -> Sent | None:
        """That transaction of the account, if the block holds it."""
        params = json.dumps([hex(block), True])
        return await self._ask("eth_getBlockByNumber", params, lambda answer: answers.sent(answer, sender, nonce))

    async def gas(self, call: Call, sender: str) -> int:
        """``eth_estimateGas``. Raises Refused when the call would revert."""
        params = call_params(call, sender).rstrip(",") + "]"
        return await self._ask("eth_estimateGas", params, lambda answer: hexes.quantity(answer, "the gas estimate"))

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt, or None while the transaction is in no block."""
        params = json.dumps([tx_hash])
        return await self._ask("eth_getTransactionReceipt", params, lambda answer: answers.receipt(answer, tx_hash))

    async def priority_fee_wei(self) -> int:
        """From the last ten blocks, never below the floor."""
        rewards = await self._ask("eth_feeHistory", '["0xa","latest",[90]]', answers.rewards_wei)
        return suggested_priority_fee_wei(rewards, self._priority_floor_wei)

    # -- StateAfter -----------------------------------------------------------------------------------------------------------

    async def after(self, steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> Future:
        """``eth_simulateV1``. Raises Refused where the node has no such method."""

        async def part(some: Sequence[Call]) -> Future:
            try:
                return await self._ask(
                    simulating.METHOD,
                    simulating.params(steps, some, block),
                    lambda answer: simulating.future(answer, len(steps), len(some)),
                )
            except Refused as error:
                return simulating.without_funds(error, steps, len(some))

        return simulating.joined(await _all([part(some) for some in simulating.chunks(reads)]))

    # -- ContractReader --------------------------------------------------------------------------------------------------------

    async def code(self, address: str) -> bytes:
        """``eth_getCode`` at the newest block."""
        return await self._ask("eth_getCode", json.dumps([address, "latest"]), hexes.data)

    async def logs_of(self, tx_hash: str) -> Sequence[Log] | None:
        """Those of the receipt."""
        params = json.dumps([tx_hash])
        return await self._ask("eth_getTransactionReceipt", params, lambda answer: logs.in_receipt(answer, tx_hash))

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        """``eth_getLogs``."""
        params = logs.params(address, topics, first, last)
        return await self._ask("eth_getLogs", params, lambda answer: logs.found(answer, address, topics, first, last))

    # -- Broadcaster -----------------------------------------------------------------------------------------------------------

    async def send_raw(self, raw: str) -> str:
        """``eth_sendRawTransaction``: the hash."""
        params = json.dumps([raw])
        return await self._ask(
            "eth_sendRawTransaction", params, lambda answer: hexes.hash32(answer, "the transaction hash")
        )

    # -- inside ----------------------------------------------------------------------------------------------------------------

    async def _read_chunk(self, chunk: Chunk, at: str) -> list[CallResult] | None:
        """None when there is no Multicall3 at this block: an address without code answers nothing."""

        def decoded(answer: object) -> list[CallResult] | None:
            data = hexes.data(answer)
            return chunk.answers.decode(data) if data else None

        return await self._ask("eth_call", chunk.params + at, decoded)

    def _results(self, chunks: Sequence[Chunk], found: Sequence[object], block: BlockStamp) -> list[CallResult] | None:
        """Of the answers in a batch, a Refused where it is one. None when they have to be asked for alone. Raises Refused, MalformedAnswer."""
        results: list[CallResult] = []
        try:
            for chunk, answer in zip(chunks, found, strict=True):
                if isinstance(answer, Refused):
                    if answer.code not in _BATCH_LIMITS:
                        raise answer
                    self._no_batch_before = block.number + _RETRY_BLOCKS
                    return None
                if not (data := hexes.data(answer)):
                    self._no_multicall_before = block.number + _RETRY_BLOCKS
                    return None
                results += chunk.answers.decode(data)
        except OutsideError as error:
            raise self._named(error) from None
        return results

    async def _read_each(self, calls: Sequence[Call], block: BlockStamp) -> list[CallResult]:
        at = pinned(block)
        requests = [("eth_call", call_params(call) + at) for call in calls]
        return await self._many(
            requests, block.number, lambda answer: CallResult(True, hexes.data(answer)), calling.reverted
        )

    async def _nonce(self, address: str, at: str) -> int:
        params = json.dumps([address, at])
        return await self._ask("eth_getTransactionCount", params, lambda answer: hexes.quantity(answer, "the nonce"))

    async def _many(
        self,
        requests: Sequence[Request],
        at_block: int,
        parse: Callable[[Any], T],
        refused: Callable[[Refused], T] | None = None,
    ) -> list[T]:
        """The answers to all requests: in batches, or one by one (but all at once) where the node takes no batch.

        ``refused`` makes a result of an error answer; it raises the error again when it is none.
        """
        if len(requests) > 1 and at_block >= self._no_batch_before:
            found = await self._batch_or_none(requests, at_block, parse, refused)
            if found is not None:
                return found
        return await _all([self._one(request, parse, refused) for request in requests])

    async def _batch_or_none(
        self,
        requests: Sequence[Request],
        at_block: int,
        parse: Callable[[Any], T],
        refused: Callable[[Refused], T] | None,
    ) -> list[T] | None:
        """None where the node takes no batch, which is remembered for a while."""
        parts = [requests[begin : begin + self._max_batch] for begin in range(0, len(requests), self._max_batch)]
        try:
            found = await _all([self._batch(part, parse, refused) for part in parts])
        except BatchRefused:
            self._no_batch_before = at_block + _RETRY_BLOCKS
            return None
        except Unreachable:
            # some nodes close the connection instead of an answer: the next time must not end in the same way
            self._no_batch_before = at_block + _RETRY_BLOCKS
            raise
        return [one for part in found for one in part]

    async def _batch(
        self, requests: Sequence[Request], parse: Callable[[Any], T], refused: Callable[[Refused], T] | None
    ) -> list[T]:
        link = await self._connected()
        try:
            return [calling.parsed(answer, parse, refused) for answer in await link.batch(requests)]
        except BatchRefused:
            raise
        except OutsideError as error:
            if isinstance(error, Refused) and error.code in _BATCH_LIMITS:
                raise BatchRefused(error.message, code=error.code) from None
            raise self._named(error) from None

    async def _one(self, request: Request, parse: Callable[[Any], T], refused: Callable[[Refused], T] | None) -> T:
        link = await self._connected()
        try:
            return calling.parsed(await link.request(*request), parse, refused)
        except OutsideError as error:
            raise self._named(error) from None

    async def _ask(self, method: str, params: str, parse: Callable[[Any], T]) -> T:
        return await self._one((method, params), parse, None)

    async def _connected(self) -> Connection:
        link = self._link
        if link is not None and link.alive:
            return link
        async with self._connecting:
            if self._link is not None and self._link.alive:
                return self._link
            await self._drop()
            try:
                self._refuse_when_closed()
                link = open_connection(self._url, self._request_timeout_s)
                await link.open(self._connect_timeout_s)
                self._link = link
                self._refuse_when_closed()  # it may have been closed while it connected
            except Unreachable as error:
                await self._drop()
                raise self._named(error) from None
            return link

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unreachable("this client is closed")

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._requests_before += link.requests_made
            await link.disconnect()

    def _named(self, error: OutsideError) -> OutsideError:
        """The error without secrets. The endpoint's name is put before it, except where the words are the node's own."""
        words = redact_text(error.message, *self._secrets)
        if isinstance(error, Refused):
            return Refused(words, code=error.code, data=error.data, remedy=error.remedy)
        return type(error)(f"{self.name}: {words}", remedy=error.remedy)


async def _all(requests: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; waits for every one of them, then raises the first error if there is one."""
    if len(requests) == 1:
        return [await requests[0]]
    results = await asyncio.gather(*requests, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]
