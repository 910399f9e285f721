"""The compiled heart of a tick: all signals, then all rules, over one board. Live the board has one tick, over history many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.engine.spec import EngineSpec
from keeper.engine.wiring import Wiring
from keeper.rules import codes as rule_codes
from keeper.rules import threshold
from keeper.signals.bank import Board, arrays_of, machine_code

Layout = tuple[Any, ...]
"""What a memory consists of: the statistics, and the shapes of all arrays."""


@dataclass(slots=True)
class Memory:
    """What is remembered from one tick to the next: a state for each bank of signals, and that of the rules."""

    layout: Layout
    banks: list[Any]
    rules: rule_codes.State


class Kernel:
    """The signals and rules of a spec that has been checked. Nothing of it changes once it has run; what is remembered is handed to it."""

    def __init__(self, spec: EngineSpec) -> None:
        self.wiring = Wiring(spec)
        row_of = [signal.row for signal in self.wiring.signals]
        self._rules = threshold.prepare(
            [
                (row.rule, dict(zip(row.rule.signals, (row_of[one] for one in row.signals), strict=True)))
                for row in self.wiring.rules
            ]
        )
        self._layout: Layout = ()
        self._code: Sequence[Callable[..., None]] = ()

    def fresh(self) -> Memory:
        """Nothing seen, every rule clear."""
        banks = [bank.statistic.allocate(bank.params) for bank in self.wiring.banks]
        memory = Memory(self._layout, banks, threshold.allocate(self._rules))
        if not memory.layout:
            self._layout = memory.layout = _layout_of(memory)
        return memory

    def run(self, board: Board, memory: Memory, codes: rule_codes.Codes) -> None:
        """Every tick of a board whose sources have been written: fills in the signals, and the codes of the rules.

        The memory is one of ``fresh``, of this kernel or of one of an equal spec: raises ValueError where it is laid out otherwise, since the
        machine code would read beyond it. The arrays of the board and the codes lie in memory without gaps, as ``empty_board`` and ``blank`` make
        them: raises ValueError where the first ones do not.
        """
        if memory.layout is not self._layout and memory.layout != (self._layout or self.fresh().layout):
            raise ValueError("this memory is that of another spec")
        if not self._code:
            self._code = self._found(board, memory, codes)
        *steps, judge = self._code
        for step, bank, own in zip(steps, self.wiring.banks, memory.banks, strict=True):
            step(board, bank.slots, bank.params, own)
        judge(board, self._rules, memory.rules, codes)

    def _found(self, board: Board, memory: Memory, codes: rule_codes.Codes) -> list[Callable[..., None]]:
        """The machine code of every bank's step, and of the judge: the same for every board, so it is looked up once."""
        banks = zip(self.wiring.banks, memory.banks, strict=True)
        steps = [machine_code(bank.statistic.step, board, bank.slots, bank.params, own) for bank, own in banks]
        return [*steps, machine_code(threshold.judge, board, self._rules, memory.rules, codes)]

    def shown(self, rule: int, tick: int, board: Board) -> tuple[int, float, float]:
        """What a verdict of this rule shows at this tick of a board that was run: (position of the condition in ``when``, value, threshold)."""
        return threshold.shown(rule, tick, board, self._rules)


def _layout_of(memory: Memory) -> Layout:
    kinds = (type(own).__name__ for own in memory.banks)  # a name of its own each, see ``load``
    return (*kinds, *(array.shape for one in (*memory.banks, memory.rules) for _, array in arrays_of(one, "")))
