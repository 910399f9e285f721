"""The API and the pages of a log with two incidents, straight into the application; and what hostile records there may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from fastapi import FastAPI

from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.public_reader import PublicReader
from keeper.adapters.audit.times import to_iso
from keeper.app.api.access import Access, AccessSettings, token_hash
from keeper.app.api.desk import AuditDesk, TakeWitness
from keeper.app.pages.server import build_app
from keeper.app.pages.settings import PageSettings
from keeper.domain.checkpoint import SignedCheckpoint
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.ports.log_reader import Kept, LogQuestions, Sheet
from tests.support.audit_log import SENDER, T0, TARGET, write_log
from tests.support.manual_clock import ManualClock

T = TypeVar("T")

ORIGIN: Final = "http://127.0.0.1:8643"
API: Final = "/api/v1"
TOKEN: Final = "the-token-of-this-test-0123456789abcdef"
MARKET: Final = "ETH-PERP"
HOSTILE: Final = "<script>alert(1)</script>\u202egnp.exe\x00\x1b[31m{{7*7}}'; DROP TABLE records;--"


def incident_id(number: int) -> str:
    return f"{MARKET}@{1000 + 10 * number}"


def incident(number: int, *, closed: bool = True) -> list[Draft]:
    """Ticks with evidence, a trip, one action included after 412 ms and more, and the end."""
    name, at, block = incident_id(number), T0 + number * 3_600_000, 1000 + 10 * number
    drafts = [_tick(at + step * 12_000, block + step, f"0.0{step + 1}") for step in range(-4, 8)]
    intent = f"{name}/pause-market/1"

    def own(kind: RecordKind, body: Mapping[str, Json], after_ms: int, *, acts: bool = True) -> Draft:
        action = "pause-market" if acts else None
        return Draft(kind, body, at + after_ms, MARKET, action, name, intent if acts else None)

    tx = "0x" + f"{number:02x}" * 32
    story = [
        own(RecordKind.INCIDENT, _phase(name, "opened", at, block, "0.05"), 0, acts=False),
        Draft(RecordKind.DECISION, _decision(name, at, block), at + 1, MARKET, "pause-market", name),
        own(RecordKind.INTENT, _intent(at), 4),
        own(RecordKind.ATTEMPT, _attempt(tx, number), 8),
        own(RecordKind.BROADCAST, {"tx_hash": tx, "route": "public", "accepted": True, "answer": "accepted", "message": ""}, 12),
        own(RecordKind.RECEIPT, _receipt(tx, block), 400),
        own(RecordKind.EFFECT, _effect(block), 412),
        own(RecordKind.OUTCOME, _outcome(tx, block, number), 420),
    ]  # fmt: skip
    drafts[5:5] = story
    if closed:
        drafts.append(
            own(RecordKind.INCIDENT, _phase(name, "closed", at + 120_000, block + 8, "0.001"), 120_000, acts=False)
        )
    return drafts


def _verdict(value: str) -> dict[str, Json]:
    return {
        "market": MARKET, "rule": "oracle-divergence", "signal": "divergence", "state": "tripped", "reason": "above",
        "value": value, "threshold": "0.02", "headroom": "-0.03", "since_ms": str(T0), "since_block": 1000,
        "severity": "critical",
    }  # fmt: skip


def _tick(at_ms: int, block: int, value: str) -> Draft:
    seen: dict[str, Json] = {
        "observations": [],
        "signals": [{"market": MARKET, "name": "divergence", "value": value, "quality": "good", "reason": ""}],
        "verdicts": [_verdict(value)],
    }
    packed = pack(seen)
    stamp: dict[str, Json] = {
        "number": block,
        "hash": "0x" + "b1" * 32,
        "parent_hash": "0x" + "b0" * 32,
        "timestamp": at_ms // 1000,
    }
    body: dict[str, Json] = {
        "at_ms": str(at_ms), "block": stamp, "breakers": {}, "counts": {}, "decisions": [], "incidents": [], "evidence": packed.hash,
    }  # fmt: skip
    return Draft(RecordKind.TICK, body, at_ms, evidence=packed)


def _phase(name: str, phase: str, at_ms: int, block: int, value: str) -> dict[str, Json]:
    return {
        "id": name,
        "market": MARKET,
        "phase": phase,
        "at_ms": str(at_ms),
        "block": block,
        "verdict": _verdict(value),
    }


def _decision(name: str, at_ms: int, block: int) -> dict[str, Json]:
    return {
        "id": f"{name}/d1", "kind": "act", "reason": "tripped", "market": MARKET, "action": "pause-market", "incident": name,
        "at_ms": str(at_ms), "block": block, "verdict": _verdict("0.05"), "signals": [], "observations": [],
    }  # fmt: skip


def _intent(at_ms: int) -> dict[str, Json]:
    return {
        "to": TARGET, "data": "0x1234", "call": "pauseMarket(bytes32)", "args": [], "effect_before": "false",
        "effect_call": "paused(bytes32)(bool)", "expires_ms": str(at_ms + 90_000), "route": "public", "kind": "pause",
    }  # fmt: skip


def _attempt(tx: str, nonce: int) -> dict[str, Json]:
    return {
        "number": 1, "chain_id": 31337, "sender": SENDER, "nonce": nonce, "max_fee_wei": str(2**70), "priority_fee_wei": "1000000000",
        "gas_limit": 120_000, "to": TARGET, "data": "0x1234", "tx_hash": tx, "raw": "0x02f8" + "ab" * 40,
    }  # fmt: skip


def _receipt(tx: str, block: int) -> dict[str, Json]:
    return {
        "tx_hash": tx, "status": 1, "block": block + 1, "block_hash": "0x" + "b1" * 32, "gas_used": 51_000,
        "effective_gas_price_wei": "1500000000",
    }  # fmt: skip


def _effect(block: int) -> dict[str, Json]:
    return {
        "contract": TARGET, "call": "paused(bytes32)(bool)", "args": [], "before": "false", "after": "true", "expected": "true",
        "block": block + 1, "verified": True,
    }  # fmt: skip


def _outcome(tx: str, block: int, number: int) -> dict[str, Json]:
    stages = ("head", "reads", "decided", "intent_durable", "signed", "broadcast", "included", "verified")
    timeline: dict[str, Json] = {stage: f"{step * 50 + number:.3f}" for step, stage in enumerate(stages)}
    return {
        "kind": "included", "reason": "effect-verified", "message": "paused", "remedy": "", "tx_hash": tx, "block": block + 1,
        "timeline_ms": timeline,
    }  # fmt: skip


def beginning() -> list[Draft]:
    start: dict[str, Json] = {"name": "k1", "version": "0.1.0", "mode": "live", "chain_id": 31337, "sender": SENDER}
    return [
        Draft(RecordKind.START, start, T0 - 60_000),
        Draft(RecordKind.CONFIGURATION, {"hash": "0x" + "c0" * 32}, T0 - 60_000),
    ]


def filled() -> list[Draft]:
    """A start, one incident that is over, a verdict, and one incident that is open: about fifty records."""
    verdict: dict[str, Json] = {"ok": True, "records": 20, "head": "0x" + "5f" * 32, "problem": ""}
    return [
        *beginning(),
        *incident(0),
        Draft(RecordKind.VERIFICATION, verdict, T0 + 1_800_000),
        *incident(1, closed=False),
    ]


@dataclass
class Site:
    """One application over one log. ``get`` goes straight into it, with the token where one is configured."""

    app: FastAPI
    clock: ManualClock
    reader: Any
    desk: AuditDesk
    token: str = ""
    _transport: httpx.ASGITransport = field(init=False)

    def __post_init__(self) -> None:
        self._transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.ask("GET", path, headers=headers)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", None) or {})
        if self.token and path.startswith(API):
            headers.setdefault("authorization", f"Bearer {self.token}")
        async with httpx.AsyncClient(transport=self._transport, base_url=ORIGIN) as client:
            return await client.request(method, path, headers=headers, **more)


class _InMemory:
    """Implements ``keeper.ports.log_reader.LogQuestions``."""

    def __init__(self, reader: MemoryReader) -> None:
        self._reader = reader
        self.notes: list[str] = []

    def page(self, query: RecordQuery, keep: Callable[[Record], Record] | None = None) -> Sequence[Record]:
        found = asyncio.run(self._reader.page(query))
        return found if keep is None else [keep(one) for one in found]

    def covering(self, seq: int) -> SignedCheckpoint | None:
        return None


class MemoryReader:
    """Implements ``keeper.ports.log_reader.LogReader`` over a store in memory, as far as pages go."""

    def __init__(self, store: MemoryAuditStore) -> None:
        self._store = store
        self.page, self.close = store.page, store.close

    async def sheet(self, query: RecordQuery) -> Sheet:
        found = await self._store.page(replace(query, limit=query.limit + 1))
        return Sheet(found[: query.limit], len(found) > query.limit)

    async def evidence(self, digest: str) -> Kept | None:
        return None

    async def together(self, work: Callable[[LogQuestions], T]) -> T:
        return await asyncio.to_thread(work, _InMemory(self))

    async def checkpoints(
        self, limit: int, *, before: int | None = None, covering: int | None = None
    ) -> Sequence[SignedCheckpoint]:
        return []


async def site_in_memory(drafts: Sequence[Draft]) -> Site:
    """Without a file."""
    store = MemoryAuditStore()
    await store.append(drafts)
    return build_site(MemoryReader(store))


@asynccontextmanager
async def site_of(
    log: Path,
    drafts: Sequence[Draft] | None = None,
    *,
    tokens: bool = False,
    listen_host: str = "127.0.0.1",
    rate: int = 100_000,
    url: str = "",
    limit_ms: int = 5_000,
    take_witness: TakeWitness | None = None,
) -> AsyncIterator[Site]:
    """The log at ``log``, written first where there is none."""
    if not log.exists():  # noqa: ASYNC240 - a test's own file
        await write_log(log, filled() if drafts is None else drafts)
    reader = PublicReader(sqlite_url(log), limit_ms=limit_ms)
    try:
        yield build_site(reader, tokens=tokens, listen_host=listen_host, rate=rate, url=url, take_witness=take_witness)
    finally:
        await reader.close()


def build_site(
    reader: Any,
    *,
    tokens: bool = False,
    listen_host: str = "127.0.0.1",
    rate: int = 100_000,
    url: str = "",
    take_witness: TakeWitness | None = None,
) -> Site:
    """Over any reader; whoever made that closes it."""
    clock = ManualClock(T0 + 7_200_000)
    known = {"auditor": token_hash(TOKEN)} if tokens else {}
    desk = AuditDesk(
        reader, Access(AccessSettings(listen_host, known, rate, url), clock), clock, take_witness=take_witness
    )
    settings = PageSettings(clock, listen_host=listen_host, url=url)
    return Site(build_app(None, settings, desk), clock, reader, desk, TOKEN if tokens else "")


def hostile_records(large: int = 2_000_000) -> list[Draft]:
    """Texts that would run, hide, or fill a page, in every place that a page shows. Columns cannot hold NUL: the store refuses it.

    ``large`` characters are in each: as they are, no page and no answer holds all of them.
    """
    column = HOSTILE.replace("\x00", "")
    body: dict[str, Json] = {
        "kind": HOSTILE, "reason": HOSTILE, "id": HOSTILE, "phase": "opened", "message": HOSTILE, "big": "x" * large,
        "verdict": {"rule": HOSTILE, "signal": HOSTILE, "severity": HOSTILE, "value": HOSTILE, "threshold": "1e999999"},
        "timeline_ms": {HOSTILE: "1", "decided": "NaN", "signed": "1e400"}, "evidence": HOSTILE,
    }  # fmt: skip
    kinds = (RecordKind.INCIDENT, RecordKind.DECISION, RecordKind.FAULT, RecordKind.PROPOSAL, RecordKind.NOTIFICATION)
    return [Draft(kind, body, T0, column, column, "hostile", column) for kind in kinds]


def iso(after_ms: int) -> str:
    return to_iso(T0 + after_ms)
