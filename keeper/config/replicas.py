"""The section ``keeper.replicas``: several keepers of one protocol on one database, of which one acts."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Final

from keeper.config.audit import ActWithoutLog, AuditConfig
from keeper.config.kinds import duration
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Shape
from keeper.domain.postgres_url import is_postgres

MIN_LEASE_MS: Final = 1_000
MAX_LEASE_MS: Final = 60_000
DEFAULT_LEASE_MS: Final = 6_000
_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class ReplicasConfig:
    """``lease_ms`` is how long a leader that is not heard of stays one; ``name`` is that of this process."""

    lease_ms: int
    name: str


def _name(given: Given) -> str:
    text = given.text.strip()
    if not text or len(text) > _LONGEST_NAME or not text.isprintable():
        raise Bad("not a name", f"1 to {_LONGEST_NAME} characters that can be printed, another one for each replica")
    return text


def own_name() -> str:
    """The name of the machine and the number of the process."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}"


_DURATION: Final = duration(MIN_LEASE_MS)


def _length(given: Given) -> int:
    ms = _DURATION.parse(given)
    if ms > MAX_LEASE_MS:
        raise Bad("the lease is too long", "at most 1m: nobody acts for so long after a leader was cut off")
    return ms


LEASE = Field(
    "lease",
    Kind(_length, DEFAULT_LEASE_MS, _DURATION.schema),
    "How long a leader that is cut off from the database stays one, and so how late another one takes over.",
    DEFAULT_LEASE_MS,
)
NAME = Field(
    "name",
    Kind(_name, "", {"type": "string", "minLength": 1, "maxLength": _LONGEST_NAME}, env=True),
    "What this replica is called; left out: the machine's name and the process's number.",
    "",
)
REPLICAS = Shape("Several keepers on one PostgreSQL database, of which one acts.", (LEASE, NAME))


def read_replicas(cursor: Cursor) -> ReplicasConfig | None:
    section = cursor.open(REPLICAS)
    return ReplicasConfig(section.get(LEASE), section.get(NAME) or own_name()) if section else None


def check_replicas(cursor: Cursor, audit: AuditConfig) -> None:
    """What cannot be together with replicas; ``cursor`` is at ``keeper.replicas``."""
    if not is_postgres(audit.url.reveal()):
        cursor.problem(
            "replicas need one PostgreSQL database that all of them reach, and this log is a file",
            "let audit.url name it: postgresql+psycopg://user:${PASSWORD}@host/database",
        )
    elif audit.act_without_log is not ActWithoutLog.NEVER:
        cursor.problem(
            "audit.act-without-log cannot be together with replicas: one that is cut off from the database would act beside the one that took over",
            "leave audit.act-without-log out: another replica acts while this one cannot",
        )
