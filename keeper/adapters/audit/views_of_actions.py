"""Views: what was done, what came of it, and how long each step took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from keeper.adapters.audit.view_shape import (
    BLOCK,
    CLOCK,
    SEQ,
    View,
    amount,
    flag,
    measured,
    record_of,
    same,
    text,
    whole,
)
from keeper.adapters.audit.view_sql import Dialect

_OF_INTENT: Final = "x.intent = i.id"


def _joined(dialect: Dialect, alias: str, kind: str, seq: str) -> str:
    return f"LEFT JOIN {dialect.source(kind)} AS {alias} ON {alias}.seq = {seq}"


def _newest(dialect: Dialect, alias: str, kind: str) -> str:
    """The intent's newest record of a kind."""
    return _joined(dialect, alias, kind, record_of(dialect, "max", kind, among=_OF_INTENT))


def _time_of(which: str, kind: str) -> Callable[[Dialect], str]:
    def made(dialect: Dialect) -> str:
        seq = record_of(dialect, which, kind, among=_OF_INTENT)
        return f"(SELECT y.at FROM {dialect.table('records')} AS y WHERE y.seq = {seq})"  # noqa: S608

    return made


def _cost(dialect: Dialect) -> str:
    return dialect.product(
        f"({dialect.whole('m.doc', 'gas_used')})", f"({dialect.amount('m.doc', 'effective_gas_price_wei')})"
    )


ACTIONS: Final = View(
    "actions",
    "one row for each intent: an action that was written down before anything of it was sent, and what became of it",
    {
        "intent": ("name of the intent, and of the decision it was made for", same("i.id")),
        "seq": (SEQ, same("i.seq")),
        "market": ("market", same("i.market")),
        "action": ("action", same("i.action")),
        "incident": ("incident", same("i.incident")),
        "kind": ("pause, rate-limit, adjust ..", text("n.doc", "kind")),
        "state": ("open, signed, submitted, mined or done", same("i.state")),
        "outcome_kind": ("how it ended", text("o.doc", "kind")),
        "outcome_reason": ("why it ended so", text("o.doc", "reason")),
        "to_address": ("the contract", same("i.to_address")),
        "sender": ("who signs the transaction", text("n.doc", "sender")),
        "attempts": (
            "transactions that were signed",
            lambda d: f"(SELECT count(*) FROM {d.table('attempts')} AS a WHERE a.intent = i.id)",  # noqa: S608
        ),
        "tx_hash": (
            "the transaction that counts",
            lambda d: f"coalesce({d.text('o.doc', 'tx_hash')}, {d.text('m.doc', 'tx_hash')})",
        ),
        "block": (
            "the block it is in, by its receipt, or at which it ended",
            lambda d: f"coalesce({d.whole('m.doc', 'block')}, {d.whole('o.doc', 'block')})",
        ),
        "intent_at": (f"written down: {CLOCK}", same("i.created_at")),
        "first_attempt_at": (f"first signed: {CLOCK}", _time_of("min", "attempt")),
        "first_broadcast_at": (f"first answer of a node: {CLOCK}", _time_of("min", "broadcast")),
        "receipt_at": (f"newest receipt seen: {CLOCK}", same("m.at")),
        "outcome_at": (f"ended: {CLOCK}", same("o.at")),
        "gas_used": ("gas of the newest receipt", whole("m.doc", "gas_used")),
        "gas_price_wei": ("price of one gas there, wei", amount("m.doc", "effective_gas_price_wei")),
        "cost_wei": ("their product: what the transaction cost, wei", _cost),
    },
    lambda d: "\n".join(
        (
            f"FROM {d.table('intents')} AS i",
            _joined(d, "n", "intent", "i.seq"),
            _newest(d, "o", "outcome"),
            # one that says that the receipt is gone again has none of these keys, but for the transaction's hash
            _newest(d, "m", "receipt"),
        )
    ),
)

