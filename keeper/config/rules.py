"""The ``rules`` of a market: what trips them, what clears them, what keeps them from tripping, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from keeper.config.conditions import CLEAR, WHEN, read_clear, read_unless, read_when
from keeper.config.kinds import REFERENCE, choice
from keeper.config.problems import nearest
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Shape, word_of
from keeper.config.signals import SignalDraft
from keeper.config.tree import Table
from keeper.domain.decision import ALERT
from keeper.domain.observation import WITHOUT_VALUE, Quality
from keeper.domain.verdict import Severity
from keeper.rules.soundness import Unsound, unsound, unsound_schedule
from keeper.rules.spec import DAY_MS, DAYS, ONLY_OK, RuleSpec, Schedule, Without

ACCEPTABLE = tuple(quality for quality in Quality if quality not in WITHOUT_VALUE)
_QUALITY = word_of(ACCEPTABLE)
_DAY = word_of(DAYS)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_PIECE = re.compile(r"[^.\[\]]+")


def _clock(given: Given) -> int:
    match = _CLOCK.fullmatch(given.text)
    if match is None:
        raise Bad("not a time of day", "hours and minutes in UTC, from 00:00 to 24:00: 08:30")
    return DAY_MS if match[1] is None else (int(match[1]) * 60 + int(match[2])) * 60_000


CLOCK = Kind(_clock, 0, {"type": "string", "pattern": f"^({_CLOCK.pattern})$"})

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
SCHEDULE_FROM = Field("from", CLOCK, "From this time of day on, in UTC: 08:00.", 0)
SCHEDULE_TO = Field(
    "to", CLOCK, "Until before this time of day, in UTC; when it is the earlier one, of the next day.", DAY_MS
)
SCHEDULE = Shape(
    "When the rule may trip; at other times it does not, and a tripped one may only clear: {days: [mon, tue], from: 08:00, to: 20:00}.",
    (
        Part(
            "days",
            "On which days, mon to sun; left out: on all.",
            {"type": "array", "minItems": 1, "items": {"enum": list(DAYS)}},
            required=False,
        ),
        SCHEDULE_FROM,
        SCHEDULE_TO,
    ),
)


def read_rules(cursor: Cursor, signals: Mapping[str, SignalDraft], actions: Mapping[str, object]) -> list[RuleSpec]:
    """Every named rule of one market that is right."""
    if cursor.empty:
        cursor.problem("the market has no rule", "without one nothing is watched", found="")
    read = (_read(name, below, signals, actions) for name, below in cursor.named())
    return [rule for rule in read if rule is not None]


def _read(
    name: str, cursor: Cursor, signals: Mapping[str, SignalDraft], actions: Mapping[str, object]
) -> RuleSpec | None:
    section = cursor.open(RULE)
    if section is None:
        return None
    actions_at, schedule_at, unless_at = section.at("actions"), section.at("schedule"), section.at("unless")
    severity, without = section.get(SEVERITY), section.get(WITHOUT)
    named = _read_actions(actions_at, actions, severity) if actions_at else ()
    needs = _read_needs(needs_at) if (needs_at := section.at("needs")) else ONLY_OK
    schedule = _read_schedule(schedule_at) if schedule_at else None
    for found in unsound_schedule(schedule) if schedule else ():
        _note(cursor, found)
    when = read_when(when_at, signals) if (when_at := section.at("when")) else None
    clear = read_clear(clear_at, signals, when_at) if (clear_at := section.at("clear")) else None
    unless = read_unless(unless_at, signals) if unless_at else ()
    if when and clear:
        units = {signal: draft.unit for signal, draft in signals.items() if draft.unit is not None}
        for found in unsound(when, clear, unless, units):
            _note(cursor, found)
    if not (section.clean and when and clear):
        return None
    return RuleSpec(
        name=name,
        when=when,
        clear=clear,
        severity=severity,
        actions=named,
        needs=needs,
        without=without,
        unless=unless,
        schedule=schedule,
    )


def _note(rule: Cursor, found: Unsound) -> None:
    """Notes the problem at its place in the file, or at the nearest one above it that is there."""
    here = rule
    for piece in _PIECE.findall(found.place):
        if here.is_list:
            here = here.items()[int(piece)]
        elif isinstance(here.node, Table) and piece in here.node.entries:
            here = here.child(piece)
        else:
            here.problem(found.message, found.hint, found=found.found, at=piece)
            return
    here.problem(found.message, found.hint)


def _read_schedule(cursor: Cursor) -> Schedule | None:
    section = cursor.open(SCHEDULE)
    if section is None:
        return None
    if not section.table.entries:
        cursor.problem("no days and no hours", "leave schedule out, or say when the rule may trip", found="")
    days = _read_days(days_at) if (days_at := section.at("days")) else frozenset(range(len(DAYS)))
    schedule = Schedule(days, section.get(SCHEDULE_FROM), section.get(SCHEDULE_TO))
    return schedule if section.clean else None


def _read_days(cursor: Cursor) -> frozenset[int]:
    before, words = len(cursor.context.report), []
    for item in cursor.items():
        word = item.read(_DAY)
        if word in words:
            item.problem("this day is named twice", "once is enough")
        words.append(word)
    if not words and len(cursor.context.report) == before:
        cursor.problem("there is no day", "leave days out for all of them", found="")
    return frozenset(DAYS.index(word) for word in words if word)


def _read_actions(cursor: Cursor, actions: Mapping[str, object], severity: Severity) -> tuple[str, ...]:
    before, names = len(cursor.context.report), []
    for item in cursor.items():
        name = item.read(REFERENCE)
        if name in names:
            item.problem("this action is named twice", "once is enough")
        elif name and name != ALERT and name not in actions:
            item.problem("no action has this name", nearest(name, [*actions, ALERT]))
        elif name:
            names.append(name)
    if not names and len(cursor.context.report) == before and severity is not Severity.INFO:
        hint = "name at least one of the section actions, or alert; a rule that is only observed has severity: info"
        cursor.problem("the rule names no action", hint, found="")
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
        Part(
            "unless",
            "Conditions that keep the rule from tripping while one of them is true.",
            {"type": "array", "minItems": 1},
            required=False,
        ),
        Part("schedule", SCHEDULE.help, {}, required=False),
        NEEDS,
        WITHOUT,
        SEVERITY,
        Part(
            "actions",
            "What is done, in this order; alert tells people; [] with severity info: the rule is only observed.",
            {"type": "array", "items": dict(REFERENCE.schema)},
        ),
    ),
)
