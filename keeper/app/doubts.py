"""What tripped a rule may have been the word of one node alone, although all nodes agree by the time its action is decided.

A signal remembers: its window holds what was read before, and hysteresis keeps a rule tripped that is inside its threshold again. So a block at
which too few nodes agreed, because some disagreed, is remembered for as long as the rules can reach back to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keeper.domain.decision import Decision
from keeper.domain.testimony import QuorumPolicy, Testimony
from keeper.domain.units import Span
from keeper.domain.verdict import VerdictReason
from keeper.engine.spec import MarketSpec
from keeper.rules.spec import RuleSpec
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamType, SignalSpec
from keeper.signals.windows import FORGOTTEN


@dataclass(frozen=True, slots=True)
class _At:
    """A tick, by its block's number and its own time."""

    block: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a rule looks back: by its persistence (``hold``) and by the windows of its signals."""

    hold: _At
    window: _At


class Doubts:
    """``note`` takes every comparison, ``about`` says whether a decision rests on a block that was disputed.

    A dispute about values reaches through windows. One about the block's hash alone, which every short reorganisation brings for a moment, reaches
    no further than persistence and hysteresis: a window of an hour must not forbid to act for an hour.

    The way back from a lie enters a window at the first good tick after it, and leaves it a whole window later; after no good tick for a
    whole window, windows start anew.
    """

    def __init__(self, policies: Iterable[QuorumPolicy], markets: Iterable[MarketSpec]) -> None:
        self._policies = frozenset(policies)
        self._reach = {(market.name, rule.name): _reach(market, rule) for market in markets for rule in market.rules}
        self._disputed: dict[tuple[QuorumPolicy, bool], _At] = {}
        self._back: dict[QuorumPolicy, _At] = {}
        self._doubted: dict[tuple[str, str], str] = {}

    def note(self, testimony: Testimony, at_ms: int, *, good: bool = False) -> None:
        """What the nodes said about the block of a tick. ``good``: about its reads too, and every source had a good value."""
        at = _At(testimony.block.number, at_ms)
        values = any(each.call is not None for said in testimony.statements for each in said.differences)
        for policy in self._policies:
            if policy.met_by(testimony):
                lied = self._disputed.get((policy, True))
                if good and policy not in self._back and lied is not None and at.at_ms > lied.at_ms:
                    self._back[policy] = at
            elif testimony.disagreeing:
                self._disputed[policy, values] = at
                if values:
                    self._back.pop(policy, None)

    def about(self, decision: Decision, policy: QuorumPolicy) -> int | None:
        """The disputed block that the decision may rest on; None when it does not.

        In doubt, a rule must be beyond its threshold now, by nothing that its window and its persistence still have of that block.
        """
        disputes = [(at, values) for (of, values), at in self._disputed.items() if of == policy]
        if not disputes:
            return None
        verdict = decision.verdict
        rule = verdict.market, verdict.rule
        since = _At(verdict.since_block, verdict.since_ms)
        if any(self._reaches(rule, since, at, policy if values else None) for at, values in disputes):
            self._doubted[rule] = decision.incident
        if self._doubted.get(rule) != decision.incident:
            return None
        beyond = verdict.headroom <= 0 or verdict.reason is VerdictReason.BLIND
        now = _At(decision.block, decision.at_ms)
        if beyond and not any(self._reaches(rule, now, at, policy if values else None) for at, values in disputes):
            del self._doubted[rule]
            return None
        return max(at.block for at, _ in disputes)

    def _reaches(self, rule: tuple[str, str], tick: _At, disputed: _At, values_of: QuorumPolicy | None) -> bool:
        """``values_of``: the policy whose dispute about values it is; None when it is about the hash alone."""
        hold, window = self._reach[rule].hold, self._reach[rule].window
        left = disputed
        if values_of is not None:
            last = _At(disputed.block + window.block, disputed.at_ms + window.at_ms)
            back = self._back.get(values_of, last)
            left = _At(
                min(back.block, last.block) + window.block if window.block else disputed.block,
                min(back.at_ms, last.at_ms) + window.at_ms if window.at_ms else disputed.at_ms,
            )
        return left.block >= tick.block - hold.block or left.at_ms >= tick.at_ms - hold.at_ms


def _reach(market: MarketSpec, rule: RuleSpec) -> _Reach:
    signals = {signal.name: signal for signal in market.signals}
    hold = rule.when.hold
    windows = [_windows(name, signals) for name in rule.signals]
    return _Reach(
        _At(hold.blocks or 0, hold.ms or 0),
        _At(max(each.block for each in windows), max(each.at_ms for each in windows)),
    )


def _windows(name: str, signals: Mapping[str, SignalSpec]) -> _At:
    """The durations and windows of a signal, and of the signals that it is made of: all together. A sample counts as a block."""
    signal = signals[name]
    spans = [
        value
        for key, value in signal.params
        if isinstance(value, Span)
        for _ in range(FORGOTTEN if key == "half_life" else 1)
    ]
    durations = {param.name for param in SIGNALS[signal.kind].others if param.type is ParamType.DURATION}
    times_ms = [value for name, value in signal.params if name in durations and isinstance(value, int)]
    inner = [_windows(each, signals) for each in signal.sources if each in signals]
    return _At(
        sum(span.blocks or span.samples or 0 for span in spans) + max((each.block for each in inner), default=0),
        sum(span.ms or 0 for span in spans) + sum(times_ms) + max((each.at_ms for each in inner), default=0),
    )
