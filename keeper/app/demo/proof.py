"""What the demo claims, read back from the log and the chain; nothing here is remembered from the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.verify import Verification
from keeper.app.demo.stage import Played
from keeper.devnet.scenarios import SHAKEN
from keeper.domain.record import Record, RecordKind, RecordQuery

EXPECTED: dict[str, tuple[tuple[str, str], ...]] = {
    "divergence": (("pause-market", "pause"),),
    "volatility": (("tighten-withdrawals", "rate-limit"), ("pause-market", "pause")),
    "calm": (),
}
"""The actions that each scenario must end with, in order; all on the shaken market."""
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


def prove(played: Played, records: Sequence[Record], verification: Verification, shown_database: str) -> Proof:
    """``records`` are all of the log, in order."""
    actions = [_action(record, records) for record in records if record.kind is RecordKind.INTENT]
    effects = [record.body for record in records if record.kind is RecordKind.EFFECT]
    failures = _failures(played, actions, verification)
    document: dict[str, object] = {
        "ok": not failures,
        "scenario": played.scenario.name,
        "chain": {"id": played.chain_id, "node": played.node_version},
        "incident": _incident(records),
        "actions": actions,
        "effect": [{key: body[key] for key in ("contract", "call", "before", "after", "block")} for body in effects],
        "timeline_ms": _timeline(records),
        "markets": {
            market: {"paused": played.paused[market], "withdrawal_limit": str(played.limits[market])}
            for market in played.paused
        },
        "audit": {
            "database": shown_database,
            "records": verification.records,
            "head": verification.head,
            "verified": verification.ok,
        },
        "config": str(played.config_path),
        "failures": list(failures),
    }
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


def _failures(played: Played, actions: list[dict[str, object]], verification: Verification) -> list[str]:
    failures: list[str] = []
    expected = EXPECTED[played.scenario.name]
    found = tuple((action["action"], action["kind"]) for action in actions)
    if found != expected:
        failures.append(f"actions were {found}, expected {expected}")
    for action in actions:
        if action["outcome"] != "included" or action["market"] != SHAKEN:
            failures.append(f"{action['id']} ended as {action['outcome']} ({action['reason']})")
    for market, paused in played.paused.items():
        wanted = market == SHAKEN and ("pause-market", "pause") in expected
        if paused is not wanted:
            failures.append(f"{market}: paused is {paused} on chain, expected {wanted}")
    if not verification.ok:
        failures.append(f"the log does not verify: {verification.problem}")
    return failures


def lines(proof: Proof, played: Played, records: Sequence[Record]) -> list[tuple[str, str]]:
    """The proof for people."""
    found: list[tuple[str, str]] = []
    for record in records:
        if record.kind is RecordKind.EFFECT:
            body = record.body
            found.append(("effect", f"{body['call']} {body['before']} -> {body['after']} at block {body['block']}"))
    paused = ", ".join(f"{market} {'paused' if paused else 'open'}" for market, paused in played.paused.items())
    found.append(("chain", paused))
    stages = _timeline(records)
    if stages:
        found.append(("timeline", ", ".join(f"{stage.replace('_', ' ')} {ms:.0f} ms" for stage, ms in stages.items())))
    audit = proof.document["audit"]
    assert isinstance(audit, dict), "built above"
    verdict = "every hash holds" if audit["verified"] else "BROKEN"
    found.append(("log", f"{audit['records']} records, head {audit['head']}, {verdict}"))
    found.extend(("missing", failure) for failure in proof.failures)
    return found
