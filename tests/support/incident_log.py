"""Logs of incidents in many shapes, as the keeper writes them: drafts for a store, and a page over plain records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.pages import matches
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery

T0 = 1_795_000_000_000
"""The time of block 10 in ms; a block is mined every 12 s, and the keeper sees it 400 ms later."""
BLOCK_MS = 12_000
SEEN_MS = 400
MARKET = "ETH-PERP"
ID = "ETH-PERP@15"
RULE = "oracle-divergence"
ACTION = "pause-market"
INTENT = f"{ID}/{ACTION}/15"
TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OWNER = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
SAFE = "0x3765D9E364660F3dC8a00A0Acd83c4CB70fc433C"
CONTRACT = "0xa513E6E4b8f2a923D98304ec87F64353C4D5C853"
BREAKER = "0x7061757365204554482d50455250" + "00" * 18
TX = "0x" + "1f" * 32
PROPOSAL = "0x" + "b8" * 32
EXECUTED = "0x" + "2c" * 32
CONFIG = "0x" + "c0" * 32
STAGES: dict[str, Json] = {
    "head": "0.000",
    "reads": "2.500",
    "decided": "3.000",
    "intent_durable": "8.250",
    "signed": "9.500",
    "broadcast": "12.000",
    "included": "11912.000",
    "verified": "11918.500",
}


def block_ms(block: int) -> int:
    """The chain's time of a block."""
    return T0 + (block - 10) * BLOCK_MS


def seen_ms(block: int) -> int:
    """The keeper's time of a block."""
    return block_ms(block) + SEEN_MS


def verdict(state: str = "tripped", value: str = "0.0599", block: int = 15, **changed: Json) -> dict[str, Json]:
    return {
        "market": MARKET,
        "rule": RULE,
        "signal": "divergence",
        "state": state,
        "reason": "breached",
        "value": value,
        "threshold": "0.02",
        "headroom": "-1.99",
        "since_ms": str(seen_ms(block)),
        "since_block": block,
        "severity": "critical",
        **changed,
    }


def start(mode: str = "live") -> Draft:
    body: dict[str, Json] = {"version": "0.1.0", "name": "test", "mode": mode, "chain_id": 31337, "sender": SENDER}
    return Draft(RecordKind.START, body, T0 - 60_000)


def configuration() -> Draft:
    return Draft(RecordKind.CONFIGURATION, {"hash": CONFIG, "document": {}}, T0 - 60_000)


