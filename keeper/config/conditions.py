"""The conditions of a rule: ``when``, ``clear`` and ``unless``, each one condition or several."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.config.kinds import NUMBER, REFERENCE, whole
from keeper.config.problems import nearest
from keeper.config.shape import Cursor, Field, Part, Section, Shape
from keeper.config.signals import SignalDraft
from keeper.config.thresholds import HOLD, Limit, read_limit
from keeper.config.tree import Table
from keeper.domain.record import Json
from keeper.domain.units import NO_SPAN, Unit
from keeper.rules.soundness import MAX_MEMBERS
from keeper.rules.spec import Condition, Group, Hold, Mode

_THRESHOLD_SCHEMA = dict(NUMBER.schema)
_LIST: dict[str, Json] = {"type": "array", "minItems": 2}

SIGNAL = Field("signal", REFERENCE, "Which signal of this market.")
SIGNAL_AGAIN = Field("signal", REFERENCE, "The same signal as in when; may be left out where when has only one.", "")
ABOVE = Part(
    "above",
    "Strictly above this, in the unit of the signal: 2% or 50bps for shares; or a threshold that follows another signal.",
    _THRESHOLD_SCHEMA,
    False,
)
BELOW = Part(
    "below",
    "Strictly below this, in the unit of the signal: 2% or 50bps for shares; or a threshold that follows another signal.",
    _THRESHOLD_SCHEMA,
    False,
)
FOR: Field[Hold] = Field(
    "for",
    HOLD,
    "How long without a break: 30s or 2 blocks; or 3 of 5 blocks; without it the first tick counts.",
    NO_SPAN,
)

MEMBER = Shape("One condition of several: {signal: NAME, above: 2%}.", (SIGNAL, ABOVE, BELOW))
WHEN = Shape("What trips the rule: {signal: NAME, above: 2%, for: 2 blocks}.", (SIGNAL, ABOVE, BELOW, FOR))
CLEAR = Shape(
    "What ends the trip, on the other side of the threshold and with a gap to it: {below: 1%, for: 10 blocks}.",
    (SIGNAL_AGAIN, ABOVE, BELOW, FOR),
)
ALL = Shape("True while every condition is: {all: [...], for: 2 blocks}.", (Part("all", "The conditions.", _LIST), FOR))
ANY = Shape("True while one condition is: {any: [...], for: 2 blocks}.", (Part("any", "The conditions.", _LIST), FOR))
NEEDED = Field("at_least", whole(1, MAX_MEMBERS), "How many of them must be true.")
AT_LEAST = Shape(
    "True while so many conditions are: {at_least: 2, of: [...], for: 2 blocks}.",
    (NEEDED, Part("of", "The conditions.", _LIST), FOR),
)
GROUPS = {"all": ALL, "any": ANY, "at_least": AT_LEAST, "of": AT_LEAST}
"""The shape of a group, by the keys that only it has."""


def read_when(cursor: Cursor, signals: Mapping[str, SignalDraft]) -> Condition | Group | None:
    """What trips a rule; None after noting a problem."""
    return _read(cursor, WHEN, signals, "")


def read_clear(cursor: Cursor, signals: Mapping[str, SignalDraft], when: Cursor | None) -> Condition | Group | None:
    """What clears it, which may leave its signal out where ``when`` has only one."""
    before = len(cursor.context.report)
    clear = _read(cursor, CLEAR, signals, _signal_of(when, signals))
    alone = clear is None and len(cursor.context.report) == before
    if alone and when is not None and _group_of(when) is not None:
        hint = "when has several conditions: name the one whose end clears the rule, or write a group as well"
        cursor.problem("signal is missing", hint, found="", at="signal")
    return clear


def read_unless(cursor: Cursor, signals: Mapping[str, SignalDraft]) -> tuple[Condition, ...]:
    """What keeps it from tripping."""
    items = cursor.items()
    if not items and cursor.is_list:
        cursor.problem("there is no condition", "leave unless out, or name one", found="")
    found = [_one(item, MEMBER, signals, "") for item in items]
    return tuple(one for one in found if one)


def _signal_of(cursor: Cursor | None, signals: Mapping[str, SignalDraft]) -> str:
    """The signal of a single condition, as far as that can be told without noting anything; else empty."""
    if cursor is None or not isinstance(cursor.node, Table) or "signal" not in cursor.node.entries:
        return ""
    text = getattr(cursor.node.entries["signal"], "text", "")
    return text if text in signals else ""


def _read(cursor: Cursor, single: Shape, signals: Mapping[str, SignalDraft], signal: str) -> Condition | Group | None:
    shape = _group_of(cursor)
    return _one(cursor, single, signals, signal) if shape is None else _group(cursor, shape, signals)


def _group_of(cursor: Cursor) -> Shape | None:
    """The shape of the group that stands here; None where there is none."""
    keys = cursor.node.entries if isinstance(cursor.node, Table) else {}
    return next((GROUPS[key] for key in GROUPS if key in keys), None)


def _group(cursor: Cursor, shape: Shape, signals: Mapping[str, SignalDraft]) -> Group | None:
    section = cursor.open(shape)
    if section is None:
        return None
    hold = section.get(FOR)
    at_least = section.get(NEEDED) if shape is AT_LEAST else 0
    below = section.at("of" if shape is AT_LEAST else shape.keys()[0])
    members = [_one(item, MEMBER, signals, "") for item in below.items()] if below else []
    mode = {id(ALL): Mode.ALL, id(ANY): Mode.ANY}.get(id(shape), Mode.AT_LEAST)
    read = tuple(one for one in members if one)
    return Group(mode, read, hold, at_least) if section.clean else None


def _one(cursor: Cursor, shape: Shape, signals: Mapping[str, SignalDraft], signal: str) -> Condition | None:
    section = cursor.open(shape)
    if section is None:
        return None
    hold = section.get(FOR) if FOR in shape.parts else NO_SPAN
    name, unit = _signal(section, shape, signals, signal)
    limit: Limit | None = read_limit(section, signals, unit)
    if not (section.clean and limit and limit.level is not None and name):
        return None
    return Condition(name, limit.side, limit.level, hold)


def _signal(
    section: Section, shape: Shape, signals: Mapping[str, SignalDraft], otherwise: str
) -> tuple[str, Unit | None]:
    name = section.get(SIGNAL_AGAIN if SIGNAL_AGAIN in shape.parts else SIGNAL) or otherwise
    if section.at("signal") and name and name not in signals:
        section.problem("signal", "no signal of this market has this name", nearest(name, signals))
        return "", None
    return name, signals[name].unit if name in signals else None
