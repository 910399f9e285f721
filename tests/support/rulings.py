"""Judging rules by hand: what their signals say at one tick, or at many."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.signal import SignalStatus
from keeper.rules import codes as rule_codes
from keeper.rules import threshold
from keeper.rules.codes import Codes, State
from keeper.rules.threshold import Params
from keeper.signals.bank import Board, empty_board

Said = tuple[int, int, Sequence[float], Sequence[SignalStatus]]
"""(at_ms, block, a value per signal, a status per signal)."""


def board_of(ticks: Sequence[Said]) -> Board:
    """A board whose rows are the signals."""
    board = empty_board(len(ticks[0][2]), len(ticks))
    for tick, (at_ms, block, values, status) in enumerate(ticks):
        board.at_ms[tick], board.block[tick] = at_ms, block
        board.values[:, tick], board.status[:, tick] = values, status
    return board


def judge(params: Params, state: State, ticks: Sequence[Said]) -> Codes:
    """The codes of all rules at these ticks; ``state`` is afterwards that of the last."""
    codes = rule_codes.blank(len(state.state), len(ticks))
    threshold.judge(board_of(ticks), params, state, codes)
    return codes
