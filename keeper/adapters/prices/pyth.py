"""A price of Pyth's contract, with its confidence interval.

Source: IPyth and PythStructs of @pythnetwork/pyth-sdk-solidity: the price is ``price * 10**expo``, give or take ``conf * 10**expo``. What the
contract holds is what somebody last brought there: its age is the rule's business (``max_age``).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.adapters.prices.ratio import exceeds_share, ratio
from keeper.adapters.prices.scale import scaled
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit, format_ratio

PRICE = "getPriceUnsafe(bytes32)(int64,uint64,int32,uint256)"
"""The struct Price has fields of fixed size only, so it is encoded as four plain values."""
NOT_FOUND = parse_signature("PriceFeedNotFound()").selector
MAX_EXPONENT = 30
"""Pyth's exponents lie around -8; beyond 30 in either direction they are nonsense."""
MAX_TIME_S = 10**11
"""The year 5138: later times are nonsense."""
DEFAULT_MAX_CONFIDENCE = Decimal("0.01")


class PythSource:
    """The price under one id. Its time is the publish time."""

    def __init__(
        self,
        name: str,
        address: str,
        price_id: str,
        *,
        unit: Unit = Unit.PRICE,
        max_confidence: Decimal = DEFAULT_MAX_CONFIDENCE,
        future_tolerance_ms: int = 15_000,
    ) -> None:
        """``price_id`` is 0x and 64 hex digits. ``max_confidence`` is the widest interval to either side, as a share of the price.

        ``future_tolerance_ms``: how far the publish time may lie after the block's own. Raises UnitError for what does not fit.
        """
        if not (max_confidence.is_finite() and max_confidence > 0):
            raise UnitError("a confidence interval is a share above zero", remedy="write for example 1%")
        self._name = name
        self._id = price_id
        self._unit = unit
        self._max_confidence = max_confidence
        self._future_tolerance_ms = future_tolerance_ms
        self._price = parse_signature(PRICE)
        self._calls = (encode_call(FunctionCall(address, PRICE, (price_id,))),)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """getPriceUnsafe(id): unlike getPrice it does not revert for an old price, whose age is to be seen."""
        return self._calls

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """MISSING: no such price there. MALFORMED: a price of zero or less, an exponent or a time that makes no sense. WIDE: the confidence
        interval is wider than allowed; the value is given all the same."""
        try:
            return self._observe(results, block, received_ms)
        except NoValue as why:
            return Observation(
                self._name, None, self._unit, received_ms, block=block, quality=why.quality, reason=why.reason
            )

    def _observe(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        if len(results) != 1:
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to one call")
        if not results[0].ok and results[0].data == NOT_FOUND:
            raise NoValue(
                Quality.MISSING, f"there is no price {self._id}: is the id of this network, and was it ever brought?"
            )
        price, confidence, exponent, published_s = (whole(value) for value in answered(self._price, results[0]))
        if published_s == 0:
            raise NoValue(Quality.MISSING, "nothing was published yet: the publish time is 0")
        if price <= 0:
            raise NoValue(Quality.MALFORMED, f"the price is {price}")
        if abs(exponent) > MAX_EXPONENT:
            raise NoValue(Quality.MALFORMED, f"the exponent is {exponent}")
        ahead_ms = (published_s - block.timestamp_s) * 1000
        if published_s > MAX_TIME_S or ahead_ms > self._future_tolerance_ms:
            raise NoValue(
                Quality.MALFORMED, f"publish time {published_s} lies after the block's time {block.timestamp_s}"
            )
        quality, reason = Quality.OK, ""
        if exceeds_share(confidence, price, self._max_confidence):
            width = ratio(confidence, price).quantize(Decimal("0.000001")) if confidence < price * 10 else None
            shown = format_ratio(width) if width is not None else "more than 1000%"
            limit = format_ratio(self._max_confidence)
            quality, reason = Quality.WIDE, f"the confidence interval is {shown} of the price, {limit} is allowed"
        value = scaled(price * 10 ** max(exponent, 0), max(-exponent, 0))
        return Observation(self._name, value, self._unit, received_ms, published_s * 1000, block, quality, reason)
