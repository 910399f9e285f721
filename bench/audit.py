"""``audit-write-sqlite`` and ``audit-verify``: the log against the database alone and against hashing alone."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from bench.contestant import Broken
from bench.log_samples import draft
from bench.options import Options, scratch
from bench.result import Bar, Ratio, Result, Want, median, shown, spread
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.record import GENESIS, Record

COLUMNS = "seq, at, kind, market, action, incident, intent, body, prev_hash, hash"
BATCH = 50
VERIFIED = 20_000
ROUNDS = 7


def write(options: Options) -> Sequence[Result]:
    """One durable record per commit, in turn: our store, and raw sqlite3 with an equal row."""
    batches = max(1, options.count(2_000) // BATCH)
    with scratch() as folder:
        ours, peer = asyncio.run(_write_in_turn(folder, batches))
    options.say(f"  ours               {_rates(ours)}  numbered, chained, checked; append-only triggers, five indexes")
    options.say(
        f"  raw sqlite3        {_rates(peer)}  WAL, synchronous=FULL; one table with its key, no index, no trigger, no thread"
    )
    bar = Bar(0.5, Want.AT_LEAST)
    return [
        Result(
            "audit-write-sqlite",
            median(ours),
            median(peer),
            "raw-sqlite3",
            "/s",
            Ratio.OURS_BY_PEER,
            bar,
            batches * BATCH,
        )
    ]


async def _write_in_turn(folder: Path, batches: int) -> tuple[list[float], list[float]]:
    """Records a second in each batch of ours and of the peer's. The peer is given the finished text of ours: it only stores."""
    store = await SqlAuditStore.open(sqlite_url(folder / "ours.db"), create=True)
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL").fetchall()
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(f"CREATE TABLE records ({COLUMNS.replace('seq', 'seq INTEGER PRIMARY KEY', 1)})")
    ours: list[float] = []
    peer: list[float] = []
    try:
        for batch in range(batches):
            first = 1 + batch * BATCH
            samples = [draft(number) for number in range(first, first + BATCH)]
            begin = time.perf_counter()
            written = [(await store.append([sample]))[0] for sample in samples]
            ours.append(BATCH / (time.perf_counter() - begin))
            rows = [_row(record, folder / "ours.db") for record in written]
            begin = time.perf_counter()
            for row in rows:
                raw.execute("BEGIN IMMEDIATE")
                raw.execute(f"INSERT INTO records VALUES ({', '.join('?' * len(row))})", row)
                raw.execute("COMMIT")
            peer.append(BATCH / (time.perf_counter() - begin))
    finally:
        raw.close()
        await store.close()
    return ours, peer


def _row(record: Record, path: Path) -> tuple[object, ...]:
    """The row as it stands in our database."""
    connection = sqlite3.connect(path)
    try:
        row: tuple[object, ...] = connection.execute(
            f"SELECT {COLUMNS} FROM records WHERE seq = ?", (record.seq,)
        ).fetchone()
    finally:
        connection.close()
    return row


def verify_all(options: Options) -> Sequence[Result]:
    """``keeper audit verify``'s work in this process, against one pass that only hashes the same rows."""
    rounds = options.count(ROUNDS)
    with scratch() as folder:
        path = folder / "keeper.db"
        asyncio.run(_fill(path))
        url = sqlite_url(path)
        ours: list[float] = []
        peers: dict[str, list[float]] = {"sha256-pass": [], "orjson-sha256-pass": []}
        for _ in range(rounds):
            begin = time.perf_counter()
            verdict = verify(url)
            ours.append((time.perf_counter() - begin) * 1000)
            for (name, times), one_pass in zip(peers.items(), (hash_pass, encoding_pass), strict=True):
                begin = time.perf_counter()
                good = one_pass(path)
                times.append((time.perf_counter() - begin) * 1000)
                if not verdict.ok or verdict.records != VERIFIED or good != VERIFIED:
                    raise Broken(f"{name} does not agree: {verdict}, {good} records")
    options.say(
        f"  keeper verify      {spread(ours, 'ms')}  {shown(VERIFIED / median(ours))} records/ms; schema, forms, journal, file structure"
    )
    for name, times in peers.items():
        options.say(
            f"  {name:<18} {spread(times, 'ms')}  {shown(VERIFIED / median(times))} records/ms; links and hashes, nothing else"
        )
    bar = Bar(1.5, Want.AT_MOST)
    return [
        Result(figure, median(ours), median(peers[name]), name, "ms", Ratio.OURS_BY_PEER, bar, rounds)
        for figure, name in (("audit-verify", "sha256-pass"), ("audit-verify-orjson", "orjson-sha256-pass"))
    ]


def hash_pass(path: Path) -> int:
    """How many rows hold: one SELECT, the preimage put together as text without any JSON encoder, sha256, both links compared."""
    connection = sqlite3.connect(path)
    head, good = GENESIS, 0
    for seq, at, kind, market, action, incident, intent, body, prev_hash, digest in connection.execute(
        f"SELECT {COLUMNS} FROM records ORDER BY seq"
    ):
        preimage = (
            f'{{"action":{_quoted(action)},"at":"{at}","body":{body},"incident":{_quoted(incident)},"intent":{_quoted(intent)},'
            f'"kind":"{kind}","market":{_quoted(market)},"prev_hash":"{prev_hash}","seq":{seq}}}'
        )
        if prev_hash != head or digest != "0x" + hashlib.sha256(preimage.encode()).hexdigest():
            break
        head, good = digest, good + 1
    connection.close()
    return good


def encoding_pass(path: Path) -> int:
    """The same, as it is mostly written: each body read and each record written anew with orjson, sha256, both links compared."""
    names = ("seq", "at", "kind", "market", "action", "incident", "intent", "body", "prev_hash")
    connection = sqlite3.connect(path)
    head, good = GENESIS, 0
    for *values, digest in connection.execute(f"SELECT {COLUMNS} FROM records ORDER BY seq"):
        record = dict(zip(names, values, strict=True))
        record["body"] = orjson.loads(record["body"])
        computed = "0x" + hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()
        if record["prev_hash"] != head or digest != computed:
            break
        head, good = digest, good + 1
    connection.close()
    return good


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


async def _fill(path: Path) -> None:
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    try:
        for first in range(1, VERIFIED + 1, 1_000):
            await store.append([draft(number) for number in range(first, first + 1_000)])
    finally:
        await store.close()


def _rates(values: Sequence[float]) -> str:
    return f"p50 {shown(median(values))}/s  (slowest batch {shown(min(values))}/s, {len(values)} batches of {BATCH})"
