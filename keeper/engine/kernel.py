"""The compiled heart of a tick: all signals, then all rules, over one board. Live the board has one tick, over history many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keeper.engine.spec import EngineSpec
from keeper.engine.wiring import Wiring
from keeper.rules import codes as rule_codes
from keeper.rules import threshold
from keeper.signals.bank import Board


@dataclass(slots=True)
class Memory:
    """What is remembered from one tick to the next: a state for each bank of signals, and that of the rules."""

    banks: list[Any]
    rules: rule_codes.State


class Kernel:
    """The signals and rules of a spec that has been checked. Immutable."""

    def __init__(self, spec: EngineSpec) -> None:
        self.wiring = Wiring(spec)
        row_of = [signal.row for signal in self.wiring.signals]
        self._rules = threshold.prepare(
            [
                (row.rule, dict(zip(row.rule.signals, (row_of[one] for one in row.signals), strict=True)))
                for row in self.wiring.rules
            ]
        )

    def fresh(self) -> Memory:
        """Nothing seen, every rule clear."""
        banks = [bank.statistic.allocate(bank.params) for bank in self.wiring.banks]
        return Memory(banks, threshold.allocate(self._rules))

    def run(self, board: Board, memory: Memory, codes: rule_codes.Codes) -> None:
        """Every tick of a board whose sources have been written: fills in the signals, and the codes of the rules."""
        for bank, own in zip(self.wiring.banks, memory.banks, strict=True):
            bank.statistic.step(board, bank.slots, bank.params, own)
        threshold.judge(board, self._rules, memory.rules, codes)

    def shown(self, rule: int, tick: int, board: Board) -> tuple[int, float, float]:
        """What a verdict of this rule shows at this tick of a board that was run: (position of the condition in ``when``, value, threshold)."""
        return threshold.shown(rule, tick, board, self._rules)
