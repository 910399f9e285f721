"""Whether the sequencer of a layer-2 chain is up, from Chainlink's uptime feed.

Source: "L2 Sequencer Uptime Feeds" of Chainlink's documentation: an answer of 0 means up, 1 means down, ``startedAt`` is when that began. While the
sequencer is down nobody can update prices, and right after it comes back they lag: other sources name this one in ``needs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Span, Unit

ROUND = "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
UP, DOWN = 0, 1
MAX_TIME_S = 10**11
"""The year 5138: later times are nonsense."""


class SequencerUptimeSource:
    """FLAG: 1 while the sequencer is up, 0 while it is down. Within ``grace_ms`` after it came back the 1 is STALE.

    It has no time of its own (the feed is written only when the state changes): it is the chain's state at the block.
    """

    def __init__(
        self, name: str, address: str, *, grace_ms: int = 3_600_000, future_tolerance_ms: int = 15_000
    ) -> None:
        """``future_tolerance_ms``: how far ``startedAt`` may lie after the block's own time. Raises UnitError for a bad address."""
        self._name = name
        self._grace_ms = grace_ms
        self._future_tolerance_ms = future_tolerance_ms
        self._round = parse_signature(ROUND)
        self._calls = (encode_call(FunctionCall(address, ROUND)),)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """latestRoundData()."""
        return self._calls

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """OK with 0: down, for sure. STALE with 1: up, and the grace period (its last millisecond included) is not over. MISSING: the feed does
        not answer or was not started. MALFORMED: an answer that is neither 0 nor 1, a time in the future."""
        try:
            return self._observe(results, block, received_ms)
        except NoValue as why:
            return Observation(
                self._name, None, Unit.FLAG, received_ms, block=block, quality=why.quality, reason=why.reason
            )

    def _observe(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        if len(results) != 1:
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to one call")
        _, answer, started_s, _, _ = (whole(value) for value in answered(self._round, results[0]))
        if answer not in (UP, DOWN):
            raise NoValue(Quality.MALFORMED, f"the feed answers {answer}, neither 0 (up) nor 1 (down)")
        if started_s == 0:
            raise NoValue(Quality.MISSING, "the feed has no round yet: startedAt is 0")
        age_ms = (block.timestamp_s - started_s) * 1000
        if started_s > MAX_TIME_S or -age_ms > self._future_tolerance_ms:
            raise NoValue(Quality.MALFORMED, f"startedAt {started_s} lies after the block's time {block.timestamp_s}")
        quality, reason = Quality.OK, ""
        if answer == UP and age_ms <= self._grace_ms:
            # the moment and not the age: a reason that changes with each block would be told with each block
            moment = datetime.fromtimestamp(started_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            quality = Quality.STALE
            reason = f"the sequencer came back at {moment}: the grace period of {Span(ms=self._grace_ms)} is not over"
        up = Decimal(int(answer == UP))
        return Observation(self._name, up, Unit.FLAG, received_ms, block=block, quality=quality, reason=reason)
