"""What a derived source is: which sources it is made of, and how. Words only; ``keeper.engine.derive`` computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.units import Unit


class How(StrEnum):
    MEDIAN = "median"
    """The median of the members that are good and agree."""
    RATIO = "ratio"
    """The first member divided by each of the others."""
    PRODUCT = "product"
    """All members multiplied."""
    INVERSE = "inverse"
    """One divided by the member."""
    UNCHANGED = "unchanged"
    """The member itself, as long as its value is not stuck."""
    CONSTANT = "constant"
    """A number that never changes; no members."""


SINGLE = frozenset({How.INVERSE, How.UNCHANGED})
"""Made of exactly one member; the others but CONSTANT of two or more."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """``of`` are the names of the members, in an order that matters for RATIO only.

    MEDIAN: ``at_least`` so many members must be good and agree within ``outlier`` (a share; None: not compared). UNCHANGED: the
    value is STALE when it has been the same for longer than ``stuck_after_ms``. CONSTANT: ``value``.
    """

    how: How
    of: tuple[str, ...] = ()
    at_least: int = 1
    outlier: Decimal | None = None
    stuck_after_ms: int | None = None
    value: Decimal | None = None


def possible_units(how: How, members: Sequence[Unit]) -> tuple[Unit, ...]:
    """The units that the result may have, the natural one first; empty when these members cannot be taken together.

    MEDIAN and UNCHANGED keep the unit. A quotient of equals is a RATIO, or a PRICE where both are prices (a cross rate);
    dividing or multiplying by a RATIO, or multiplying by a PRICE, keeps what was there. The inverse of a PRICE is a PRICE.
    """
    match how:
        case How.MEDIAN:
            return (members[0],) if len(set(members)) == 1 else ()
        case How.UNCHANGED:
            return tuple(members)
        case How.INVERSE:
            return tuple(members) if members[0] in (Unit.PRICE, Unit.RATIO) else ()
        case How.RATIO:
            return _of_ratio(members)
        case How.PRODUCT:
            return _of_product(members)
        case How.CONSTANT:
            return tuple(Unit)


def circles(members: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """The ways round along which sources are made of each other, the first name again at the end; each source is on at most one."""
    found: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in members:
        trail = [start]
        while trail and start not in done:
            here = trail[-1]
            ahead = next((name for name in members.get(here, ()) if name not in done and name in members), None)
            if ahead is None:
                done.add(here)
                trail.pop()
            elif ahead in trail:
                around = trail[trail.index(ahead) :]
                found.append((*around, ahead))
                done.update(around)
                trail = trail[: trail.index(ahead)]
            else:
                trail.append(ahead)
    return found


def in_order(members: Mapping[str, Sequence[str]]) -> list[str]:
    """The derived sources so that each comes after those that it is made of. There must be no circle."""
    ordered: dict[str, None] = {}
    for start in members:
        waiting = [start]
        while waiting:
            here = waiting[-1]
            ahead = [name for name in members[here] if name in members and name not in ordered]
            if ahead and here not in ordered:
                waiting.append(ahead[0])
            else:
                ordered[here] = None
                waiting.pop()
    return list(ordered)


def _of_ratio(members: Sequence[Unit]) -> tuple[Unit, ...]:
    first, others = members[0], members[1:]
    if all(unit is Unit.RATIO for unit in others):
        return (first,)
    if len(others) == 1 and others[0] is first:
        return (Unit.RATIO, Unit.PRICE) if first is Unit.PRICE else (Unit.RATIO,)
    return (Unit.PRICE,) if set(members) <= {Unit.PRICE, Unit.RATIO} and first is Unit.PRICE else ()


def _of_product(members: Sequence[Unit]) -> tuple[Unit, ...]:
    if not set(members) <= {Unit.PRICE, Unit.RATIO, Unit.AMOUNT} or members.count(Unit.AMOUNT) > 1:
        return ()
    return (next((unit for unit in (Unit.AMOUNT, Unit.PRICE) if unit in members), Unit.RATIO),)
