"""Holds the checkpoints against the log: in the database, and as witnesses outside of it keep them.

Whoever can write the database can make its chain of hashes anew, or cut off its end. What was signed before does not fit then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

from keeper.adapters.audit.finding import CheckpointsSeen, Finding, WitnessSeen
from keeper.adapters.audit.log_reader import LogReader
from keeper.adapters.audit.times import from_iso
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint, from_document, is_well_formed, signed_by
from keeper.domain.errors import StoreUnavailable, UnitError
from keeper.domain.record import RecordKind

COLUMNS: Final = ("number", "seq", "head", "genesis", "at", "keeper", "chain_id", "signer", "prev", "signature")
_TYPES: Final = b"integer integer text text text text integer text text text"
_LONGEST_LINE: Final = 16_384
"""Bytes; a checkpoint has about 700."""


class CheckpointCheck:
    """For a log whose records were found good. ``signer`` is who must have signed (EIP-55), if that is known.

    ``grace_ms``: how long after its newest start a log may be without any checkpoint. ``last_seq`` is the number of the last record.
    Raises Finding at the first checkpoint that the log does not fit, or the other way round.
    """

    def __init__(self, log: LogReader, last_seq: int, signer: str | None = None, grace_ms: int = 0) -> None:
        self._log = log
        self._last_seq = last_seq
        self._genesis = log.hash_of(1) if last_seq else None
        self._wanted = signer
        self._grace_ms = grace_ms
        self._signers: list[str] = []
        """Of the table, in order."""

    def database(self) -> CheckpointsSeen:
        """The table ``checkpoints``."""
        # ascending in any case: what is not numbered as it should be is met where it stands
        rows = self._log.rows("checkpoints", COLUMNS, order="number", holes=True)
        before: SignedCheckpoint | None = None
        while (row := rows.next(before.checkpoint.seq if before else 1)) is not None:
            signed = self._read(row, 1 + (before.checkpoint.number if before else 0))
            one = signed.checkpoint
            where = f"checkpoint {one.number}"
            self._signed(signed, where)
            if one.prev != (before.signature if before else ""):
                raise Finding("checkpoints", one.seq, f"{where} does not follow the one before it")
            if before and one.seq < before.checkpoint.seq:
                raise Finding("checkpoints", one.seq, f"{where} is of an earlier record than the one before it")
            self._fits(signed, where, after=before.checkpoint.seq if before else 0)
            before = signed
        if before is None:
            return CheckpointsSeen()
        one = before.checkpoint
        if self._wanted and one.signer != self._wanted:
            raise _foreign("checkpoints", before, f"checkpoint {one.number}", f"the keeper's signer is {self._wanted}")
        earlier = tuple(signer for signer in self._signers if signer != one.signer)
        return CheckpointsSeen(one.number, one.seq, one.at, one.signer, self._wanted is not None, earlier)

    def witness(self, path: Path, size: int) -> WitnessSeen:
        """A file of one JSON object a line, of which the first ``size`` bytes were there when the log was opened. After ``database``."""
        lines = after = 0
        torn: tuple[str, bytes] | None = None
        for number, line, ends in _lines(path, size):
            where = f"{path.name}, line {number}"
            signed = _checkpoint(line)
            if torn is not None and (signed is None or not line.startswith(torn[1])):
                raise Finding("witness", None, f"{torn[0]} is not a checkpoint")
            if signed is None:
                torn = where, line.rstrip(b"\n")
                if not ends:
                    break
                continue
            torn = None
            self._witnessed(signed, where, after)
            after = max(after, signed.checkpoint.seq)
            lines += 1
        else:
            if torn is not None:
                raise Finding("witness", None, f"{torn[0]} is not a checkpoint")
        return WitnessSeen(str(path), lines, torn is not None)

    def finish(self) -> None:
        """After the witnesses, which know what is missing: raises Finding for a log without any checkpoint of a signer who is known."""
        if self._wanted and not self._signers and not self._is_young():
            problem = f"there is no checkpoint at all, and {self._wanted} is to have signed some: they were taken out, or never made"
            raise Finding("checkpoints", None, problem)

    def _is_young(self) -> bool:
        """Whether the first checkpoint of whoever started last may still be to come."""
        if self._grace_ms <= 0:
            return False
        try:
            started, last = (from_iso(self._log.newest_at(kind) or "") for kind in (RecordKind.START.value, None))
        except ValueError:
            return self._last_seq == 0
        return last - started <= self._grace_ms

    def _witnessed(self, signed: SignedCheckpoint, where: str, after: int) -> None:
        one = signed.checkpoint
        by = _signer_of("witness", signed, where)
        if self._wanted and by not in (self._wanted, *self._signers):
            raise _foreign("witness", signed, where, f"the keeper's signer is {self._wanted}")
        # where nobody says which key is the keeper's, what does not fit says more than that there are two
        self._fits(signed, where, after)
        if self._signers and by not in (self._wanted, *self._signers):
            raise _foreign("witness", signed, where, f"the database's are signed by {self._signers[-1]}")
        kept = self._log.signature_of(one.number)
        if kept is None:
            problem = (
                f"{where} is checkpoint {one.number}, which the database does not hold: checkpoints were taken out"
            )
            raise Finding("checkpoints", one.seq, problem)
        if kept != signed.signature:
            problem = f"{where} is another checkpoint {one.number} than the database's: there were two logs"
            raise Finding("checkpoints", one.seq, problem)

    def _read(self, row: tuple[Any, ...], number: int) -> SignedCheckpoint:
        types, values = row[0], row[1:]
        seq = values[1] if isinstance(values[1], int) else None
        if types != _TYPES:
            raise Finding("checkpoints", seq, f"checkpoint {number}: a column has another type than the keeper writes")
        if values[0] != number:
            raise Finding("checkpoints", seq, f"checkpoint {number} is missing; the next one is numbered {values[0]}")
        try:
            texts: list[Any] = [str(value, "utf-8") if isinstance(value, bytes) else value for value in values]
        except UnicodeDecodeError:
            raise Finding("checkpoints", seq, f"checkpoint {number}: a column is not UTF-8") from None
        return SignedCheckpoint(Checkpoint(*texts[:-1]), texts[-1])

    def _signed(self, signed: SignedCheckpoint, where: str) -> None:
        """An identity may be followed by another one; which one is the last, only somebody else can say."""
        by = _signer_of("checkpoints", signed, where)
        if self._signers[-1:] == [by]:
            return
        if self._signers and (not self._wanted or self._wanted in self._signers):
            whose = "the keeper's signer is" if self._wanted else "the ones before are signed by"
            raise _foreign("checkpoints", signed, where, f"{whose} {self._wanted or self._signers[-1]}")
        self._signers.append(by)

    def _fits(self, signed: SignedCheckpoint, where: str, after: int) -> None:
        """``after`` is the last record up to which the log fits what was signed before."""
        one = signed.checkpoint
        if self._genesis is None:
            raise Finding("records", 1, f"the log is empty, and {where} saw {one.seq} records")
        if one.genesis != self._genesis:
            problem = f"record 1 is not the one that {where} saw: this is another log, or it was made anew as a whole"
            raise Finding("records", 1, problem)
        if one.seq > self._last_seq:
            first = self._last_seq + 1
            which = f"record {first} is" if first == one.seq else f"records {first} to {one.seq} are"
            raise Finding("records", first, f"{which} missing: {where} saw them")
        if self._log.hash_of(one.seq) != one.head:
            first = min(after + 1, one.seq)
            since = "" if first == one.seq else f"; what changed lies in records {first} to {one.seq}"
            problem = f"record {one.seq} is not the one that {where} saw: the log was made anew{since}"
            raise Finding("records", one.seq, problem)


def _foreign(table: str, signed: SignedCheckpoint, where: str, other: str) -> Finding:
    one = signed.checkpoint
    return Finding(table, one.seq, f"{where} is signed by {one.signer}, {other}")


def _checkpoint(line: bytes) -> SignedCheckpoint | None:
    try:
        document = json.loads(line)
        return from_document(document if isinstance(document, Mapping) else {})
    except (ValueError, RecursionError):
        return None


def _signer_of(table: str, signed: SignedCheckpoint, where: str) -> str:
    try:
        by = signed_by(signed)
    except UnitError as error:
        raise Finding(table, signed.checkpoint.seq, f"{where} was changed or forged: {error.message}") from None
    if by != signed.checkpoint.signer or not is_well_formed(signed.checkpoint):
        problem = f"{where} was changed or forged: its signature does not fit what it says"
        raise Finding(table, signed.checkpoint.seq, problem)
    return by


@dataclass(frozen=True, slots=True)
class WitnessFile:
    """``size`` is how long it was before the log was opened: what is added later may be of records that came later."""

    path: Path
    size: int


def witness_file(path: Path) -> WitnessFile:
    """Raises StoreUnavailable for a file that is not there, cannot be read, or is none: whoever opens a pipe waits for ever."""
    try:
        seen = path.stat()
        if not S_ISREG(seen.st_mode):
            raise StoreUnavailable(f"the witness {path} is no regular file", remedy="look at the path")
        return WitnessFile(path, seen.st_size)
    except OSError as error:
        raise StoreUnavailable(
            f"the witness {path} cannot be read: {error.strerror}", remedy="look at the path"
        ) from None


def _lines(path: Path, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """(number, line, whether it ends). Raises StoreUnavailable."""
    try:
        with path.open("rb") as file:
            number = 0
            while size > 0 and (line := file.readline(min(size, _LONGEST_LINE))):
                size -= len(line)
                number += 1
                if line.strip():
                    yield number, line, line.endswith(b"\n") or len(line) >= _LONGEST_LINE
    except OSError as error:
        raise StoreUnavailable(
            f"the witness {path} cannot be read: {error.strerror}", remedy="look at the path"
        ) from None
