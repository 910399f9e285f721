"""The thresholds and persistences of rules: a number, or one that follows another signal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from keeper.config.kinds import NUMBER, REFERENCE, SHARE, SPAN, threshold
from keeper.config.problems import nearest
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.signals import SignalDraft
from keeper.config.tree import Table
from keeper.domain.units import NO_SPAN, Unit
from keeper.rules.spec import MAX_OUT_OF, Hold, Level, Moving, OutOf, Share, Side

_OUT_OF = re.compile(r"\s*(\d{1,3})\s+of\s+(\d{1,3})(?:\s+(blocks?|ticks?))?\s*", re.ASCII)
_OUT_OF_SCHEMA = r"^\s*\d{1,2}\s+of\s+\d{1,2}\s+(blocks?|ticks?)\s*$"


def _hold(given: Given) -> Hold:
    match = _OUT_OF.fullmatch(given.text)
    if match is None:
        return SPAN.parse(given)
    count, of, what = int(match[1]), int(match[2]), match[3]
    if what is None:
        raise Bad("this does not say of what", f"write {count} of {of} blocks, or ticks")
    if not 1 <= count <= of:
        raise Bad(
            "so many of so few are never reached" if count else "0 of them are always reached",
            "for example 3 of 5 blocks",
        )
    if of > MAX_OUT_OF:
        raise Bad(
            "this looks back too far",
            f"at most {MAX_OUT_OF} blocks or ticks; for longer write a time or blocks without a break",
        )
    return OutOf(count, of, ticks=what.startswith("tick"))


HOLD: Kind[Hold] = Kind(_hold, NO_SPAN, {"anyOf": [dict(SPAN.schema), {"type": "string", "pattern": _OUT_OF_SCHEMA}]})

OF = Field("of", REFERENCE, "The other signal of this market that the threshold follows.")
TIMES = Field("times", NUMBER, "The threshold is so many times that signal, which must be of the same unit.")
PLUS = Field(
    "plus", NUMBER, "So much of the threshold goes with 1 of that signal; may stand between a ratio and a volatility."
)
_LEVEL_SCHEMA = dict(NUMBER.schema)
BASE = Part("base", "The threshold while that signal is 0, in the unit of the threshold.", _LEVEL_SCHEMA)
AT_LEAST = Part("at_least", "The threshold is never lower than this.", _LEVEL_SCHEMA, required=False)
AT_MOST = Part("at_most", "The threshold is never higher than this.", _LEVEL_SCHEMA, required=False)
CLEAR_SHARE = Field(
    "share", SHARE, "How much of the threshold that it trips at may still be used; the rest is headroom."
)

MULTIPLE = Shape("So many times another signal: {times: 3, of: NAME}.", (TIMES, OF, AT_LEAST, AT_MOST))
LINE = Shape(
    "A number and so much of another signal: {base: 2%, plus: 0.5, of: NAME}.", (BASE, PLUS, OF, AT_LEAST, AT_MOST)
)
SHARE_OF_TRIP = Shape("A share of the threshold that the rule trips at: {share: 50%}.", (CLEAR_SHARE,))


@dataclass(frozen=True, slots=True)
class Limit:
    """One threshold as read; ``level`` None: it could not be."""

    side: Side
    level: Level | None


def read_limit(section: Section, signals: Mapping[str, SignalDraft], unit: Unit | None) -> Limit | None:
    """``above`` or ``below`` of a condition; ``unit`` is that of its signal, None while that is not known."""
    given = [(side, below) for side in Side if (below := section.at(side.value))]
    if len(given) != 1:
        message = "both above and below" if given else "above or below is missing"
        section.cursor.problem(message, "exactly one of them says where the threshold is", found="")
        return None
    side, below = given[0]
    before = len(below.context.report)
    level = _level(below, signals, unit)
    return Limit(side, level if len(below.context.report) == before else None)


def _level(cursor: Cursor, signals: Mapping[str, SignalDraft], unit: Unit | None) -> Level | None:
    if not isinstance(cursor.node, Table):
        # while the signal is wrong or unknown, how its threshold is written cannot be told
        return None if unit is None else cursor.read(threshold(unit))
    keys = cursor.node.entries
    if "share" in keys:
        return _share(cursor)
    return _moving(cursor, LINE if "base" in keys or "plus" in keys else MULTIPLE, signals, unit)


def _share(cursor: Cursor) -> Level | None:
    section = cursor.open(SHARE_OF_TRIP)
    return Share(section.get(CLEAR_SHARE)) if section else None


def _moving(cursor: Cursor, shape: Shape, signals: Mapping[str, SignalDraft], unit: Unit | None) -> Level | None:
    section = cursor.open(shape)
    if section is None:
        return None
    of = section.get(OF)
    if section.at("of") and of and of not in signals:
        section.problem("of", "no signal of this market has this name", nearest(of, signals))
    numbers = {
        part.key: below.read(threshold(unit))
        for part in (BASE, AT_LEAST, AT_MOST)
        if unit is not None and (below := section.at(part.key))
    }
    line = shape is LINE
    return Moving(
        of=of,
        times=section.get(PLUS if line else TIMES),
        base=numbers.get("base", Decimal(0)),
        at_least=numbers.get("at_least"),
        at_most=numbers.get("at_most"),
        converts=line,
    )
