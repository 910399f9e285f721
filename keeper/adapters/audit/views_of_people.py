"""Views: what people were asked and what they did."""

from __future__ import annotations

from typing import Final

from keeper.adapters.audit.view_shape import CLOCK, SEQ, View, same, text, whole
from keeper.adapters.audit.view_sql import Dialect

_MADE: Final = "('made', 'adopted')"


def _steps(dialect: Dialect) -> str:
    """Each step with its round: the same transaction may be proposed again after it had become pointless."""
    return (
        "FROM (SELECT s.*, "  # noqa: S608
        f"sum(CASE WHEN s.step IN {_MADE} THEN 1 ELSE 0 END) OVER (PARTITION BY s.safe, s.safe_tx_hash ORDER BY s.seq) AS round "
        f"FROM (SELECT r.*, {dialect.text('r.doc', 'step')} AS step, {dialect.text('r.doc', 'safe')} AS safe, "
        f"{dialect.text('r.doc', 'safe_tx_hash')} AS safe_tx_hash FROM {dialect.source('proposal')} AS r) AS s) AS s"
    )


def _newest_step(dialect: Dialect) -> str:
    return (
        "FROM (SELECT s.*, row_number() OVER (PARTITION BY s.safe, s.safe_tx_hash, s.round ORDER BY s.seq DESC) AS from_end "
        f"{_steps(dialect)}) AS s\nGROUP BY s.safe, s.safe_tx_hash, s.round"
    )


def _when(condition: str, value: str, which: str = "min") -> str:
    return f"{which}(CASE WHEN {condition} THEN {value} END)"


def _of_step(step: str, value: str = "s.at") -> str:
    return _when(f"s.step = '{step}'", value)


def _of_making(value: str) -> str:
    return _when(f"s.step IN {_MADE}", value)


PROPOSALS: Final = View(
    "proposals",
    "one row for each proposal to a Safe, with what became of it; those that others made have no made_at",
    {
        "safe_tx_hash": ("what the owners sign", same("s.safe_tx_hash")),
        "safe": ("the Safe", same("s.safe")),
        "made_seq": (SEQ, same(_of_making("s.seq"))),
        "made_at": (f"written down, before anybody was asked: {CLOCK}", same(_of_making("s.at"))),
        "market": ("market", same("max(s.market)")),
        "action": ("action", same("max(s.action)")),
        "incident": ("incident", same("max(s.incident)")),
        "intent": ("intent that it carries out", lambda d: f"max({d.text('s.doc', 'intent')})"),
        "what": ("action, restore, rejection or by-hand", lambda d: _of_making(d.text("s.doc", "what"))),
        "title": ("what owners read", lambda d: _of_making(d.text("s.doc", "title"))),
        "nonce": ("place in the Safe's queue", lambda d: _of_making(d.text("s.doc", "nonce"))),
        "step": ("the newest step", same(_when("s.from_end = 1", "s.step"))),
        "step_at": (f"when that was written down: {CLOCK}", same(_when("s.from_end = 1", "s.at"))),
        "signatures": (
            "owners whose signatures were found",
            lambda d: f"count(DISTINCT CASE WHEN s.step = 'signed' THEN {d.text('s.doc', 'owner')} END)",
        ),
        "threshold": (
            "how many are needed, as it was last told",
            lambda d: _when("s.step IN ('signed', 'threshold')", d.whole("s.doc", "threshold"), "max"),
        ),
        "first_signature_at": (f"first signature found: {CLOCK}", same(_of_step("signed"))),
        "threshold_at": (f"enough signatures found: {CLOCK}", same(_of_step("threshold"))),
        "executed_at": (f"execution found on the chain: {CLOCK}", same(_of_step("executed"))),
        "tx_hash": ("the transaction that executed it", lambda d: _of_step("executed", d.text("s.doc", "tx_hash"))),
        "block": ("its block", lambda d: _of_step("executed", d.whole("s.doc", "block"))),
        "superseded_at": (f"became pointless: {CLOCK}", same(_of_step("superseded"))),
        "superseded_why": ("why", lambda d: _of_step("superseded", d.text("s.doc", "why"))),
    },
    _newest_step,
)

_BY_HAND: Final = "('seen', 'confirmed', 'signed', 'unwanted', 'carried-out')"
_TURNED: Final = "('lock', 'disarm', 'arm', 'ratify', 'lift')"


def _by_people(d: Dialect) -> str:
    step, trigger = d.text("r.doc", "step"), d.text("r.doc", "trigger")
    turned = f"{trigger} IN {_TURNED} OR ({trigger} = 'chain' AND {d.text('r.doc', 'after')} IN ('ratified', 'lifted'))"
    return (
        f"FROM {d.source('switch', 'proposal', 'breaker')} AS r\n"
        f"WHERE r.kind = 'switch' OR (r.kind = 'proposal' AND {step} IN {_BY_HAND}) OR (r.kind = 'breaker' AND ({turned}))"
    )


def _step(d: Dialect) -> str:
    state, step, after = (d.text("r.doc", key) for key in ("state", "step", "after"))
    return f"CASE r.kind WHEN 'switch' THEN {state} WHEN 'proposal' THEN {step} ELSE {after} END"


PEOPLE_ACTIONS: Final = View(
    "people_actions",
    "what people did: switches, steps of proposals, breakers that were turned by hand or by the council",
    {
        "seq": (SEQ, same("r.seq")),
        "at": (f"when it was written down: {CLOCK}", same("r.at")),
        "kind": ("switch, proposal or breaker", same("r.kind")),
        "step": ("off, on; the step of the proposal; what the breaker turned to", _step),
        "who": (
            "user of the machine, or owner of the Safe; NULL where the log does not know",
            lambda d: f"coalesce({d.text('r.doc', 'by')}, {d.text('r.doc', 'owner')})",
        ),
        "market": ("market; NULL: every one", same("r.market")),
        "rule": ("rule of a switch; NULL: every one", text("r.doc", "rule")),
        "action": ("action; NULL: every one", same("r.action")),
        "incident": ("incident", same("r.incident")),
        "safe_tx_hash": ("the proposal", text("r.doc", "safe_tx_hash")),
        "block": ("block at which it was found on the chain", whole("r.doc", "block")),
        "words": ("their words", text("r.doc", "reason")),
    },
    _by_people,
)
