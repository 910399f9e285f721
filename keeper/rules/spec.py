"""What a rule is: one condition or several, how long, when it is over, what keeps it from tripping, and how good what it is judged by must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.observation import Quality
from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import Severity

MAX_OUT_OF = 62
"""The most blocks or ticks that ``OutOf`` looks back: they are the bits of one whole number."""
DAY_MS = 86_400_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Side(StrEnum):
    ABOVE = "above"
    BELOW = "below"

    @property
    def other(self) -> Side:
        return Side.BELOW if self is Side.ABOVE else Side.ABOVE


class Without(StrEnum):
    """What a rule does while the input that it needs is not there."""

    HOLD = "hold"
    """Neither trips nor clears."""
    TRIP = "trip"
    """Counts it as a breach: with the rule's persistence it trips."""
    ALERT = "alert"
    """Holds, and people are told."""


ONLY_OK = frozenset({Quality.OK})


@dataclass(frozen=True, slots=True)
class OutOf:
    """At ``count`` or more of the last ``of`` evaluated blocks; of the last ``of`` ticks, where ``ticks``.

    Of the ticks at one block the last one counts.
    """

    count: int
    of: int
    ticks: bool = False

    @property
    def blocks(self) -> int:
        """How many blocks it looks back at most."""
        return self.of

    @property
    def ms(self) -> None:
        """It does not look at the time."""
        return None

    def __str__(self) -> str:
        return f"{self.count} of {self.of} {'ticks' if self.ticks else 'blocks'}"


Hold = Span | OutOf
"""How long a condition must hold.

A Span of N blocks: at N consecutive evaluated blocks, the first one included (0 and 1 both mean: at once). A Span of a time: the first true
tick is at least that long ago, and every tick since was true.
"""


@dataclass(frozen=True, slots=True)
class Moving:
    """A threshold that follows another signal of the market: ``base + times x of``, never below ``at_least`` and never above ``at_most``.

    ``converts``: ``times`` takes the other signal's unit to that of the threshold, and so may stand between a share and a volatility;
    otherwise it is a plain number and both have one unit.
    """

    of: str
    times: Decimal
    base: Decimal = Decimal(0)
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    converts: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A threshold to clear at: the share of the tripping threshold that may still be used, so that ``1 - share`` of it is headroom.

    The tripping threshold minus (plus, where it trips below) ``(1 - share) x |threshold|``; more than 0, less than 1.
    """

    share: Decimal

    def of(self, trip: Decimal, side: Side) -> Decimal:
        """The threshold itself, for a rule that trips on this side of ``trip``."""
        gap = (1 - self.share) * abs(trip)
        return trip - gap if side is Side.ABOVE else trip + gap


Level = Decimal | Moving | Share


@dataclass(frozen=True, slots=True)
class Condition:
    """``signal`` is strictly ``side`` the ``threshold`` (in the signal's unit; shares as 0.02) for at least ``hold``."""

    signal: str
    side: Side
    threshold: Level
    hold: Hold = NO_SPAN

    @property
    def members(self) -> tuple[Condition, ...]:
        """Itself: a group of one."""
        return (self,)

    @property
    def needed(self) -> int:
        return 1

    @property
    def fixed(self) -> Decimal:
        """The threshold where it is a number; TypeError where it follows something else."""
        if isinstance(self.threshold, Decimal):
            return self.threshold
        raise TypeError("this threshold is not a number")

    @property
    def signals(self) -> tuple[str, ...]:
        """What it looks at: its signal, and the one that its threshold follows."""
        return (self.signal, self.threshold.of) if isinstance(self.threshold, Moving) else (self.signal,)


class Mode(StrEnum):
    ALL = "all"
    ANY = "any"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class Group:
    """All, any, or at least ``at_least`` of the members, together for at least ``hold``; the members have no hold of their own."""

    mode: Mode
    members: tuple[Condition, ...]
    hold: Hold = NO_SPAN
    at_least: int = 0

    @property
    def needed(self) -> int:
        """How many of the members must be true."""
        return {Mode.ALL: len(self.members), Mode.ANY: 1, Mode.AT_LEAST: self.at_least}[self.mode]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a rule may trip, in UTC: from ``from_ms`` up to, not including, ``to_ms`` after midnight, on ``days`` (0 is Monday).

    Where ``to_ms`` is the smaller one it goes on into the next day; the day is then that on which it begins.
    """

    days: frozenset[int]
    from_ms: int = 0
    to_ms: int = DAY_MS


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """Trips when ``when`` holds; clears when ``clear`` holds, which cannot be true together with it (hysteresis). ``actions`` are names.

    While one of ``unless`` is true, or outside of ``schedule``, it does not trip; a tripped one stays so, and may clear.

    The rule's signals are computed from observations of the qualities in ``needs`` alone; ``without`` says what happens while one of another quality
    stands where it is needed. A signal that has not enough data yet is another matter: it always holds.
    """

    name: str
    when: Condition | Group
    clear: Condition | Group
    severity: Severity
    actions: tuple[str, ...]
    needs: frozenset[Quality] = ONLY_OK
    without: Without = Without.HOLD
    unless: tuple[Condition, ...] = ()
    schedule: Schedule | None = None

    @property
    def first(self) -> Condition:
        """The first condition that it trips by; the only one, mostly."""
        return self.when.members[0]

    @property
    def conditions(self) -> Iterator[Condition]:
        """Every condition: those that trip it, those that clear it, those that keep it from tripping."""
        yield from self.when.members
        yield from self.clear.members
        yield from self.unless

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that it looks at, each once; the first is that of its first condition."""
        return tuple(dict.fromkeys(name for condition in self.conditions for name in condition.signals))


def undone_by(when: Condition | Group, clear: Condition | Group) -> tuple[int | None, ...]:
    """For each member of ``clear`` the position of the member of ``when`` that it undoes: the first one left with its signal and the other side.

    None where there is none such.
    """
    left = list(range(len(when.members)))
    found: list[int | None] = []
    for member in clear.members:
        fit = (
            place
            for place in left
            if when.members[place].signal == member.signal and when.members[place].side is member.side.other
        )
        place = next(fit, None)
        if place is not None:
            left.remove(place)
        found.append(place)
    return tuple(found)
