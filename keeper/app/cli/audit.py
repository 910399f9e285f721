"""``keeper audit CONFIG log``: printing the log. Needs the database only: no node, no key, no other part of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from keeper.app.cli.log_formats import as_document, write
from keeper.app.cli.log_times import time_ms
from keeper.app.cli.nothing_yet import log_exists, remedy, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError
from keeper.domain.record import Record, RecordKind, RecordQuery

TABLE = "table"
MORE = "; more with --limit or --cursor"


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
            since_ms=time_ms(self.since),
            until_ms=time_ms(self.until),
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
        return (
            () if self.ticks else tuple(kind for kind in RecordKind if kind not in (RecordKind.TICK, RecordKind.STATE))
        )


def print_log(output: Output, config: str, asked: LogQuery, form: str, file: Path | None) -> int:
    """The records that fit, on standard output or in a new file; FOUND when there is no log yet.

    Raises ConfigurationError, StoreUnavailable, StoreNotMigrated, and KeeperError for a file that cannot be written.
    """
    from keeper.adapters.audit.reading import page_sync
    from keeper.config import audit_url

    if file is None and output.as_json and form != TABLE:
        raise KeeperError(
            f"--json and --format {form} are two forms of one output", remedy="leave one out, or add --output FILE"
        )
    if file is not None and form == TABLE:
        raise KeeperError("a table is for the screen", remedy="add --format csv, jsonl or parquet")
    query = asked.to_query()
    url = audit_url(config)
    if not log_exists(url):
        return say_so(output, config)
    records, nothing = _found(partial(page_sync, url), query)
    if query.newest_first:
        records.reverse()
    more = len(records) == query.limit
    cursor = records[-1].seq if more and not query.newest_first else None
    if file is not None:
        write(records, form, file)
        output.say(f"wrote {counted(len(records), 'record')} to {file}{MORE if more else ''}")
        output.document({"ok": True, "file": str(file), "records": len(records), "next_cursor": cursor})
    elif output.as_json:
        output.document({"records": [as_document(record) for record in records], "next_cursor": cursor})
    elif form != TABLE:
        write(records, form, None)
    elif not records:
        empty = not page_sync(url, RecordQuery(limit=1))
        output.say(f"the log is empty; {remedy(config)}" if empty else f"no records fit{nothing}")
    else:
        evidence = asked.incident is not None or output.verbosity > 0
        _print_table(output, records, ticks=asked.ticks or bool(asked.kinds), evidence=evidence)
        if more:
            output.say(f"({counted(query.limit, 'record')} shown{MORE})", "dim")
    return Exit.DONE


def _found(page: Callable[[RecordQuery], Sequence[Record]], query: RecordQuery) -> tuple[list[Record], str]:
    """The records; where there are none, those of the name that was meant, or in words which names there are."""
    if records := list(page(query)):
        return records, ""
    from keeper.app.cli.meant import meant_instead  # names are looked for only by who found nothing

    instead, nothing = meant_instead(page, query)
    return ([], nothing) if instead is query else (list(page(instead)), nothing)


def _print_table(output: Output, records: Sequence[Record], *, ticks: bool, evidence: bool) -> None:
    # the words for people are not waited for by who asks for lines of JSON
    from keeper.app.cli.evidence_lines import evidence_lines
    from keeper.app.cli.summaries import summary

    width = max(len(str(record.seq)) for record in records)
    for record in records:
        line = " | ".join(summary(record).splitlines())
        output.say(f"{record.seq:>{width}}  {record.at}  {record.kind.value:<13} {line}", STYLES.get(record.kind))
        for each in evidence_lines(record) if evidence else ():
            output.say(f"{'':>{width}}    {each}")
    if not ticks:
        output.say("(the records of evaluated blocks are left out; --ticks shows them)", "dim")


STYLES = {
    RecordKind.INCIDENT: "red",
    RecordKind.DECISION: "yellow",
    RecordKind.EFFECT: "green",
    RecordKind.FAULT: "magenta",
    RecordKind.JOB: "magenta",
}
