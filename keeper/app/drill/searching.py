"""The smallest breach of one source that trips a rule, found by the engine itself in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from keeper.app.drill.breach import Breach
from keeper.domain.block import BlockStamp
from keeper.domain.decision import Decision, DecisionKind
from keeper.domain.observation import Observation, Quality
from keeper.domain.snapshot import Snapshot
from keeper.domain.verdict import RuleState
from keeper.engine import Engine, EngineState

STEPS: Final = tuple(
    Decimal(each)
    for each in ("0.005", "0.01", "0.02", "0.03", "0.05", "0.075", "0.1", "0.15", "0.2", "0.3", "0.5", "0.75", "0.9")
)
"""Shares by which a source is made to fall, and to rise; the smallest that trips is taken."""
LARGE: Final = (Decimal(3), Decimal(10))
MOST_TICKS: Final = 400
"""So many blocks a rule may take to trip."""


@dataclass(frozen=True, slots=True)
class Found:
    """``ticks`` evaluated blocks with the breach, until the rule trips. ``decisions`` are what it then comes to."""

    breach: Breach
    ticks: int
    decisions: tuple[Decision, ...]


def smallest_breach(
    engine: Engine,
    state: EngineState,
    seen: Mapping[str, Observation],
    block: BlockStamp,
    at_ms: int,
    market: str,
    rule: str,
    *,
    sources: Sequence[str],
    block_ms: int,
    most_ticks: int = MOST_TICKS,
) -> Found | None:
    """None when no single source of these does it. ``state`` is only copied; ``seen`` are the observations of the last tick at ``block``."""
    index = _index(engine, market, rule)
    for breach in _candidates(sources, seen):
        found = _tried(engine, state.copy(), seen, block, at_ms, index, breach, block_ms, most_ticks)
        if found is not None:
            return found
    return None


def tried(
    engine: Engine,
    state: EngineState,
    seen: Mapping[str, Observation],
    block: BlockStamp,
    at_ms: int,
    market: str,
    rule: str,
    breach: Breach,
    *,
    block_ms: int,
    most_ticks: int = MOST_TICKS,
) -> Found | None:
    """The same of one breach that somebody has chosen."""
    index = _index(engine, market, rule)
    return _tried(engine, state.copy(), seen, block, at_ms, index, breach, block_ms, most_ticks)


def _index(engine: Engine, market: str, rule: str) -> int:
    rules = [(each.name, one.name) for each in engine.spec.markets for one in each.rules]
    return rules.index((market, rule))


def _candidates(sources: Sequence[str], seen: Mapping[str, Observation]) -> Iterator[Breach]:
    usable = [name for name in sources if name in seen and seen[name].quality is Quality.OK and seen[name].value]
    for step in STEPS:
        for name in usable:
            yield Breach(name, 1 - step)
            yield Breach(name, 1 + step)
    for times in LARGE:
        for name in usable:
            yield Breach(name, times)
    for name in sources:
        yield Breach(name, None)


def _tried(
    engine: Engine,
    state: EngineState,
    seen: Mapping[str, Observation],
    block: BlockStamp,
    at_ms: int,
    rule: int,
    breach: Breach,
    block_ms: int,
    most_ticks: int,
) -> Found | None:
    for number in range(1, most_ticks + 1):
        later_ms = number * block_ms
        stamp = replace(
            block,
            number=block.number + number,
            hash=f"0x{number:064x}",
            timestamp_s=block.timestamp_s + later_ms // 1000,
        )
        observations = {
            name: breach.of(_later(one, later_ms, stamp)) if name == breach.source else _later(one, later_ms, stamp)
            for name, one in seen.items()
        }
        state, tick = engine.tick(state, Snapshot(stamp, at_ms + later_ms, observations))
        verdict = tick.table.verdict(rule)
        if verdict.state is RuleState.TRIPPED:
            decisions = tuple(each for each in tick.decisions if each.verdict.rule == verdict.rule)
            return Found(breach, number, decisions)
        if verdict.state is RuleState.CLEAR and number > 1:
            return None  # neither tripped nor about to
    return None


def _later(seen: Observation, later_ms: int, block: BlockStamp) -> Observation:
    """The same said again at a later block, as new as it was."""
    at_ms = None if seen.at_ms is None else seen.at_ms + later_ms
    stamp = block if seen.block is not None else None
    return replace(seen, received_ms=seen.received_ms + later_ms, at_ms=at_ms, block=stamp)


def acts(decisions: Sequence[Decision]) -> tuple[str, ...]:
    """The names of the actions that are to be carried out."""
    return tuple(each.action for each in decisions if each.kind is DecisionKind.ACT)
