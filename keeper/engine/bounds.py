"""What the whole numbers in the memory of a statistic may be, so that no compiled loop reads beyond an array or runs on for ever.

Compiled code checks no bounds, and a state that was read from a log was not made by it. So each array of whole numbers in a state is named here by
the type that holds it and its field, with what it may hold; a test finds every registered kind, and fails for one that is missing. An array that
has no name here is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from keeper.signals.bank import NEVER

LATEST = -NEVER
_NONE = np.zeros(0)

Check = Callable[[Any, Any, Any], bool]
"""Whether an array is well, of the state that holds it and the parameters of the bank."""


def _time(array: Any, _: Any, __: Any) -> bool:
    """A time, a block, an interval, or a count of events: never used as a place as it is."""
    return bool(np.all((array >= NEVER) & (array <= LATEST)))


def _nothing(array: Any, _: Any, __: Any) -> bool:
    """Only counts the slots."""
    return not np.any(array)


def _place(array: Any, _: Any, params: Any) -> bool:
    """A place in the n - 1 parts of a sliding sum."""
    return bool(np.all((array >= 0) & (array < np.maximum(params.cut.length - 1, 1))))


def _two_places(array: Any, _: Any, params: Any) -> bool:
    """A place in the parts of the short window, and one in those of the baseline."""
    ends = np.stack([np.maximum(params.cut.length - 1, 1), np.maximum(params.baseline, 1)], axis=1)
    return bool(np.all((array >= 0) & (array < ends)))


def _head(array: Any, _: Any, params: Any) -> bool:
    """A place in a queue that has one for each interval of the window."""
    return bool(np.all((array >= 0) & (array < params.cut.length)))


def _held(array: Any, _: Any, params: Any) -> bool:
    """How many of the places of a window are taken."""
    return bool(np.all((array >= 0) & (array <= params.cut.length)))


def _ordered(array: Any, own: Any, params: Any) -> bool:
    """How many values are in order: these are finite, and those of the ring, because each is looked for there when it leaves."""
    if not _held(array, own, params):
        return False
    for slot, held in enumerate(array.tolist()):
        interval, length = int(own.ring.interval[slot]), int(params.cut.length[slot])
        known = own.ring.past[slot, [(interval - back) % length for back in range(1, held + 1)]] if held else _NONE
        if interval != NEVER and not np.isfinite(own.ring.latest[slot]):
            return False
        if not (np.all(np.isfinite(known)) and np.array_equal(np.sort(known), own.ordered[slot, :held])):
            return False
    return True


def _queue(array: Any, own: Any, params: Any) -> bool:
    """``head`` and ``end`` of a queue count on for ever, and are never further apart than the window is long."""
    held = own.end - own.head
    return _time(array, own, params) and bool(np.all((own.head >= 0) & (held >= 0) & (held <= params.cut.length)))


BOUNDS: Mapping[str, Check] = MappingProxyType(
    {
        "Ring.interval": _time,
        "Ring.first": _time,
        "Tally.interval": _time,
        "Tally.first": _time,
        "Tally.latest": _time,
        "Tally.past": _time,
        "Tally.total": _time,
        "Highest.queue": _time,
        "Highest.head": _queue,
        "Highest.end": _queue,
        "Highest.seen": _time,
        "State.slots": _nothing,
        "State.interval": _time,
        "State.first": _time,
        "State.since": _time,
        "State.of": _time,
        "State.at": _time,
        "State.own_ms": _time,
        "drawdown.State.head": _head,
        "drawdown.State.held": _held,
        "quantile.State.held": _ordered,
        "realised_volatility.State.place": _place,
        "volatility_ratio.State.place": _two_places,
    }
)
"""By type and field, with the module in front where the same name means something else elsewhere."""


def problem_of_bank(params: Any, state: Any, name: str) -> str | None:
    """The first array of a bank's state that holds what it may not; None: all are well."""
    for field, value in zip(state._fields, state, strict=True):
        place = f"{name}.{field}"
        if hasattr(value, "_fields"):
            if (problem := problem_of_bank(params, value, place)) is not None:
                return problem
        elif value.dtype.kind in "iu":
            check = bound_of(type(state), field)
            if check is None or not check(value, state, params):
                return f"{place} holds a number that it cannot have"
    return None


def bound_of(cls: type, field: str) -> Check | None:
    """What the whole numbers of this field may be; None: nobody has said."""
    module = cls.__module__.rsplit(".", 1)[-1]
    name = f"{cls.__qualname__}.{field}"
    return BOUNDS.get(f"{module}.{name}") or BOUNDS.get(name)
