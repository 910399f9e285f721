"""What a raid did to the demo protocol, from the state of the chain block by block, and what a breaker's registration allows at most.

Nothing here asks the breaker contract how it is: only the protocol and the clock of the blocks. Times are unix seconds, lengths seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keeper.devnet.guard import Bound, Limits

Span = tuple[int, int]
"""From, inclusive, and until, exclusive."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The protocol as one block left it: it stays so until the next one. ``standing``: everything that no raid may change."""

    at_s: int
    paused: Mapping[str, bool]
    limits: Mapping[str, int]
    standing: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Damage:
    """What one effect (a pause, a lowered limit) came to between two times."""

    longest_s: int
    """Without a break."""
    total_s: int
    in_window_s: int
    """In the worst half-open window [t, t + window)."""
    times_in_window: int
    """How often it began in the worst such window."""
    longest_gap_s: int
    """Between two effects: nobody could trip, where somebody tried as soon as it was possible."""


def damage(sights: Sequence[Sight], holds: Callable[[Sight], bool], period: Span, window_s: int) -> Damage:
    """The blocks must reach from the beginning of ``period`` to its end."""
    found = spans(sights, holds, period)
    gaps = [after[0] - before[1] for before, after in pairwise(found)]
    starts = [begin for begin, _ in found]
    edges = [*starts, *(end - window_s for _, end in found)]
    return Damage(
        longest_s=max((end - begin for begin, end in found), default=0),
        total_s=sum(end - begin for begin, end in found),
        in_window_s=max((_overlap(found, edge, edge + window_s) for edge in edges), default=0),
        times_in_window=max((sum(edge <= begin < edge + window_s for begin in starts) for edge in starts), default=0),
        longest_gap_s=max(gaps, default=0),
    )


def spans(sights: Sequence[Sight], holds: Callable[[Sight], bool], period: Span) -> list[Span]:
    """When it held, within ``period``, in order."""
    assert sights[0].at_s <= period[0]
    assert period[1] <= sights[-1].at_s
    found: list[Span] = []
    for sight, after in pairwise(sights):
        begin, end = max(sight.at_s, period[0]), min(after.at_s, period[1])
        if begin >= end or not holds(sight):
            continue
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def allowed(limits: Limits, length_s: int) -> Damage:
    """What the registration of a breaker allows a thief within ``length_s`` from its first trip, when every trip is ended as soon as it is due.

    ``in_window_s``: of each second u of a trip, at most ``budget`` trips can show it in a window, as they began in the window shifted
    back by u; so budget * duration, whatever lies across the window's ends. Less where the rests do not leave room for that many.
    ``total_s``: trips as early as they can be, in groups of ``budget``: [0, d), [d + c, 2d + c), ... and again after a window.
    """
    duration, rest, budget = limits.duration_s, limits.cooldown_s, limits.budget
    step = duration + rest
    period = max(limits.window_s, budget * step)
    whole, left = divmod(length_s, period)
    last = sum(_clamp(left - place * step, duration) for place in range(budget))
    by_rest = limits.window_s // step * duration + min(duration, limits.window_s % step)
    return Damage(
        longest_s=duration,
        total_s=whole * budget * duration + last,
        in_window_s=min(budget * duration, by_rest),
        times_in_window=min(budget, -(-limits.window_s // step)),
        longest_gap_s=max(rest, period - (budget - 1) * step - duration),
    )


def lowest_allowed(bound: Bound, current: int) -> int:
    """The lowest that one trip may set on side Lower."""
    return max(bound.minimum, current - current * bound.max_step_bps // 10_000)


def _overlap(found: Sequence[Span], begin: int, end: int) -> int:
    return sum(max(0, min(end, till) - max(begin, since)) for since, till in found)


def _clamp(length_s: int, most_s: int) -> int:
    return min(max(length_s, 0), most_s)
