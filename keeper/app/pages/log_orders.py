"""What the process that answers for the log is told by the keeper: one line of JSON through a pipe, for it holds the database's password."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

CLIENT: str = "x-keeper-client"
"""The header in which the keeper says who asks. It is believed on the keeper's own socket alone, and dropped from what comes from outside."""


@dataclass(frozen=True, slots=True)
class LogOrders:
    """``url`` is the database's, ``page_url`` where people reach the pages; ``witness``: checkpoints of others are taken, by the keeper itself."""

    url: str = field(repr=False)
    host: str
    page_url: str = ""
    tokens: Mapping[str, str] = field(default_factory=dict)
    rate: int = 120
    config: str = "keeper.yaml"
    council: bool = False
    status: bool = False
    witness: bool = False


def line_of(orders: LogOrders, folder: str) -> bytes:
    """``folder`` holds the socket; whoever is left removes it."""
    return json.dumps({"folder": folder, "orders": asdict(orders)}).encode() + b"\n"


def orders_of(line: bytes) -> tuple[LogOrders, str]:
    document = json.loads(line)
    return LogOrders(**document["orders"]), document["folder"]
