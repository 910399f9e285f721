"""Driving one statistic by hand: ticks in, values out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from keeper.domain.signal import SignalStatus
from keeper.signals.bank import NEVER, Board, Slots, Statistic, empty_board, load
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamValue, SignalSpec

Input = tuple[int, Sequence[float]]
"""(at_ms, one value per input; NaN where there is none)."""
Output = tuple[SignalStatus, float]

NAN = float("nan")


def board_of(ticks: Sequence[Input], own_ms: Sequence[int] | None = None) -> Board:
    """A board of these ticks, at the blocks 0, 1, 2 ...; the inputs are its first rows, a row more is left for one signal.

    ``own_ms`` is the own time of every input of each tick (NEVER for none); without it that of the tick, for inputs that are there.
    """
    inputs = len(ticks[0][1]) if ticks else 1
    board = empty_board(inputs + 1, len(ticks))
    for tick, (at_ms, values) in enumerate(ticks):
        board.at_ms[tick], board.block[tick] = at_ms, tick
        board.values[:inputs, tick] = values
        board.status[:inputs, tick] = [
            SignalStatus.NO_INPUT if math.isnan(one) else SignalStatus.READY for one in values
        ]
        known = np.where(np.isnan(board.values[:inputs, tick]), NEVER, at_ms)
        board.own_ms[:inputs, tick] = known if own_ms is None else own_ms[tick]
    return board


def slots_of(inputs: int) -> Slots:
    """One slot that reads the first rows and writes the one after them."""
    return Slots(np.array([inputs], dtype=np.int32), np.arange(inputs, dtype=np.int32).reshape(1, inputs))


def answers_of(board: Board) -> list[Output]:
    """What the last row says at each tick."""
    pairs = zip(board.status[-1], board.values[-1], strict=True)
    return [(SignalStatus(int(status)), float(value)) for status, value in pairs]


def spec_of(kind: str, *sources: str, **params: ParamValue) -> SignalSpec:
    """A signal of this kind; without ``sources`` of one."""
    return SignalSpec("one", kind, sources or ("of",), tuple(params.items()))


def is_near(answer: Output, value: float, rel: float = 0.0, abs: float = 0.0) -> bool:
    """Whether it is READY and within these bounds of the value."""
    return answer[0] is SignalStatus.READY and math.isclose(answer[1], value, rel_tol=rel, abs_tol=abs)


def drive(
    spec: SignalSpec,
    ticks: Sequence[Input],
    own_ms: Sequence[int] | None = None,
    blocks: Sequence[int] | None = None,
) -> list[Output]:
    """What the compiled step says at each tick, for one slot, one tick a call, as live. ``blocks`` are otherwise 0, 1, 2 ..."""
    statistic, params, state = _fresh(spec)
    found = []
    for number in range(len(ticks)):
        board = board_of(ticks[number : number + 1], None if own_ms is None else own_ms[number : number + 1])
        board.block[0] = number if blocks is None else blocks[number]
        statistic.step(board, slots_of(len(ticks[number][1])), params, state)
        found += answers_of(board)
    return found


def drive_over(
    spec: SignalSpec, ticks: Sequence[Input], own_ms: Sequence[int] | None = None, cuts: Sequence[int] = ()
) -> list[Output]:
    """The same, all ticks in one call, as over history; with ``cuts`` a call up to each of these ticks, and one for the rest."""
    statistic, params, state = _fresh(spec)
    found = []
    for begin, end in pairwise([0, *cuts, len(ticks)]):
        board = board_of(ticks, own_ms)
        here = Board._make(column[..., begin:end].copy() for column in board)
        statistic.step(here, slots_of(len(ticks[0][1]) if ticks else 1), params, state)
        found += answers_of(here)
    return found


def _fresh(spec: SignalSpec) -> tuple[Statistic, object, object]:
    statistic = load(SIGNALS[spec.kind])
    params = statistic.prepare([spec])
    return statistic, params, statistic.allocate(params)
