"""A bank: all slots of one kind of signal. A slot is one configured signal of one market.

Every statistic's module offers the same four names::

    Params, State           NamedTuples of arrays whose first axis is the slot
    prepare(specs)          the parameters as arrays; a row a spec
    allocate(params)        a fresh state
    step(feed, params, state, out)
                            one tick over all slots, compiled; writes ``out`` in place

Live, ``step`` is called once per tick. Over history, the same ``step`` is called in a compiled loop over time. So the two cannot
differ, not even in the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from keeper.domain.signal import SignalStatus
from keeper.signals.spec import SignalKind, SignalSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.int8]

READY = int(SignalStatus.READY)
WARMING = int(SignalStatus.WARMING)
NO_INPUT = int(SignalStatus.NO_INPUT)


class Feed(NamedTuple):
    """One tick's input of a bank.

    ``at_ms`` is the time of the tick, ``block`` its block number, ``values`` (slots x sources, float64) what the sources say: NaN
    where an input is not usable.
    """

    at_ms: int
    block: int
    values: Floats


class Out(NamedTuple):
    """One tick's output: ``values`` (float64 per slot, NaN unless ready) and ``status`` (SignalStatus as int8 per slot).

    It starts as what the tick before left, because a step that ignores a tick leaves it alone.
    """

    values: Floats
    status: Bytes


class Statistic(Protocol):
    """What the module of a kind offers. ``prepare`` may rely on the specs having been checked against the kind."""

    def prepare(self, specs: Sequence[SignalSpec]) -> Any: ...
    def allocate(self, params: Any) -> Any: ...
    def step(self, feed: Feed, params: Any, state: Any, out: Out) -> None: ...


def load(kind: SignalKind) -> Statistic:
    """The statistic of this kind. Imports the compiler."""
    return cast(Statistic, import_module(kind.module))


def fresh_out(slots: int) -> Out:
    """Before the first tick: no value, no input."""
    return Out(np.full(slots, np.nan), np.full(slots, NO_INPUT, dtype=np.int8))
