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
    "audit-write-sqlite": Entry("audit", "write", "a durable record per commit, against raw sqlite3"),
    "audit-verify": Entry("audit", "verify_all", "the whole log verified, against hashing alone"),
    "audit-query": Entry("audit_query", "query", "a page of the log, against the raw driver"),
    "start-up": Entry("start_up", "start_up", "cold keeper --help and audit log, against bare scripts"),
}
