"""What may be asked, each part with its form: FastAPI checks it, and the description for programs is made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from keeper.adapters.audit.times import LAST_MS
from keeper.app.api.asked import PLAIN
from keeper.domain.record import RecordKind

NAME_FORM = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
INCIDENT_FORM = r"^[A-Za-z0-9][A-Za-z0-9._@~-]{0,119}$"
HASH_FORM = r"^0x[0-9a-f]{64}$"
RECORDS_MAX = 1_000
FULL_MAX = 100
INCIDENTS_MAX = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_FORM = r"^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$"


def _real_time(text: str) -> str:
    """Raises ValueError for a day that no calendar has."""
    time_ms(text)
    return text


def time_ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, those before as 0; fractions below a millisecond are cut off."""
    ms = (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    return min(max(0, ms), LAST_MS)


def _optional(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


Name = Annotated[str, StringConstraints(pattern=NAME_FORM)]
IncidentId = Annotated[str, StringConstraints(pattern=INCIDENT_FORM)]
Digest = Annotated[str, StringConstraints(pattern=HASH_FORM)]
Time = Annotated[
    str,
    StringConstraints(pattern=_TIME_FORM, max_length=40),
    Field(json_schema_extra={"format": "date-time"}),
    AfterValidator(_real_time),
]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{24,64}$")]
OptionalName = Name | SkipJsonSchema[None]

Since = Annotated[
    Time | SkipJsonSchema[None],
    Field(
        description="From this time on (RFC 3339, with its zone).",
        examples=["2026-03-01T00:00:00.000Z"],
        json_schema_extra=_optional,
    ),
]
Until = Annotated[
    Time | SkipJsonSchema[None],
    Field(
        description="Before this time (RFC 3339, with its zone).",
        examples=["2026-04-01T00:00:00.000Z"],
        json_schema_extra=_optional,
    ),
]
Market = Annotated[
    OptionalName, Field(description="Only this market.", examples=["ETH-PERP"], json_schema_extra=_optional)
]
Action = Annotated[
    OptionalName, Field(description="Only this action.", examples=["pause-market"], json_schema_extra=_optional)
]
InIncident = Annotated[
    IncidentId | SkipJsonSchema[None],
    Field(description="Only this incident.", examples=["ETH-PERP@19284411"], json_schema_extra=_optional),
]
Onward = Annotated[
    Cursor | SkipJsonSchema[None],
    Field(
        description="`next_cursor` of the page before; the other filters stay as they were.",
        json_schema_extra=_optional,
    ),
]
Order = Annotated[Literal["oldest", "newest"], Field(description="Which come first.")]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def question(self) -> dict[str, Any]:
        """Everything that a cursor holds on to."""
        return {"of": type(self).__name__, **self.model_dump(mode="json", exclude={"cursor", "limit"})}


class RecordsQuery(_Query):
    """Records in the order of their numbers."""

    market: Market = None
    action: Action = None
    incident: InIncident = None
    kind: Annotated[
        list[RecordKind],
        Field(description="Only these kinds; may be given more than once.", max_length=len(RecordKind)),
    ] = []
    since: Since = None
    until: Until = None
    order: Order = "oldest"
    evidence: Annotated[
        Literal["named", "full"],
        Field(
            description="`full` puts the evidence that a body names by its hash into the body (which is then not what was hashed); at most "
            f"{FULL_MAX} records at once."
        ),
    ] = "named"
    limit: Annotated[
        int, Field(ge=1, le=RECORDS_MAX, description="At most this many; a page of large records has fewer."), PLAIN
    ] = 100
    cursor: Onward = None


class IncidentsQuery(_Query):
    """Incidents, by when they began."""

    market: Market = None
    since: Since = None
    until: Until = None
    order: Order = "newest"
    limit: Annotated[int, Field(ge=1, le=INCIDENTS_MAX, description="At most this many."), PLAIN] = 50
    cursor: Onward = None


class ActionsQuery(_Query):
    """Actions, by when they were intended."""

    market: Market = None
    action: Action = None
    incident: InIncident = None
    since: Since = None
    until: Until = None
    order: Order = "newest"
    limit: Annotated[int, Field(ge=1, le=INCIDENTS_MAX, description="At most this many."), PLAIN] = 50
    cursor: Onward = None


class CheckpointsQuery(_Query):
    """Checkpoints, newest first."""

    limit: Annotated[int, Field(ge=1, le=RECORDS_MAX, description="At most this many."), PLAIN] = 100
    cursor: Onward = None


class ReportQuery(_Query):
    """The form of a report."""

    format: Annotated[Literal["json", "md", "html"], Field(description="JSON, Markdown, or a page of its own.")] = (
        "json"
    )
