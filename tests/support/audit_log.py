"""A small audit log for tests: drafts of every kind, and the bytes of each row in the file."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.record import Draft, Json, Record, RecordKind

T0 = 1_763_700_000_000
"""The first record's time in ms."""
TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FEE_WEI = 2**70 + 1
"""More than JSON numbers hold."""


def draft(kind: RecordKind, body: dict[str, Json], at_ms: int = T0, intent: str | None = "i-1") -> Draft:
    """A record of the pause of ETH-PERP in incident inc-1; without ``intent`` it concerns no market at all."""
    if intent is None:
        return Draft(kind, body, at_ms)
    return Draft(kind, body, at_ms, market="ETH-PERP", action="pause-market", incident="inc-1", intent=intent)


def tick(at_ms: int = T0, market: str | None = "ETH-PERP", **more: Json) -> Draft:
    return Draft(RecordKind.TICK, {"block": 7, "signals": {"divergence": "0.0012"}, **more}, at_ms, market=market)


def opening(intent: str = "i-1", market: str = "ETH-PERP", action: str = "pause-market", at_ms: int = T0) -> Draft:
    body: dict[str, Json] = {
        "to": TARGET,
        "data": "0x1234",
        "effect_before": "false",
        "expires_ms": str(at_ms + 90_000),
        "route": "public",
    }
    return Draft(RecordKind.INTENT, body, at_ms, market=market, action=action, incident="inc-1", intent=intent)


def tx_hash(number: int, intent: str = "i-1") -> str:
    return "0x" + f"{intent}-{number}".encode().hex().ljust(64, "0")


def attempt(number: int = 1, intent: str = "i-1", at_ms: int = T0 + 10, **changed: Json) -> Draft:
    body: dict[str, Json] = {
        "number": number,
        "chain_id": 31337,
        "sender": SENDER,
        "nonce": 5,
        "max_fee_wei": str(FEE_WEI + number),
        "priority_fee_wei": "1000000000",
        "gas_limit": 120_000,
        "to": TARGET,
        "data": "0x1234",
        "tx_hash": tx_hash(number, intent),
        "raw": "0x02f8" + "ab" * 40,
        **changed,
    }
    return draft(RecordKind.ATTEMPT, body, at_ms, intent)


def broadcast(number: int = 1, intent: str = "i-1", accepted: bool = True) -> Draft:
    body: dict[str, Json] = {"tx_hash": tx_hash(number, intent), "accepted": accepted, "answer": "accepted"}
    return draft(RecordKind.BROADCAST, body, T0 + 20, intent)


def receipt(number: int = 1, intent: str = "i-1") -> Draft:
    body: dict[str, Json] = {
        "tx_hash": tx_hash(number, intent),
        "status": 1,
        "block": 9,
        "block_hash": "0x" + "b1" * 32,
        "gas_used": 51_000,
        "effective_gas_price_wei": "1500000000",
    }
    return draft(RecordKind.RECEIPT, body, T0 + 30, intent)


def receipt_gone(number: int = 1, intent: str = "i-1") -> Draft:
    return draft(RecordKind.RECEIPT, {"tx_hash": tx_hash(number, intent), "gone": True}, T0 + 35, intent)


def outcome(intent: str | None = "i-1", kind: str = "included") -> Draft:
    body: dict[str, Json] = {
        "kind": kind,
        "reason": "effect-verified",
        "message": "paused",
        "remedy": "",
        "tx_hash": None,
        "block": 9,
    }
    return draft(RecordKind.OUTCOME, body, T0 + 50, intent)


def story() -> list[Draft]:
    """One finished action with two attempts, and one that is still open: 14 records, 2 intents, 3 attempts."""
    return [
        draft(RecordKind.START, {"version": "0.1.0", "mode": "live"}, intent=None),
        draft(RecordKind.CONFIGURATION, {"hash": "0x" + "c0" * 32}, intent=None),
        tick(),
        draft(RecordKind.DECISION, {"answer": "act", "reason": "schräg – 2 %"}),
        opening(),
        attempt(1),
        broadcast(1),
        attempt(2),
        broadcast(2),
        receipt(2),
        draft(RecordKind.EFFECT, {"before": "false", "after": "true"}),
        outcome(),
        opening("i-2", action="tighten"),
        attempt(1, "i-2", nonce=6),
    ]


ROWS_OF_STORY: dict[str, dict[Any, int]] = {
    "intents": {"i-1": 5, "i-2": 13},
    "attempts": {("i-1", 1): 6, ("i-1", 2): 8, ("i-2", 1): 14},
}
"""Which record made which row of the journal."""


@functools.cache
def _empty() -> bytes:
    """The file of a log without records. Making its tables takes longer than all records of a test: it is done once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "keeper.db"
        upgrade(sqlite_url(path))
        return path.read_bytes()


def _prepare(path: Path) -> None:
    if not path.exists():
        path.write_bytes(_empty())


async def write_log(path: Path, drafts: Sequence[Draft]) -> list[Record]:
    """A new log at ``path`` with these records, closed again: everything is in the one file."""
    _prepare(path)
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    try:
        return list(await store.append(drafts))
    finally:
        await store.close()


@dataclass(frozen=True)
class Cell:
    """One row as it lies in the file: ``start`` to ``end`` are file offsets, ``header`` where the columns' types are listed."""

    table: str
    rowid: int
    start: int
    header: range
    end: int


def cells(path: Path, table: str) -> Iterator[Cell]:
    """Every row of a table in the file, by SQLite's file format (section 1.6); rows must be shorter than a page."""
    connection = sqlite3.connect(path)
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    connection.close()
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    pages = [root]
    while pages:
        page = pages.pop(0)
        base = (page - 1) * size
        head = base + (100 if page == 1 else 0)
        count = int.from_bytes(data[head + 3 : head + 5], "big")
        leaf = data[head] == 13
        pointers = head + (8 if leaf else 12)
        for index in range(count):
            start = base + int.from_bytes(data[pointers + 2 * index : pointers + 2 * index + 2], "big")
            if leaf:
                yield _cell(data, table, start)
            else:
                pages.append(int.from_bytes(data[start : start + 4], "big"))
        if not leaf:
            pages.append(int.from_bytes(data[head + 8 : head + 12], "big"))


def _cell(data: bytes, table: str, start: int) -> Cell:
    length, at = _varint(data, start)
    rowid, at = _varint(data, at)
    header_length, first = _varint(data, at)
    return Cell(table, rowid, start, range(first, at + header_length), at + length)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at
