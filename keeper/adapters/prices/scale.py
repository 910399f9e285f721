"""Whole numbers with decimals, exactly."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

MAX_DECIMALS = 77
"""10**77 is the largest power of ten in a word of the chain."""

_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
"""No number of the chain has so many digits that it would be rounded."""


def scaled(number: int, decimals: int) -> Decimal:
    """``number`` / 10**``decimals`` without any rounding, whatever the precision of the current context.

    Raises ValueError for decimals outside 0 to 77.
    """
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"{decimals} decimals: 0 to {MAX_DECIMALS} make sense")
    return _EXACT.scaleb(Decimal(number), -decimals)
