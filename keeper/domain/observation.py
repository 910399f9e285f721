"""What one source said, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.block import BlockStamp
from keeper.domain.units import Unit


class Quality(StrEnum):
    """How far an observation can be trusted. Only OK feeds a signal unless a rule says otherwise."""

    OK = "ok"
    STALE = "stale"
    """Older than the source's max_age."""
    THIN = "thin"
    """Too little volume or liquidity behind it."""
    CLAMPED = "clamped"
    """The source reports its own minimum or maximum."""
    WIDE = "wide"
    """The source's own confidence interval is too wide."""
    DISAGREE = "disagree"
    """Independent answers to the same question differ."""
    MISSING = "missing"
    """No answer."""
    MALFORMED = "malformed"
    """An answer that is not a value."""


WITHOUT_VALUE = frozenset({Quality.MISSING, Quality.MALFORMED})


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one source.

    ``value`` is None exactly when quality is MISSING or MALFORMED. ``at_ms`` is the time the source itself gives for
    the value (milliseconds UTC; None when it gives none), ``received_ms`` when the keeper had it, ``block`` the block it was read at (None off
    chain), ``reason`` says why quality is not OK, in words; where the value was made of several, it names them in any case.
    """

    source: str
    value: Decimal | None
    unit: Unit
    received_ms: int
    at_ms: int | None = None
    block: BlockStamp | None = None
    quality: Quality = Quality.OK
    reason: str = ""
