"""What happens in a soak, and when: all of it follows from the seed and the length."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from keeper.devnet.venue import Fault, FaultKind

MARKETS = 200
VENUES = 40
"""Sources over HTTP; each gives the price that ``MARKETS / VENUES`` markets are held against."""
RELOADS = 3
LAST_QUIET_S = 15.0
"""At the end nothing new begins: what was begun comes to its end."""
WARM_UP_SHARE = 0.35
LONGEST_WARM_UP_S = 600.0
TRIP_KINDS = (
    FaultKind.SLOW,
    FaultKind.HANG,
    FaultKind.HTTP_500,
    FaultKind.RATE_LIMITED,
    FaultKind.MALFORMED,
    FaultKind.WRONG_TYPE,
    FaultKind.STALE,
    FaultKind.SILENT,
)
"""How a venue fails. ABSURD is not among them: a price that is ten times too high is a trip, and whether it should be is not asked here."""


class What(StrEnum):
    SHOCK = "shock"
    """The oracle of market ``number`` says 7 % too little."""
    VENUE = "venue"
    """Venue ``number`` fails for ``length_s``."""
    LOSE = "lose"
    """The connections to the node break, and it cannot be reached for ``length_s``."""
    HANG = "hang"
    """Nothing passes between keeper and node for ``length_s``, and neither hears of it."""
    RELOAD = "reload"
    """The configuration is changed, and the keeper told to take it."""


@dataclass(frozen=True, slots=True)
class Event:
    at_s: float
    what: What
    number: int = 0
    length_s: float = 0.0
    fault: Fault | None = None

    def __str__(self) -> str:
        kind = f" {self.fault.kind}" if self.fault else ""
        return f"{self.what} {self.number}{kind}" + (f" for {self.length_s:.0f} s" if self.length_s else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """``events`` in order of time. ``warm_up_s``: until then memory may grow."""

    seed: int
    length_s: float
    warm_up_s: float
    events: tuple[Event, ...]

    def shocked(self) -> tuple[int, ...]:
        """The markets that must be paused, each once."""
        return tuple(event.number for event in self.events if event.what is What.SHOCK)

    def count(self, what: What) -> int:
        return sum(event.what is what for event in self.events)


def draw(seed: int, minutes: float, *, reloads: int = RELOADS) -> Plan:
    """One shock in about 20 s at first and one a minute in a long run, a venue that fails every 5 s, the node cut off every 25 s.

    The first of each comes while it warms up, so that what grows later grew by being done again.
    """
    lots = random.Random(seed)
    length_s = minutes * 60
    warm_up_s = min(LONGEST_WARM_UP_S, WARM_UP_SHARE * length_s)
    end_s = length_s - LAST_QUIET_S
    events: list[Event] = []
    shocks = min(MARKETS // 2, max(5, round(minutes)))
    for index, number in enumerate(lots.sample(range(MARKETS), shocks)):
        events.append(Event(_spread(lots, index, shocks, end_s - 5), What.SHOCK, number))
    for index in range(round(length_s / 5)):
        fault = Fault(lots.choice(TRIP_KINDS), delay_s=lots.uniform(0.2, 3.0), retry_after_s=lots.randint(1, 5))
        at_s = _spread(lots, index, round(length_s / 5), end_s)
        events.append(Event(at_s, What.VENUE, lots.randrange(VENUES), lots.uniform(1, 15), fault))
    cuts = max(2, round(length_s / 25))
    for index in range(cuts):
        what = lots.choice((What.LOSE, What.LOSE, What.HANG))
        events.append(Event(_spread(lots, index, cuts, end_s - 15), what, 0, lots.uniform(0.3, 6)))
    for index in range(reloads):
        at_s = warm_up_s * 0.5 if index == 0 else warm_up_s + (end_s - warm_up_s) * index / reloads
        events.append(Event(at_s, What.RELOAD, index + 1))
    return Plan(seed, length_s, warm_up_s, tuple(sorted(events, key=lambda event: event.at_s)))


def _spread(lots: random.Random, index: int, count: int, end_s: float) -> float:
    """Somewhere in its part of the time from 3 s on."""
    return 3 + (end_s - 3) * (index + lots.random()) / count
