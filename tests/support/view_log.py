"""A log with records of every kind that a view reads, and bodies that nobody should have written."""

from __future__ import annotations

import json
from typing import Any, Final

from keeper.adapters.audit.times import to_iso
from tests.support.audit_log import T0

INCIDENT, INTENT, SAFE, HASH = "ETH-PERP@14", "ETH-PERP@14/pause/14", "0x5afe", "0x" + "5a" * 32
VERDICT: Final[dict[str, Any]] = {
    "rule": "oracle-divergence",
    "signal": "divergence",
    "severity": "critical",
    "value": "0.0592",
    "threshold": "0.02",
}
PLACE = ("ETH-PERP", "pause", INCIDENT, INTENT)
NOWHERE = (None, None, None, None)
BLOCK_S = T0 // 1000 - 1

Row = tuple[int, str, dict[str, Any], tuple[str | None, ...]]
"""(ms after T0, kind, body, place)"""

STORY: Final[list[Row]] = [
    (
        0,
        "configuration",
        {"hash": "0xc0", "document": {"keeper": {"name": "k", "mode": "live"}, "chain": {"id": 1}}},
        NOWHERE,
    ),
    (5, "tick", {"block": {"number": 14, "timestamp_s": BLOCK_S}}, NOWHERE),
    (5, "incident", {"phase": "opened", "block": 14, "verdict": VERDICT}, ("ETH-PERP", None, INCIDENT, None)),
    (
        5,
        "decision",
        {"id": INTENT, "kind": "act", "reason": "tripped", "block": 14, "config_hash": "0xc0", "verdict": VERDICT},
        ("ETH-PERP", "pause", INCIDENT, None),
    ),
    (
        9,
        "intent",
        {"kind": "pause", "call": "pause()", "to": "0xaa", "sender": "0xbb", "effect_before": "false"},
        PLACE,
    ),
    (10, "attempt", {"nonce": 3, "tx_hash": "0x01"}, PLACE),
    (20, "broadcast", {"answer": "accepted", "route": "public", "tx_hash": "0x01"}, PLACE),
    (
        30,
        "receipt",
        {
            "tx_hash": "0x01",
            "status": 1,
            "block": 15,
            "gas_used": 8_000_000_000,
            "effective_gas_price_wei": "999999999999999999999999999",
        },
        PLACE,
    ),
    (
        40,
        "effect",
        {
            "contract": "0xaa",
            "call": "paused()(bool)",
            "before": "false",
            "after": "true",
            "expected": "true",
            "verified": True,
            "block": 15,
        },
        PLACE,
    ),
    (
        50,
        "outcome",
        {
            "kind": "included",
            "reason": "effect-verified",
            "message": "paused",
            "tx_hash": "0x01",
            "block": 15,
            "timeline_ms": {"head": "0.000", "decided": "2.517", "verified": "430.718"},
        },
        PLACE,
    ),
    (60, "incident", {"phase": "closed", "block": 20, "verdict": VERDICT}, ("ETH-PERP", None, INCIDENT, None)),
    (
        70,
        "proposal",
        {"step": "made", "safe": SAFE, "safe_tx_hash": HASH, "what": "restore", "title": "Restore", "nonce": "7"},
        ("ETH-PERP", "pause", None, None),
    ),
    (71, "proposal", {"step": "signed", "safe": SAFE, "safe_tx_hash": HASH, "owner": "0x0a", "threshold": 2}, NOWHERE),
    (72, "proposal", {"step": "signed", "safe": SAFE, "safe_tx_hash": HASH, "owner": "0x0b", "threshold": 2}, NOWHERE),
    (73, "proposal", {"step": "superseded", "safe": SAFE, "safe_tx_hash": HASH, "why": "its nonce was used"}, NOWHERE),
    (
        74,
        "proposal",
        {"step": "made", "safe": SAFE, "safe_tx_hash": HASH, "what": "restore", "title": "Again", "nonce": "7"},
        ("ETH-PERP", "pause", None, None),
    ),
    (75, "proposal", {"step": "executed", "safe": SAFE, "safe_tx_hash": HASH, "tx_hash": "0x02", "block": 99}, NOWHERE),
    (
        80,
        "switch",
        {"state": "off", "scope": "market ETH-PERP", "rule": "", "reason": "upgrade", "by": "ann"},
        ("ETH-PERP", None, None, None),
    ),
    (
        81,
        "breaker",
        {"trigger": "disarm", "before": "armed", "after": "disarmed", "reason": "upgrade", "block": 21},
        ("ETH-PERP", None, None, None),
    ),
    (
        82,
        "breaker",
        {"trigger": "expire", "before": "tripped", "after": "armed", "reason": "ran out"},
        ("ETH-PERP", None, None, None),
    ),
    (
        90,
        "gap",
        {
            "event": "written-late",
            "from_ms": str(T0),
            "until_ms": str(T0 + 1),
            "records": 3,
            "known": 1,
            "left_out": 0,
            "reason": "disk full",
        },
        NOWHERE,
    ),
    (91, "chain", {"event": "gap", "first": 5, "last": 9, "reason": "node away"}, NOWHERE),
    (92, "chain", {"event": "reorg", "depth": 1}, NOWHERE),
    (93, "archive", {"file": "evidence-2-2.parquet", "sha256": "0xf1"}, NOWHERE),
    (
        94,
        "configuration",
        {"hash": "0xc0", "document": {"keeper": {"name": "k", "mode": "live"}, "chain": {"id": 1}}},
        NOWHERE,
    ),
]

