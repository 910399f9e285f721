"""The requests of a read, prepared once for each list of calls: a tick asks the same things at every block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted

from keeper.adapters.chain.multicall import Aggregate3Answers, encode_aggregate3
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp

MAX_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the calls: ``params`` is the JSON of ``eth_call``'s parameters up to the block, which is added each time."""

    calls: tuple[Call, ...]
    params: str
    answers: Aggregate3Answers


class ReadPlans:
    """Chunks of at most ``max_calls`` calls and ``max_bytes`` of calldata (but at least one call)."""

    def __init__(self, multicall: str, *, max_calls: int, max_bytes: int) -> None:
        self._multicall = multicall
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._plans: dict[tuple[Call, ...], tuple[Chunk, ...]] = {}

    def chunks(self, calls: Sequence[Call]) -> tuple[Chunk, ...]:
        """The chunks of these calls. A tuple that was planned before costs next to nothing; an equal list a hash of every call."""
        for known, plan in self._plans.items():
            if known is calls:
                return plan
        key = tuple(calls)
        found = self._plans.get(key)
        if found is None:
            found = tuple(Chunk(part, self._params(part), Aggregate3Answers(len(part))) for part in self._split(key))
            if len(self._plans) >= MAX_REMEMBERED:
                self._plans.pop(next(iter(self._plans)))
            self._plans[key] = found
        return found

    def _params(self, calls: tuple[Call, ...]) -> str:
        return call_params(Call(self._multicall, encode_aggregate3(calls)))

    def _split(self, calls: tuple[Call, ...]) -> Iterator[tuple[Call, ...]]:
        begin, size = 0, 0
        for index, call in enumerate(calls):
            size += len(call.data)
            if index > begin and (index - begin >= self._max_calls or size > self._max_bytes):
                yield calls[begin:index]
                begin, size = index, len(call.data)
        if begin < len(calls):
            yield calls[begin:]


def call_params(call: Call, sender: str | None = None) -> str:
    """The JSON of ``[{"from":..,"to":..,"data":..},`` without the block that closes it."""
    origin = f'"from":{quoted(sender)},' if sender else ""
    return f'[{{{origin}"to":{quoted(call.to)},"data":"0x{call.data.hex()}"}},'


def pinned(block: BlockStamp) -> str:
    """The end of ``eth_call``'s parameters: the block by its hash, so that a reorganisation cannot slip another one in."""
    return f'{{"blockHash":{quoted(block.hash)}}}]'
