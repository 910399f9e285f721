"""The price of one symbol on several trading venues: the median of those that are fresh, liquid and agree.

How a venue is reached (REST or WebSocket, through ccxt) is in ``ccxt_venue``, which is imported when the first price is asked for: ccxt takes
most of a second and more than a hundred megabytes, and nobody who does not use it should pay for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import Protocol

from keeper.adapters.prices.chain_answer import NoValue
from keeper.domain.consensus import Member, consensus
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.domain.venue import BAR_MS, Bar, Guards, Quote, judge
from keeper.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """``name`` as ccxt knows it, ``symbol`` as ccxt writes it. ``url`` takes the place of scheme and host of the venue's own addresses.

    ``timeout_ms`` is for one request; ``bars`` is how many one-minute bars are asked for (0: none),
    ``spread`` whether bid and ask are needed.
    """

    name: str
    symbol: str
    url: str | None = None
    timeout_ms: int = 3_000
    bars: int = 0
    spread: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a venue said; ``bars`` None when they were not asked for."""

    quote: Quote
    bars: tuple[Bar, ...] | None = None


class Venue(Protocol):
    """One venue. ``read`` raises NoValue with the quality and the reason, and nothing else."""

    async def read(self) -> Reading: ...
    async def close(self) -> None: ...


OpenVenue = Callable[[VenueSettings, Clock], Awaitable[Venue]]


async def open_ccxt(settings: VenueSettings, clock: Clock) -> Venue:
    """The venue through ccxt, which is loaded in a thread: it takes most of a second the first time."""
    module = await asyncio.to_thread(import_module, "keeper.adapters.prices.ccxt_venue")
    venue: Venue = module.CcxtVenue(settings, clock)
    return venue


class ExchangeSource:
    """Asks all venues at once. ``poll`` never raises: what is wrong with a venue is its quality, and the reason names every venue."""

    def __init__(
        self,
        name: str,
        venues: Sequence[VenueSettings],
        guards: Guards,
        *,
        clock: Clock,
        min_venues: int = 2,
        outlier: Decimal | None = None,
        interval_ms: int = 5_000,
        open_venue: OpenVenue = open_ccxt,
    ) -> None:
        """``min_venues`` so many must be good and within ``outlier`` (a share) of each other."""
        self._name = name
        self._settings = tuple(venues)
        self._guards = guards
        self._clock = clock
        self._min_venues = min_venues
        self._outlier = outlier
        self._interval_ms = interval_ms
        self._open_venue = open_venue
        self._open: dict[str, Venue] = {}
        self._closed = False

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    @property
    def interval_ms(self) -> int:
        """How often to ask."""
        return self._interval_ms

    async def poll(self) -> Observation:
        """OK: the median, its time the one that ``min_venues`` venues are not older than. Else a quality as in ``keeper.domain.consensus``."""
        members = await asyncio.gather(*(self._ask(settings) for settings in self._settings))
        found = consensus(members, self._min_venues, self._outlier)
        now_ms = self._clock.now_ms()
        at_ms = self._supported_since(found.kept, now_ms) if found.value is not None else None
        return Observation(
            self._name, found.value, Unit.PRICE, now_ms, at_ms, quality=found.quality, reason=found.reason
        )

    async def close(self) -> None:
        """Lets go of connections. Safe to call twice."""
        self._closed = True
        while self._open:
            _, venue = self._open.popitem()
            await venue.close()

    async def _ask(self, settings: VenueSettings) -> Member:
        try:
            reading = await self._read(settings)
        except NoValue as why:
            return Member(settings.name, None, why.quality, why.reason)
        return judge(settings.name, reading.quote, reading.bars, self._guards, self._clock.now_ms())

    async def _read(self, settings: VenueSettings) -> Reading:
        if self._closed:
            raise NoValue(Quality.MISSING, "this source is closed")
        try:
            async with asyncio.timeout(settings.timeout_ms / 1000):
                if settings.name not in self._open:
                    self._open[settings.name] = await self._open_venue(settings, self._clock)
                return await self._open[settings.name].read()
        except TimeoutError:
            raise NoValue(Quality.MISSING, f"no answer within {settings.timeout_ms} ms") from None

    def _supported_since(self, kept: Sequence[Member], now_ms: int) -> int:
        times = sorted((now_ms if one.at_ms is None else one.at_ms for one in kept), reverse=True)
        return times[min(self._min_venues, len(times)) - 1] if times else now_ms


def bars_for(window_ms: int) -> int:
    """How many one-minute bars reach into the window, the one in progress included, and one more for a clock that is a little off."""
    return window_ms // BAR_MS + 2
