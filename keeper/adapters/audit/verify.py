"""Verifies a log without trusting anything in it: not the types, not the encoding, not the indexes, not the schema.

What no look at the records alone can find, records cut off at the end and a log rewritten as a whole, the checkpoints show; and where
these were cut off or made anew too, the witnesses outside of the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from keeper.adapters.audit.ahead import read_back, written_ahead
from keeper.adapters.audit.checkpoint_check import CheckpointCheck, WitnessFile, witness_file
from keeper.adapters.audit.evidence_check import EvidenceCheck
from keeper.adapters.audit.finding import CheckpointsSeen, EvidenceSeen, Finding, Verification, WitnessSeen
from keeper.adapters.audit.journal import Change
from keeper.adapters.audit.location import sqlite_file, without_password
from keeper.adapters.audit.log_reader import LogReader, Proof
from keeper.adapters.audit.projection_check import ProjectionCheck
from keeper.adapters.audit.record_check import RecordCheck
from keeper.adapters.audit.record_sweep import RecordSweep, Unproven
from keeper.adapters.audit.sqlite_log import SqliteLog
from keeper.adapters.audit.sqlite_reader import open_read_only
from keeper.adapters.audit.statements import Statements
from keeper.domain.errors import StoreUnavailable

__all__ = ["Known", "Verification", "verify", "verify_newest"]

_LOCK_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known from elsewhere: whose checkpoints these must be (EIP-55), witnesses' files, and the folder of archived evidence.

    With a signer a log without checkpoints is a Finding, unless it ends within ``grace_ms`` after its newest start.
    """

    signer: str | None = None
    witnesses: tuple[Path, ...] = ()
    archive: Path | None = None
    grace_ms: int = 0


_OF_RECORDS: Final = ("records", "intents", "attempts", "evidence", "archived")
_NOTHING: Final = Known()


@dataclass(slots=True)
class _Seen:
    """How far a look came."""

    check: RecordCheck
    checkpoints: CheckpointsSeen = field(default_factory=CheckpointsSeen)
    evidence: EvidenceSeen = field(default_factory=EvidenceSeen)
    witnesses: tuple[WitnessSeen, ...] = ()
    warnings: list[str] = field(default_factory=list)

    def verdict(self) -> Verification:
        return Verification(
            True,
            self.check.good,
            self.check.head,
            checkpoints=self.checkpoints,
            evidence=self.evidence,
            witnesses=self.witnesses,
            warnings=tuple(self.warnings),
        )


def verify(url: str, known: Known = _NOTHING) -> Verification:
    """Reads the whole log, in constant memory: schema and triggers, every record's number, link, hash and form, every row of the
    journal against what the records say, evidence, checkpoints, and what the database says of its own structure.

    A damaged file is a finding, not an error. Raises StoreNotMigrated when there is no log at all, StoreUnavailable when it, or a
    witness, cannot be read.
    """
    # before the log: so that nothing in them is newer than what is seen of it
    witnesses = [witness_file(path) for path in known.witnesses]
    return _verdict(url, lambda log, seen: _look_at_all(log, seen, known, witnesses))


def verify_newest(url: str, count: int = 1_000) -> Verification:
    """The cheap look of the housekeeping: numbers, links, hashes and forms of the newest ``count`` records.

    ``records`` is how many of them are good. Reads on a connection of its own; findings and errors as ``verify``.
    """
    return _verdict(url, lambda log, seen: _look_at_newest(log, seen, count))


def _verdict(url: str, look: Callable[[LogReader, _Seen], None]) -> Verification:
    with opened(url) as log:
        seen = _Seen(RecordCheck(log))
        try:
            look(log, seen)
        except Finding as finding:
            return replace(
                seen.verdict(), ok=False, first_bad=finding.first_bad, problem=finding.problem, table=finding.table
            )
        return seen.verdict()


