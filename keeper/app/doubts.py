"""What tripped a rule may have been the word of one node alone, although all nodes agree by the time its action is decided.

A signal remembers: its window holds what was read before, and hysteresis keeps a rule tripped that is inside its threshold again. So a block at
which too few nodes agreed, because some disagreed, is remembered for as long as the rules can reach back to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keeper.domain.decision import Decision
from keeper.domain.testimony import QuorumPolicy, Testimony
from keeper.domain.verdict import VerdictReason
from keeper.engine.spec import MarketSpec
from keeper.rules.spec import RuleSpec
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamType, SignalSpec


@dataclass(frozen=True, slots=True)
class _At:
    """A tick, by its block's number and its own time."""

    block: int
    at_ms: int


class Doubts:
    """``note`` takes every comparison, ``about`` says whether a decision rests on a block that was disputed.

    A dispute about values reaches through windows. One about the block's hash alone, which every short reorganisation brings for a moment, reaches
    no further than persistence and hysteresis: a window of an hour must not forbid to act for an hour.

    Not seen through: what a source itself remembers (the anchor of ``erc4626``, ``unchanged`` of a derived source).
    """

    def __init__(self, policies: Iterable[QuorumPolicy], markets: Iterable[MarketSpec]) -> None:
        self._policies = frozenset(policies)
        self._reach = {(market.name, rule.name): _reach(market, rule) for market in markets for rule in market.rules}
        self._disputed: dict[tuple[QuorumPolicy, bool], _At] = {}
        self._doubted: dict[tuple[str, str], str] = {}

    def note(self, testimony: Testimony, at_ms: int) -> None:
        """What the nodes said about the block of a tick."""
        if testimony.disagreeing:
            values = any(each.call is not None for said in testimony.statements for each in said.differences)
            for policy in self._policies:
                if not policy.met_by(testimony):
                    self._disputed[policy, values] = _At(testimony.block.number, at_ms)

    def about(self, decision: Decision, policy: QuorumPolicy) -> int | None:
        """The disputed block that the decision may rest on; None when it does not.

        In doubt, a rule must be beyond its threshold now, by nothing that its window and its persistence still have of that block.
        """
        disputes = [(at, values) for (of, values), at in self._disputed.items() if of == policy]
        if not disputes:
            return None
        verdict = decision.verdict
        rule = verdict.market, verdict.rule
        if any(self._reaches(rule, _At(verdict.since_block, verdict.since_ms), at, values) for at, values in disputes):
            self._doubted[rule] = decision.incident
        if self._doubted.get(rule) != decision.incident:
            return None
        beyond = verdict.headroom <= 0 or verdict.reason is VerdictReason.BLIND
        now = _At(decision.block, decision.at_ms)
        if beyond and not any(self._reaches(rule, now, at, values) for at, values in disputes):
            del self._doubted[rule]
            return None
        return max(at.block for at, _ in disputes)

    def _reaches(self, rule: tuple[str, str], tick: _At, disputed: _At, values: bool) -> bool:
        blocks, hold_ms, window_ms = self._reach[rule]
        reach_ms = hold_ms + (window_ms if values else 0)
        return disputed.block >= tick.block - blocks or disputed.at_ms >= tick.at_ms - reach_ms


def _reach(market: MarketSpec, rule: RuleSpec) -> tuple[int, int, int]:
    """How far a rule looks back: blocks and milliseconds of its persistence, milliseconds of its signal's durations."""
    signal = next(each for each in market.signals if each.name == rule.when.signal)
    hold = rule.when.hold
    return hold.blocks or 0, hold.ms or 0, _durations_ms(signal)


def _durations_ms(signal: SignalSpec) -> int:
    names = {param.name for param in SIGNALS[signal.kind].others if param.type is ParamType.DURATION}
    return sum(int(value) for name, value in signal.params if name in names)
