"""Rules as their descriptions read, in plain Python: lists of ticks instead of counters and bits. And strategies that draw rules and histories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate, pairwise

from hypothesis import assume
from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.domain.units import NO_SPAN, Span, Unit
from keeper.domain.verdict import RuleState, Severity
from keeper.rules.soundness import unsound, unsound_schedule
from keeper.rules.spec import (
    Condition,
    Group,
    Hold,
    Level,
    Mode,
    Moving,
    OutOf,
    RuleSpec,
    Schedule,
    Share,
    Side,
    Without,
    undone_by,
)

NAMES = ("a", "b", "c")
UNITS = dict.fromkeys(NAMES, Unit.RATIO)
READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT


@dataclass(frozen=True)
class Moment:
    """One tick: what each signal of ``NAMES`` says."""

    at_ms: int
    block: int
    values: tuple[float, ...]
    statuses: tuple[SignalStatus, ...]

    def says(self, name: str) -> tuple[SignalStatus, float]:
        place = NAMES.index(name)
        return self.statuses[place], self.values[place]


# --- the plain description


def level_at(level: Level, moment: Moment) -> tuple[SignalStatus, float]:
    """A threshold that stands by itself."""
    assert not isinstance(level, Share)
    if isinstance(level, Decimal):
        return READY, float(level)
    status, other = moment.says(level.of)
    found = float(level.base) + float(level.times) * other
    if level.at_least is not None:
        found = max(found, float(level.at_least))
    if level.at_most is not None:
        found = min(found, float(level.at_most))
    return status, found


def clearing_level(clears: Condition, trips: Condition | None, moment: Moment) -> tuple[SignalStatus, float]:
    """A threshold to clear at: never beyond the one that it undoes."""
    if trips is None:
        return level_at(clears.threshold, moment)
    status, trip = level_at(trips.threshold, moment)
    inwards = -1 if trips.side is Side.ABOVE else 1
    if isinstance(clears.threshold, Share):
        if isinstance(trips.threshold, Decimal):
            return READY, float(clears.threshold.of(trips.threshold, trips.side))
        return status, trip + inwards * float(1 - clears.threshold.share) * abs(trip)
    own_status, own = level_at(clears.threshold, moment)
    return max(status, own_status), max(own, trip) if inwards > 0 else min(own, trip)


def truth(condition: Condition, level: tuple[SignalStatus, float], moment: Moment) -> bool | SignalStatus:
    """Whether it holds, or why nobody can tell."""
    status, value = moment.says(condition.signal)
    status = max(status, level[0])
    if status is not READY:
        return status
    return value > level[1] if condition.side is Side.ABOVE else value < level[1]


def together(truths: Sequence[bool | SignalStatus], needed: int, unusable: bool | None) -> bool | None:
    """A group: None while nobody can tell. ``unusable`` is what a member without usable input counts as."""
    plain = [one if isinstance(one, bool) else (unusable if one is NO_INPUT else None) for one in truths]
    if plain.count(True) >= needed:
        return True
    return None if plain.count(True) + plain.count(None) >= needed else False


def when_at(rule: RuleSpec, moment: Moment) -> bool | None:
    truths = [truth(one, level_at(one.threshold, moment), moment) for one in rule.when.members]
    return together(truths, rule.when.needed, True if rule.without is Without.TRIP else None)


def clear_at(rule: RuleSpec, moment: Moment) -> bool | None:
    truths = []
    for one, place in zip(rule.clear.members, undone_by(rule.when, rule.clear), strict=True):
        trips = None if place is None else rule.when.members[place]
        truths.append(truth(one, clearing_level(one, trips, moment), moment))
    return together(truths, rule.clear.needed, False if rule.without is Without.TRIP else None)


def is_suppressed(rule: RuleSpec, moment: Moment) -> bool:
    return any(truth(one, level_at(one.threshold, moment), moment) is True for one in rule.unless)


def is_on_duty(schedule: Schedule | None, at_ms: int) -> bool:
    if schedule is None:
        return True
    now = datetime.fromtimestamp(at_ms / 1000, UTC)
    ms = at_ms % 86_400_000
    if schedule.from_ms < schedule.to_ms:
        return now.weekday() in schedule.days and schedule.from_ms <= ms < schedule.to_ms
    if ms >= schedule.from_ms:
        return now.weekday() in schedule.days
    return ms < schedule.to_ms and (now.weekday() - 1) % 7 in schedule.days


@dataclass
class Ticks:
    """The ticks since the count began, each with whether the condition held."""

    hold: Hold
    seen: list[tuple[Moment, bool]] = field(default_factory=list)

    def add(self, moment: Moment, holds: bool) -> bool:
        """Whether it has held for long enough."""
        self.seen.append((moment, holds))
        return holds and self.enough()

    def enough(self) -> bool:
        if isinstance(self.hold, OutOf):
            bits: list[bool] = []
            for number, (moment, holds) in enumerate(self.seen):
                if self.hold.ticks or not number or moment.block > self.seen[number - 1][0].block:
                    bits.append(holds)
                else:
                    bits[-1] = holds
            return sum(bits[-self.hold.of :]) >= self.hold.count
        streak: list[Moment] = []
        for moment, holds in self.seen:
            streak = [*streak, moment] if holds else []
        if self.hold.ms is not None:
            return streak[-1].at_ms - streak[0].at_ms >= self.hold.ms
        higher = sum(later.block > earlier.block for earlier, later in pairwise(streak))
        return 1 + higher >= (self.hold.blocks or 0)

    def begin_anew(self) -> None:
        self.seen.clear()


def plainly(rule: RuleSpec, history: Sequence[Moment]) -> list[RuleState]:
    """The rule as its description reads."""
    states: list[RuleState] = []
    tripped, trip, clear = False, Ticks(rule.when.hold), Ticks(rule.clear.hold)
    for moment in history:
        when, back = when_at(rule, moment) is True, clear_at(rule, moment) is True
        if when and isinstance(rule.clear.hold, OutOf):
            clear.begin_anew()
        over = clear.add(moment, back) if tripped or isinstance(rule.when.hold, OutOf) else False
        state = RuleState.TRIPPED if tripped else RuleState.CLEAR
        if tripped and back:
            state = RuleState.CLEARING
            if over:
                tripped, state = False, RuleState.CLEAR
                trip.begin_anew()
                clear.begin_anew()
        elif not tripped:
            if not is_on_duty(rule.schedule, moment.at_ms) or is_suppressed(rule, moment):
                trip.begin_anew()
            elif trip.add(moment, when):
                tripped, state = True, RuleState.TRIPPED
                trip.begin_anew()
                clear.begin_anew()
            elif when:
                state = RuleState.PENDING
            elif over:
                trip.begin_anew()
        states.append(state)
    return states


# --- strategies

outs_of = st.tuples(st.integers(1, 4), st.integers(0, 4), st.booleans()).map(
    lambda drawn: OutOf(drawn[0], drawn[0] + drawn[1], drawn[2])
)
holds: st.SearchStrategy[Hold] = st.one_of(
    st.integers(0, 4).map(lambda n: Span(blocks=n)), st.integers(0, 40).map(lambda ms: Span(ms=ms)), outs_of
)
tenths = st.integers(-30, 30).map(lambda tenth: Decimal(tenth) / 10)
numbers = st.integers(-40, 40).map(lambda tenth: tenth / 10)
statuses = st.sampled_from([READY] * 10 + [WARMING, NO_INPUT])
schedules = st.builds(
    lambda days, begin, end: Schedule(frozenset(days), begin * 3_600_000, end * 3_600_000),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 23),
    st.integers(1, 24),
).filter(lambda schedule: not list(unsound_schedule(schedule)))


@st.composite
def plain_rules(draw: st.DrawFn) -> RuleSpec:
    """One condition with a fixed threshold on signal ``a``."""
    low, high = sorted(draw(st.lists(tenths, min_size=2, max_size=2, unique=True)))
    side = draw(st.sampled_from(Side))
    trip, clear = (high, low) if side is Side.ABOVE else (low, high)
    when = Condition("a", side, trip, draw(holds))
    return RuleSpec("r", when, Condition("a", side.other, clear, draw(holds)), Severity.CRITICAL, ())


@st.composite
def moving(draw: st.DrawFn, signal: str) -> Moving:
    bounds = sorted(draw(st.lists(tenths, min_size=2, max_size=2, unique=True)))
    low, high = (bound if draw(st.booleans()) else None for bound in bounds)
    of = draw(st.sampled_from([name for name in NAMES if name != signal]))
    return Moving(of, draw(tenths.filter(bool)), draw(tenths), low, high)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    signal = draw(st.sampled_from(NAMES))
    level: Level = draw(moving(signal)) if draw(st.booleans()) else draw(tenths)
    return Condition(signal, draw(st.sampled_from(Side)), level)


@st.composite
def undoing(draw: st.DrawFn, trips: Condition) -> Condition:
    """A condition that undoes this one, with a gap."""
    gap = draw(st.integers(1, 20).map(lambda tenth: Decimal(tenth) / 10))
    inwards = -gap if trips.side is Side.ABOVE else gap
    way = draw(st.integers(0, 2))
    level: Level = Share(draw(st.integers(1, 9).map(lambda tenth: Decimal(tenth) / 10)))
    if way == 1 and isinstance(trips.threshold, Moving):
        level = Moving(trips.threshold.of, trips.threshold.times, trips.threshold.base + inwards)
    elif way == 2:
        level = trips.threshold + inwards if isinstance(trips.threshold, Decimal) else draw(tenths)
    return Condition(trips.signal, trips.side.other, level)


@st.composite
def groups(draw: st.DrawFn, members: Sequence[Condition]) -> Condition | Group:
    """These conditions together, with some persistence."""
    hold = draw(holds)
    if len(members) == 1:
        return Condition(members[0].signal, members[0].side, members[0].threshold, hold)
    mode = draw(st.sampled_from(Mode))
    return Group(mode, tuple(members), hold, draw(st.integers(1, len(members))) if mode is Mode.AT_LEAST else 0)


@st.composite
def rules(draw: st.DrawFn, *, guarded: bool = True) -> RuleSpec:
    """Any sound rule; ``guarded``: perhaps with suppressors and a schedule."""
    members = draw(st.lists(conditions(), min_size=1, max_size=3, unique=True))
    when = draw(groups(members))
    undone = [draw(undoing(one)) for one in members]
    clear: Condition | Group = Group(Mode.ALL, tuple(undone), draw(holds))
    if draw(st.booleans()) or len(undone) == 1:
        clear = draw(groups(undone[: draw(st.integers(1, len(undone)))]))
    unless = tuple(draw(st.lists(conditions(), max_size=2))) if guarded else ()
    assume(not list(unsound(when, clear, unless, UNITS)))
    without = draw(st.sampled_from([Without.HOLD, Without.HOLD, Without.TRIP]))
    schedule = draw(st.none() | schedules) if guarded else None
    return RuleSpec("r", when, clear, Severity.CRITICAL, (), without=without, unless=unless, schedule=schedule)


@st.composite
def moments(draw: st.DrawFn, reorganised: bool = True) -> list[Moment]:
    """A history: time never goes back; blocks mostly go on, sometimes stay, sometimes go back."""
    blocks_on = [1, 1, 1, 1, 0, 2, -2] if reorganised else [1, 1, 0, 2]
    step = st.tuples(
        st.integers(0, 15),
        st.sampled_from(blocks_on),
        st.tuples(numbers, numbers, numbers),
        st.tuples(statuses, statuses, statuses),
    )
    drawn = draw(st.lists(step, min_size=1, max_size=50))
    stretch = draw(st.sampled_from([1, 1, 1_800_000]))
    times = accumulate(one[0] * stretch for one in drawn)
    blocks = accumulate((one[1] for one in drawn), initial=100)
    return [
        Moment(at, block, seen(values, status), status)
        for at, block, (_, _, values, status) in zip(times, blocks, drawn, strict=False)
    ]


def seen(values: Sequence[float], status: Sequence[SignalStatus]) -> tuple[float, ...]:
    """As on a board: no number where a signal is not ready."""
    return tuple(value if one is READY else math.nan for value, one in zip(values, status, strict=True))


def at_once(when: Condition | Group) -> Condition | Group:
    """The same without persistence."""
    if isinstance(when, Condition):
        return Condition(when.signal, when.side, when.threshold, NO_SPAN)
    return Group(when.mode, when.members, NO_SPAN, when.at_least)
