"""A record of the audit log: what kinds there are, and how records are chained.

A record's hash is ``sha256(canonical)`` over the RFC 8785 form of its other columns, the previous record's hash among them. So
nothing in a row can change without its hash changing, and no row without every later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keeper.domain.evidence import Evidence

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
"""What a record may hold. No floats: numbers with a fraction are text, so that their form is never in doubt."""

GENESIS = "0x" + "00" * 32
"""The previous hash of the first record."""


class RecordKind(StrEnum):
    START = "start"
    CONFIGURATION = "configuration"
    TICK = "tick"
    """One evaluated block: observations, signals, rule states."""
    STATE = "state"
    """What the engine remembers after a tick, for the next start to go on from."""
    INCIDENT = "incident"
    DECISION = "decision"
    INTENT = "intent"
    ATTEMPT = "attempt"
    """A signed transaction, before it is sent."""
    BROADCAST = "broadcast"
    RECEIPT = "receipt"
    EFFECT = "effect"
    OUTCOME = "outcome"
    """The intent's end; closes it."""
    VERIFICATION = "verification"
    JOB = "job"
    """A scheduled job failed, or came back."""
    FAULT = "fault"
    """A part failed or came back: heads, a source, the database, a notifier."""
    CHAIN = "chain"
    """The way along the chain was not plain: another node, another branch, blocks late, missed or passed over."""
    NOTIFICATION = "notification"
    SWITCH = "switch"
    """An operator switched something off or on."""
    BREAKER = "breaker"
    """A market's breaker turned by something else than the beginning or the end of an incident."""
    ORDER = "order"
    """What several keepers sign together: before this one signs it, and when enough of them have."""
    PROPOSAL = "proposal"
    """What was proposed to a Safe, what became of it, and what its owners did."""
    GAP = "gap"
    """Records that are missing, or that were written down elsewhere first and stand here late."""
    ARCHIVE = "archive"
    """Evidence that left the database for a file: which file, its hash, which records it belongs to."""
    READINESS = "readiness"
    """Whether an armed action would work: when that changed, and now and then how many would."""
    WITNESS = "witness"
    """The checkpoint of another keeper's log, which this one was given to keep."""
    DRILL = "drill"
    """A breach on purpose, on a fork or in memory: what was changed, what came of it, how long each stage took."""
    COMPARISON = "comparison"
    """In shadow: what the keeper would have done, and what people did."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before it is numbered and chained. ``evidence`` is kept beside it, and the body names its hash under ``evidence``."""

    kind: RecordKind
    body: Mapping[str, Json]
    at_ms: int
    market: str | None = None
    action: str | None = None
    incident: str | None = None
    intent: str | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the log. ``seq`` counts from 1 without holes; ``at`` is ISO 8601 UTC with milliseconds."""

    seq: int
    at: str
    kind: RecordKind
    market: str | None
    action: str | None
    incident: str | None
    intent: str | None
    body: Mapping[str, Json]
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """A page of records in order of ``seq``. ``after`` is exclusive; empty ``kinds`` means all; times in ms, since inclusive, until exclusive.

    ``full``: what a body only names by the hash of its evidence is put in, where the database still has it. Such a body is not what was hashed.
    """

    market: str | None = None
    action: str | None = None
    incident: str | None = None
    kinds: tuple[RecordKind, ...] = field(default=())
    since_ms: int | None = None
    until_ms: int | None = None
    after: int = 0
    limit: int = 100
    newest_first: bool = False
    full: bool = False
