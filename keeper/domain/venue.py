"""What one trading venue says about a price, and whether enough stands behind it.

Volume is that of a recent window and not of 24 hours: a venue that turned over a quarter of a million in a day may still print an absurd price on
a few hundred, and it is the minutes around the print that show it. It is counted from one-minute bars, in quote currency
(volume of a bar times its close), over every bar that reaches into the window, the one in progress included.

Age is counted from the older of two times, where they are known: the one that the venue gives for its ticker, and the time of the last trade by
the bars (the end of the last bar with volume, or now while that bar is in progress). So a venue that repeats its last price without volume is
STALE, however new it says its ticker is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.domain.consensus import CONTEXT, Member, worst
from keeper.domain.observation import Quality
from keeper.domain.units import Span, format_ratio

BAR_MS = 60_000
FUTURE_TOLERANCE_MS = 60_000
"""How far a venue's clock may be ahead of the keeper's."""


@dataclass(frozen=True, slots=True)
class Quote:
    """``last`` in quote currency per base; ``at_ms`` in milliseconds UTC, ``bid`` and ``ask``: None where the venue does not give them."""

    last: Decimal
    at_ms: int | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute: ``open_ms`` its beginning (milliseconds UTC), ``volume`` in base currency."""

    open_ms: int
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Guards:
    """What a venue must show; None: not asked.

    ``min_volume`` is in quote currency over the last ``window_ms``, ``max_spread`` a share of the middle.
    """

    max_age_ms: int
    min_volume: Decimal | None = None
    window_ms: int = 15 * BAR_MS
    max_spread: Decimal | None = None


def judge(name: str, quote: Quote, bars: Sequence[Bar] | None, guards: Guards, now_ms: int) -> Member:
    """The venue's price with its quality: STALE, THIN or WIDE, the worst of them, with all reasons. ``bars`` None: not asked for.

    MALFORMED: a price of zero or less, or a time in the future. Bounds are inclusive: exactly ``max_age_ms`` old, ``min_volume`` traded
    and ``max_spread`` wide is good.
    """
    if not quote.last.is_finite() or quote.last <= 0:
        return Member(name, None, Quality.MALFORMED, f"a price of {quote.last:.6g}")
    times = [time for time in (quote.at_ms, _last_trade_ms(bars or (), now_ms)) if time is not None]
    at_ms = min(times, default=None)
    if max(times, default=now_ms) - now_ms > FUTURE_TOLERANCE_MS:
        return Member(name, None, Quality.MALFORMED, "its time lies in the future: is its clock right?")
    found = [
        *_stale(at_ms, guards, now_ms),
        *_thin(bars, guards, now_ms),
        *_wide(quote, guards),
    ]
    if bars is not None and _last_trade_ms(bars, now_ms) is None:
        found.append((Quality.STALE, "nothing traded lately"))
    reason = ", ".join(words for _, words in found)
    return Member(name, quote.last, worst([quality for quality, _ in found]), reason, at_ms)


def traded(bars: Sequence[Bar], since_ms: int) -> Decimal:
    """The volume in quote currency of all bars that end after ``since_ms``."""
    total = Decimal(0)
    for bar in bars:
        if bar.open_ms + BAR_MS > since_ms:
            total = CONTEXT.add(total, CONTEXT.multiply(bar.close, bar.volume))
    return total


def _last_trade_ms(bars: Sequence[Bar], now_ms: int) -> int | None:
    ends = [bar.open_ms + BAR_MS for bar in bars if bar.volume > 0]
    if not ends:
        return None
    # the end of the bar in progress lies ahead; one that lies further ahead is a wrong clock
    return now_ms if now_ms < max(ends) <= now_ms + BAR_MS else max(ends)


def _stale(at_ms: int | None, guards: Guards, now_ms: int) -> list[tuple[Quality, str]]:
    if at_ms is None or now_ms - at_ms <= guards.max_age_ms:
        return []
    return [(Quality.STALE, f"last traded {(now_ms - at_ms) // 1000} s ago, {Span(ms=guards.max_age_ms)} allowed")]


def _thin(bars: Sequence[Bar] | None, guards: Guards, now_ms: int) -> list[tuple[Quality, str]]:
    if guards.min_volume is None or bars is None:
        return []
    volume = traded(bars, now_ms - guards.window_ms)
    if volume >= guards.min_volume:
        return []
    window = Span(ms=guards.window_ms)
    return [(Quality.THIN, f"{volume:.6g} traded in {window}, {guards.min_volume:f} needed")]


def _wide(quote: Quote, guards: Guards) -> list[tuple[Quality, str]]:
    if guards.max_spread is None:
        return []
    bid, ask = quote.bid, quote.ask
    if bid is None or ask is None or not 0 < bid <= ask:
        return [(Quality.WIDE, "no bid and ask that make sense")]
    spread = CONTEXT.divide(CONTEXT.multiply(Decimal(2), CONTEXT.subtract(ask, bid)), CONTEXT.add(ask, bid))
    if spread <= guards.max_spread:
        return []
    return [(Quality.WIDE, f"bid and ask are {spread:.2%} apart, {format_ratio(guards.max_spread)} allowed")]
