"""The conditions of all rules as arrays, and how one of them stands at one tick.

A threshold may follow another signal: ``base + times x signal`` within its bounds. One to clear at never lies beyond the tripping threshold of
the condition that it undoes: where it would, it lies at that threshold, and as both are strict they are still never true together.

Headroom is the share of the threshold that is left: ``(threshold - value) / |threshold|`` for ``above`` and ``(value - threshold) /
|threshold|`` for ``below``; 0 at the threshold, negative beyond it. ``above`` reaches 1 at a value of 0, ``below`` at
twice the threshold. A threshold of 0 has no share: there it is the distance itself, in the signal's unit. NaN without a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import inf, isnan, nan
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from keeper.rules.spec import Condition, Level, Moving, RuleSpec, Share, Side, undone_by
from keeper.signals.bank import NO_INPUT, NOWHERE, READY, Bytes, Floats

TERM = np.dtype(
    [
        ("signal", np.int64),
        ("above", np.int8),
        ("at", np.float64),
        ("of", np.int64),
        ("times", np.float64),
        ("low", np.float64),
        ("high", np.float64),
        ("undoes", np.int64),
        ("gap", np.float64),
    ]
)
"""One condition. Those of one rule stand together: the ones that trip it, that clear it, that suppress it.

``signal`` is the board's row of its signal, ``above`` 1 where it is true above (0: below), ``at`` the threshold or the base of a moving one, ``of``
the board's row that the threshold follows (NOWHERE: none), ``times`` how much of it, ``low`` and ``high`` its bounds. ``undoes`` is the
tripping condition that the threshold must not lie beyond (NOWHERE: none, or both are fixed), ``gap`` the share of that one's threshold that
must be left (NaN: the threshold is its own).
"""

Terms = NDArray[np.void]
"""TERM each."""
_Row = tuple[int, bool, float, int, float, float, float, int, float]


def terms_of(rules: Sequence[tuple[RuleSpec, Mapping[str, int]]]) -> Terms:
    """The conditions of all rules, in their order; with each rule come the board's rows of its signals, by their names."""
    rows: list[_Row] = []
    for rule, row_of in rules:
        rows += list(_of_rule(rule, row_of, len(rows)))
    return np.array(rows, dtype=TERM)


def _of_rule(rule: RuleSpec, row_of: Mapping[str, int], first: int) -> Iterator[_Row]:
    for member in rule.when.members:
        yield _row(member, member.threshold, row_of)
    for member, place in zip(rule.clear.members, undone_by(rule.when, rule.clear), strict=True):
        trips = None if place is None else rule.when.members[place]
        if trips is None:
            yield _row(member, member.threshold, row_of)
        elif isinstance(trips.threshold, Decimal) and isinstance(member.threshold, Share):
            yield _row(member, member.threshold.of(trips.threshold, trips.side), row_of)
        elif isinstance(trips.threshold, Decimal) and isinstance(member.threshold, Decimal):
            yield _row(member, member.threshold, row_of)
        else:
            yield _row(member, member.threshold, row_of, first + (place or 0))
    for member in rule.unless:
        yield _row(member, member.threshold, row_of)


def _row(member: Condition, level: Level, row_of: Mapping[str, int], undoes: int = NOWHERE) -> _Row:
    signal, above = row_of[member.signal], member.side is Side.ABOVE
    if isinstance(level, Share):
        return signal, above, nan, NOWHERE, 0.0, -inf, inf, undoes, float(1 - level.share)
    if isinstance(level, Moving):
        low = -inf if level.at_least is None else float(level.at_least)
        high = inf if level.at_most is None else float(level.at_most)
        return signal, above, float(level.base), row_of[level.of], float(level.times), low, high, undoes, nan
    return signal, above, float(level), NOWHERE, 0.0, -inf, inf, undoes, nan


@njit(cache=True, error_model="numpy")
def own_level(term: Any, tick: int, values: Floats, status: Bytes) -> tuple[int, float]:
    """(status, threshold) without regard to the condition that it undoes."""
    of = term["of"]
    if of == NOWHERE:
        return READY, term["at"]
    known = int(status[of, tick])
    if known != READY:
        return known, np.nan
    level = min(max(term["at"] + term["times"] * values[of, tick], term["low"]), term["high"])
    if not np.isfinite(level):
        return NO_INPUT, np.nan
    return READY, level


@njit(cache=True, error_model="numpy")
def level_of(term: Any, tick: int, values: Floats, status: Bytes, terms: Terms) -> tuple[int, float]:
    """(status, threshold); READY where the threshold is known, else the worst status of what it follows."""
    if term["undoes"] == NOWHERE:
        return own_level(term, tick, values, status)
    known, trip = own_level(terms[term["undoes"]], tick, values, status)
    above = term["above"] == 1
    if not isnan(term["gap"]):
        left = term["gap"] * abs(trip)
        return known, trip + left if above else trip - left
    own, level = own_level(term, tick, values, status)
    known = max(known, own)
    if known != READY:
        return known, np.nan
    return READY, max(level, trip) if above else min(level, trip)


@njit(cache=True, error_model="numpy")
def beyond(value: float, threshold: float, above: bool) -> bool:
    """Strictly on that side of the threshold."""
    return value > threshold if above else value < threshold


@njit(cache=True, error_model="numpy")
def headroom_of(value: float, threshold: float, above: bool) -> float:
    left = threshold - value if above else value - threshold
    return left if threshold == 0.0 else left / abs(threshold)


@njit(cache=True, error_model="numpy")
def stands(term: Any, tick: int, values: Floats, status: Bytes, terms: Terms) -> tuple[int, bool]:
    """(status, whether it is true); READY where somebody can tell."""
    known, level = level_of(term, tick, values, status, terms)
    signal = term["signal"]
    known = max(known, int(status[signal, tick]))
    if known != READY:
        return known, False
    return READY, beyond(values[signal, tick], level, term["above"] == 1)


@njit(cache=True, error_model="numpy")
def room_of(term: Any, tick: int, values: Floats, status: Bytes) -> float:
    """The headroom of one tripping condition; NaN where nobody can tell."""
    known, level = own_level(term, tick, values, status)
    signal = term["signal"]
    if known != READY or status[signal, tick] != READY:
        return np.nan
    return headroom_of(values[signal, tick], level, term["above"] == 1)
