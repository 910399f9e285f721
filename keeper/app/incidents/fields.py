"""What a body holds, read so that nothing in a log can stop a story: what is not as expected is None or empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from keeper.adapters.audit.times import LAST_MS, from_iso
from keeper.app.incidents.story import Instant, Judgement, Source
from keeper.domain.record import Json, Record

Body = Mapping[str, Json]
_TEXT_MAX: Final = 1_000
_DIGITS_MAX: Final = 78
"""Those of the largest number that a contract knows."""
_MS_MAX: Final = Decimal(10) ** 15


def body_of(value: object) -> Body:
    """A JSON object; of anything else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Body]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def text(body: Body, key: str) -> str:
    """The text as recorded, cut where it is longer than anybody reads; empty where there is none."""
    value = body.get(key)
    if value is None:
        return ""
    words = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return words if len(words) <= _TEXT_MAX else words[: _TEXT_MAX - 3] + "..."


def texts(body: Body, key: str) -> tuple[str, ...]:
    """The entries of a list as texts."""
    value = body.get(key)
    return tuple(text({"": each}, "") for each in value) if isinstance(value, list) else ()


def whole(body: Body, key: str) -> int | None:
    """A number that is not negative, as a JSON number or as decimal text."""
    value = body.get(key)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 10**_DIGITS_MAX else None
    plain = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX
    return int(str(value)) if plain else None


def flag(body: Body, key: str) -> bool | None:
    value = body.get(key)
    return value if isinstance(value, bool) else None


def time_ms(body: Body, key: str) -> int | None:
    """Milliseconds since 1970, where they are a time that can be written."""
    value = whole(body, key)
    return value if value is not None and value <= LAST_MS else None


def duration_ms(body: Body, key: str) -> Decimal | None:
    """Milliseconds with a fraction."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        found = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    return found if found.is_finite() and abs(found) < _MS_MAX else None


def is_number(value: str) -> bool:
    """Whether a recorded number is one, and not ``nan``."""
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def block_in(body: Body) -> int | None:
    """The block's number: alone, or in its stamp."""
    block = body.get("block")
    return whole(block, "number") if isinstance(block, Mapping) else whole(body, "block")


def block_time_ms(body: Body) -> int | None:
    """Of a stamp: the block's own time."""
    seconds = whole(body_of(body.get("block")), "timestamp_s")
    return seconds * 1000 if seconds is not None and seconds * 1000 <= LAST_MS else None


def instant(record: Record, block: int | None = None) -> Instant:
    """When the keeper wrote it, by its own clock."""
    number = block if block is not None else block_in(record.body)
    return Instant(from_iso(record.at), Source.KEEPER, number, record.seq)


def judgement(value: object) -> Judgement:
    """A verdict with its numbers as they are written."""
    body = body_of(value)
    return Judgement(
        rule=text(body, "rule"),
        signal=text(body, "signal"),
        state=text(body, "state"),
        reason=text(body, "reason"),
        observed=text(body, "value"),
        threshold=text(body, "threshold"),
        severity=text(body, "severity"),
        since_ms=time_ms(body, "since_ms"),
        since_block=whole(body, "since_block"),
    )


def readable(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """Records with a time and an object as their body, and a line for each other one."""
    good: list[Record] = []
    bad: list[str] = []
    for record in records:
        try:
            from_iso(record.at)
        except (TypeError, ValueError):
            bad.append(f"record {record.seq} has no time that can be read, and is left out")
            continue
        body: object = record.body  # whatever the JSON text in that column is
        if isinstance(body, Mapping):
            good.append(record)
        else:
            bad.append(f"record {record.seq} ({record.kind.value}) holds nothing that this version knows")
    return good, bad
