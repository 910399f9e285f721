"""New heads from a node that cannot announce them: ask for the newest block again and again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from keeper.adapters.chain import answers
from keeper.adapters.chain.batches import BatchRefused, Request
from keeper.adapters.chain.cadence import Cadence
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused

LATEST: Request = ("eth_getBlockByNumber", '["latest",false]')
MAX_FILLED = 64
"""More blocks than these between two answers are not fetched here: whoever listens sees the jump and decides."""
_MAX_REFUSALS = 3
"""A node that limits its callers refuses now and then; so many refusals in a row end the heads."""
_REMEMBERED = 256


class Poller:
    """Puts each new header into the queue, those between two answers as well, and an OutsideError as the last item."""

    def __init__(
        self,
        ask: Callable[[str, str], Awaitable[dict[str, Any]]],
        batch: Callable[[Sequence[Request]], Awaitable[list[dict[str, Any]]]],
        queue: asyncio.Queue[object],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask = ask
        self._batch = batch
        self._queue = queue
        self._sleep = sleep
        self._cadence = Cadence()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._newest = -1

    def begin(self, header: object) -> None:
        """The newest block at the start: it is known already. Raises MalformedAnswer."""
        self._note(header)

    async def run(self) -> None:
        """Until the node fails or this is cancelled."""
        refusals = 0
        while True:
            await self._sleep(self._cadence.interval_s * (1 + refusals))
            try:
                await self._look()
            except Refused as error:
                refusals += 1
                if refusals == _MAX_REFUSALS:
                    self._queue.put_nowait(error)
                    return
            except OutsideError as error:
                self._queue.put_nowait(error)
                return
            else:
                refusals = 0

    async def _look(self) -> None:
        header = _header(await self._ask(*LATEST))
        block = answers.block_stamp(header)
        if block.hash in self._seen:
            return  # nothing new, or a node of a cluster that is a little behind
        between = range(self._newest + 1, block.number)
        if 0 < len(between) <= MAX_FILLED:
            for missed in await self._headers(between):
                if missed is not None:
                    self._note(missed)
                    self._queue.put_nowait(missed)
        self._note(header)
        self._queue.put_nowait(header)

    async def _headers(self, numbers: range) -> list[object]:
        requests = [(LATEST[0], f'["{number:#x}",false]') for number in numbers]
        if len(requests) > 1:
            try:
                return [_result(answer) for answer in await self._batch(requests)]
            except BatchRefused:
                pass
        return [_result(await self._ask(*request)) for request in requests]

    def _note(self, header: object) -> None:
        block = answers.block_stamp(header)
        self._newest = block.number
        self._cadence.saw(block)
        self._seen[block.hash] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def _result(answer: dict[str, Any]) -> object:
    if (error := answer.get("error")) is not None:
        raise answers.refusal(error)
    return answer.get("result")


def _header(answer: dict[str, Any]) -> object:
    header = _result(answer)
    if header is None:
        raise MalformedAnswer("the node has no newest block")
    return header
