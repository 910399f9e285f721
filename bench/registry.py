"""Every benchmark by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from bench.options import Bench


@dataclass(frozen=True, slots=True)
class Entry:
    """``module`` and ``function`` are imported when it is run: the list costs nothing."""

    module: str
    function: str
    about: str

    def load(self) -> Bench:
        found: Callable[..., object] = getattr(import_module(f"bench.{self.module}"), self.function)
        return found  # type: ignore[return-value]


BENCHES: Mapping[str, Entry] = {
    "plain-script": Entry(
        "trips", "against_plain_script", "head announced -> pause accepted, against a usual web3.py script"
    ),
    "hot-path": Entry(
        "trips", "against_raw_websocket", "the same, against a raw WebSocket with a transaction signed beforehand"
    ),
    "hot-path-100": Entry(
        "hot_path_100", "hot_path_100", "100 reads at each block, and the pause, against a raw WebSocket and web3.py"
    ),
    "tick": Entry("tick", "tick", "1,000 markets x 10 rules, against plain Python, river and bare numpy"),
    "replay": Entry("replay", "replay", "100 markets x a year of minutes, against polars and pandas"),
    "sign": Entry("sign", "sign", "a transaction through our signer, against the bare signature"),
    "durable": Entry(
        "durable", "durable", "what a trip writes before it sends, in one commit, against fdatasync alone"
    ),
    "audit-write-sqlite": Entry("audit_write", "write_sqlite", "a durable record per commit, against raw sqlite3"),
    "audit-write-postgres": Entry("audit_write", "write_postgres", "the same in PostgreSQL, against raw psycopg"),
    "audit-verify": Entry("audit_verify", "verify_sqlite", "the whole log verified, against orjson and sha256 alone"),
    "audit-verify-postgres": Entry("audit_verify", "verify_postgres", "the same in PostgreSQL"),
    "audit-query": Entry("audit_query", "query_sqlite", "a page of the log, against raw sqlite3"),
    "audit-query-postgres": Entry("audit_query", "query_postgres", "the same in PostgreSQL, against raw psycopg"),
    "start-up": Entry("start_up", "start_up", "cold keeper --help and audit log, against bare scripts"),
    "audit-query-grows": Entry(
        "audit_grows", "grows", "pages of a log of 10,000,000 records, against one of 1,000,000 (--rows N)"
    ),
}
