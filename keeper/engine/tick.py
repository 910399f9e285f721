"""What one tick came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from keeper.decisions.breaker import BreakerState
from keeper.domain.block import BlockStamp
from keeper.domain.decision import BreakerEvent, Decision, IncidentEvent
from keeper.domain.observation import Observation
from keeper.domain.signal import SignalStatus, SignalValue
from keeper.domain.verdict import Verdict
from keeper.engine.wiring import Wiring
from keeper.rules.codes import REASONS, STATES, Said
from keeper.signals.bank import Bytes, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The numbers of one tick as columns, and the words that go with them. Objects are made only for those that are asked for.

    ``values`` and ``status`` are those of the signals.
    """

    wiring: Wiring
    graded: tuple[Observation, ...]
    values: Floats
    status: Bytes
    rules: Said
    _verdicts: dict[int, Verdict] = field(default_factory=dict)

    def signal(self, index: int) -> SignalValue:
        """The signal at this position."""
        row, status = self.wiring.signals[index], SignalStatus(int(self.status[index]))
        return SignalValue(row.market, row.name, float(self.values[index]), status, row.unit, row.inputs)

    def verdict(self, rule: int) -> Verdict:
        """The verdict of the rule at this position."""
        if (known := self._verdicts.get(rule)) is not None:
            return known
        row = self.wiring.rules[rule]
        verdict = self._verdicts[rule] = Verdict(
            market=row.market,
            rule=row.rule.name,
            signal=row.rule.when.members[self.rules.member[rule]].signal,
            state=STATES[self.rules.state[rule]],
            reason=REASONS[self.rules.reason[rule]],
            value=float(self.rules.value[rule]),
            threshold=float(self.rules.threshold[rule]),
            headroom=float(self.rules.headroom[rule]),
            since_ms=int(self.rules.since_ms[rule]),
            since_block=int(self.rules.since_block[rule]),
            severity=row.rule.severity,
        )
        return verdict

    def signals(self, rule: int) -> tuple[SignalValue, ...]:
        """The signals that the rule at this position was judged by."""
        return tuple(self.signal(signal) for signal in self.wiring.rules[rule].signals)

    def observations(self, rule: int) -> tuple[Observation, ...]:
        """The observations that those signals were computed from, and those that these were derived from, each once."""
        rows = [self.wiring.signals[signal] for signal in self.wiring.rules[rule].signals]
        return tuple(self.graded[source] for source in dict.fromkeys(source for row in rows for source in row.evidence))


@dataclass(frozen=True, eq=False)
class Tick:
    """``at_ms`` is the time that counted (never before the last tick's), ``observations`` are graded and in the order of the configuration.

    ``counts`` has every key of ``keeper.decisions.desk.COUNTS``; ``breakers`` every market, ``turns`` are what turned
    one of them besides the beginning and the end of an incident. A signal that rules need in different
    qualities is there once for each of them. ``signals`` and ``verdicts`` are in the order of the
    configuration and are made when first asked for.
    """

    at_ms: int
    block: BlockStamp
    observations: tuple[Observation, ...]
    decisions: tuple[Decision, ...]
    incidents: tuple[IncidentEvent, ...]
    turns: tuple[BreakerEvent, ...]
    counts: Mapping[str, int]
    breakers: Mapping[str, BreakerState]
    table: Table

    @cached_property
    def signals(self) -> tuple[SignalValue, ...]:
        """Every signal of every market."""
        return tuple(self.table.signal(index) for index in range(len(self.table.wiring.signals)))

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every rule of every market."""
        return tuple(self.table.verdict(index) for index in range(len(self.table.wiring.rules)))
