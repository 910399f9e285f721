"""``keeper audit``: printing and verifying the log. Needs the database only: no node, no key, no other part of the configuration."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keeper.app.cli.output import Output
from keeper.app.cli.summaries import summary
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError, UnitError
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.units import parse_duration_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = ("seq", "at", "kind", "market", "action", "incident", "intent", "prev_hash", "hash", "body")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What was asked for on the command line, unchecked."""

    market: str | None
    action: str | None
    kinds: tuple[str, ...]
    incident: str | None
    since: str | None
    until: str | None
    limit: int
    cursor: int | None
    ticks: bool

    def to_query(self) -> RecordQuery:
        """Checked. Raises KeeperError for an unknown kind or a time that cannot be read."""
        return RecordQuery(
            market=self.market,
            action=self.action,
            incident=self.incident,
            kinds=self._kinds(),
            since_ms=_time_ms(self.since),
            until_ms=_time_ms(self.until),
            after=self.cursor or 0,
            limit=self.limit,
            newest_first=self.cursor is None,
        )

    def _kinds(self) -> tuple[RecordKind, ...]:
        known = {kind.value: kind for kind in RecordKind}
        for kind in self.kinds:
            if kind not in known:
                raise KeeperError(f"there is no kind of record {kind!r}", remedy=f"one of: {', '.join(known)}")
        if self.kinds:
            return tuple(known[kind] for kind in self.kinds)
        return () if self.ticks else tuple(kind for kind in RecordKind if kind is not RecordKind.TICK)


def print_log(output: Output, config: str, asked: LogQuery, form: str) -> None:
    """The records that fit. Raises ConfigurationError, StoreUnavailable, StoreNotMigrated."""
    from keeper.adapters.audit.reading import page_sync
    from keeper.config import audit_url

    query = asked.to_query()
    records = list(page_sync(audit_url(config), query))
    if query.newest_first:
        records.reverse()
    more = len(records) == query.limit
    if output.as_json:
        cursor = records[-1].seq if more and not query.newest_first else None
        output.document({"records": [as_document(record) for record in records], "next_cursor": cursor})
    elif form == "jsonl":
        for record in records:
            sys.stdout.write(json.dumps(as_document(record), ensure_ascii=False) + "\n")
    elif form == "csv":
        _print_csv(records)
    else:
        _print_table(output, records, ticks=asked.ticks or bool(asked.kinds))
        if more:
            output.say(f"({query.limit} records shown; more with --limit or --cursor)", "dim")


def verify(output: Output, config: str) -> int:
    """The verdict on the whole log; FOUND when it is broken."""
    from keeper.adapters.audit.verify import verify as verify_log
    from keeper.config import audit_url

    verdict = verify_log(audit_url(config))
    output.document(
        {
            "ok": verdict.ok,
            "records": verdict.records,
            "head": verdict.head,
            "first_bad": verdict.first_bad,
            "table": verdict.table,
            "problem": verdict.problem,
        }
    )
    if verdict.ok:
        output.say(f"ok: {verdict.records} records, every hash and link holds, head {verdict.head}", "green")
        return Exit.DONE
    place = f"record {verdict.first_bad}" if verdict.first_bad is not None else "the database"
    output.say(f"BROKEN at {place}: {verdict.problem}", "bold red")
    output.say("keep a copy of the database as it is before anything else")
    return Exit.FOUND


def as_document(record: Record) -> dict[str, object]:
    """A record for machines, with every column."""
    return {column: getattr(record, column) for column in COLUMNS if column != "kind"} | {"kind": record.kind.value}


def _print_csv(records: Sequence[Record]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(COLUMNS)
    for record in records:
        document = as_document(record) | {"body": json.dumps(record.body, ensure_ascii=False, sort_keys=True)}
        writer.writerow([_not_a_formula(document[column]) for column in COLUMNS])


def _not_a_formula(value: object) -> object:
    """Spreadsheets run cells that begin with these: a hostile string in the log must not."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else value


def _print_table(output: Output, records: Sequence[Record], *, ticks: bool) -> None:
    if not records:
        output.say("no records fit")
        return
    width = max(len(str(record.seq)) for record in records)
    for record in records:
        line = f"{record.seq:>{width}}  {record.at}  {record.kind.value:<13} {summary(record)}"
        output.say(_printable(line), STYLES.get(record.kind))
    if not ticks:
        output.say("(the records of evaluated blocks are left out; --ticks shows them)", "dim")


STYLES = {
    RecordKind.INCIDENT: "red",
    RecordKind.DECISION: "yellow",
    RecordKind.EFFECT: "green",
    RecordKind.FAULT: "magenta",
    RecordKind.JOB: "magenta",
}


def _printable(line: str) -> str:
    """Foreign text cannot move our cursor or colour our terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)


def _time_ms(text: str | None) -> int | None:
    """An ISO time (UTC unless it says otherwise), or how long ago; what lies before 1970 is 1970."""
    if text is None:
        return None
    try:
        ago = parse_duration_ms(text)
    except UnitError:
        pass
    else:
        from keeper.adapters.clock import SystemClock

        return max(0, SystemClock().now_ms() - ago)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise KeeperError(
            f"{text!r} is not a time", remedy="write 2026-03-01T12:00 (UTC), or 2h for two hours ago"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, (moment - EPOCH) // timedelta(milliseconds=1))  # exact; a float of seconds would not be
