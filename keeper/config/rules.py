"""The ``rules`` of a market: threshold, persistence, and the gap between tripping and clearing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from keeper.config.kinds import NUMBER, REFERENCE, SPAN, choice, threshold
from keeper.config.problems import nearest
from keeper.config.shape import Cursor, Field, Part, Section, Shape, word_of
from keeper.config.signals import SignalDraft
from keeper.domain.observation import WITHOUT_VALUE, Quality
from keeper.domain.units import NO_SPAN, Unit, plain
from keeper.domain.verdict import Severity
from keeper.rules.spec import ONLY_OK, Without

if TYPE_CHECKING:
    from keeper.rules.spec import Condition, RuleSpec, Side

ACCEPTABLE = tuple(quality for quality in Quality if quality not in WITHOUT_VALUE)
_QUALITY = word_of(ACCEPTABLE)
_THRESHOLD_SCHEMA = dict(NUMBER.schema)

SIGNAL = Field("signal", REFERENCE, "Which signal of this market.")
SIGNAL_AGAIN = Field("signal", REFERENCE, "The same signal as in when; may be left out.", "")
ABOVE = Part(
    "above", "Strictly above this, in the unit of the signal: 2% or 50bps for shares.", _THRESHOLD_SCHEMA, False
)
BELOW = Part(
    "below", "Strictly below this, in the unit of the signal: 2% or 50bps for shares.", _THRESHOLD_SCHEMA, False
)
FOR = Field("for", SPAN, "How long without a break: 30s or 2 blocks; without it the first tick counts.", NO_SPAN)
WITHOUT = Field(
    "without",
    choice(Without, Without.HOLD),
    "While what the rule needs is not there: hold, trip (it counts as a breach, with the same for) or alert (hold, and tell people).",
    Without.HOLD,
)
NEEDS = Part(
    "needs",
    "Which qualities the observations may have, ok among them; left out: ok alone.",
    {"type": "array", "minItems": 1, "items": {"enum": [quality.value for quality in ACCEPTABLE]}},
    required=False,
)
SEVERITY = Field("severity", choice(Severity, Severity.WARNING), "How loudly people are told.")

WHEN = Shape("What trips the rule: {signal: NAME, above: 2%, for: 2 blocks}.", (SIGNAL, ABOVE, BELOW, FOR))
CLEAR = Shape(
    "What ends the trip, on the other side of the threshold and with a gap to it: {below: 1%, for: 10 blocks}.",
    (SIGNAL_AGAIN, ABOVE, BELOW, FOR),
)


@dataclass(frozen=True, slots=True)
class _Limit:
    """One threshold as read; ``value`` None: it could not be."""

    side: Side
    value: Decimal | None
    at: Cursor


def read_rules(cursor: Cursor, signals: Mapping[str, SignalDraft], actions: Mapping[str, object]) -> list[RuleSpec]:
    """Every named rule of one market that is right."""
    if cursor.empty:
        cursor.problem("the market has no rule", "without one nothing is watched", found="")
    read = (_read(name, below, signals, actions) for name, below in cursor.named())
    return [rule for rule in read if rule is not None]


def _read(
    name: str, cursor: Cursor, signals: Mapping[str, SignalDraft], actions: Mapping[str, object]
) -> RuleSpec | None:
    from keeper.rules.spec import RuleSpec

    section = cursor.open(RULE)
    if section is None:
        return None
    when_at, clear_at, actions_at = section.at("when"), section.at("clear"), section.at("actions")
    named = _read_actions(actions_at, actions) if actions_at else ()
    severity, without = section.get(SEVERITY), section.get(WITHOUT)
    needs = _read_needs(needs_at) if (needs_at := section.at("needs")) else ONLY_OK
    when = when_at.open(WHEN) if when_at else None
    clear = clear_at.open(CLEAR) if clear_at else None
    signal, unit = _signal(when, signals) if when else ("", None)
    trips = _limit(when, unit) if when else None
    clears = _limit(clear, unit) if clear else None
    if clear and signal and clear.get(SIGNAL_AGAIN) not in ("", signal):
        clear.problem("signal", "a rule clears on the signal that it trips on", f"write {signal}, or leave it out")
    if trips and clears:
        _check_gap(trips, clears)
    if not (section.clean and when and clear and trips and clears):
        return None
    return RuleSpec(
        name=name,
        when=_condition(signal, trips, when),
        clear=_condition(signal, clears, clear),
        severity=severity,
        actions=named,
        needs=needs,
        without=without,
    )


def _signal(when: Section, signals: Mapping[str, SignalDraft]) -> tuple[str, Unit | None]:
    name = when.get(SIGNAL)
    if when.at("signal") and name and name not in signals:
        when.problem("signal", "no signal of this market has this name", nearest(name, signals))
        return "", None
    return name, signals[name].unit if name in signals else None


def _limit(section: Section, unit: Unit | None) -> _Limit | None:
    from keeper.rules.spec import Side

    given = [(side, below) for side in Side if (below := section.at(side.value))]
    if len(given) != 1:
        message = "both above and below" if given else "above or below is missing"
        section.cursor.problem(message, "exactly one of them says where the threshold is", found="")
        return None
    side, below = given[0]
    if unit is None:  # the signal is wrong or unknown: how its threshold is written cannot be told
        return None
    before = len(below.context.report)
    value = below.read(threshold(unit))
    return _Limit(side, value if len(below.context.report) == before else None, below)


def _check_gap(trips: _Limit, clears: _Limit) -> None:
    from keeper.rules.spec import Side

    if trips.side is clears.side:
        other = Side.BELOW if trips.side is Side.ABOVE else Side.ABOVE
        clears.at.problem("the rule would clear on the side where it trips", f"write {other.value} here")
        return
    if trips.value is None or clears.value is None:
        return
    gap = trips.value - clears.value if trips.side is Side.ABOVE else clears.value - trips.value
    if gap <= 0:
        word = "lower" if trips.side is Side.ABOVE else "higher"
        clears.at.problem(
            f"no gap to the threshold at {plain(trips.value)}: the rule would flap",
            f"clear at a {word} value than it trips",
        )


def _condition(signal: str, limit: _Limit, section: Section) -> Condition:
    from keeper.rules.spec import Condition

    assert limit.value is not None
    return Condition(signal, limit.side, limit.value, section.get(FOR))


def _read_actions(cursor: Cursor, actions: Mapping[str, object]) -> tuple[str, ...]:
    before, names = len(cursor.context.report), []
    for item in cursor.items():
        name = item.read(REFERENCE)
        if name in names:
            item.problem("this action is named twice", "once is enough")
        elif name and name not in actions:
            item.problem("no action has this name", nearest(name, actions))
        elif name:
            names.append(name)
    if not names and len(cursor.context.report) == before:
        cursor.problem("the rule names no action", "name at least one of the section actions", found="")
    return tuple(names)


def _read_needs(cursor: Cursor) -> frozenset[Quality]:
    before, words = len(cursor.context.report), []
    for item in cursor.items():
        word = item.read(_QUALITY)
        if word in words:
            item.problem("this quality is named twice", "once is enough")
        words.append(word)
    if len(cursor.context.report) == before and Quality.OK not in words:
        cursor.problem("ok is not among them", "a rule that cannot use a good value cannot be judged by one: add ok")
    return frozenset(Quality(word) for word in words if word)


def _part(shape: Shape, key: str) -> Part:
    return Part(key, shape.help, {})


RULE = Shape(
    "One rule.",
    (
        _part(WHEN, "when"),
        _part(CLEAR, "clear"),
        NEEDS,
        WITHOUT,
        SEVERITY,
        Part(
            "actions", "What is done, in this order.", {"type": "array", "minItems": 1, "items": dict(REFERENCE.schema)}
        ),
    ),
)
