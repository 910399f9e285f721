"""Whether the demo's claims hold: the log's words against the chain's answers; nothing here is remembered from the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.verify import Verification
from keeper.app.demo import guarded
from keeper.app.demo.configuration import TIGHT_LIMIT
from keeper.app.demo.guarded import GuardFacts
from keeper.app.demo.readback import ChainFacts
from keeper.app.demo.stage import Played
from keeper.devnet.scenarios import SECOND, SHAKEN
from keeper.devnet.world import WITHDRAWAL_LIMIT
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.execution.work import UNKNOWN

if TYPE_CHECKING:
    from keeper.app.demo.council_facts import CouncilFacts
    from keeper.app.demo.unseen import Act

EXPECTED: dict[str, tuple[tuple[str, str], ...]] = {
    "divergence": (("pause-market", "pause"),),
    "volatility": (("tighten-withdrawals", "rate-limit"), ("pause-market", "pause")),
    "calm": (),
    "breaker": (("pause-market", "pause"), ("expire:pause-market", "upkeep")),
    "council": (("pause-market", "pause"),),
    "private": (("pause-market", "pause"), ("pause-market", "pause")),
}
"""The actions that each scenario must end with, in order; all on shaken markets."""
TWO_ACTS: Final = "private"
"""Where two markets are shaken, one after the other."""
OPENED_AGAIN: Final = frozenset({"breaker", "council"})
"""Where the pause has ended when the scenario has."""
PAGE = 1_000
STAGES = ("head", "reads", "decided", "intent_durable", "signed", "broadcast", "included", "verified")


@dataclass(frozen=True, slots=True)
class Proof:
    """``document`` is the JSON of INTERFACE; ``failures`` says in words what did not hold."""

    document: dict[str, object]
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


def read_all(url: str) -> list[Record]:
    """Every record of the log, in order. Raises StoreUnavailable."""
    records: list[Record] = []
    while page := page_sync(url, RecordQuery(after=records[-1].seq if records else 0, limit=PAGE)):
        records.extend(page)
    return records


def prove(
    played: Played,
    records: Sequence[Record],
    facts: ChainFacts,
    verification: Verification,
    shown_database: str,
    guard: GuardFacts | None = None,
    council: CouncilFacts | None = None,
    acts: Sequence[Act] = (),
) -> Proof:
    """``records`` are all of the log, in order; ``guard`` is there where the keeper acted through a breaker contract, ``council`` where one sat,
    ``acts`` where block builders played along.
    """
    actions = [_action(record, records) for record in records if record.kind is RecordKind.INTENT]
    failures = find_failures(played.scenario.name, actions, facts, verification)
    if not verification.checkpoints.count:
        failures += ["no checkpoint of the log was signed"]
    failures += guarded.failures(guard) if guard else ()
    if council is not None:
        from keeper.app.demo import council_facts

        failures += council_facts.failures(council)
    if played.acts is not None:
        from keeper.app.demo import unseen

        failures += unseen.failures(acts)
    document: dict[str, object] = {
        "ok": not failures,
        "scenario": played.scenario.name,
        "chain": {"id": played.world.node.chain_id, "node": played.world.node.version},
        "incident": _incident(records),
        "actions": actions,
        "effect": [
            {
                "contract": effect.record.body["contract"],
                "call": effect.call,
                "before": effect.before,
                "after": effect.after,
                "block": effect.block,
            }
            for effect in facts.effects
        ],
        "timeline_ms": _timeline(records),
        "markets": {
            market: {"paused": facts.paused[market], "withdrawal_limit": str(facts.limits[market])}
            for market in facts.paused
        },
        "audit": {
            "database": shown_database,
            "records": verification.records,
            "head": verification.head,
            "verified": verification.ok,
            "checkpoints": {
                "count": verification.checkpoints.count,
                "signer": verification.checkpoints.signer,
                "last_record": verification.checkpoints.last_seq,
                "witnessed": sum(seen.lines for seen in verification.witnesses),
            },
        },
        "config": str(played.config_path),
        "failures": failures,
    }
    if guard is not None:
        document["breaker"] = guard.document
    if council is not None:
        document["council"] = council.document
    if acts:
        document["private"] = [act.document for act in acts]
    return Proof(document, tuple(failures))


def _action(intent: Record, records: Sequence[Record]) -> dict[str, object]:
    mine = [record for record in records if record.intent == intent.intent]
    outcome = next((record.body for record in mine if record.kind is RecordKind.OUTCOME), {})
    attempts = [record.body["tx_hash"] for record in mine if record.kind is RecordKind.ATTEMPT]
    return {
        "id": intent.intent,
        "market": intent.market,
        "action": intent.action,
        "kind": intent.body["kind"],
        "route": intent.body["route"],
        "outcome": outcome.get("kind", "submitted"),
        "reason": outcome.get("reason"),
        "hash": outcome.get("tx_hash") or (attempts[-1] if attempts else None),
        "block": outcome.get("block"),
    }


def _incident(records: Sequence[Record]) -> dict[str, object] | None:
    for record in records:
        verdict = record.body.get("verdict")
        if record.kind is RecordKind.INCIDENT and isinstance(verdict, dict):
            return {
                "id": record.incident,
                "market": record.market,
                "rule": verdict["rule"],
                "signal": verdict["signal"],
                "observed": verdict["value"],
                "threshold": verdict["threshold"],
            }
    return None


def _timeline(records: Sequence[Record]) -> dict[str, float]:
    """Of the first action that was carried out; empty when there was none."""
    for record in records:
        stages = record.body.get("timeline_ms")
        if record.kind is RecordKind.OUTCOME and isinstance(stages, dict) and stages:
            return {stage: float(str(stages[stage])) for stage in STAGES if stage in stages}
    return {}


def find_failures(
    scenario: str, actions: Sequence[dict[str, object]], facts: ChainFacts, verification: Verification
) -> list[str]:
    """Everything that does not hold, in words; empty: all of it does."""
    expected = EXPECTED[scenario]
    failures = [*_of_actions(scenario, actions, facts), *_of_effects(expected, facts), *_of_markets(scenario, facts)]
    if facts.sent != len(expected):
        failures.append(f"the keeper's key has {facts.sent} transactions on chain, expected {len(expected)}")
    if not verification.ok:
        failures.append(f"the log does not verify: {verification.problem}")
    return failures


def _shaken(scenario: str) -> tuple[str, ...]:
    return (SHAKEN, SECOND) if scenario == TWO_ACTS else (SHAKEN,)


def _of_actions(scenario: str, actions: Sequence[dict[str, object]], facts: ChainFacts) -> Iterator[str]:
    expected = EXPECTED[scenario]
    found = tuple((action["action"], action["kind"]) for action in actions)
    if found != expected:
        yield f"actions were {found}, expected {expected}"
    for action in actions:
        mined = facts.mined.get(str(action["hash"]))
        if action["outcome"] != "included" or action["market"] not in _shaken(scenario):
            yield f"{action['id']} ended as {action['outcome']} ({action['reason']})"
        elif mined is None or mined.status != 1 or mined.block != action["block"]:
            yield f"the log has {action['hash']} mined in block {action['block']}; the chain says {mined}"


def _of_effects(expected: Sequence[tuple[str, str]], facts: ChainFacts) -> Iterator[str]:
    if len(facts.effects) != len(expected):
        yield f"the log has {len(facts.effects)} effects, expected {len(expected)}"
    for effect in facts.effects:
        logged = effect.record.body
        same_before = logged["before"] in (effect.before, UNKNOWN)
        if not same_before or logged["after"] != effect.after or effect.after != logged["expected"]:
            yield (
                f"{effect.call} at block {effect.block}: the log says {logged['before']} -> {logged['after']}, expected "
                f"{logged['expected']}; the chain says {effect.before} -> {effect.after}"
            )


def _of_markets(scenario: str, facts: ChainFacts) -> Iterator[str]:
    kinds = [kind for _, kind in EXPECTED[scenario]]
    stays_paused = "pause" in kinds and scenario not in OPENED_AGAIN
    for market, paused in facts.paused.items():
        if paused is not (market in _shaken(scenario) and stays_paused):
            yield f"{market}: paused is {paused} on chain at block {facts.block}"
    for market, limit in facts.limits.items():
        wanted = TIGHT_LIMIT if market == SHAKEN and "rate-limit" in kinds else WITHDRAWAL_LIMIT
        if limit != wanted:
            yield f"{market}: the limit is {limit} on chain at block {facts.block}, expected {wanted}"
