"""A price feed with Chainlink's AggregatorV3 interface, proxy or aggregator.

Source: AggregatorV3Interface of @chainlink/contracts. Heartbeat and age are the rule's business (``max_age``): here it is only said what
the round itself shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.adapters.prices.scale import MAX_DECIMALS, scaled
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit

ROUND = "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
DECIMALS = "decimals()(uint8)"
MAX_TIME_S = 10**11
"""The year 5138: later times are nonsense."""


class ChainlinkSource:
    """The latest round. Its time is ``updatedAt``; its value has the decimals that the feed states at the same block."""

    def __init__(self, name: str, address: str, *, unit: Unit = Unit.PRICE, future_tolerance_ms: int = 15_000) -> None:
        """``future_tolerance_ms``: how far ``updatedAt`` may lie after the block's own time. Raises UnitError for a bad address."""
        self._name = name
        self._unit = unit
        self._future_tolerance_ms = future_tolerance_ms
        self._round = parse_signature(ROUND)
        self._decimals = parse_signature(DECIMALS)
        self._calls = (encode_call(FunctionCall(address, ROUND)), encode_call(FunctionCall(address, DECIMALS)))

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """latestRoundData() and decimals()."""
        return self._calls

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """MISSING: the feed does not answer or has no round yet. MALFORMED: an answer of zero or less, decimals that make no sense, a time
        in the future. STALE: the answer was carried over from an earlier round."""
        try:
            return self._observe(results, block, received_ms)
        except NoValue as why:
            return Observation(
                self._name, None, self._unit, received_ms, block=block, quality=why.quality, reason=why.reason
            )

    def _observe(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        if len(results) != len(self._calls):
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to {len(self._calls)} calls")
        round_id, answer, _, updated_s, answered_in = (whole(value) for value in answered(self._round, results[0]))
        decimals = whole(answered(self._decimals, results[1])[0])
        if updated_s == 0:
            raise NoValue(Quality.MISSING, f"round {round_id} is not complete: updatedAt is 0")
        if answer <= 0:
            raise NoValue(Quality.MALFORMED, f"round {round_id} answers {answer}")
        if decimals > MAX_DECIMALS:
            raise NoValue(Quality.MALFORMED, f"the feed states {decimals} decimals")
        ahead_ms = (updated_s - block.timestamp_s) * 1000
        if updated_s > MAX_TIME_S or ahead_ms > self._future_tolerance_ms:
            raise NoValue(Quality.MALFORMED, f"updatedAt {updated_s} lies after the block's time {block.timestamp_s}")
        quality, reason = Quality.OK, ""
        if answered_in < round_id:
            quality, reason = Quality.STALE, f"round {round_id} carries the answer of round {answered_in}"
        value = scaled(answer, decimals)
        return Observation(self._name, value, self._unit, received_ms, updated_s * 1000, block, quality, reason)
