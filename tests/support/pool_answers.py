"""What a Uniswap v3 pool and its tokens answer, as bytes."""

from __future__ import annotations

from keeper.domain.evm import CallResult
from tests.support.source_fakes import returned

POOL = "0xcA11bde05977b3631167028862bE2a173976CA11"
TOKEN0 = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
TOKEN1 = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
DEEP = 10**38
"""More liquidity than any pool has: some depth even at the lowest price there is."""


def pool_answers(
    sqrt_price: int,
    *,
    base: str = TOKEN0,
    decimals: tuple[int, int] = (18, 18),
    liquidity: int = DEEP,
    cardinality: int = 1,
) -> list[CallResult]:
    """Answers to the six calls of a source that prices ``base``; ``decimals`` are those of token0 and token1."""
    of_base, of_quote = decimals if base == TOKEN0 else decimals[::-1]
    slot0 = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
    return [
        returned(["address"], TOKEN0),
        returned(["address"], TOKEN1),
        returned(["uint8"], of_base),
        returned(["uint8"], of_quote),
        returned(slot0, sqrt_price, 0, 0, cardinality, cardinality, 0, True),
        returned(["uint128"], liquidity),
    ]


def observed(ticks: tuple[int, int], seconds: tuple[int, int]) -> CallResult:
    """The answer to observe([window, 0]): tickCumulatives and secondsPerLiquidityCumulativeX128s, older and newer."""
    words = [64, 160, 2, *ticks, 2, *seconds]
    return CallResult(True, b"".join(word.to_bytes(32, "big", signed=word < 0) for word in words))
