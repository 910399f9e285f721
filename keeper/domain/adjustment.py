"""The new value of a parameter from its current one: an expression, clamped by bounds and by a largest step, and only ever tighter.

With ``safe_side: lower`` (for ``higher`` everything is mirrored)::

    wanted  = floor(expression(current))
    bounded = wanted moved into [least, most]
    new     = max(bounded, current - floor(|current| * max_step))

Nothing is sent unless ``least <= new <= most`` and ``new < current``; why not is a Refusal. Of flags (an expression with ``|``) a greater
number is not always a tighter one: there the new value must have every bit that the current one has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from keeper.domain.action import SafeSide
from keeper.domain.errors import UnitError
from keeper.domain.expression import parse_expression
from keeper.domain.record import Json
from keeper.domain.units import plain

NEW = "{new}"
"""Stands in the arguments of a call where the new value goes, and in what is expected of the view, until the current one is known."""


class Clamp(StrEnum):
    """What moved the new value away from the one that the expression gives."""

    LEAST = "bounds.min"
    MOST = "bounds.max"
    STEP = "max_step"


class Refusal(StrEnum):
    """Why there is no new value."""

    SAME = "same"
    """The new value is the current one."""
    LOOSER = "looser"
    """The new value lies on the wrong side of the current one, or the current one is tighter than the bounds allow."""
    AT_BOUND = "at-bound"
    """The current value is as tight as the bounds allow."""
    STEP_TOO_SMALL = "step-too-small"
    """The largest step is less than one unit."""
    OUT_OF_REACH = "out-of-reach"
    """The largest step does not lead into the bounds; or the bounds or the step would clear a flag that is set."""
    NOT_COMPUTABLE = "not-computable"
    """The expression divides by zero, or has bits of what is no whole number."""
    UNKNOWN = "unknown"
    """Nobody knows the current value."""


IN_EFFECT = frozenset({Refusal.SAME, Refusal.LOOSER, Refusal.AT_BOUND})
"""The parameter is as tight as the action would make it, or tighter."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What an adjustment came to. ``exact`` is the expression's value as a fraction, ``wanted`` that on a whole number.

    ``new`` is None exactly when there is a ``refusal``.
    """

    current: int | None
    exact: Fraction | None = None
    wanted: int | None = None
    new: int | None = None
    clamps: tuple[Clamp, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """``least`` and ``most`` are inclusive, in the unit of the contract; ``max_step`` is a share of the current value (0.5), None: any."""

    expression: str
    safe_side: SafeSide
    least: int
    most: int
    max_step: Decimal | None = None

    @property
    def flags(self) -> bool:
        """Whether the number holds flags, of which some are added."""
        return "|" in self.expression

    def adjusted(self, current: int | None) -> Adjusted:
        """The new value, or why there is none. Raises UnitError when the expression is not one."""
        if current is None:
            return Adjusted(None, refusal=Refusal.UNKNOWN)
        expression = parse_expression(self.expression)
        try:
            exact = expression.value(current)
        except UnitError:
            return Adjusted(current, refusal=Refusal.NOT_COMPUTABLE)
        lower = self.safe_side is SafeSide.LOWER
        wanted = math.floor(exact) if lower else math.ceil(exact)
        bounded = min(max(wanted, self.least), self.most)
        new = bounded
        if self.max_step is not None:
            step = math.floor(abs(current) * Fraction(self.max_step))
            new = max(bounded, current - step) if lower else min(bounded, current + step)
        clamps = [Clamp.LEAST if bounded > wanted else Clamp.MOST] if bounded != wanted else []
        clamps += [Clamp.STEP] if new != bounded else []
        refusal = self._flags_refusal(current, wanted, new) if self.flags else self._refusal(current, bounded, new)
        return Adjusted(current, exact, wanted, new if refusal is None else None, tuple(clamps), refusal)

    def _refusal(self, current: int, bounded: int, new: int) -> Refusal | None:
        tightest = self.least if self.safe_side is SafeSide.LOWER else self.most
        if current == tightest:
            return Refusal.AT_BOUND
        if self.tighter(current, tightest) or self.tighter(current, bounded):
            return Refusal.LOOSER
        if current == bounded:
            return Refusal.SAME
        if current == new:
            return Refusal.STEP_TOO_SMALL
        return None if self.least <= new <= self.most else Refusal.OUT_OF_REACH

    def _flags_refusal(self, current: int, wanted: int, new: int) -> Refusal | None:
        """Of flags: tighter is what has more of them, whatever the numbers are."""
        if self.holds(current, wanted):
            return Refusal.AT_BOUND if current == self.most else Refusal.SAME
        cleared = new & current != current
        return None if self.least <= new <= self.most and not cleared and new != current else Refusal.OUT_OF_REACH

    def holds(self, value: int, wanted: int) -> bool:
        """Whether the value is what is wanted, or tighter: of flags, whether it has all that are wanted."""
        if self.flags:
            return value >= 0 and value & wanted == wanted
        return value == wanted or self.tighter(value, wanted)

    def tighter(self, value: int, than: int) -> bool:
        """Whether the value lies strictly on the safe side of the other."""
        return value < than if self.safe_side is SafeSide.LOWER else value > than


def adjustment_body(adjustment: Adjustment, adjusted: Adjusted) -> dict[str, Json]:
    """Everything that the new value was made of, for the record: whole numbers and the exact fraction as text, in the unit of the contract."""
    step = adjustment.max_step
    return {
        "current": _text(adjusted.current),
        "expression": adjustment.expression,
        "exact": _text(adjusted.exact),
        "wanted": _text(adjusted.wanted),
        "clamps": [clamp.value for clamp in adjusted.clamps],
        "new": _text(adjusted.new),
        "refusal": adjusted.refusal.value if adjusted.refusal else None,
        "safe_side": adjustment.safe_side.value,
        "bounds": {"min": str(adjustment.least), "max": str(adjustment.most)},
        "max_step": None if step is None else plain(step),
    }


def _text(value: int | Fraction | None) -> str | None:
    return None if value is None else str(value)