EFFECTS: Final = View(
    "effects",
    "what the contract showed at the block of the receipt, before and after",
    {
        "seq": (SEQ, same("r.seq")),
        "at": (f"when it was read: {CLOCK}", same("r.at")),
        "market": ("market", same("r.market")),
        "action": ("action", same("r.action")),
        "incident": ("incident", same("r.incident")),
        "intent": ("intent", same("r.intent")),
        "contract": ("the contract that was read", text("r.doc", "contract")),
        "call": ("the view that was called", text("r.doc", "call")),
        "before": ("its answer when the intent was written", text("r.doc", "before")),
        "after": ("its answer at the block", text("r.doc", "after")),
        "expected": ("what the configuration wants", text("r.doc", "expected")),
        "verified": ("whether the effect is there", flag("r.doc", "verified")),
        "block": ("the block it was read at", whole("r.doc", "block")),
    },
    lambda d: f"FROM {d.source('effect')} AS r",
)

_STAGES: Final = {
    "reads": ("reads", "all sources read"),
    "decision": ("decided", "decided"),
    "intent": ("intent_durable", "the intent on disk"),
    "signed": ("signed", "the transaction signed"),
    "broadcast": ("broadcast", "a node has taken it"),
    "include": ("included", "its receipt seen"),
    "effect": ("verified", "its effect read back"),
}


def _block_ms(dialect: Dialect) -> str:
    number = f"({dialect.whole('t.doc', 'block', 'number')}) = ({dialect.whole('d.doc', 'block')})"
    return f"CASE WHEN {number} THEN ({dialect.whole('t.doc', 'block', 'timestamp_s')}) * 1000 END"


def _block_at(dialect: Dialect) -> str:
    number = f"({dialect.whole('t.doc', 'block', 'number')}) = ({dialect.whole('d.doc', 'block')})"
    return f"CASE WHEN {number} THEN {dialect.time_of_s('t.doc', 'block', 'timestamp_s')} END"


def _since_block(at: str) -> Callable[[Dialect], str]:
    return lambda d: f"{d.ms(at)} - {_block_ms(d)}"


def _deciding(dialect: Dialect) -> str:
    about = "x.incident = i.incident AND x.market = i.market AND x.action = i.action AND x.seq < i.seq"
    return _joined(dialect, "d", "decision", record_of(dialect, "max", "decision", among=about))


RESPONSE_TIMES: Final = View(
    "response_times",
    "one row for each intent: how long each step took, from the block that it answers to its effect",
    {
        "incident": ("incident", same("i.incident")),
        "market": ("market", same("i.market")),
        "action": ("action", same("i.action")),
        "intent": ("intent", same("i.id")),
        "outcome_kind": ("how it ended", text("o.doc", "kind")),
        "block": ("the block at which it was decided", whole("d.doc", "block")),
        "block_at": (f"time of that block: {BLOCK}; NULL where the tick of the decision is not in the log", _block_at),
        "decided_at": (f"decided: {CLOCK}", same("d.at")),
        "intent_at": (f"written down: {CLOCK}", same("i.created_at")),
        "broadcast_at": (f"first answer of a node: {CLOCK}", same("b.at")),
        "receipt_at": (f"newest receipt seen: {CLOCK}", same("m.at")),
        "effect_at": (f"effect read back: {CLOCK}", same("e.at")),
        "outcome_at": (f"ended: {CLOCK}", same("o.at")),
        "included_block": ("the block of the receipt", whole("m.doc", "block")),
        "block_to_decision_ms": ("decided_at less block_at, ms: two clocks", _since_block("d.at")),
        "block_to_intent_ms": ("intent_at less block_at, ms: two clocks", _since_block("i.created_at")),
        "block_to_broadcast_ms": ("broadcast_at less block_at, ms: two clocks", _since_block("b.at")),
        "block_to_include_ms": ("receipt_at less block_at, ms: two clocks", _since_block("m.at")),
        "block_to_effect_ms": ("effect_at less block_at, ms: two clocks", _since_block("e.at")),
        **{
            f"head_to_{name}_ms": (
                f"from the announcement of the block by the node to: {words}, ms; keeper's steady clock",
                measured("o.doc", "timeline_ms", stage),
            )
            for name, (stage, words) in _STAGES.items()
        },
    },
    lambda d: "\n".join(
        (
            f"FROM {d.table('intents')} AS i",
            _deciding(d),
            _joined(d, "t", "tick", record_of(d, "max", "tick", among="x.at = d.at")),
            _joined(d, "b", "broadcast", record_of(d, "min", "broadcast", among=_OF_INTENT)),
            _newest(d, "m", "receipt"),
            _newest(d, "e", "effect"),
            _newest(d, "o", "outcome"),
        )
    ),
)
