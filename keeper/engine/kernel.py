"""The compiled heart of a tick: all signals, then all rules, over one board. Live the board has one tick, over history many.

Live it is the same memory at each tick, so what a step is for arrays of these types is looked up once; over history that is nothing beside the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keeper.engine.spec import EngineSpec
from keeper.engine.wiring import Wiring
from keeper.rules import codes as rule_codes
from keeper.rules import threshold
from keeper.signals.bank import Board, empty_board, machine_code


@dataclass(slots=True)
class Memory:
    """What is remembered from one tick to the next: a state for each bank of signals, and that of the rules."""

    banks: list[Any]
    rules: rule_codes.State


@dataclass(slots=True)
class Live:
    """A board of one tick, and what is remembered from each to the next. Only of what ``Kernel`` makes: another array could be of another type."""

    board: Board
    memory: Memory
    codes: rule_codes.Codes


class Kernel:
    """The signals and rules of a spec that has been checked. Its states are independent of each other."""

    def __init__(self, spec: EngineSpec) -> None:
        self.wiring = Wiring(spec)
        row_of = [signal.row for signal in self.wiring.signals]
        self._rules = threshold.prepare(
            [
                (row.rule, dict(zip(row.rule.signals, (row_of[one] for one in row.signals), strict=True)))
                for row in self.wiring.rules
            ]
        )
        self._steps: list[Callable[..., None]] = []

    def fresh(self) -> Memory:
        """Nothing seen, every rule clear."""
        banks = [bank.statistic.allocate(bank.params) for bank in self.wiring.banks]
        return Memory(banks, threshold.allocate(self._rules))

    def live(self) -> Live:
        """Nothing seen yet."""
        return Live(
            empty_board(self.wiring.rows, ticks=1), self.fresh(), rule_codes.blank(len(self.wiring.rules), ticks=1)
        )

    def run(self, board: Board, memory: Memory, codes: rule_codes.Codes) -> None:
        """Every tick of a board whose sources have been written: fills in the signals, and the codes of the rules."""
        for bank, own in zip(self.wiring.banks, memory.banks, strict=True):
            bank.statistic.step(board, bank.slots, bank.params, own)
        threshold.judge(board, self._rules, memory.rules, codes)

    def tick(self, live: Live) -> None:
        """``run`` for the only tick of this board."""
        board, memory, banks = live.board, live.memory, self.wiring.banks
        if not self._steps:
            self._steps = [
                *(
                    machine_code(bank.statistic.step, board, bank.slots, bank.params, own)
                    for bank, own in zip(banks, memory.banks, strict=True)
                ),
                machine_code(threshold.judge, board, self._rules, memory.rules, live.codes),
            ]
        *steps, judge = self._steps
        for step, bank, own in zip(steps, banks, memory.banks, strict=True):
            step(board, bank.slots, bank.params, own)
        judge(board, self._rules, memory.rules, live.codes)

    def shown(self, rule: int, tick: int, board: Board) -> tuple[int, float, float]:
        """What a verdict of this rule shows at this tick of a board that was run: (position of the condition in ``when``, value, threshold)."""
        return threshold.shown(rule, tick, board, self._rules)
