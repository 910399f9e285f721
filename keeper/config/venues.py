"""The source kind ``exchange``: one symbol on several trading venues."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from keeper.config.kinds import HTTP_URL, NUMBER, SHARE, duration, whole
from keeper.config.model import ExchangeSource, VenueConfig
from keeper.config.problems import nearest, without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape, T
from keeper.config.tree import Scalar
from keeper.domain.record import Json
from keeper.domain.units import Unit

MAX_VENUES = 20
DEFAULT_OUTLIER = Decimal("0.1")
"""Honest venues have stood that far apart in a run; what is further is a wrong number. Never nothing: the mean of a price and a lie is a lie."""
MINUTE_MS = 60_000
MAX_WINDOW_MS = 240 * MINUTE_MS
"""Four hours: as many one-minute bars as every venue gives in one answer."""
_SYMBOL = re.compile(r"[A-Z0-9.]{1,20}/[A-Z0-9.]{1,20}(?::[A-Z0-9.-]{1,40})?")
NOT_INSTALLED = "sources of kind exchange need ccxt, and it is not installed"
INSTALL = (
    'in a clone of this repository run: make setup-dev; elsewhere install the extra: pip install "keeper[exchange]"'
)
SYMBOL_HINT = "base and quote in capitals, as ccxt writes them: ETH/USDT"


@cache
def known_venues(package: str) -> frozenset[str]:
    """The venues that ccxt knows, by the files of its package (``async_support``, ``pro``): importing it would take most of a second."""
    found = find_spec("ccxt")
    folders = [Path(place) / package for place in (found.submodule_search_locations or ())] if found else []
    names = (file.stem for folder in folders for file in folder.glob("[a-z0-9]*.py"))
    return frozenset(names)


def _venue(given: Given) -> str:
    known = known_venues("async_support")
    if known and given.text not in known:
        raise Bad("ccxt knows no venue of this name", nearest(given.text, known))
    return given.text


def _symbol(given: Given) -> str:
    if not _SYMBOL.fullmatch(given.text):
        raise Bad("not a symbol", SYMBOL_HINT)
    return given.text


def _flag(given: Given) -> bool:
    if not isinstance(given.value, bool):
        raise Bad("neither true nor false", "true or false, without quotes")
    return given.value


def _window(given: Given) -> int:
    ms = duration(MINUTE_MS).parse(given)
    if ms % MINUTE_MS or ms > MAX_WINDOW_MS:
        raise Bad("not whole minutes up to four hours", "for example 15m: it is counted from one-minute bars")
    return ms


def positive(kind: Kind[Decimal]) -> Kind[Decimal]:
    """The same, more than zero."""

    def parse(given: Given) -> Decimal:
        number = kind.parse(given)
        if number <= 0:
            raise Bad("more than zero is needed", "leave it out when nothing is asked")
        return number

    return Kind(parse, Decimal(1), kind.schema)


VENUE_NAME: Kind[str] = Kind(_venue, "", {"type": "string", "minLength": 1})
SYMBOL_TEXT: Kind[str] = Kind(_symbol, "", {"type": "string", "pattern": f"^{_SYMBOL.pattern}$"})
FLAG: Kind[bool] = Kind(_flag, False, {"type": "boolean"})
WINDOW: Kind[int] = Kind(_window, MINUTE_MS, dict(duration(MINUTE_MS).schema))

VENUE = Field("venue", VENUE_NAME, "The venue, by its name in ccxt: kraken.")
SYMBOL = Field("symbol", SYMBOL_TEXT, f"What is traded there: {SYMBOL_HINT}.")
OWN_SYMBOL = Field("symbol", SYMBOL_TEXT, "The symbol on this venue, when it is another than the source's.", "")
VENUE_URL = Field(
    "url", HTTP_URL, "Asked instead of the venue's own address: a proxy, or a local exchange.", Secret("")
)
MIN_VENUES = Field("min_venues", whole(1, MAX_VENUES), "How many venues must be good and agree.", 2)
OUTLIER = Field(
    "outlier",
    positive(SHARE),
    "Further from the median of the others, a venue is left out; 10% when not said.",
    DEFAULT_OUTLIER,
)
MIN_VOLUME = Field(
    "min_volume",
    positive(NUMBER),
    "What a venue must have turned over within volume_window, in quote currency.",
    Decimal(0),
)
VOLUME_WINDOW = Field("volume_window", WINDOW, "How far back the volume is counted, in whole minutes.", 15 * MINUTE_MS)
MAX_SPREAD = Field("max_spread", positive(SHARE), "How far a venue's bid and ask may be apart.", Decimal(0))
STREAM = Field("stream", FLAG, "Take prices by WebSocket instead of asking for them.", False)
EVERY = Field("every", duration(500), "How often to ask.", 5_000)
TIMEOUT = Field("timeout", duration(100), "How long to wait for a venue.", 3_000)
MAX_AGE = Field("max_age", duration(1_000), "How long ago a venue may have traded last; older ones are stale.")

VENUE_SHAPE = Shape("One venue.", (VENUE, OWN_SYMBOL, VENUE_URL))
_VENUE_PROPERTIES: dict[str, Json] = {field.key: dict(field.kind.schema) for field in (VENUE, OWN_SYMBOL, VENUE_URL)}
_VENUE_OBJECT: dict[str, Json] = {
    "type": "object",
    "properties": _VENUE_PROPERTIES,
    "required": ["venue"],
    "additionalProperties": False,
}
_VENUE_CHOICES: list[Json] = [dict(VENUE_NAME.schema), _VENUE_OBJECT]
_VENUES_SCHEMA: dict[str, Json] = {"type": "array", "minItems": 1, "items": {"anyOf": _VENUE_CHOICES}}

EXCHANGE = Shape(
    "The price of one symbol on trading venues: the median of those that are fresh, liquid and agree.",
    (
        SYMBOL,
        Part("venues", "The venues: kraken, or {venue: kraken, symbol: USDC/USD}.", _VENUES_SCHEMA),
        MIN_VENUES,
        OUTLIER,
        MIN_VOLUME,
        VOLUME_WINDOW,
        MAX_SPREAD,
        EVERY,
        TIMEOUT,
        MAX_AGE,
        STREAM,
    ),
    kind="exchange",
)


def read_exchange(name: str, section: Section) -> ExchangeSource:
    """The source; what is wrong with it is noted."""
    context = section.cursor.context
    if not context.environment.offline and not known_venues("async_support"):
        # One place: said once, however many sources.
        context.report.add("sources", section.cursor.line, "", NOT_INSTALLED, INSTALL)
    symbol, stream = section.get(SYMBOL), section.get(STREAM)
    below = section.at("venues")
    venues = _read_venues(below, symbol, stream) if below else ()
    min_venues, every, max_age = section.get(MIN_VENUES), section.get(EVERY), section.get(MAX_AGE)
    if section.clean and len(venues) < min_venues:
        hint = "name more venues, or set min_venues: 1 and take the median of several sources with kind: derived"
        section.problem("min_venues", f"{min_venues} must agree, and there are {len(venues)}", hint)
    if section.clean and max_age < every:
        section.problem(
            "max_age", "shorter than every: each value would be stale before the next", "a few times `every`"
        )
    if section.at("volume_window") and not section.at("min_volume"):
        section.problem("volume_window", "no volume is asked for", "add min_volume, or leave volume_window out")
    if section.at("outlier") and len(venues) == 1:
        section.problem("outlier", "one venue has no others to be compared with", "leave it out")
    return ExchangeSource(
        name=name,
        unit=Unit.PRICE,
        max_age_ms=max_age,
        venues=venues,
        min_venues=min_venues,
        outlier=section.get(OUTLIER),
        min_volume=_if_given(section, MIN_VOLUME),
        volume_window_ms=section.get(VOLUME_WINDOW),
        max_spread=_if_given(section, MAX_SPREAD),
        every_ms=every,
        timeout_ms=section.get(TIMEOUT),
        stream=stream,
    )


def _if_given(section: Section, field: Field[T]) -> T | None:
    return section.get(field) if section.at(field.key) else None


def _read_venues(cursor: Cursor, symbol: str, stream: bool) -> tuple[VenueConfig, ...]:
    items = cursor.items()
    if cursor.is_list and not 1 <= len(items) <= MAX_VENUES:
        cursor.problem(f"{len(items)} venues", f"from 1 to {MAX_VENUES}", found="")
    venues: dict[str, VenueConfig] = {}
    for item in items:
        venue = _read_venue(item, symbol)
        if venue is None or not venue.name:
            continue
        if venue.name in venues:
            item.problem("this venue is named twice", "one vote for each")
        if stream and known_venues("async_support") and venue.name not in known_venues("pro"):
            item.problem("ccxt offers no WebSocket for this venue", "leave stream out, or the venue")
        venues[venue.name] = venue
    return tuple(venues.values())


def _read_venue(cursor: Cursor, symbol: str) -> VenueConfig | None:
    if isinstance(cursor.node, Scalar):
        return VenueConfig(cursor.read(VENUE_NAME), symbol, None, "")
    section = cursor.open(VENUE_SHAPE)
    if section is None:
        return None
    url, raw = section.get(VENUE_URL), section.table.entries.get("url")
    shown = without_credentials("sources.url", raw.text) if isinstance(raw, Scalar) else ""
    return VenueConfig(section.get(VENUE), section.get(OWN_SYMBOL) or symbol, url if url.reveal() else None, shown)