DEEP = "[" * 500 + "]" * 500
HOSTILE: Final = [
    "",
    "not json",
    "null",
    "5",
    '"text"',
    "[]",
    "[{}]",
    "{}",
    '{"phase":"opened"}',
    '{"phase":"opened","verdict":null}',
    '{"phase":"opened","verdict":[1,2]}',
    '{"phase":"opened","verdict":"text","block":"14"}',
    '{"phase":"opened","verdict":{"rule":"a\\u0000b","signal":"\\\\u0000","value":"\\u0001"},"block":14.5}',
    '{"phase":"opened","verdict":{"rule":"lone \\ud800"},"kind":"act"}',
    '{"phase":"opened","verdict":{"rule":{"rule":1},"value":7},"block":-1}',
    '{"phase":"opened","block":' + "9" * 400 + "}",
    '{"phase":"opened","block":1e400,"kind":"x"}',
    '{"phase":"opened","block":9223372036854775808,"first":999999999999999999,"last":1000000000000000000}',
    '{"phase":"opened","verdict":' + DEEP + "}",
    '{"step":"made","safe_tx_hash":7,"safe":null,"nonce":7}',
    '{"step":"signed","owner":[],"threshold":"2"}',
    '{"step":true,"trigger":"chain","after":"ratified","state":1}',
    '{"event":"gap","from_ms":"-5","until_ms":"' + "9" * 30 + '","records":null}',
    '{"event":"skipped","from_ms":"253402300800000","until_ms":"007"}',
    '{"event":"gap","from_ms":"253402300799999","until_ms":"0"}',
    '{"gas_used":-5,"effective_gas_price_wei":"12","status":"1","gone":"yes"}',
    '{"gas_used":9000000000,"effective_gas_price_wei":"1"}',
    '{"gas_used":1,"effective_gas_price_wei":"' + "9" * 28 + '"}',
    '{"gas_used":0,"effective_gas_price_wei":"0","verified":"true"}',
    '{"timeline_ms":{"decided":"1e5","reads":"-1.5","signed":"1.2.3","broadcast":"--1","included":".5","verified":"5."}}',
    '{"timeline_ms":{"decided":"nan","reads":5,"signed":"' + "1" * 41 + '"}}',
    '{"block":{"number":14,"timestamp_s":-1}}',
    '{"block":{"number":14,"timestamp_s":1e30}}',
    '{"hash":"","document":"none"}',
    '{"hash":["0x"],"document":{"keeper":5,"chain":{"id":"1"}}}',
    '{"call":"\'); DROP TABLE records; --","to":"%s %d ? :name $1"}',
]


def rows(hostile: bool) -> list[tuple[object, ...]]:
    """Rows of ``records``, without the work of hashing them. ``hostile``: each such body under each kind, in the place of the action."""
    found = [(T0 + ms, kind, json.dumps(body), place) for ms, kind, body, place in STORY]
    if hostile:
        kinds = list(dict.fromkeys(kind for _, kind, _, _ in STORY))
        # the tick of the decision stays the only one of its time, so that the decision is not lost among them
        found += [(T0 + 1_000 + number, kind, body, PLACE) for kind in kinds for number, body in enumerate(HOSTILE)]
    return [
        (seq, to_iso(ms), kind, *place, body, f"h{seq - 1}", f"h{seq}")
        for seq, (ms, kind, body, place) in enumerate(found, 1)
    ]
