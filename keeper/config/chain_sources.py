"""The kinds of sources that read one particular sort of contract, and the fields that all sources share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from keeper.config.kinds import CONTRACT, NUMBER, REFERENCE, SHARE, UNIT, choice, duration
from keeper.config.model import (
    ChainlinkSource,
    ConstantSource,
    ContractCallSource,
    DerivedSource,
    Erc4626Source,
    PoolMode,
    PythSource,
    SequencerUptimeSource,
    Source,
    UniswapV3Source,
)
from keeper.config.problems import nearest
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.venues import positive
from keeper.domain.units import Unit

MAX_WINDOW_MS = 7 * 86_400_000
_BYTES32 = re.compile(r"0x[0-9a-fA-F]{64}")


def _price_id(given: Given) -> str:
    if not _BYTES32.fullmatch(given.text):
        raise Bad("not the id of a price", "0x and 64 hex digits, as Pyth lists it")
    return given.text.lower()


PRICE_ID = Kind(_price_id, "", {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"})

SOURCE_UNIT = Field("unit", UNIT, "What the number means; a signal takes only sources of the unit it is made for.")
PRICE_UNIT = Field("unit", UNIT, "What the number means.", Unit.PRICE)
MAX_AGE = Field("max_age", duration(1), "How old a value may be before it counts as stale, such as 90s.")
NEEDS = Field("needs", REFERENCE, "A source of unit flag: while that is not good and 1, this one is stale.", "")

FEED = Field("address", CONTRACT, "The feed's proxy, or its aggregator.")
HEARTBEAT = Field(
    "heartbeat", duration(1_000), "How often the feed promises a round at least; older rounds are stale.", 0
)
BOUNDS = Part(
    "bounds",
    "The feed's minAnswer and maxAnswer, with decimals: an answer that has reached one is clamped.",
    {"type": "array", "items": dict(NUMBER.schema), "minItems": 2},
    required=False,
)
PYTH = Field("address", CONTRACT, "Pyth's contract on this chain.")
PYTH_ID = Field("id", PRICE_ID, "Which price, such as 0xff61...0ace for ETH/USD.")
MAX_CONFIDENCE = Field(
    "max_confidence",
    positive(SHARE),
    "How wide the confidence interval may be to either side; 1% if left out.",
    Decimal("0.01"),
)
POOL = Field("pool", CONTRACT, "The pool.")
BASE = Field("base", CONTRACT, "The token that is priced.")
QUOTE = Field("quote", CONTRACT, "The token that it is priced in.")
MODE = Field("mode", choice(PoolMode, PoolMode.TWAP), "The price now, or the mean over a window.")
WINDOW = Field("window", duration(1_000), "Over how long the mean is taken, in whole seconds.", 0)
MIN_LIQUIDITY = Field(
    "min_liquidity", positive(NUMBER), "How many quote tokens the liquidity must be worth; less is thin.", Decimal(0)
)
VAULT = Field("vault", CONTRACT, "The vault.")
ASSET = Field("asset", CONTRACT, "The token that the vault holds.")
MAX_GROWTH = Field("max_growth_per_day", positive(SHARE), "A rate that grows faster is clamped.", Decimal(0))
GRACE = Field("grace", duration(0), "How long after it came back the sequencer still counts as not good.", 3_600_000)

KINDS = {
    "chainlink": Shape(
        "A Chainlink price feed, read at each block.",
        (FEED, SOURCE_UNIT, MAX_AGE, HEARTBEAT, BOUNDS, NEEDS),
        kind="chainlink",
    ),
    "pyth": Shape(
        "A price of Pyth's contract, read at each block.",
        (PYTH, PYTH_ID, MAX_CONFIDENCE, PRICE_UNIT, MAX_AGE, NEEDS),
        kind="pyth",
    ),
    "uniswap-v3": Shape(
        "The price of a Uniswap v3 pool, read at each block.",
        (POOL, BASE, QUOTE, MODE, WINDOW, MIN_LIQUIDITY, MAX_AGE, NEEDS),
        kind="uniswap-v3",
    ),
    "erc4626": Shape(
        "How many assets one share of a vault is worth, read at each block.",
        (VAULT, ASSET, MAX_GROWTH, MAX_AGE, NEEDS),
        kind="erc4626",
    ),
    "sequencer-uptime": Shape(
        "Whether the sequencer of a layer-2 chain is up: 1 or 0, from Chainlink's uptime feed.",
        (FEED, GRACE, MAX_AGE),
        kind="sequencer-uptime",
    ),
}


def need_of(source: Source) -> str | None:
    """The name of the source that this one needs; None where it needs none."""
    match source:
        case ChainlinkSource() | ContractCallSource() | PythSource() | UniswapV3Source() | Erc4626Source():
            return source.needs
        case _:
            return None


def check_needs(sections: Mapping[str, Section], sources: Mapping[str, Source | None]) -> None:
    """Notes what is wrong with every ``needs``: no such source, no flag, or one that needs something itself."""
    for name, section in sections.items():
        below = section.at("needs")
        needs = below.read(REFERENCE) if below else ""
        if below is None or not needs:
            continue
        needed = sources.get(needs)
        if needs not in sources:
            below.problem("no source has this name", nearest(needs, sources))
        elif needs == name:
            below.problem("a source cannot need itself", "name a source of unit flag")
        elif needed is None:
            continue  # broken, which is told where it stands
        elif isinstance(needed, DerivedSource | ConstantSource):
            below.problem("a source that is made of others cannot be needed", "name the one that is read")
        elif needed.unit is not Unit.FLAG:
            below.problem("a source of unit flag is needed", f"{needs} is of unit {needed.unit}")
        elif need_of(needed) is not None:
            below.problem("a source that needs another cannot be needed", f"{needs} needs {need_of(needed)}")


def _chainlink(name: str, section: Section) -> Source:
    below = section.at("bounds")
    max_age_ms, heartbeat_ms = section.get(MAX_AGE), section.get(HEARTBEAT)
    if section.clean and max_age_ms < heartbeat_ms:
        section.problem(
            "max_age",
            "shorter than heartbeat: a healthy feed would be stale before its next round",
            "a little more than `heartbeat`",
        )
    return ChainlinkSource(
        name,
        section.get(SOURCE_UNIT),
        max_age_ms,
        section.get(FEED),
        heartbeat_ms=heartbeat_ms or None,
        bounds=_read_bounds(below) if below else None,
        needs=section.get(NEEDS) or None,
    )


def _read_bounds(cursor: Cursor) -> tuple[Decimal, Decimal] | None:
    before = len(cursor.context.report)
    numbers = [item.read(NUMBER) for item in cursor.items()]
    if len(cursor.context.report) > before:
        return None
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        cursor.problem("not a lower and an upper bound", "two numbers, the lower one first: [0.01, 10000]")
        return None
    return numbers[0], numbers[1]


def _pyth(name: str, section: Section) -> Source:
    return PythSource(
        name=name,
        unit=section.get(PRICE_UNIT),
        max_age_ms=section.get(MAX_AGE),
        address=section.get(PYTH),
        price_id=section.get(PYTH_ID),
        max_confidence=section.get(MAX_CONFIDENCE),
        needs=section.get(NEEDS) or None,
    )


def _uniswap_v3(name: str, section: Section) -> Source:
    base, quote, mode = section.get(BASE), section.get(QUOTE), section.get(MODE)
    window_ms, min_liquidity = section.get(WINDOW), section.get(MIN_LIQUIDITY)
    if section.clean:
        if base == quote:
            section.problem("quote", "base and quote are the same token", "name the pool's two tokens")
        if mode is PoolMode.TWAP and not window_ms:
            section.problem("window", "a mean needs a window", "add window, such as window: 10m")
        if mode is PoolMode.SPOT and section.at("window"):
            section.problem("window", "the price of now has no window", "leave it out, or write mode: twap")
        if window_ms % 1000 or window_ms > MAX_WINDOW_MS:
            section.problem("window", "no pool can tell the mean over this", "whole seconds, 7d at most")
    return UniswapV3Source(
        name=name,
        max_age_ms=section.get(MAX_AGE),
        pool=section.get(POOL),
        base=base,
        quote=quote,
        window_s=window_ms // 1000 if mode is PoolMode.TWAP else None,
        min_liquidity=min_liquidity,
        needs=section.get(NEEDS) or None,
    )


def _erc4626(name: str, section: Section) -> Source:
    return Erc4626Source(
        name=name,
        max_age_ms=section.get(MAX_AGE),
        vault=section.get(VAULT),
        asset=section.get(ASSET),
        max_growth_per_day=section.get(MAX_GROWTH) or None,
        needs=section.get(NEEDS) or None,
    )


def _sequencer_uptime(name: str, section: Section) -> Source:
    return SequencerUptimeSource(
        name=name, max_age_ms=section.get(MAX_AGE), address=section.get(FEED), grace_ms=section.get(GRACE)
    )


READERS = {
    "chainlink": _chainlink,
    "pyth": _pyth,
    "uniswap-v3": _uniswap_v3,
    "erc4626": _erc4626,
    "sequencer-uptime": _sequencer_uptime,
}
