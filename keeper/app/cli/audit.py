"""``keeper audit``: printing and verifying the log. Needs the database only: no node, no key, no other part of the configuration.

``verify --on-chain`` needs the nodes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keeper.app.cli.log_formats import as_document, write
from keeper.app.cli.nothing_yet import log_exists, remedy, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError, UnitError
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.units import parse_duration_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TABLE = "table"
MORE = "; more with --limit or --cursor"

CHANGED = (
    "somebody or something changed what was written: keep a copy of the database file and of the -wal file beside it as they are, "
    "and compare with a backup or an exported log"
)
DAMAGED = (
    "keep a copy of the database file and of the -wal file beside it as they are; a disk, a copy or a person damaged it. "
    "Take a backup that verifies, or write what can be read into a new file, sqlite3 keeper.db \"VACUUM INTO 'new.db'\", and verify that"
)


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
    records = list(page_sync(url, query))
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
        output.say(f"the log is empty; {remedy(config)}" if empty else "no records fit")
    else:
        evidence = asked.incident is not None or output.verbosity > 0
        _print_table(output, records, ticks=asked.ticks or bool(asked.kinds), evidence=evidence)
        if more:
            output.say(f"({counted(query.limit, 'record')} shown{MORE})", "dim")
    return Exit.DONE


def verify(output: Output, config: str, *, on_chain: bool) -> int:
    """The verdict on the whole log; FOUND when it is broken, or not there yet. A log that holds is held against the chain where asked to."""
    from keeper.adapters.audit.verify import verify as verify_log
    from keeper.app.cli.on_chain import compare, document_of, exit_of
    from keeper.app.cli.on_chain import say as say_of_chain
    from keeper.config import audit_url

    url = audit_url(config)
    if not log_exists(url):
        return say_so(output, config)
    verdict = verify_log(url)
    advice = "" if verdict.ok else DAMAGED if verdict.problem.startswith("the file is damaged") else CHANGED
    if verdict.ok:
        output.say(f"ok: {counted(verdict.records, 'record')}, every hash and link holds, head {verdict.head}", "green")
    report = compare(output, config, url) if on_chain and verdict.ok else None
    output.document(
        {
            "ok": verdict.ok and (report is None or report.ok),
            "records": verdict.records,
            "head": verdict.head,
            "first_bad": verdict.first_bad,
            "table": verdict.table,
            "problem": verdict.problem,
            "remedy": advice,
        }
        | ({"on_chain": None if report is None else document_of(report)} if on_chain else {})
    )
    if report is not None:
        say_of_chain(output, report)
        return exit_of(report)
    if verdict.ok:
        return Exit.DONE
    place = f"record {verdict.first_bad}" if verdict.first_bad is not None else f"the database ({verdict.table})"
    whole = f"{counted(verdict.records, 'record')} from the first on {'is' if verdict.records == 1 else 'are'} whole"
    output.say(f"{whole}, up to head {verdict.head}")
    output.say(f"BROKEN at {place}: {verdict.problem}", "bold red")
    output.say(f"  -> {advice}")
    if on_chain:
        output.say("not compared with the chain: the log itself is broken")
    return Exit.FOUND


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
