"""A node over WebSocket or IPC: heads, pinned reads, what a sender asks, and sending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from web3 import AsyncWeb3

from keeper.adapters.chain import answers, hexes
from keeper.adapters.chain.fees import suggested_priority_fee_wei
from keeper.adapters.chain.link import Link, open_link
from keeper.adapters.chain.multicall import MULTICALL3, decode_aggregate3
from keeper.adapters.chain.plan import Chunk, ReadPlans, call_params
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, UnitError, Unreachable
from keeper.domain.evm import CallResult, Receipt, Simulation
from keeper.domain.redact import redact_text, redact_url, secret_parts
from keeper.domain.text import shown

T = TypeVar("T")

GWEI = 10**9
_RETRY_MULTICALL_BLOCKS = 300
"""After Multicall3 was found missing, this many blocks are read call by call before it is tried again."""


class NodeClient:
    """ChainReader, AccountReader and Broadcaster over one endpoint.

    Connects when first used and again after a loss; it never retries a request by itself. Every method raises Unreachable, Refused or
    MalformedAnswer, whose words name the endpoint without its secrets. ``requests_made`` counts JSON-RPC requests.
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
        priority_floor_wei: int = GWEI,
    ) -> None:
        """``url``: ws://, wss:// or the path of an IPC socket. Raises UnitError for another scheme."""
        if "://" in url and not url.startswith(("ws://", "wss://")):
            raise UnitError(
                f"{redact_url(url)} cannot be subscribed to", remedy="use ws://, wss:// or the path of an IPC socket"
            )
        self.name = redact_url(url)
        self._url = url
        self._secrets = secret_parts(url)
        self._request_timeout_s = request_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._priority_floor_wei = priority_floor_wei
        self._plans = ReadPlans(multicall, max_calls=max_calls_per_request, max_bytes=max_request_bytes)
        self._no_multicall_before = 0
        self._web3: AsyncWeb3[Link] | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._requests_before = 0

    @property
    def requests_made(self) -> int:
        """JSON-RPC requests sent so far, over all connections."""
        return self._requests_before + (self._web3.provider.requests_made if self._web3 is not None else 0)

    # -- ChainReader -----------------------------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        """The chain the node serves."""
        return await self._ask("eth_chainId", "[]", lambda answer: hexes.quantity(answer, "the chain id"))

    async def head(self) -> BlockStamp:
        """The newest block."""
        return await self._ask("eth_getBlockByNumber", '["latest",false]', answers.block_stamp)

    async def heads(self) -> AsyncGenerator[BlockStamp]:
        """Every new head, in order, from now on. Raises when the connection or an announcement is bad; call again to go on."""
        link = await self._connected()
        try:
            name, queue, answer = await link.subscribe("newHeads")
            if not name:
                raise MalformedAnswer(f"eth_subscribe answered {shown(_result(answer))}")
        except OutsideError as error:
            raise self._named(error) from None
        try:
            while True:
                announced = await queue.get()
                if isinstance(announced, OutsideError):
                    raise announced
                yield answers.block_stamp(announced)
        except OutsideError as error:
            raise self._named(error) from None
        finally:
            await link.unsubscribe(name)

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """All answers at this block, pinned by its hash (EIP-1898): one request for each chunk, or for each call without Multicall3."""
        at = _pinned(block)
        if block.number < self._no_multicall_before:
            return await self._read_each(calls, at)
        parts = await _all([self._read_chunk(chunk, at) for chunk in self._plans.chunks(calls)])
        found: list[CallResult] = []
        for part in parts:
            if part is None:
                self._no_multicall_before = block.number + _RETRY_MULTICALL_BLOCKS
                return await self._read_each(calls, at)
            found += part
        return found

    async def close(self) -> None:
        """Lets go of the connection; whatever waits for it fails with Unreachable. Safe to call twice."""
        self._closed = True
        await self._drop()

    # -- AccountReader ---------------------------------------------------------------------------------------------------------

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        """``eth_call`` from this sender. A revert is an answer; ``error`` holds the node's words then."""
        at = '"latest"]' if block is None else _pinned(block)
        try:
            return Simulation(True, await self._ask("eth_call", call_params(call, sender) + at, hexes.data))
        except Refused as error:
            return Simulation(False, _revert_data(error), error.message)

    async def account(self, address: str) -> tuple[int, int]:
        """(nonce, balance in wei) at the newest block."""
        params = json.dumps([address, "latest"])
        nonce, balance = await _all(
            [
                self._ask("eth_getTransactionCount", params, lambda answer: hexes.quantity(answer, "the nonce")),
                self._ask("eth_getBalance", params, lambda answer: hexes.quantity(answer, "the balance")),
            ]
        )
        return nonce, balance

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
            return decode_aggregate3(data, len(chunk.calls)) if data else None

        return await self._ask("eth_call", chunk.params + at, decoded)

    async def _read_each(self, calls: Sequence[Call], at: str) -> list[CallResult]:
        return await _all([self._read_one(call, at) for call in calls])

    async def _read_one(self, call: Call, at: str) -> CallResult:
        try:
            return CallResult(True, await self._ask("eth_call", call_params(call) + at, hexes.data))
        except Refused as error:
            return CallResult(False, _revert_data(error))

    async def _ask(self, method: str, params: str, parse: Callable[[Any], T]) -> T:
        link = await self._connected()
        try:
            return parse(_result(await link.request(method, params)))
        except OutsideError as error:
            raise self._named(error) from None

    async def _connected(self) -> Link:
        web3 = self._web3
        if web3 is not None and web3.provider.alive:
            return web3.provider
        async with self._connecting:
            if self._web3 is not None and self._web3.provider.alive:
                return self._web3.provider
            await self._drop()
            link = open_link(self._url, self._request_timeout_s)
            try:
                self._refuse_when_closed()
                await link.open(self._connect_timeout_s)
                self._web3 = AsyncWeb3(link, middleware=[])
                self._refuse_when_closed()  # it may have been closed while it connected
            except Unreachable as error:
                await self._drop()
                raise self._named(error) from None
            return link

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unreachable("this client is closed")

    async def _drop(self) -> None:
        web3, self._web3 = self._web3, None
        if web3 is not None:
            self._requests_before += web3.provider.requests_made
            await web3.provider.disconnect()

    def _named(self, error: OutsideError) -> OutsideError:
        """The error without secrets. The endpoint's name is put before it, except where the words are the node's own."""
        words = redact_text(error.message, *self._secrets)
        if isinstance(error, Refused):
            return Refused(words, code=error.code, data=error.data, remedy=error.remedy)
        return type(error)(f"{self.name}: {words}", remedy=error.remedy)


def _result(answer: dict[str, Any]) -> Any:
    """The result of a JSON-RPC answer. Raises Refused, MalformedAnswer."""
    if (error := answer.get("error")) is not None:
        raise answers.refusal(error)
    if "result" not in answer:
        raise MalformedAnswer(f"an answer without a result: {shown(answer)}")
    return answer["result"]


def _revert_data(error: Refused) -> bytes:
    """The revert data. Raises the error again when it is not the contract's but the node's."""
    if not answers.is_revert(error):
        raise error
    return bytes.fromhex(error.data.removeprefix("0x"))


def _pinned(block: BlockStamp) -> str:
    """The end of ``eth_call``'s parameters: the block by its hash, so that a reorganisation cannot slip another one in."""
    return f'{{"blockHash":{json.dumps(block.hash)}}}]'


async def _all(requests: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; waits for every one of them, then raises the first error if there is one."""
    if len(requests) == 1:
        return [await requests[0]]
    results = await asyncio.gather(*requests, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]
