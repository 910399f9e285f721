"""Quotients and powers of whole numbers as Decimals, to a stated precision and whatever the current context is."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

DIGITS = 40
"""Significant digits of every result: rounded half to even, so the relative error is at most 5e-40."""

_RESULT = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
_WORK = Context(prec=DIGITS + 20, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
"""Powers and roots are taken with 20 digits more, so that only the last rounding shows."""


def ratio(numerator: int, denominator: int) -> Decimal:
    """``numerator`` / ``denominator`` to 40 digits. Raises ZeroDivisionError."""
    return _RESULT.divide(Decimal(numerator), Decimal(denominator))


def power(base: Decimal, exponent: int) -> Decimal:
    """``base`` to a whole ``exponent``, which may be negative, to 40 digits."""
    return _RESULT.plus(_WORK.power(base, exponent))


def root(value: Decimal) -> Decimal:
    """The square root of a value of zero or more, to 40 digits."""
    return _RESULT.plus(_WORK.sqrt(value))


def product(first: Decimal, second: Decimal) -> Decimal:
    """``first`` * ``second`` to 40 digits."""
    return _RESULT.multiply(first, second)


def shifted(value: Decimal, places: int) -> Decimal:
    """``value`` * 10**``places``, which may be negative; nothing is rounded that has 40 digits at most."""
    return _RESULT.scaleb(value, places)


def exceeds_share(part: int, whole: int, share: Decimal) -> bool:
    """Whether ``part`` is more than ``share`` of ``whole``: exactly, without any division."""
    numerator, denominator = share.as_integer_ratio()
    return part * denominator > whole * numerator