@contextmanager
def opened(url: str) -> Iterator[LogReader]:
    """The log in one snapshot, however long it takes and whoever writes meanwhile."""
    path = sqlite_file(url)
    if path is None:
        from keeper.adapters.audit.postgres_log import opened  # the driver, for whom it concerns

        with opened(url, _LOCK_MS) as found:
            yield found
        return
    connection = open_read_only(path)
    try:
        connection.execute("BEGIN")
        yield SqliteLog(connection, path)
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"{without_password(url)}: {error}", remedy="try again when nobody holds it") from None
    finally:
        connection.close()


def _look_at_all(log: LogReader, seen: _Seen, known: Known, witnesses: list[WitnessFile]) -> None:
    try:
        seen.warnings += [f"not looked at: {what}" for what in log.check_schema()]
    except Finding as schema:
        raise _with_the_records(log, seen, known, schema) from None
    log.check_version()
    _look_at_records(log, seen, known)
    _look_ahead(log, seen)
    checkpoints = CheckpointCheck(log, seen.check.seq, known.signer, known.grace_ms)
    seen.checkpoints = checkpoints.database()
    for witness in witnesses:
        seen.witnesses = (*seen.witnesses, checkpoints.witness(witness.path, witness.size))
    checkpoints.finish()


def _with_the_records(log: LogReader, seen: _Seen, known: Known, schema: Finding) -> Finding:
    """Whoever took a trigger away did it for a record: that is named first, if the schema still lets it be found."""
    if "trigger" not in schema.problem:
        return schema
    try:
        _look_at_records(log, seen, known)
    except Finding as finding:
        if finding.table in _OF_RECORDS:
            return Finding(finding.table, finding.first_bad, f"{finding.problem}; besides, {schema.problem}")
    except StoreUnavailable:
        pass
    except log.errors:
        pass
    return schema


def _look_at_records(log: LogReader, seen: _Seen, known: Known) -> None:
    with log.prove() as proof:
        if _proven_good(log, seen, known, proof):
            return
        evidence = EvidenceCheck(log, known.archive)
        check = seen.check = RecordCheck(log, evidence)
        try:
            _hold_together(log, check.changes())
        except Finding:
            evidence.settle()  # what is missing of earlier records comes first
            raise
        seen.evidence = evidence.finish()
        proof.explain()


def _look_ahead(log: LogReader, seen: _Seen) -> None:
    """What is not in its tables yet follows the last record, and is as it was written."""
    for row in log.ahead():
        try:
            ready, records, _ = read_back(row, Statements("?"))
        except StoreUnavailable as error:
            raise Finding("ahead", None, error.message) from None
        if (written := written_ahead(ready, seen.check.seq, seen.check.head)) is None or written[1] != row:
            raise Finding("ahead", None, f"what it holds is not what would follow record {seen.check.seq}")
        seen.warnings.append(
            f"{len(records)} more records, from {row[0]} on, are durable and not in their tables yet: they get there within moments, "
            "or when a keeper that was killed starts again"
        )


def _proven_good(log: LogReader, seen: _Seen, known: Known, proof: Proof) -> bool:
    """Whether a quick pass over everything shows that there is nothing to be found; if not, it says nothing."""
    evidence = EvidenceCheck(log, known.archive)
    sweep = RecordSweep(log, evidence, parses=not proof.reads_json)
    try:
        _hold_together(log, sweep.changes())
        found = evidence.finish()
        if not proof.holds(sweep.seq):
            return False
    except (Unproven, Finding, TypeError, ValueError, RecursionError):
        return False
    except log.errors:
        log.renew()
        return False
    seen.check.take_all(sweep.seq, sweep.head)
    seen.evidence = found
    return True


def _hold_together(log: LogReader, changes: Iterable[tuple[int, Change]]) -> None:
    """The rows of the journal against what the records say."""
    projection = ProjectionCheck(log)
    for seq, change in changes:
        projection.feed(change, seq)
    projection.finish()


def _look_at_newest(log: LogReader, seen: _Seen, count: int) -> None:
    log.check_version()
    seen.check.start_after(max(0, log.last() - count))
    for _ in seen.check.changes():
        pass
