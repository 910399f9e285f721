"""Views: what happened, and what was decided."""

from __future__ import annotations

from typing import Final

from keeper.adapters.audit.view_shape import CLOCK, SEQ, View, same, text, whole
from keeper.adapters.audit.view_sql import Dialect

_VERDICT: Final = ("r.doc", "verdict")


def _closing(dialect: Dialect) -> str:
    document = dialect.source("incident")
    closed = dialect.text("x.doc", "phase")
    last = f"SELECT min(x.seq) FROM {document} AS x WHERE x.incident = r.incident AND x.seq > r.seq AND {closed} = 'closed'"  # noqa: S608
    return f"FROM {document} AS r LEFT JOIN {document} AS c ON c.seq = ({last})\nWHERE {dialect.text('r.doc', 'phase')} = 'opened'"


INCIDENTS: Final = View(
    "incidents",
    "one row for each incident: the first rule of a market that tripped, until all were clear again",
    {
        "id": ("name of the incident", same("r.incident")),
        "market": ("market", same("r.market")),
        "rule": ("the rule that tripped first", text(*_VERDICT, "rule")),
        "signal": ("what that rule watches", text(*_VERDICT, "signal")),
        "severity": ("of that rule", text(*_VERDICT, "severity")),
        "observed": ("value of the signal then, as it was computed", text(*_VERDICT, "value")),
        "threshold": ("what it was held against", text(*_VERDICT, "threshold")),
        "opened_at": (f"when it was found: {CLOCK}", same("r.at")),
        "opened_block": ("the block at which it was found", whole("r.doc", "block")),
        "closed_at": (f"when all rules of the market were clear; NULL while it is open: {CLOCK}", same("c.at")),
        "closed_block": ("the block of that", whole("c.doc", "block")),
        "opened_seq": (SEQ, same("r.seq")),
        "closed_seq": (SEQ, same("c.seq")),
    },
    _closing,
)

DECISIONS: Final = View(
    "decisions",
    "one row for each decision, also those to do nothing",
    {
        "seq": (SEQ, same("r.seq")),
        "at": (f"when it was decided: {CLOCK}", same("r.at")),
        "id": ("name of the decision; the intent that follows has the same", text("r.doc", "id")),
        "kind": ("act, alert, hold or declined", text("r.doc", "kind")),
        "reason": ("why", text("r.doc", "reason")),
        "market": ("market", same("r.market")),
        "rule": ("the rule that asked for it", text(*_VERDICT, "rule")),
        "action": ("action", same("r.action")),
        "incident": ("incident", same("r.incident")),
        "block": ("the block that was evaluated", whole("r.doc", "block")),
        "signal": ("what the rule watches", text(*_VERDICT, "signal")),
        "observed": ("value of the signal, as it was computed", text(*_VERDICT, "value")),
        "threshold": ("what it was held against", text(*_VERDICT, "threshold")),
        "config_hash": ("the configuration it was decided with", text("r.doc", "config_hash")),
    },
    lambda dialect: f"FROM {dialect.source('decision')} AS r",
)


def _words(dialect: Dialect) -> str:
    def told(*path: str) -> str:
        return f"coalesce({dialect.text('r.doc', *path)}, '?')"

    def number(*path: str) -> str:
        return f"coalesce(CAST({dialect.whole('r.doc', *path)} AS text), '?')"

    said: dict[str, str] = {
        "incident": f"{told('phase')} || ': ' || {told('verdict', 'rule')} || ', ' || {told('verdict', 'signal')} || ' ' "
        f"|| {told('verdict', 'value')} || ' against ' || {told('verdict', 'threshold')}",
        "decision": f"{told('kind')} || ' (' || {told('reason')} || '): ' || {told('verdict', 'rule')} || ' ' || {told('verdict', 'value')}",
        "intent": f"{told('call')} || ' on ' || {told('to')} || ', effect now ' || {told('effect_before')}",
        "attempt": f"'nonce ' || {number('nonce')} || ', ' || {told('tx_hash')}",
        "broadcast": f"{told('answer')} || ' by ' || {told('route')}",
        "receipt": f"CASE WHEN {dialect.flag('r.doc', 'gone')} THEN 'not in a block any more: ' ELSE 'status ' || {number('status')} "
        f"|| ' in block ' || {number('block')} || ': ' END || {told('tx_hash')}",
        "effect": f"{told('call')} || ': ' || {told('before')} || ' -> ' || {told('after')} || ' at block ' || {number('block')}",
        "outcome": f"{told('kind')} || ' (' || {told('reason')} || '): ' || {told('message')}",
        "proposal": f"{told('step')} || ': ' || {told('safe_tx_hash')}",
        "order": f"{told('step')} || ': breaker ' || {told('breaker')}",
        "breaker": f"{told('before')} || ' -> ' || {told('after')} || ': ' || {told('reason')}",
    }
    return "CASE r.kind " + " ".join(f"WHEN '{kind}' THEN {words}" for kind, words in said.items()) + " END"


INCIDENT_TIMELINE: Final = View(
    "incident_timeline",
    "every record that belongs to an incident, in order, in words",
    {
        "incident": ("incident", same("r.incident")),
        "seq": (SEQ, same("r.seq")),
        "at": (f"when it was written down: {CLOCK}", same("r.at")),
        "kind": ("kind of the record", same("r.kind")),
        "market": ("market", same("r.market")),
        "action": ("action", same("r.action")),
        "words": ("what it says, in short; NULL for kinds that have no words here", _words),
    },
    lambda dialect: f"FROM {dialect.source()} AS r\nWHERE r.incident IS NOT NULL",
)
