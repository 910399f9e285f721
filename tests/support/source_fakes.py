"""Blocks and answers for the tests of the sources."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.abi_codec import encode_values
from keeper.domain.action import AbiValue
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult

T = 1_700_000_000
BLOCK = BlockStamp(100, "0x" + "aa" * 32, "0x" + "bb" * 32, T)
RECEIVED_MS = T * 1000 + 250
ROUND_TYPES = ("uint80", "int256", "uint256", "uint256", "uint80")


def returned(types: Sequence[str], *values: AbiValue) -> CallResult:
    return CallResult(True, encode_values(tuple(types), values))


def round_data(answer: int, updated_s: int = T - 60, *, round_id: int = 7, answered_in: int = 7) -> CallResult:
    return returned(ROUND_TYPES, round_id, answer, updated_s, updated_s, answered_in)


class ManualClock:
    """Time moves when the test says so."""

    def __init__(self, now_ms: int = RECEIVED_MS) -> None:
        self.now = now_ms
        self.monotonic = 5_000.0

    def advance(self, ms: int) -> None:
        self.now += ms
        self.monotonic += ms

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> float:
        return self.monotonic

    async def sleep(self, seconds: float) -> None:
        self.advance(int(seconds * 1000))
