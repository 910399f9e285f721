"""The rate of an ERC-4626 vault: how many assets one share is worth.

Source: EIP-4626. ``convertToAssets`` must not depend on the caller, on fees or on slippage, so a large round number of shares is asked for: for one
share the answer of a 6-decimal asset would have 6 digits. The rate is what the vault says of itself; whoever sends it assets raises it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.adapters.prices.ratio import product
from keeper.adapters.prices.scale import scaled
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.address import checksum_address, parse_address
from keeper.domain.block import BlockStamp
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.text import shown
from keeper.domain.units import Unit, format_ratio, plain

SHARES_EXPONENT = 24
MAX_DECIMALS = 36
"""No token has more."""
CONVERT, DECIMALS, ASSET = "convertToAssets(uint256)(uint256)", "decimals()(uint8)", "asset()(address)"
DAY_S = 86_400
ANCHORS = 64
"""So many of the newest anchors are kept, in case what they were read from turns out to be disputed."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The rate that growth is measured from, its block's time, and that block."""

    rate: Decimal
    at_s: int
    block: int


class Erc4626Source:
    """PRICE: assets per share, exactly as answered. It has no time of its own: it is the chain's state at the block.

    With ``max_growth_per_day`` it remembers an anchor: a rate more than that above it, for each day begun since, is CLAMPED. The anchor is the first
    good rate, then the first one of each further day; a lower rate takes its place. A CLAMPED rate never does, so a jump stays CLAMPED
    until enough days have passed, or the keeper is started anew. This is the one source whose answer depends on earlier ones: it must
    see each block's results once, in order. Whether other nodes agree about them is known later, so ``disown`` takes an anchor back.
    """

    def __init__(self, name: str, vault: str, asset: str, *, max_growth_per_day: Decimal | None = None) -> None:
        """Raises UnitError for a bad address or a cap that is not above zero."""
        if max_growth_per_day is not None and not (max_growth_per_day.is_finite() and max_growth_per_day > 0):
            raise UnitError("a growth cap is a share above zero", remedy="write for example 1%")
        self._name = name
        self._asset = checksum_address(parse_address(asset))
        self._max_growth = max_growth_per_day
        self._anchors: deque[Anchor] = deque(maxlen=ANCHORS)
        shares = (str(10**SHARES_EXPONENT),)
        views = [
            FunctionCall(vault, CONVERT, shares),
            FunctionCall(vault, DECIMALS),
            FunctionCall(vault, ASSET),
            FunctionCall(asset, DECIMALS),
        ]
        self._functions = [parse_signature(view.signature) for view in views]
        self._calls = tuple(encode_call(view) for view in views)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """convertToAssets(10**24), the decimals of share and asset, and asset()."""
        return self._calls

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """MISSING: no vault there, or it reverts. MALFORMED: another asset than configured, a rate of zero, decimals that make no sense.
        CLAMPED: grown faster than allowed; the value is given all the same."""
        try:
            rate = self._rate(results)
        except NoValue as why:
            return Observation(
                self._name, None, Unit.PRICE, received_ms, block=block, quality=why.quality, reason=why.reason
            )
        reason = "" if self._max_growth is None else self._judge(rate, self._max_growth, block)
        quality = Quality.CLAMPED if reason else Quality.OK
        return Observation(self._name, rate, Unit.PRICE, received_ms, block=block, quality=quality, reason=reason)

    def disown(self, after: int, through: int) -> None:
        """No anchor may be from blocks after ``after`` and up to ``through``: the one before them counts again. Without any, the next good
        rate is the first."""
        kept = [anchor for anchor in self._anchors if not after < anchor.block <= through]
        self._anchors = deque(kept, maxlen=ANCHORS)

    def _rate(self, results: Sequence[CallResult]) -> Decimal:
        if len(results) != len(self._calls):
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to {len(self._calls)} calls")
        answers = [answered(function, result)[0] for function, result in zip(self._functions, results, strict=True)]
        assets, share_decimals, asset_decimals = whole(answers[0]), whole(answers[1]), whole(answers[3])
        if answers[2] != self._asset:
            raise NoValue(Quality.MALFORMED, f"the vault's asset is {shown(answers[2])}, not the one configured")
        if max(share_decimals, asset_decimals) > MAX_DECIMALS:
            raise NoValue(Quality.MALFORMED, f"{share_decimals} decimals of the share, {asset_decimals} of the asset")
        if assets == 0:
            raise NoValue(Quality.MALFORMED, "the vault answers a rate of 0")
        places = SHARES_EXPONENT + asset_decimals - share_decimals
        return scaled(assets * 10 ** max(-places, 0), max(places, 0))

    def _judge(self, rate: Decimal, max_growth: Decimal, block: BlockStamp) -> str:
        """Why the rate is too high; empty when it is not, and then the anchor follows."""
        anchor, at_s = self._anchors[-1] if self._anchors else None, block.timestamp_s
        if anchor is not None:
            days = max(at_s - anchor.at_s, 0) // DAY_S + 1
            highest = product(anchor.rate, 1 + max_growth * days)
            if rate > highest:
                return (
                    f"{plain(rate)} is more than {plain(highest)}: {format_ratio(max_growth)} a day"
                    f" is allowed above the {plain(anchor.rate)} of block time {anchor.at_s}"
                )
        if anchor is None or rate < anchor.rate or at_s - anchor.at_s >= DAY_S:
            self._anchors.append(Anchor(rate, at_s, block.number))
        return ""