def tick(block: int, value: str = "0.0002", state: str = "clear", *, chain_ms: int | None = None) -> Draft:
    at_ms = block_ms(block) if chain_ms is None else chain_ms
    body: dict[str, Json] = {
        "at_ms": str(seen_ms(block)),
        "block": {"number": block, "hash": "0x" + f"{block:064x}", "timestamp_s": at_ms // 1000},
        "signals": [{"market": MARKET, "name": "divergence", "value": value, "status": "ready", "inputs": []}],
        "verdicts": [verdict(state, value, block)],
        "observations": [],
    }
    return Draft(RecordKind.TICK, body, seen_ms(block))


def turn(phase: str, block: int, incident: str = ID, market: str = MARKET) -> Draft:
    state = "tripped" if phase == "opened" else "clear"
    body: dict[str, Json] = {
        "id": incident,
        "market": market,
        "phase": phase,
        "at_ms": str(seen_ms(block)),
        "block": block,
        "verdict": verdict(state, block=block),
    }
    return Draft(RecordKind.INCIDENT, body, seen_ms(block), market=market, incident=incident)


def decision(kind: str = "act", reason: str = "tripped", block: int = 15, action: str = ACTION) -> Draft:
    hold = kind == "hold"
    body: dict[str, Json] = {
        "id": f"{ID}/{action}/{block}",
        "kind": kind,
        "reason": reason,
        "market": MARKET,
        "action": "" if hold else action,
        "incident": "" if hold else ID,
        "at_ms": str(seen_ms(block)),
        "block": block,
        "config_hash": CONFIG,
        "verdict": verdict(block=block),
        "signals": [],
        "observations": [
            {
                "source": "eth-spot",
                "value": "3000.5",
                "unit": "price",
                "received_ms": str(seen_ms(block) - 50),
                "at_ms": str(seen_ms(block) - 100),
                "block": None,
                "quality": "ok",
                "reason": "",
            }
        ],
    }
    names = (None, None) if hold else (action, ID)
    return Draft(RecordKind.DECISION, body, seen_ms(block), market=MARKET, action=names[0], incident=names[1])


def step(kind: RecordKind, body: dict[str, Json], after_ms: int, intent: str = INTENT, action: str = ACTION) -> Draft:
    """A record of the action, this long after the block of the trip was seen."""
    return Draft(kind, body, seen_ms(15) + after_ms, market=MARKET, action=action, incident=ID, intent=intent)


def intent(*, breaker: bool = False, **changed: Json) -> Draft:
    body: dict[str, Json] = {
        "kind": "pause",
        "call": "pauseMarket(bytes32)",
        "args": ["0x45"],
        "to": TARGET,
        "data": "0x1234",
        "sender": SENDER,
        "route": "public",
        "effect_call": "paused(bytes32)(bool)",
        "effect_before": "false",
        "effect_expected": "true",
        "expires_ms": str(T0 + 600_000),
    }
    if breaker:
        body |= {
            "route": "breaker",
            "evidence": "0x" + "9b" * 32,
            "breaker": {"contract": CONTRACT, "id": BREAKER, "name": "pause ETH-PERP"},
        }
    return step(RecordKind.INTENT, body | changed, 8)


def attempt(number: int = 1, tx_hash: str = TX, **changed: Json) -> Draft:
    body: dict[str, Json] = {
        "number": number,
        "chain_id": 31337,
        "sender": SENDER,
        "nonce": 7,
        "max_fee_wei": str(10**9 + number),
        "priority_fee_wei": "1000000000",
        "gas_limit": 120_000,
        "to": TARGET,
        "data": "0x1234",
        "tx_hash": tx_hash,
        "raw": "0x02f8" + "ab" * 40,
    }
    return step(RecordKind.ATTEMPT, body | changed, 9)


def broadcast(tx_hash: str = TX, *, accepted: bool = True, message: str = "") -> Draft:
    answer = "accepted" if accepted else "refused"
    body: dict[str, Json] = {
        "tx_hash": tx_hash,
        "route": "public",
        "accepted": accepted,
        "answer": answer,
        "message": message,
    }
    return step(RecordKind.BROADCAST, body, 12)


def receipt(status: int = 1, block: int = 16) -> Draft:
    body: dict[str, Json] = {
        "tx_hash": TX,
        "status": status,
        "block": block,
        "block_hash": "0x" + "b1" * 32,
        "gas_used": 31_573,
        "effective_gas_price_wei": "1500000000",
    }
    return step(RecordKind.RECEIPT, body, 11_912)


def receipt_gone() -> Draft:
    return step(RecordKind.RECEIPT, {"tx_hash": TX, "gone": True}, 11_915)


def effect(after: str = "true", block: int = 16) -> Draft:
    body: dict[str, Json] = {
        "contract": TARGET,
        "call": "paused(bytes32)(bool)",
        "args": ["0x45"],
        "before": "false",
        "after": after,
        "expected": "true",
        "block": block,
        "verified": after == "true",
    }
    return step(RecordKind.EFFECT, body, 11_918)


def outcome(kind: str = "included", reason: str = "effect-verified", message: str = "paused", **changed: Json) -> Draft:
    body: dict[str, Json] = {
        "kind": kind,
        "reason": reason,
        "message": message,
        "remedy": "",
        "tx_hash": TX,
        "block": 16,
        "timeline_ms": STAGES,
    }
    return step(RecordKind.OUTCOME, body | changed, 11_919)


def proposal(step_name: str, after_ms: int, **body: Json) -> Draft:
    """A step of the proposal that puts the value back; ``after_ms`` since block 21 was seen."""
    full: dict[str, Json] = {"step": step_name, "safe": SAFE, "safe_tx_hash": PROPOSAL, **body}
    return Draft(RecordKind.PROPOSAL, full, seen_ms(21) + after_ms, market=MARKET, incident=ID)


def restoring() -> list[Draft]:
    """People put the value back, in block 24."""
    changes: Json = [
        {"contract": TARGET, "asked": "paused(bytes32)(bool)", "args": ["0x45"], "before": "true", "after": "false"}
    ]
    return [
        proposal("made", 0, what="restore", title="Put it back", facts={"changes": changes}, block=21),
        proposal("sent", 10, sender=SENDER),
        proposal("seen", 20, via="page"),
        proposal("signed", 30, owner=OWNER, count=1, threshold=1),
        proposal("executed", 36_000, tx_hash=EXECUTED, block=24, ok=True),
    ]


def breaker_turn(after: str, block: int) -> Draft:
    body: dict[str, Json] = {
        "market": MARKET,
        "contract": CONTRACT,
        "id": BREAKER,
        "name": "pause ETH-PERP",
        "before": "tripped",
        "after": after,
        "trigger": "chain",
        "reason": f"breaker pause ETH-PERP is {after}",
        "nonce": 2,
        "at_ms": str(seen_ms(block)),
        "block": block,
        "until_ms": None,
    }
    return Draft(RecordKind.BREAKER, body, seen_ms(block), market=MARKET, action=ACTION)


def notified(key: str, block: int = 15, *, delivered: bool = True) -> Draft:
    body: dict[str, Json] = {"notifier": "log", "key": key, "delivered": delivered, "message": ""}
    return Draft(RecordKind.NOTIFICATION, body, seen_ms(block) + 20)


def verification() -> Draft:
    body: dict[str, Json] = {"ok": True, "records": 30, "head": "0x" + "aa" * 32, "problem": ""}
    return Draft(RecordKind.VERIFICATION, body, seen_ms(40))


def before() -> list[Draft]:
    """A calm start, and two blocks beyond the threshold before the trip: 10 records."""
    calm = [tick(block) for block in range(8, 13)]
    return [start(), configuration(), *calm, tick(13, "0.0311", "pending"), tick(14, "0.0452", "pending")]


def acted(*, breaker: bool = False) -> list[Draft]:
    """The trip at block 15 and an action that works in block 16."""
    return [
        turn("opened", 15),
        decision(),
        intent(breaker=breaker),
        attempt(),
        broadcast(),
        tick(15, "0.0599", "tripped"),
        notified(f"incident/{ID}"),
        decision("declined", "already-in-flight", 16),
        receipt(),
        effect(),
        outcome(),
        tick(16, "0.0600", "tripped"),
    ]


def after() -> list[Draft]:
    """Calm again: closed at block 20."""
    return [tick(19, "0.0001", "clearing"), turn("closed", 20), tick(20, "0.0001", "clear")]


def whole(*, breaker: bool = False) -> list[Draft]:
    """From calm to a closed incident."""
    return [*before(), *acted(breaker=breaker), *after()]


def records_of(drafts: Sequence[Draft]) -> list[Record]:
    """The records as the log would have them."""

    async def write() -> list[Record]:
        store = MemoryAuditStore()
        await store.append(list(drafts))
        return list(await store.page(RecordQuery(limit=10_000)))

    return asyncio.run(write())


def page_of(records: Sequence[Record]) -> Callable[[RecordQuery], Sequence[Record]]:
    """What ``page_sync`` is for a database, for records that no store would take."""

    def page(query: RecordQuery) -> Sequence[Record]:
        ordered = sorted(records, key=lambda one: one.seq, reverse=query.newest_first)
        kept = [
            one
            for one in ordered
            if not query.after or (one.seq < query.after if query.newest_first else one.seq > query.after)
        ]
        return [one for one in kept if matches(one, query)][: query.limit]

    return page
