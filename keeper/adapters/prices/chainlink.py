"""A price feed with Chainlink's AggregatorV3 interface, proxy or aggregator.

Source: AggregatorV3Interface of @chainlink/contracts; minAnswer and maxAnswer are of its OffchainAggregator. Age by the keeper's clock is the
engine's business (``max_age``): here it is said what the round itself shows at its block.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.adapters.prices.scale import MAX_DECIMALS, scaled
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.consensus import worst
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Span, Unit, plain

ROUND = "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
DECIMALS = "decimals()(uint8)"
MIN_ANSWER, MAX_ANSWER = "minAnswer()(int192)", "maxAnswer()(int192)"
MAX_TIME_S = 10**11
"""The year 5138: later times are nonsense."""


class ChainlinkSource:
    """The latest round. Its time is ``updatedAt``; its value has the decimals that the feed states at the same block."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        unit: Unit = Unit.PRICE,
        heartbeat_ms: int | None = None,
        bounds: tuple[Decimal, Decimal] | None = None,
        read_bounds: bool = False,
        future_tolerance_ms: int = 15_000,
    ) -> None:
        """``heartbeat_ms``: the feed promises a round at least so often. ``bounds``: the least and the greatest answer that its aggregator reports,
        with decimals; with ``read_bounds`` the address itself is asked too, which answers when it is an aggregator and not a proxy.
        ``future_tolerance_ms``: how far ``updatedAt`` may lie after the block's own time. Raises UnitError for what does not fit."""
        if bounds is not None and not bounds[0] < bounds[1]:
            raise UnitError("the bounds leave no room for an answer", remedy="write the lower one first")
        self._name = name
        self._unit = unit
        self._heartbeat_ms = heartbeat_ms
        self._bounds = bounds
        self._future_tolerance_ms = future_tolerance_ms
        signatures = (ROUND, DECIMALS, MIN_ANSWER, MAX_ANSWER) if read_bounds else (ROUND, DECIMALS)
        self._functions = tuple(parse_signature(signature) for signature in signatures)
        self._calls = tuple(encode_call(FunctionCall(address, signature)) for signature in signatures)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """latestRoundData() and decimals(); where bounds are read, minAnswer() and maxAnswer(), which may revert."""
        return self._calls

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """MISSING: the feed does not answer or has no round yet. MALFORMED: an answer of zero or less, decimals that make no sense, a time
        in the future. CLAMPED: the answer is the least or the greatest that the feed reports, so the price may lie beyond. STALE: the answer was
        carried over from an earlier round, or the heartbeat has passed. Each of these keeps the value; of several the worst is the quality."""
        try:
            return self._observe(results, block, received_ms)
        except NoValue as why:
            return Observation(
                self._name, None, self._unit, received_ms, block=block, quality=why.quality, reason=why.reason
            )

    def _observe(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        if len(results) != len(self._calls):
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to {len(self._calls)} calls")
        round_id, answer, _, updated_s, answered_in = (
            whole(value) for value in answered(self._functions[0], results[0])
        )
        decimals = whole(answered(self._functions[1], results[1])[0])
        if updated_s == 0:
            raise NoValue(Quality.MISSING, f"round {round_id} is not complete: updatedAt is 0")
        if answer <= 0:
            raise NoValue(Quality.MALFORMED, f"round {round_id} answers {answer}")
        if decimals > MAX_DECIMALS:
            raise NoValue(Quality.MALFORMED, f"the feed states {decimals} decimals")
        ahead_ms = (updated_s - block.timestamp_s) * 1000
        if updated_s > MAX_TIME_S or ahead_ms > self._future_tolerance_ms:
            raise NoValue(Quality.MALFORMED, f"updatedAt {updated_s} lies after the block's time {block.timestamp_s}")
        value = scaled(answer, decimals)
        defects: list[tuple[Quality, str]] = []
        if reached := self._reached(value, results[2:], decimals):
            defects.append((Quality.CLAMPED, reached))
        if answered_in < round_id:
            defects.append((Quality.STALE, f"round {round_id} carries the answer of round {answered_in}"))
        if self._heartbeat_ms is not None and -ahead_ms > self._heartbeat_ms:
            heartbeat = Span(ms=self._heartbeat_ms)
            defects.append((Quality.STALE, f"round {round_id} is older than the feed's heartbeat of {heartbeat}"))
        quality = worst([quality for quality, _ in defects])
        reason = "; ".join(reason for _, reason in defects)
        return Observation(self._name, value, self._unit, received_ms, updated_s * 1000, block, quality, reason)

    def _reached(self, value: Decimal, results: Sequence[CallResult], decimals: int) -> str:
        """Which bound the value has reached, in words; empty when none."""
        lowest, highest = self._bounds or (None, None)
        found = [self._bound(place, result, decimals) for place, result in enumerate(results, start=2)]
        lows = [bound for bound in (lowest, *found[:1]) if bound is not None]
        highs = [bound for bound in (highest, *found[1:]) if bound is not None]
        if lows and value <= max(lows):
            return f"the answer has reached the feed's minimum of {plain(max(lows))}"
        if highs and value >= min(highs):
            return f"the answer has reached the feed's maximum of {plain(min(highs))}"
        return ""

    def _bound(self, place: int, result: CallResult, decimals: int) -> Decimal | None:
        """A bound that the address itself states; None where it states none, as a proxy."""
        if not result.ok or not result.data:
            return None
        return scaled(whole(answered(self._functions[place], result)[0]), decimals)
