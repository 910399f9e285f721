"""What a rule is: a signal, a threshold, how long, when it is over, and how good what it is judged by must be."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.observation import Quality
from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import Severity


class Side(StrEnum):
    ABOVE = "above"
    BELOW = "below"


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
class Condition:
    """``signal`` is strictly ``side`` the ``threshold`` (in the signal's unit; shares as 0.02) for at least ``hold``.

    ``hold`` of N blocks: true at N consecutive evaluated blocks, the first one included (0 and 1 both mean: at once).
    ``hold`` of a time: the first true tick is at least that long ago, and every tick since was true.
    """

    signal: str
    side: Side
    threshold: Decimal
    hold: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """Trips when ``when`` holds; clears when ``clear`` holds, which lies on the other side with a gap (hysteresis). ``actions`` are names.

    The rule's signal is computed from observations of the qualities in ``needs`` alone; ``without`` says what happens while one of another quality
    stands where it is needed. A signal that has not enough data yet is another matter: it always holds.
    """

    name: str
    when: Condition
    clear: Condition
    severity: Severity
    actions: tuple[str, ...]
    needs: frozenset[Quality] = ONLY_OK
    without: Without = Without.HOLD

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that it looks at, each once; the first is the one that its verdicts name."""
        return (self.when.signal,)
