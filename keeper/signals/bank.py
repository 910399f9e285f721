"""A bank: all slots of one kind of signal. A slot is one configured signal of one market.

Every statistic's module offers the same names::

    Params, State           NamedTuples of arrays whose first axis is the slot
    prepare(specs)          the parameters as arrays; a row a spec
    allocate(params)        a fresh state
    step(board, slots, params, state)
                            all slots over all ticks of a board, compiled; writes what it finds into the board

Most have ``one(...)`` besides, for one slot at one tick. What a compiled function is handed costs: a call counts a reference to every array, which
takes longer than most statistics. So functions that are handed many are inlined, and the quickest statistics keep a slot's memory in plain
variables while they go over the ticks.

There is one compiled step: live the board has one tick, over history many. All slots are independent of each other, which is why each goes
over all ticks before the next begins: its state stays in the nearest cache. The quickest statistics take a board of one tick slot
after slot instead, and stretches at which nothing is odd all at once (see ``stretch``): with the same operations on the same numbers, so that the
ways cannot differ, not even in the last bit. A test holds them against each other.

Ticks never go back in time (whoever fills the board sees to that); several may have the same time. Block numbers may go back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from keeper.domain.signal import SignalStatus
from keeper.signals.spec import SignalKind, SignalSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.int8]
Rows = NDArray[np.int32]
"""Rows of a board. Half as wide as other numbers: a tick waits for memory more than for anything else."""

READY = int(SignalStatus.READY)
WARMING = int(SignalStatus.WARMING)
NO_INPUT = int(SignalStatus.NO_INPUT)

NEVER = -(2**62)
"""A time, a block or an interval before all others."""
NOWHERE = -1
"""In place of a row: there is no such input."""


class Board(NamedTuple):
    """The inputs and outputs of some ticks: a row for each source and each signal, a column for each tick.

    ``at_ms`` and ``block`` (ticks) say when, ``values`` (rows x ticks) is NaN wherever ``status`` (SignalStatus, rows x ticks) is not READY.
    ``own_ms`` (rows x ticks) is the time of what was observed, as its source gives it, also where its value is not usable; NEVER where there is
    none, and for signals.
    """

    at_ms: Ints
    block: Ints
    values: Floats
    status: Bytes
    own_ms: Ints


class Slots(NamedTuple):
    """Where the slots of a bank stand on the board: ``rows`` (slots) are written, ``inputs`` (slots x most inputs of any) read.

    NOWHERE fills the places of a slot that has fewer inputs.
    """

    rows: Rows
    inputs: Rows


class Statistic(Protocol):
    """What the module of a kind offers. ``prepare`` may rely on the specs having been checked against the kind."""

    def prepare(self, specs: Sequence[SignalSpec]) -> Any: ...
    def allocate(self, params: Any) -> Any: ...
    def step(self, board: Board, slots: Slots, params: Any, state: Any) -> None: ...


def load(kind: SignalKind) -> Statistic:
    """The statistic of this kind. Imports the compiler.

    Which code a call needs, the compiler finds by the names of the tuples that it is handed and what is in them. Where two look alike, it
    finds that out in Python at each call, which takes twenty times as long as most statistics: so each kind's have names of their own.
    """
    module = import_module(kind.module)
    for one in (module.Params, module.State):
        one.__name__ = f"{module.__name__.rpartition('.')[2]}_{one.__qualname__}"
    return cast(Statistic, module)


def machine_code(function: Any, *args: Any) -> Callable[..., None]:
    """What this compiled function runs for arguments of the types of these: NamedTuples of arrays, or of such NamedTuples.

    Compiles it, or loads it from the cache. A call of the function itself finds out anew each time what types it was handed, which takes as long
    as stepping hundreds of slots. Whoever calls this one sees to it that the types stay those: it reads memory, and asks nobody. Raises
    ValueError where an array has gaps or cannot be written.
    """
    arrays = [array for one in args for _, array in arrays_of(one, "")]
    if not all(one.flags.carray for one in arrays):
        raise ValueError("an array with gaps in memory, or one that cannot be written")
    key = function, *((one.dtype, one.ndim) for one in arrays)
    if key not in _CODE:
        types = tuple(numba.typeof(one) for one in args)  # type: ignore[no-untyped-call]
        # without a compiler (NUMBA_DISABLE_JIT, to look into it with a debugger) it is the function itself
        _CODE[key] = function.compile(types) if hasattr(function, "compile") else function
    return _CODE[key]


_CODE: dict[tuple[Any, ...], Callable[..., None]] = {}


def arrays_of(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The arrays in a NamedTuple of arrays and such NamedTuples, each with the name of its place."""
    for field, one in zip(value._fields, value, strict=True):
        if hasattr(one, "_fields"):
            yield from arrays_of(one, f"{name}.{field}")
        else:
            yield f"{name}.{field}", one


def empty_board(rows: int, ticks: int) -> Board:
    """Nothing seen at any of these ticks."""
    return Board(
        at_ms=np.full(ticks, NEVER, dtype=np.int64),
        block=np.full(ticks, NEVER, dtype=np.int64),
        values=np.full((rows, ticks), np.nan),
        status=np.full((rows, ticks), NO_INPUT, dtype=np.int8),
        own_ms=np.full((rows, ticks), NEVER, dtype=np.int64),
    )


@njit(cache=True, inline="always", error_model="numpy")
def missing(board: Board, slots: Slots, slot: int, tick: int) -> int:
    """READY when every input of the slot is; NO_INPUT when one has none; else WARMING."""
    worst = READY
    for place in range(slots.inputs.shape[1]):
        row = slots.inputs[slot, place]
        if row != NOWHERE:
            worst = max(worst, board.status[row, tick])
    return int(worst)


@njit(cache=True, inline="always", error_model="numpy")
def write(board: Board, slots: Slots, slot: int, tick: int, value: float, status: int) -> None:
    """What the slot says at this tick; the value counts only where it is READY."""
    row = slots.rows[slot]
    board.values[row, tick] = value if status == READY else np.nan
    board.status[row, tick] = status


@njit(cache=True, inline="always", error_model="numpy")
def is_price(value: float) -> bool:
    """Finite and more than nothing; NaN is not."""
    return bool(0.0 < value < np.inf)
