"""Rules with persistence and hysteresis, all of them in one compiled pass.

::

             when, not long enough            when, long enough
    CLEAR ─────────────────────────▶ PENDING ───────────────────▶ TRIPPED ◀──────────┐ clear no longer holds,
      ▲ ▲                               │                            │               │ or input not usable
      │ └──when no longer holds, ───────┘                            │ clear, not long enough
      │    or input not usable                                       ▼               │
      └────────────────────clear, long enough──────────────────── CLEARING ──────────┘

A hold of nothing (0 or 1 block, or no time) goes from CLEAR to TRIPPED, or from TRIPPED to CLEAR, in one tick.

A group is true when so many of its members are as it needs, false when these can no longer be reached, and otherwise nobody can tell. While nobody
can tell, the rule neither trips nor clears, and a half-filled persistence without breaks starts anew: a tick at which
nobody could tell is not one at which the condition held. A rule that says so counts a member whose input is not usable as a breach instead
(BLIND): true among those that trip it, false among those that clear it. Not enough data (WARMING) is never a breach.

A suppressor that is true, and the hours outside of its schedule, keep a rule that is not tripped from tripping, and end what has gathered of its
persistence. A tripped one stays tripped and may clear. A suppressor of which nobody can tell does not suppress: not to see must not disarm.

k of n: what has gathered starts anew when the rule has tripped, when it has cleared, and also, while it is clear, whenever ``clear`` has held
for long enough to clear it. (Otherwise a stricter rule, not having tripped and cleared in between, could remember more than a looser one
and trip when that does not.) What has gathered of a ``clear`` that counts k of n starts anew at every tick at which ``when`` holds.

What a verdict shows is the member of ``when`` that decides: of those that can be told, sorted by headroom, the one that the group needs as its
last (the smallest headroom for ``any``, the largest for ``all``). With fewer of these than it needs the largest; when even that one is
beyond, the group has no headroom. Where what decides is that nobody can tell, it shows the first member of which nobody can, with that headroom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from keeper.rules.codes import (
    BREACHED,
    CLEAR,
    CLEARING,
    INSIDE,
    NOT_ENOUGH_DATA,
    NOT_USABLE,
    NOT_USABLE_BREACH,
    OFF_SCHEDULE,
    PENDING,
    PERSISTING,
    RECOVERED,
    RECOVERING,
    STILL_TRIPPED,
    SUPPRESSED,
    TRIPPED,
    Codes,
    Said,
    State,
)
from keeper.rules.hours import days_of, on_duty
from keeper.rules.persistence import held, holds_of, missed, no_streaks
from keeper.rules.plain import Plain, is_plain, judge_plain, plain_of
from keeper.rules.spec import RuleSpec, Schedule, Without
from keeper.rules.terms import Terms, beyond, headroom_of, own_level, room_of, stands, terms_of
from keeper.signals.bank import NEVER, NO_INPUT, READY, WARMING, Board, Bytes, Floats, Ints

RULE = np.dtype(
    [
        ("trips", np.int64),
        ("clears", np.int64),
        ("unless", np.int64),
        ("end", np.int64),
        ("trip_needs", np.int64),
        ("clear_needs", np.int64),
        ("blind_trips", np.int8),
        ("days", np.int64),
        ("begin_ms", np.int64),
        ("end_ms", np.int64),
    ]
)
"""``trips``, ``clears`` and ``unless`` are where its conditions begin among all, ``end`` where the next rule's do; ``*_needs`` how many must be true.

``blind_trips`` is 1 when input that is not usable counts as a breach; ``days``, ``begin_ms`` and ``end_ms`` are its hours.
"""


class Params(NamedTuple):
    """``rules`` are RULE each, ``terms`` their conditions (TERM), ``trip_holds`` and ``clear_holds`` (HOLD) how long each rule's must hold.

    ``plain`` are those that are judged on the short way, ``others`` the positions of the rest.

    Records instead of a column each, because handing many arrays from function to function costs more than judging.
    """

    rules: NDArray[np.void]
    terms: NDArray[np.void]
    trip_holds: NDArray[np.void]
    clear_holds: NDArray[np.void]
    plain: Plain
    others: Ints


def prepare(rules: Sequence[tuple[RuleSpec, Mapping[str, int]]]) -> Params:
    """The parameters of all rules; with each rule come the board's rows of its signals, by their names."""
    rows, first = [], 0
    for rule, _ in rules:
        clears = first + len(rule.when.members)
        unless = clears + len(rule.clear.members)
        end = unless + len(rule.unless)
        hours = rule.schedule or Schedule(frozenset())
        needs = rule.when.needed, rule.clear.needed
        blind = rule.without is Without.TRIP
        rows.append((first, clears, unless, end, *needs, blind, days_of(rule.schedule), hours.from_ms, hours.to_ms))
        first = end
    return Params(
        rules=np.array(rows, dtype=RULE),
        terms=terms_of(rules),
        trip_holds=holds_of([rule.when.hold for rule, _ in rules]),
        clear_holds=holds_of([rule.clear.hold for rule, _ in rules]),
        plain=plain_of(rules),
        others=np.array([index for index, (rule, _) in enumerate(rules) if not is_plain(rule)], dtype=np.int64),
    )


