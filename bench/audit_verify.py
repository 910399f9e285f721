"""``audit-verify`` and ``audit-verify-postgres``: the whole log verified, against bare passes over the same records."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench.contestant import Broken
from bench.log_samples import draft
from bench.options import Options, scratch
from bench.postgres_server import for_keeper, own_postgres
from bench.result import Bar, Ratio, Result, Want, median, shown, spread
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.domain.record import GENESIS

VERIFIED = 20_000
ROUNDS = 7
BAR = Bar(1.5, Want.AT_MOST)
_ALL = f"SELECT {', '.join(COLUMNS)} FROM records ORDER BY seq"

Pass = Callable[[Iterable[Sequence[Any]]], int]
"""How many of the rows hold."""


def verify_sqlite(options: Options) -> Sequence[Result]:
    """``keeper audit verify``'s work in this process, against passes that only hash the same rows."""
    with scratch() as folder:
        path = folder / "keeper.db"
        return _in_turn("audit-verify", sqlite_url(path), partial(passed, path), options)


def verify_postgres(options: Options) -> Sequence[Result]:
    """The same; the peers' connection stands, and the rows come through a cursor of the server."""
    with scratch() as folder, own_postgres(folder) as database:
        url = database("log")
        with psycopg.connect(url) as connection:

            def over_rows(one_pass: Pass) -> int:
                with connection.cursor("rows") as cursor:
                    cursor.itersize = 500  # the quickest of 100, 500, 2,000, 20,000
                    cursor.execute(_ALL.encode())
                    return one_pass(cursor)

            return _in_turn("audit-verify-postgres", for_keeper(url), over_rows, options)


def _in_turn(name: str, url: str, over_rows: Callable[[Pass], int], options: Options) -> list[Result]:
    asyncio.run(_fill(url))
    rounds = options.count(ROUNDS)
    passes: dict[str, Pass] = {"orjson-sha256-pass": encoding_pass, "sha256-pass": hash_pass}
    ours: list[float] = []
    peers: dict[str, list[float]] = {peer: [] for peer in passes}
    for _ in range(rounds):
        begin = time.perf_counter()
        verdict = verify(url)
        ours.append((time.perf_counter() - begin) * 1000)
        for peer, one_pass in passes.items():
            begin = time.perf_counter()
            good = over_rows(one_pass)
            peers[peer].append((time.perf_counter() - begin) * 1000)
            if not verdict.ok or verdict.records != VERIFIED or good != VERIFIED:
                raise Broken(f"{peer} does not agree: {verdict}, {good} records")
    options.say(f"  {'keeper verify':<18} {spread(ours, 'ms')}  {_speed(ours)}; schema, forms, journal, structure")
    for peer, times in peers.items():
        options.say(f"  {peer:<18} {spread(times, 'ms')}  {_speed(times)}; links and hashes, nothing else")
    return [
        Result(figure, median(ours), median(peers[peer]), peer, "ms", Ratio.OURS_BY_PEER, bar, rounds)
        for figure, peer, bar in (
            (name, "orjson-sha256-pass", BAR),
            (f"{name}-no-json", "sha256-pass", None),
        )
    ]


def encoding_pass(rows: Iterable[Sequence[Any]]) -> int:
    """Each body read and each record written anew with orjson, sha256, both links compared."""
    names = COLUMNS[:-1]
    head, good = GENESIS, 0
    for *values, digest in rows:
        record = dict(zip(names, values, strict=True))
        record["body"] = orjson.loads(record["body"])
        computed = "0x" + hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()
        if record["prev_hash"] != head or digest != computed:
            break
        head, good = digest, good + 1
    return good


def hash_pass(rows: Iterable[Sequence[Any]]) -> int:
    """The preimage put together as text without any JSON decoder or encoder, sha256, both links compared."""
    head, good = GENESIS, 0
    for seq, at, kind, market, action, incident, intent, body, prev_hash, digest in rows:
        preimage = (
            f'{{"action":{_quoted(action)},"at":"{at}","body":{body},"incident":{_quoted(incident)},"intent":{_quoted(intent)},'
            f'"kind":"{kind}","market":{_quoted(market)},"prev_hash":"{prev_hash}","seq":{seq}}}'
        )
        if prev_hash != head or digest != "0x" + hashlib.sha256(preimage.encode()).hexdigest():
            break
        head, good = digest, good + 1
    return good


def passed(path: Path, one_pass: Pass) -> int:
    """``one_pass`` over the log in a SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        return one_pass(connection.execute(_ALL))


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def _speed(times: Sequence[float]) -> str:
    return f"{shown(VERIFIED / median(times))} records/ms"


async def _fill(url: str) -> None:
    store = await SqlAuditStore.open(url, create=True)
    try:
        for first in range(1, VERIFIED + 1, 1_000):
            await store.append([draft(number) for number in range(first, first + 1_000)])
    finally:
        await store.close()
