"""What is answered. Amounts are texts, times ISO 8601 UTC with milliseconds, durations milliseconds as texts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from keeper.app.api.queries import HASH_FORM
from keeper.domain.record import RecordKind

Iso = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        examples=["2026-03-01T12:00:00.000Z"],
        description="UTC, by the clock of the keeper.",
    ),
]
Hash = Annotated[str, Field(pattern=HASH_FORM, examples=["0x" + "5f" * 32])]
Seq = Annotated[int, Field(ge=1, examples=[214], description="A record's number; they count from 1 without holes.")]
Ms = Annotated[str, Field(examples=["412.250"], description="Milliseconds.")]
Next = Annotated[str | None, Field(description="For the page after this one; null where this is the last one so far.")]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Record(Model):
    """A record as it stands in the log. `hash` is sha256 over the RFC 8785 form of all the other columns."""

    seq: Seq
    at: Iso
    kind: RecordKind
    market: str | None
    action: str | None
    incident: str | None
    intent: str | None
    body: Annotated[dict[str, Any], Field(description="What it says; its members depend on the kind.")]
    prev_hash: Hash
    hash: Hash


class Records(Model):
    """One page."""

    records: list[Record]
    damaged: Annotated[
        list[Seq],
        Field(
            description="Numbers of records that belong here and cannot be read, or (`evidence=full`) whose evidence cannot. Each alone is 500; "
            "`keeper audit CONFIG verify` says what is wrong with them."
        ),
    ]
    next_cursor: Next


class Undertaken(Model):
    """One action. `outcome` is null while it is under way; `timeline_ms` goes from the block to each stage."""

    intent: str | None
    seq: Seq
    at: Iso
    market: str | None
    action: str | None
    incident: str | None
    call: str | None
    to: str | None
    route: str | None
    outcome: str | None
    reason: str | None
    ended_at: Iso | None
    tx_hash: str | None
    block: int | None
    timeline_ms: dict[str, Ms]


class Actions(Model):
    """One page."""

    actions: list[Undertaken]
    next_cursor: Next


class Incident(Model):
    """One incident in short."""

    id: str
    market: str | None
    rule: str | None
    signal: str | None
    severity: str | None
    state: Annotated[str, Field(description="`open` or `closed`.", examples=["closed"])]
    opened_at: Iso
    closed_at: Iso | None
    opened_seq: Seq
    lasted_ms: Ms | None
    actions: Annotated[int, Field(ge=0)]
    outcomes: dict[str, int]
    first_effect_ms: Annotated[
        Ms | None, Field(description="From the record of its beginning to that of the first effect read back.")
    ]


class Incidents(Model):
    """One page."""

    incidents: list[Incident]
    next_cursor: Next


class Percentiles(Model):
    """Of the actions that reached the stage. Nearest rank, so each is a value that was measured."""

    stage: str
    count: int
    p50_ms: Ms
    p90_ms: Ms
    p99_ms: Ms
    max_ms: Ms


class ResponseTimes(Model):
    """One page of actions, and percentiles over that page alone."""

    actions: list[Undertaken]
    percentiles: list[Percentiles]
    next_cursor: Next


class Verification(Model):
    """The newest verdict on the log that the keeper itself recorded; not a run of now. All null where there is none."""

    seq: Annotated[int | None, Field(description="The record that holds it.")]
    at: Iso | None
    verdict: dict[str, Any] | None
    head_seq: Annotated[int, Field(ge=0, description="The last record's number now.")]
    head: Hash


class Checkpoint(Model):
    """Signed by EIP-191 over lines of `name: value`, as docs/auditor.md says."""

    number: int
    seq: int
    head: str
    genesis: str
    at: str
    keeper: str
    chain_id: int
    signer: str
    prev: str
    signature: str


class Checkpoints(Model):
    """One page, newest first."""

    checkpoints: list[Checkpoint]
    next_cursor: Next


class Evidence(Model):
    """What a record was made from. `hash` is sha256 over the RFC 8785 form of `content`."""

    hash: Hash
    seq: Seq
    content: dict[str, Any]


class Story(Model):
    """An incident with all that the log says of it, as `keeper --json incidents CONFIG report ID` prints it."""

    model_config = ConfigDict(extra="allow")


class Witnessed(Model):
    """The checkpoint is in the log of this keeper now."""

    ok: bool
    number: int
    seq: int
    signer: str


class Place(Model):
    """One thing that is wrong with a request."""

    place: Annotated[str, Field(examples=["query.limit"])]
    message: str


class Problem(Model):
    """RFC 9457."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: str
    status: int
    detail: str
    remedy: str
    errors: list[Place] = []