def allocate(params: Params) -> State:
    """Every rule CLEAR, not judged yet."""
    rules = len(params.rules)
    return State(
        state=np.full(rules, CLEAR, dtype=np.int8),
        reason=np.full(rules, NOT_USABLE, dtype=np.int8),
        member=np.zeros(rules, dtype=np.int64),
        value=np.full(rules, np.nan),
        threshold=np.full(rules, np.nan),
        headroom=np.full(rules, np.nan),
        since_ms=np.full(rules, NEVER, dtype=np.int64),
        since_block=np.full(rules, NEVER, dtype=np.int64),
        trip=no_streaks(rules),
        clear=no_streaks(rules),
    )


def said(state: State) -> Said:
    """A copy of what the verdicts say now."""
    return Said._make(column.copy() for column in state[: len(Said._fields)])


def shown(index: int, tick: int, board: Board, params: Params) -> tuple[int, float, float]:
    """(position, value, threshold) of the deciding member of this rule's ``when`` at this tick of a board that was judged."""
    return deciding(index, tick, board.values, board.status, params.rules, params.terms)


@njit(cache=True, error_model="numpy")
def deciding(
    index: int, tick: int, values: Floats, status: Bytes, rules: NDArray[np.void], terms: Terms
) -> tuple[int, float, float]:
    """``shown``; a record handed over by Python would take longer than all the rest."""
    _, member, value, level, _ = measured(rules[index], tick, values, status, terms)
    return member, value, level


@njit(cache=True, nogil=True, error_model="numpy")
def judge(board: Board, params: Params, state: State, codes: Codes) -> None:
    """All rules over all ticks of the board, whose signals have been stepped; ``state`` is afterwards that of the last tick."""
    judge_plain(board, params.plain, state, codes)
    values, status, terms = board.values, board.status, params.terms
    for index in params.others:
        rule = params.rules[index]
        trip_hold, clear_hold = params.trip_holds[index], params.clear_holds[index]
        trip, clear = state.trip[index], state.clear[index]
        for tick in range(len(board.at_ms)):
            at_ms, block = board.at_ms[tick], board.block[tick]
            before = state.state[index]
            stand, member, value, level, room = measured(rule, tick, values, status, terms)
            if before < TRIPPED:
                after, reason = while_clear(
                    stand, rule, tick, at_ms, block, values, status, terms, trip_hold, clear_hold, trip, clear
                )
            else:
                after, reason = while_tripped(
                    stand, rule, tick, at_ms, block, values, status, terms, clear_hold, trip, clear
                )
            if after != before or state.since_ms[index] == NEVER:
                state.since_ms[index] = at_ms
                state.since_block[index] = block
            state.state[index] = after
            state.reason[index] = reason
            state.member[index] = member
            state.value[index] = value
            state.threshold[index] = level
            state.headroom[index] = room
            codes.state[index, tick] = after
            codes.reason[index, tick] = reason


@njit(cache=True, error_model="numpy")
def while_clear(
    stand: int,
    rule: Any,
    tick: int,
    at_ms: int,
    block: int,
    values: Floats,
    status: Bytes,
    terms: Terms,
    trip_hold: Any,
    clear_hold: Any,
    trip: Any,
    clear: Any,
) -> tuple[int, int]:
    """(state, reason) of a rule that is not tripped; ``stand`` is how its ``when`` stands."""
    holds = stand in (BREACHED, NOT_USABLE_BREACH)
    over = False
    if trip_hold["of"] > 0:
        back = recovery(rule, tick, values, status, terms) == RECOVERED
        over = back_for_long(at_ms, block, back, holds, clear_hold, clear)
    if not on_duty(rule["days"], rule["begin_ms"], rule["end_ms"], at_ms):
        trip["run"] = 0
        return CLEAR, OFF_SCHEDULE
    if rule["unless"] < rule["end"] and tally(rule["unless"], rule["end"], tick, values, status, terms)[0] > 0:
        trip["run"] = 0
        return CLEAR, SUPPRESSED if holds else stand
    if not holds:
        missed(block, trip_hold, trip)
        if over:
            trip["run"] = 0
        return CLEAR, stand
    if not held(at_ms, block, trip_hold, trip):
        return PENDING, PERSISTING if stand == BREACHED else stand
    trip["run"] = 0
    clear["run"] = 0
    return TRIPPED, stand


@njit(cache=True, error_model="numpy")
def while_tripped(
    stand: int,
    rule: Any,
    tick: int,
    at_ms: int,
    block: int,
    values: Floats,
    status: Bytes,
    terms: Terms,
    clear_hold: Any,
    trip: Any,
    clear: Any,
) -> tuple[int, int]:
    """(state, reason) of a rule that is tripped; ``stand`` is how its ``when`` stands."""
    reason = recovery(rule, tick, values, status, terms)
    breached = stand in (BREACHED, NOT_USABLE_BREACH)
    over = back_for_long(at_ms, block, reason == RECOVERED, breached, clear_hold, clear)
    if reason != RECOVERED:
        return TRIPPED, reason
    if not over:
        return CLEARING, RECOVERING
    trip["run"] = 0
    clear["run"] = 0
    return CLEAR, RECOVERED


