"""``audit-write-sqlite`` and ``audit-write-postgres``: one durable record per commit, against the driver alone."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial

import psycopg

from bench.log_samples import draft
from bench.options import Options, scratch
from bench.postgres_server import for_keeper, own_postgres
from bench.result import Bar, Ratio, Result, Want, median, shown
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.store import SqlAuditStore

BATCH = 50
BAR = Bar(0.5, Want.AT_LEAST)
_NAMES = ", ".join(COLUMNS)
_BARE = f"CREATE TABLE records ({_NAMES.replace('seq', 'seq INTEGER PRIMARY KEY', 1)})"
_BARE_TYPED = f"CREATE TABLE records (seq bigint PRIMARY KEY, {', '.join(f'{name} text' for name in COLUMNS[1:])})"

Row = tuple[object, ...]


def write_sqlite(options: Options) -> Sequence[Result]:
    """Ours; raw sqlite3 with the same row into a table that the same migrations made; and into one with its key and nothing else."""
    with scratch() as folder, ExitStack() as opened:

        def raw(name: str) -> sqlite3.Connection:
            connection = opened.enter_context(closing(sqlite3.connect(folder / name, isolation_level=None)))
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            return connection

        upgrade(sqlite_url(folder / "raw.db"))
        same, bare = raw("raw.db"), raw("bare.db")
        bare.execute(_BARE)
        insert = f"INSERT INTO records VALUES ({', '.join('?' * len(COLUMNS))})"

        def rows(first: int, last: int) -> list[Row]:
            with closing(sqlite3.connect(folder / "ours.db")) as connection:
                return connection.execute(
                    f"SELECT {_NAMES} FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
                ).fetchall()

        peers = (partial(_store_all, same, insert), partial(_store_all, bare, insert))
        found = asyncio.run(_in_turn(sqlite_url(folder / "ours.db"), rows, peers, options))
    return _results("audit-write-sqlite", "raw-sqlite3", "WAL, synchronous=FULL", found, options)


def write_postgres(options: Options) -> Sequence[Result]:
    """The same with psycopg, over the same socket to the same server."""
    with scratch() as folder, own_postgres(folder) as database, ExitStack() as opened:
        ours, same_url, bare_url = database("ours"), database("raw"), database("bare")
        upgrade(for_keeper(same_url))
        reading, same, bare = (
            opened.enter_context(psycopg.connect(url, autocommit=True)) for url in (ours, same_url, bare_url)
        )
        bare.execute(_BARE_TYPED.encode())
        insert = f"INSERT INTO records ({_NAMES}) VALUES ({', '.join(['%s'] * len(COLUMNS))})".encode()

        def rows(first: int, last: int) -> list[Row]:
            return reading.execute(
                f"SELECT {_NAMES} FROM records WHERE seq BETWEEN %s AND %s ORDER BY seq".encode(), (first, last)
            ).fetchall()

        peers = (partial(_send_all, same, insert), partial(_send_all, bare, insert))
        found = asyncio.run(_in_turn(for_keeper(ours), rows, peers, options))
    return _results("audit-write-postgres", "raw-psycopg", "fsync and synchronous_commit on", found, options)


def _store_all(connection: sqlite3.Connection, insert: str, rows: Sequence[Row]) -> None:
    for row in rows:
        connection.execute(insert, row)  # without BEGIN: each is a transaction


def _send_all(connection: psycopg.Connection[Row], insert: bytes, rows: Sequence[Row]) -> None:
    for row in rows:
        connection.execute(insert, row, prepare=True)


async def _in_turn(
    url: str,
    rows: Callable[[int, int], Sequence[Row]],
    peers: Sequence[Callable[[Sequence[Row]], None]],
    options: Options,
) -> list[list[float]]:
    """Records a second in each batch: ours, then each peer's. The peers are given the finished rows of ours: they only store."""
    store = await SqlAuditStore.open(url, create=True)
    found: list[list[float]] = [[] for _ in range(1 + len(peers))]
    try:
        for batch in range(max(1, options.count(2_000) // BATCH)):
            first = 1 + batch * BATCH
            samples = [draft(number) for number in range(first, first + BATCH)]
            begin = time.perf_counter()
            for sample in samples:
                await store.append([sample])
            found[0].append(BATCH / (time.perf_counter() - begin))
            finished = rows(first, first + BATCH - 1)
            for rates, peer in zip(found[1:], peers, strict=True):
                begin = time.perf_counter()
                peer(finished)
                rates.append(BATCH / (time.perf_counter() - begin))
    finally:
        await store.close()
    return found


def _results(
    name: str, peer_name: str, durable: str, found: Sequence[Sequence[float]], options: Options
) -> list[Result]:
    ours, same, bare = found
    trials = len(ours) * BATCH
    options.say(f"  {'ours':<22} {_rates(ours)}  made canonical, numbered, chained, through a thread; {durable}")
    options.say(
        f"  {peer_name:<22} {_rates(same)}  the finished rows into the same table: indexes, triggers; {durable}"
    )
    options.say(f"  {peer_name + '-bare':<22} {_rates(bare)}  into a table with its key and nothing else; {durable}")
    return [
        Result(name, median(ours), median(same), peer_name, "/s", Ratio.OURS_BY_PEER, BAR, trials),
        Result(f"{name}-bare", median(ours), median(bare), f"{peer_name}-bare", "/s", Ratio.OURS_BY_PEER, None, trials),
    ]


def _rates(values: Sequence[float]) -> str:
    return f"p50 {shown(median(values))}/s  (slowest batch {shown(min(values))}/s, {len(values)} batches of {BATCH})"
