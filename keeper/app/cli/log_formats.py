"""The log for programs: every form of ``--format`` but the table holds the same columns with the same values."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from keeper.domain.errors import KeeperError
from keeper.domain.record import Record

COLUMNS = ("seq", "at", "kind", "market", "action", "incident", "intent", "prev_hash", "hash", "body")


def as_document(record: Record) -> dict[str, object]:
    """A record with every column, the body as it is."""
    return {column: getattr(record, column) for column in COLUMNS} | {"kind": record.kind.value}


def write(records: Sequence[Record], form: str, file: Path | None) -> None:
    """The records in this form, into a new file or to standard output.

    Raises KeeperError for a file that is there or cannot be written, and for a binary form on a terminal.
    """
    if file is None and form == PARQUET and sys.stdout.isatty():
        raise KeeperError("parquet is not for the screen", remedy="add --output FILE, or end the command with > FILE")
    content = FORMS[form](records)
    if file is None:
        _to_standard_output(content, form)
        return
    try:
        with file.open("xb") as target:  # never over what is there: it may be the only copy of a log, or the database
            target.write(content)
    except FileExistsError:
        raise KeeperError(f"{file} exists already", remedy="name another file, or move this one away") from None
    except OSError as error:
        raise KeeperError(f"cannot write {file}: {error.strerror}", remedy="name a file that you may write") from None


def _to_standard_output(content: bytes, form: str) -> None:
    if form != PARQUET:
        sys.stdout.write(content.decode())
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _jsonl(records: Sequence[Record]) -> bytes:
    return "".join(json.dumps(as_document(record), ensure_ascii=False) + "\n" for record in records).encode()


def _csv(records: Sequence[Record]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow(_not_a_formula(value) for value in _row(record))
    return text.getvalue().encode()


def _not_a_formula(value: object) -> object:
    """Spreadsheets run cells that begin with these: a hostile string in the log must not."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else value


def _parquet(records: Sequence[Record]) -> bytes:
    """The time stays text, as it was hashed."""
    import polars

    schema = {column: polars.Int64 if column == "seq" else polars.String for column in COLUMNS}
    target = io.BytesIO()
    polars.DataFrame([_row(record) for record in records], schema=schema, orient="row").write_parquet(target)
    return target.getvalue()


def _row(record: Record) -> list[object]:
    """The columns in order, the body as JSON text."""
    body = json.dumps(record.body, ensure_ascii=False, sort_keys=True)
    return [body if column == "body" else value for column, value in as_document(record).items()]


PARQUET = "parquet"
FORMS: dict[str, Callable[[Sequence[Record]], bytes]] = {"csv": _csv, "jsonl": _jsonl, PARQUET: _parquet}