@njit(cache=True, error_model="numpy")
def back_for_long(at_ms: int, block: int, back: bool, breached: bool, clear_hold: Any, clear: Any) -> bool:
    """Counts this tick for ``clear``, and says whether that has held for long enough."""
    if breached and clear_hold["of"] > 0:
        clear["run"] = 0
    if back:
        return held(at_ms, block, clear_hold, clear)
    missed(block, clear_hold, clear)
    return False


@njit(cache=True, error_model="numpy")
def measured(rule: Any, tick: int, values: Floats, status: Bytes, terms: Terms) -> tuple[int, int, float, float, float]:
    """(how ``when`` stands, then of its deciding member the position, the value, the threshold and the headroom)."""
    first, end = rule["trips"], rule["clears"]
    needs, blind = rule["trip_needs"], rule["blind_trips"] == 1
    if end - first > 1:
        true, warming, gone = tally(first, end, tick, values, status, terms)
        stand = breach(true, warming, gone, needs, blind)
        place, room = ranked(first, end, needs, tick, values, status, terms)
        if stand not in (BREACHED, INSIDE):
            place = in_the_way(
                first, end, WARMING if stand == NOT_ENOUGH_DATA else NO_INPUT, tick, values, status, terms
            )
        term = terms[place]
        level = own_level(term, tick, values, status)[1]
        return stand, place - first, values[term["signal"], tick], level, room
    term = terms[first]
    value = values[term["signal"], tick]
    known, level = own_level(term, tick, values, status)
    known = max(known, int(status[term["signal"], tick]))
    if known != READY:
        stand = breach(0, int(known == WARMING), int(known == NO_INPUT), needs, blind)
        return stand, 0, value, level, np.nan
    above = term["above"] == 1
    return BREACHED if beyond(value, level, above) else INSIDE, 0, value, level, headroom_of(value, level, above)


@njit(cache=True, error_model="numpy")
def breach(true: int, warming: int, gone: int, needs: int, blind: bool) -> int:
    """How ``when`` stands: BREACHED, NOT_USABLE_BREACH, INSIDE, or why nobody can tell."""
    if true >= needs:
        return BREACHED
    if true + warming + gone < needs:
        return INSIDE
    if blind and true + gone >= needs:
        return NOT_USABLE_BREACH
    return NOT_USABLE if gone > 0 and not blind else NOT_ENOUGH_DATA


@njit(cache=True, error_model="numpy")
def recovery(rule: Any, tick: int, values: Floats, status: Bytes, terms: Terms) -> int:
    """How ``clear`` stands: RECOVERED, STILL_TRIPPED, NOT_USABLE_BREACH (not, as that counts as a breach), or why nobody can tell."""
    needs, blind = rule["clear_needs"], rule["blind_trips"] == 1
    true, warming, gone = tally(rule["clears"], rule["unless"], tick, values, status, terms)
    if true >= needs:
        return RECOVERED
    if true + warming + gone < needs:
        return STILL_TRIPPED
    if blind and true + warming < needs:
        return NOT_USABLE_BREACH
    return NOT_USABLE if gone > 0 and not blind else NOT_ENOUGH_DATA


@njit(cache=True, error_model="numpy")
def tally(first: int, end: int, tick: int, values: Floats, status: Bytes, terms: Terms) -> tuple[int, int, int]:
    """How many of these conditions are true, how many have not enough data, and how many no usable input."""
    true = warming = gone = 0
    for place in range(first, end):
        known, holds = stands(terms[place], tick, values, status, terms)
        if known == READY:
            true += int(holds)
        elif known == WARMING:
            warming += 1
        else:
            gone += 1
    return true, warming, gone


@njit(cache=True, error_model="numpy")
def in_the_way(first: int, end: int, wanted: int, tick: int, values: Floats, status: Bytes, terms: Terms) -> int:
    """The first of these conditions that has this status."""
    for place in range(first, end):
        if stands(terms[place], tick, values, status, terms)[0] == wanted:
            return place
    return first


@njit(cache=True, error_model="numpy")
def ranked(
    first: int, end: int, needs: int, tick: int, values: Floats, status: Bytes, terms: Terms
) -> tuple[int, float]:
    """(member, headroom): the one whose headroom is the smallest but ``needs - 1`` of those that can be told, else the largest of them."""
    chosen, found, best = first, np.nan, -1
    told = 0
    for place in range(first, end):
        room = room_of(terms[place], tick, values, status)
        if np.isnan(room):
            continue
        told += 1
        rank = 0
        for other in range(first, end):
            against = room_of(terms[other], tick, values, status)
            if against < room or (against == room and other < place):
                rank += 1
        if best < rank < needs:
            chosen, found, best = place, room, rank
    if told < needs and found < 0:
        found = np.nan
    return chosen, found
