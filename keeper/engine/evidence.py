"""Ticks, decisions and incidents as bodies of audit records.

No floats: a float is its ``repr``, which reads back to the same bits (``nan`` where there is no value); a Decimal is written plainly; an enum is
its word; a time in milliseconds is decimal text. Keys are the names of the fields.
"""

from __future__ import annotations

from keeper.domain.block import BlockStamp
from keeper.domain.decision import BreakerEvent, Decision, IncidentEvent
from keeper.domain.observation import Observation
from keeper.domain.record import Json
from keeper.domain.signal import SignalStatus, SignalValue
from keeper.domain.units import plain
from keeper.domain.verdict import Verdict
from keeper.engine.tick import Tick

STATUS_WORDS = {SignalStatus.READY: "ready", SignalStatus.WARMING: "warming", SignalStatus.NO_INPUT: "no-input"}


def decision_body(decision: Decision) -> dict[str, Json]:
    """A decision with its evidence: enough to compute it again."""
    return {
        "id": decision.id,
        "kind": str(decision.kind),
        "reason": str(decision.reason),
        "market": decision.market,
        "action": decision.action,
        "incident": decision.incident,
        "at_ms": str(decision.at_ms),
        "block": decision.block,
        "verdict": verdict_body(decision.verdict),
        "signals": [signal_body(signal) for signal in decision.signals],
        "observations": [observation_body(observation) for observation in decision.observations],
    }


def incident_body(event: IncidentEvent) -> dict[str, Json]:
    """The beginning or the end of an incident, with the verdict that made it so."""
    return {
        "id": event.id,
        "market": event.market,
        "phase": str(event.phase),
        "at_ms": str(event.at_ms),
        "block": event.block,
        "verdict": verdict_body(event.verdict),
    }


def breaker_body(event: BreakerEvent) -> dict[str, Json]:
    """A breaker that was turned from outside."""
    return {
        "market": event.market,
        "before": event.before,
        "after": event.after,
        "trigger": event.trigger,
        "reason": event.reason,
        "incident": event.incident,
        "at_ms": str(event.at_ms),
        "block": event.block,
        "until_ms": str(event.until_ms) if event.until_ms else None,
    }


def tick_body(tick: Tick) -> dict[str, Json]:
    """Everything that was seen and judged at one tick; of the decisions only the ids, because each has its own record."""
    return judged_body(tick) | seen_body(tick)


def judged_body(tick: Tick) -> dict[str, Json]:
    """What the record of a tick holds itself: which block, and what came of it."""
    counts: dict[str, Json] = dict(tick.counts)
    return {
        "at_ms": str(tick.at_ms),
        "block": block_body(tick.block),
        "breakers": {market: str(state) for market, state in tick.breakers.items()},
        "counts": counts,
        "decisions": [decision.id for decision in tick.decisions],
        "incidents": [event.id for event in tick.incidents],
    }


def seen_body(tick: Tick) -> dict[str, Json]:
    """What is kept beside the record of a tick: large, and the same columns at every one."""
    return {
        "observations": [observation_body(observation) for observation in tick.observations],
        "signals": [signal_body(signal) for signal in tick.signals],
        "verdicts": [verdict_body(verdict) for verdict in tick.verdicts],
    }


def verdict_body(verdict: Verdict) -> dict[str, Json]:
    """One verdict."""
    return {
        "market": verdict.market,
        "rule": verdict.rule,
        "signal": verdict.signal,
        "state": str(verdict.state),
        "reason": str(verdict.reason),
        "value": repr(verdict.value),
        "threshold": repr(verdict.threshold),
        "headroom": repr(verdict.headroom),
        "since_ms": str(verdict.since_ms),
        "since_block": verdict.since_block,
        "severity": str(verdict.severity),
    }


def signal_body(signal: SignalValue) -> dict[str, Json]:
    """One signal."""
    return {
        "market": signal.market,
        "name": signal.name,
        "value": repr(signal.value),
        "status": STATUS_WORDS[signal.status],
        "unit": str(signal.unit),
        "inputs": list(signal.inputs),
    }


def observation_body(observation: Observation) -> dict[str, Json]:
    """One observation; what it does not have is null."""
    return {
        "source": observation.source,
        "value": None if observation.value is None else plain(observation.value),
        "unit": str(observation.unit),
        "received_ms": str(observation.received_ms),
        "at_ms": None if observation.at_ms is None else str(observation.at_ms),
        "block": None if observation.block is None else block_body(observation.block),
        "quality": str(observation.quality),
        "reason": observation.reason,
    }


def block_body(block: BlockStamp) -> dict[str, Json]:
    """The stamp of a block."""
    return {
        "number": block.number,
        "hash": block.hash,
        "parent_hash": block.parent_hash,
        "timestamp_s": block.timestamp_s,
        "next_base_fee_wei": str(block.next_base_fee_wei),
    }
