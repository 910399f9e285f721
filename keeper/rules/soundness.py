"""What makes the conditions of a rule impossible, said once: for the configuration, which adds the lines, and for the engine's last guard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.domain.units import Unit, plain
from keeper.rules.spec import (
    DAY_MS,
    MAX_OUT_OF,
    Condition,
    Group,
    Hold,
    Level,
    Mode,
    Moving,
    OutOf,
    Schedule,
    Share,
    Side,
    undone_by,
)

MAX_MEMBERS = 16
"""The most conditions in one group; more cannot be overseen."""
CONVERTIBLE = frozenset({Unit.RATIO, Unit.VOLATILITY})
"""Both are shares of one in size; what one of them means in the other, ``plus`` says."""


@dataclass(frozen=True, slots=True)
class Unsound:
    """What is wrong at a place within the rule, as ``when.all[1].above``."""

    place: str
    found: str
    message: str
    hint: str = ""


def unsound(
    when: Condition | Group, clear: Condition | Group, unless: Sequence[Condition], units: Mapping[str, Unit]
) -> Iterator[Unsound]:
    """Everything that is wrong with the conditions of one rule. ``units`` are those of the signals whose unit is known."""
    found = []
    for name, side in (("when", when), ("clear", clear)):
        if isinstance(side, Group):
            found += list(_of_group(name, side))
        found += list(_of_hold(f"{name}.for", side.hold))
    for place, condition in [*_placed("when", when), *_placed("clear", clear), *_listed("unless", unless)]:
        found += list(_of_condition(place, condition, units, shares=place.startswith("clear")))
    yield from found
    if not found:
        yield from _of_gaps(when, clear)


def unsound_schedule(schedule: Schedule) -> Iterator[Unsound]:
    """Everything that is wrong with a schedule."""
    if not schedule.days or not schedule.days <= set(range(7)):
        yield Unsound("schedule.days", "", "a schedule has days, and a week has seven")
    if not (0 <= schedule.from_ms < DAY_MS and 0 < schedule.to_ms <= DAY_MS):
        yield Unsound("schedule", "", "the hours of a day go from 00:00 to 24:00")
    elif schedule.from_ms == schedule.to_ms:
        yield Unsound("schedule.to", "", "it ends when it begins", "for whole days leave from and to out")


def _placed(name: str, side: Condition | Group) -> list[tuple[str, Condition]]:
    if isinstance(side, Condition):
        return [(name, side)]
    return _listed(f"{name}.{'of' if side.mode is Mode.AT_LEAST else side.mode}", side.members)


def _listed(name: str, conditions: Sequence[Condition]) -> list[tuple[str, Condition]]:
    return [(f"{name}[{number}]", condition) for number, condition in enumerate(conditions)]


def _of_group(name: str, group: Group) -> Iterator[Unsound]:
    key, count = "of" if group.mode is Mode.AT_LEAST else str(group.mode), len(group.members)
    if not 2 <= count <= MAX_MEMBERS:
        yield Unsound(
            f"{name}.{key}", "", f"a group has 2 to {MAX_MEMBERS} conditions", "write a single one without a group"
        )
    if group.mode is Mode.AT_LEAST and not 1 <= group.at_least <= count:
        message = f"of {count} conditions at least 1 and at most {count} can be true"
        yield Unsound(f"{name}.at_least", str(group.at_least), message)
    for number, member in enumerate(group.members):
        if member in group.members[:number]:
            yield Unsound(f"{name}.{key}[{number}]", "", "this condition is there twice", "remove one")


def _of_hold(place: str, hold: Hold) -> Iterator[Unsound]:
    if isinstance(hold, OutOf):
        if not 1 <= hold.count <= hold.of <= MAX_OUT_OF:
            yield Unsound(
                place, str(hold), f"this counts 1 or more of at most {MAX_OUT_OF}", "for example 3 of 5 blocks"
            )
    elif hold.samples is not None:
        yield Unsound(place, str(hold), "a persistence is a time or a number of blocks")
    elif (hold.ms if hold.ms is not None else hold.blocks or 0) < 0:
        yield Unsound(place, str(hold), "a time is never negative")


def _of_condition(place: str, condition: Condition, units: Mapping[str, Unit], *, shares: bool) -> Iterator[Unsound]:
    at, level = f"{place}.{condition.side}", condition.threshold
    if isinstance(level, Share):
        if not shares:
            yield Unsound(
                f"{at}.share", "", "there is nothing that this could be a share of", "only clear may say share"
            )
        elif not 0 < level.share < 1:
            yield Unsound(f"{at}.share", plain(level.share), "a share between 0% and 100%", "for example share: 50%")
    elif isinstance(level, Moving):
        yield from _of_moving(at, condition.signal, level, units)
    elif not level.is_finite():
        yield Unsound(at, str(level), "a threshold is a finite number")


def _of_moving(at: str, signal: str, level: Moving, units: Mapping[str, Unit]) -> Iterator[Unsound]:
    factor = f"{at}.{'plus' if level.converts else 'times'}"
    if not level.times.is_finite() or level.times == 0:
        yield Unsound(
            factor,
            str(level.times),
            "a number other than 0",
            "for a threshold that stands still write the number alone",
        )
    if not level.base.is_finite():
        yield Unsound(f"{at}.base", str(level.base), "a threshold is a finite number")
    low, high = level.at_least, level.at_most
    if any(bound is not None and not bound.is_finite() for bound in (low, high)):
        yield Unsound(at, "", "a bound is a finite number")
    elif low is not None and high is not None and low >= high:
        yield Unsound(
            f"{at}.at_most", plain(high), "not more than at_least", "at_least is the lower bound, at_most the upper one"
        )
    if level.of == signal:
        yield Unsound(
            f"{at}.of", level.of, "the threshold follows the very signal that is held against it", "name another one"
        )
        return
    if signal not in units or level.of not in units:
        return
    own, other = units[signal], units[level.of]
    if own is other or (level.converts and {own, other} <= CONVERTIBLE):
        return
    hint = f"the threshold is of unit {own}: name a signal of that unit"
    if {own, other} <= CONVERTIBLE:
        hint = (
            "write {base: ..., plus: ..., of: ...}: plus says how much of the threshold goes with 1 of the other signal"
        )
    yield Unsound(f"{at}.of", level.of, f"this signal is of unit {other}, the threshold of unit {own}", hint)


def _of_gaps(when: Condition | Group, clear: Condition | Group) -> Iterator[Unsound]:
    """No gap between a condition and the one that undoes it, or ``clear`` true while ``when`` is."""
    undone = undone_by(when, clear)
    sound = True
    for (place, member), trips_at in zip(_placed("clear", clear), undone, strict=True):
        found = _astray(place, member, when) if trips_at is None else _no_gap(place, when.members[trips_at], member)
        if found is not None:
            sound = False
            yield found
    sure = clear.needed - undone.count(None)
    if sound and when.needed + sure <= len(when.members):
        yield Unsound(
            "clear",
            "",
            "the rule could trip and clear at once: while clear is true, when could be true as well",
            "so many conditions must undo those of when, on the same signal and the other side, that the rest cannot trip it: all of them always do",
        )


def _astray(place: str, member: Condition, when: Condition | Group) -> Unsound | None:
    """A condition of ``clear`` that undoes none of ``when``: allowed in a group, for a signal of its own."""
    first = when.members[0]
    same = [one for one in when.members if one.signal == member.signal]
    if not same and place == "clear":
        words = ", ".join(dict.fromkeys(one.signal for one in when.members))
        hint = f"write {first.signal}, or leave it out" if len(when.members) == 1 else f"one of: {words}"
        return Unsound("clear.signal", member.signal, "a rule clears on the signal that it trips on", hint)
    if same and all(one.side is member.side for one in same):
        return Unsound(
            f"{place}.{member.side}",
            _shown(member.threshold),
            "the rule would clear on the side where it trips",
            f"write {member.side.other} here",
        )
    if same:
        return Unsound(place, member.signal, "another condition of clear undoes that of when already", "remove one")
    if isinstance(member.threshold, Share):
        return Unsound(
            f"{place}.{member.side}.share", "", "when does not hold this signal against anything", "write a threshold"
        )
    return None


def _no_gap(place: str, trips: Condition, clears: Condition) -> Unsound | None:
    above, at = trips.side is Side.ABOVE, f"{place}.{clears.side}"
    word = "lower" if above else "higher"
    hint = f"clear at a {word} value than it trips"
    trip, clear = trips.threshold, clears.threshold
    if isinstance(clear, Share):
        if trip == Decimal(0):
            return Unsound(f"{at}.share", plain(clear.share), "a share of 0 is no gap", "write a threshold")
        return None
    if isinstance(trip, Decimal) and isinstance(clear, Decimal):
        if (trip - clear if above else clear - trip) > 0:
            return None
        return Unsound(at, plain(clear), f"no gap to the threshold at {plain(trip)}: the rule would flap", hint)
    (trip_low, trip_high), (clear_low, clear_high) = _range(trip), _range(clear)
    never = clear_low >= trip_high if above else clear_high <= trip_low
    if isinstance(trip, Moving) and isinstance(clear, Moving) and trip.of == clear.of:
        apart = (trip.base - clear.base, trip.times - clear.times)
        never = never or all((one if above else -one) <= 0 for one in apart)
    if not never:
        return None
    message = "no gap to the threshold that it trips at: the rule would flap"
    return Unsound(at, _shown(clear), message, hint)


def _range(level: Level) -> tuple[Decimal, Decimal]:
    """The lowest and the highest value that the threshold can have."""
    if isinstance(level, Decimal):
        return level, level
    assert isinstance(level, Moving)
    low = Decimal("-Infinity") if level.at_least is None else level.at_least
    return low, Decimal("Infinity") if level.at_most is None else level.at_most


def _shown(level: Level) -> str:
    return plain(level) if isinstance(level, Decimal) else ""
