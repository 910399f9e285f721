"""Quantities as people write them, and the units that values carry.

Nothing here is a float: ratios are ``Decimal`` (0.02 for ``2%``), durations are whole milliseconds or blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.errors import UnitError


class Unit(StrEnum):
    """What a number means. A rule may hold a signal only against a threshold of the same unit."""

    PRICE = "price"
    """Quote currency per unit of base; the currency stands in the source's name or configuration."""
    RATIO = "ratio"
    """Dimensionless share, 1 = 100 %. Written ``2%`` or ``50bps``."""
    VOLATILITY = "volatility"
    """Standard deviation of log returns over the stated horizon; dimensionless but never comparable to a RATIO. Written ``2%``."""
    SECONDS = "seconds"
    COUNT = "count"
    AMOUNT = "amount"
    """Units of a token or another balance, already divided by its decimals."""
    FLAG = "flag"
    """0 or 1."""
    SCORE = "score"
    """A number of standard deviations, or a sum of such; dimensionless, but no share of anything. Written as a plain number."""


_RATIO = re.compile(r"^\s*(-?\d{1,12}(?:\.\d{1,18})?)\s*(%|bps)\s*$", re.ASCII)
_SPAN = re.compile(r"^\s*(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|blocks?)\s*$", re.ASCII)
_SAMPLES = re.compile(r"^\s*(\d{1,9})\s*samples?\s*$", re.ASCII)
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: exactly one of ``ms``, ``blocks`` and ``samples`` is set. Samples are the ticks at which there was an input."""

    ms: int | None = None
    blocks: int | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.ms, self.blocks, self.samples)) != 1:
            raise UnitError("a span is either a time or a number of blocks or of samples")

    def __str__(self) -> str:
        if self.samples is not None:
            return f"{self.samples} sample" + ("" if self.samples == 1 else "s")
        if self.blocks is not None:
            return f"{self.blocks} block" + ("" if self.blocks == 1 else "s")
        ms = self.ms or 0
        for unit in ("d", "h", "m", "s"):
            if ms and ms % _MS[unit] == 0:
                return f"{ms // _MS[unit]}{unit}"
        return f"{ms}ms"


NO_SPAN = Span(blocks=0)
"""At once: the first tick that says so counts."""


def parse_ratio(text: object) -> Decimal:
    """``2%`` -> 0.02, ``50bps`` -> 0.005.

    Raises UnitError for anything else; a bare number is refused because it could mean either.
    """
    match = _RATIO.match(text) if isinstance(text, str) else None
    if match is None:
        raise UnitError(f"{_shown(text)} is not a share", remedy="write it with its unit: 2% or 50bps")
    number = Decimal(match.group(1))
    return number / (100 if match.group(2) == "%" else 10_000)


def parse_span(text: object) -> Span:
    """``90s``, ``5m``, ``250ms``, ``1h``, ``2d`` or ``3 blocks``. Raises UnitError for anything else."""
    match = _SPAN.match(text) if isinstance(text, str) else None
    if match is None:
        raise UnitError(f"{_shown(text)} is not a duration", remedy="write it with its unit: 90s, 5m, 1h or 3 blocks")
    number, unit = Decimal(match.group(1)), match.group(2)
    if unit.startswith("block"):
        if number != number.to_integral_value():
            raise UnitError(f"{_shown(text)} is not a whole number of blocks", remedy="write for example: 3 blocks")
        return Span(blocks=int(number))
    ms = number * _MS[unit]
    if ms != ms.to_integral_value():
        raise UnitError(f"{_shown(text)} is finer than a millisecond", remedy="write for example: 250ms")
    return Span(ms=int(ms))


def parse_window(text: object) -> Span:
    """What ``parse_span`` reads, or ``20 samples``. Raises UnitError for anything else."""
    match = _SAMPLES.match(text) if isinstance(text, str) else None
    return Span(samples=int(match.group(1))) if match else parse_span(text)


def parse_duration_ms(text: object) -> int:
    """A duration in time only (``90s``); ``3 blocks`` raises UnitError."""
    span = parse_span(text)
    if span.ms is None:
        raise UnitError(f"{_shown(text)} counts blocks", remedy="write a time here: 90s, 5m, 1h")
    return span.ms


def format_ratio(value: Decimal) -> str:
    """0.0213 -> ``2.13%``; for people, not for records."""
    return f"{(value * 100).normalize():f}%"


def plain(value: Decimal) -> str:
    """A Decimal without exponent and trailing zeros, for records and JSON: 1E+3 -> ``1000``."""
    if value == 0:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
