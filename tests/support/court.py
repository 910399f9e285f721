"""One rule and its state, judged tick by tick."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from keeper.domain.signal import SignalStatus
from keeper.domain.verdict import RuleState, VerdictReason
from keeper.rules import threshold
from keeper.rules.codes import REASONS, STATES
from keeper.rules.spec import RuleSpec
from tests.support.rulings import judge

WARM, GONE = "warming", "no-input"
"""In place of a value: the signal is not ready."""
Value = float | str


class Court:
    """``judge`` takes what each signal of ``rule.signals`` says, in that order (one alone without a list)."""

    def __init__(self, rule: RuleSpec) -> None:
        self.rule = rule
        self.params = threshold.prepare([(rule, {name: row for row, name in enumerate(rule.signals)})])
        self.state = threshold.allocate(self.params)

    def judge(
        self, values: Value | Sequence[Value], block: int, at_ms: int | None = None
    ) -> tuple[RuleState, VerdictReason]:
        given = [values] if isinstance(values, float | int | str) else list(values)
        status = [
            {WARM: SignalStatus.WARMING, GONE: SignalStatus.NO_INPUT}.get(str(one), SignalStatus.READY) for one in given
        ]
        numbers = [one if isinstance(one, float | int) else math.nan for one in given]
        judge(self.params, self.state, [(block * 1_000 if at_ms is None else at_ms, block, numbers, status)])
        return STATES[self.state.state[0]], REASONS[self.state.reason[0]]

    @property
    def since(self) -> tuple[int, int]:
        return int(self.state.since_ms[0]), int(self.state.since_block[0])

    @property
    def headroom(self) -> float:
        return float(self.state.headroom[0])

    @property
    def shown(self) -> tuple[str, float, float]:
        """(signal, value, threshold) of the deciding condition."""
        member = self.rule.when.members[int(self.state.member[0])]
        return member.signal, float(self.state.value[0]), float(self.state.threshold[0])


def states(
    rule: RuleSpec, values: Iterable[Value | Sequence[Value]], blocks: Sequence[int] | None = None
) -> list[RuleState]:
    """The state after each tick; without ``blocks`` each is a block further."""
    court = Court(rule)
    return [court.judge(value, index if blocks is None else blocks[index])[0] for index, value in enumerate(values)]
