"""One value out of several answers to the same question: the median of those that are good and agree.

Arithmetic is Decimal in a context of its own, ``CONTEXT``: 60 significant digits, rounded half to even, no traps. So one operation is off
by at most a share of 5e-60, whatever the context of the caller is, and nothing raises.

Outliers. Two values are apart by ``max(a / b, b / a) - 1``, which is the same both ways; values of different signs, or zero and
another, are infinitely far apart. Again and again the value that is furthest from the median of the others is left out, as long as it
is further than the bound; values that are equally far go together. So one liar among three goes, and where nobody can say who lies (one
against one, two against two) nobody is left. The order of the values does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal

from keeper.domain.observation import Quality
from keeper.domain.units import format_ratio

CONTEXT = Context(
    prec=60, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, capitals=1, clamp=0, flags=[], traps=[]
)

BADNESS = (
    Quality.OK,
    Quality.WIDE,
    Quality.CLAMPED,
    Quality.THIN,
    Quality.STALE,
    Quality.DISAGREE,
    Quality.MALFORMED,
    Quality.MISSING,
)
"""From good to bad. Of several defects at once the worst is the quality; the reason names all."""

LONGEST_REASON = 400
_APART = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Member:
    """One answer. ``at_ms`` is its own time (milliseconds UTC; None: not known); ``value`` None only when MISSING or MALFORMED."""

    name: str
    value: Decimal | None
    quality: Quality = Quality.OK
    reason: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Consensus:
    """``kept`` are the members that the value was made of; ``reason`` names them, and every other one with what is wrong with it."""

    value: Decimal | None
    quality: Quality
    reason: str
    kept: tuple[Member, ...]


def worst(qualities: Sequence[Quality]) -> Quality:
    """The worst of these (OK when there is none)."""
    return max(qualities, key=BADNESS.index, default=Quality.OK)


def median(values: Sequence[Decimal]) -> Decimal:
    """The middle value, or the mean of the two middle ones; never outside of them. IndexError for no values."""
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if low == high:
        return low
    mean = CONTEXT.divide(CONTEXT.add(low, high), Decimal(2))
    return min(max(mean, low), high)  # the sum of two long numbers is rounded


def apart(one: Decimal, other: Decimal) -> Decimal:
    """How far apart two values are, as a share of the smaller one; infinite across zero."""
    if one == other:
        return Decimal(0)
    if one.is_zero() or other.is_zero() or one.is_signed() != other.is_signed():
        return _APART
    small, large = sorted((abs(one), abs(other)))
    return CONTEXT.divide(CONTEXT.subtract(large, small), small)


def agreeing(values: Sequence[Decimal], bound: Decimal | None) -> tuple[int, ...]:
    """The positions of the values that stay when outliers are left out; all of them without a bound."""
    left = list(range(len(values)))
    while bound is not None and len(left) > 1:
        distances = {at: apart(values[at], median([values[other] for other in left if other != at])) for at in left}
        furthest = max(distances.values())
        if furthest <= bound:
            break
        left = [at for at in left if distances[at] < furthest]
    return tuple(left)


def consensus(members: Sequence[Member], at_least: int, outlier: Decimal | None = None) -> Consensus:
    """The median of the good members that agree, when there are ``at_least`` so many.

    DISAGREE: there are enough, but too many of them are outliers; the value is the median of all of them. With too few good ones, worse ones are
    taken in, the mildest first, until there are enough: the quality is then the worst that was needed. MISSING: there are not so many values at all.
    """
    for limit in range(BADNESS.index(Quality.DISAGREE) + 1):
        usable = [one for one in members if one.value is not None and BADNESS.index(one.quality) <= limit]
        if len(usable) >= at_least:
            return _combine(members, usable, at_least, outlier)
    bad = [one for one in members if one.quality is not Quality.OK]
    return Consensus(None, Quality.MISSING, _joined(f"{len(members) - len(bad)} good, {at_least} needed", bad), ())


def _combine(members: Sequence[Member], usable: Sequence[Member], at_least: int, outlier: Decimal | None) -> Consensus:
    values = [one.value for one in usable if one.value is not None]
    kept = tuple(usable[at] for at in agreeing(values, outlier))
    if len(kept) < at_least:
        told = ", ".join(f"{one.name} {one.value:.6g}" for one in usable)
        apart_by = f"more than {format_ratio(outlier)} apart" if outlier is not None else "apart"
        reason = _joined(f"{apart_by}: {told}", [one for one in members if one not in usable])
        return Consensus(median(values), Quality.DISAGREE, reason, kept)
    value = median([one.value for one in kept if one.value is not None])
    told = ", ".join(f"{one.name} {one.value:.6g}" for one in kept)
    others = [_outlier(one) if one in usable and one not in kept else one for one in members]
    others = [one for one in others if one.quality is not Quality.OK]
    return Consensus(value, worst([one.quality for one in kept]), _joined(f"median of {told}", others), kept)


def _outlier(member: Member) -> Member:
    return Member(member.name, member.value, Quality.DISAGREE, f"{member.value:.6g} is too far away")


def _joined(text: str, others: Sequence[Member]) -> str:
    return (f"{text}; {_faults(others)}" if others else text)[:LONGEST_REASON]


def _faults(members: Sequence[Member]) -> str:
    return "; ".join(f"{one.name} is {one.quality}" + (f" ({one.reason})" if one.reason else "") for one in members)
