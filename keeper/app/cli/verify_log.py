"""``keeper audit CONFIG verify``: the verdict on a log, on its checkpoints, and on what witnesses outside of it hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.domain.address import checksum_address, parse_address
from keeper.domain.errors import KeeperError, OutsideError, UnitError

if TYPE_CHECKING:
    from keeper.adapters.audit.finding import Verification
    from keeper.app.onchain import Report
    from keeper.config.audit import AuditConfig

CHANGED = (
    "somebody or something changed what was written: keep a copy of the database file and of the -wal file beside it as they are, "
    "and compare with a backup or an exported log"
)
CHANGED_ON_SERVER = (
    "somebody or something changed what was written: keep a copy of the database as it is (pg_dump, better the server's files), "
    "and compare with a backup or an exported log"
)
DAMAGED = (
    "keep a copy of the database file and of the -wal file beside it as they are; a disk, a copy or a person damaged it. "
    "Take a backup that verifies, or write what can be read into a new file, sqlite3 keeper.db \"VACUUM INTO 'new.db'\", and verify that"
)
DAMAGED_ON_SERVER = (
    "keep a copy of the server's files as they are, and look at its log and its disks; take a backup that verifies"
)
WITNESSED = (
    "ask who keeps the witness whether its file was changed. If not, the log was: keep a copy of both as they are, and compare with a backup "
    "or an exported log"
)
PERIODS: Final = 3
"""How many checkpoints may be late before it is said, or before a log without any is broken."""
USUAL_MS: Final = 600_000
"""Between two checkpoints, for who knows the signer and not the period."""


def verify(
    output: Output,
    config: str,
    *,
    on_chain: bool,
    witnesses: Sequence[Path] = (),
    signer: str | None = None,
    keys: Sequence[str] = (),
) -> int:
    """The verdict on the whole log; FOUND when it is broken, or not there yet. A log that holds is held against the chain where asked to.

    Raises ConfigurationError, StoreUnavailable, StoreNotMigrated, and KeeperError for a signer that is no address.
    """
    from keeper.adapters.audit.verify import Known
    from keeper.adapters.audit.verify import verify as verify_log
    from keeper.app.cli.on_chain import compare, document_of, exit_of
    from keeper.app.cli.on_chain import say as say_of_chain
    from keeper.config import audit_settings

    settings = audit_settings(config)
    url = settings.url.reveal()
    files, missing = _witnesses(settings, witnesses)
    if not log_exists(url):
        return _gone(output, url, files) if any(map(_has_lines, files)) else say_so(output, config)
    archive = Path(settings.retention.archive) if settings.retention is not None else None
    verdict = verify_log(url, Known(_signer(settings, signer), files, archive, _grace_ms(settings, signer)))
    warnings = [*verdict.warnings, *missing, *_warnings(verdict, settings, url)]
    advice = "" if verdict.ok else _advice(verdict, url, signer)
    if verdict.ok:
        output.say(f"ok: {counted(verdict.records, 'record')}, every hash and link holds, head {verdict.head}", "green")
        _say_more(output, verdict)
    report, silent = None, None
    try:
        report = compare(output, config, url, keys) if on_chain and verdict.ok else None
    except OutsideError as error:
        silent = error  # what the log says of itself is said all the same
    output.document(
        {
            "ok": verdict.ok and silent is None and (report is None or report.ok),
            "records": verdict.records,
            "head": verdict.head,
            "first_bad": verdict.first_bad,
            "table": verdict.table,
            "problem": verdict.problem,
            "remedy": advice,
            "warnings": list(warnings),
        }
        | _more(verdict)
        | ({"on_chain": _of_chain(report, silent, document_of)} if on_chain else {})
    )
    for warning in warnings:
        output.say(f"warning: {warning}", "yellow")
    if silent is not None:
        output.error(silent.message, silent.remedy)
        return Exit.OUTSIDE
    if report is not None:
        say_of_chain(output, report)
        return exit_of(report)
    if verdict.ok:
        return Exit.DONE
    place = f"record {verdict.first_bad}" if verdict.first_bad is not None else f"the database ({verdict.table})"
    if verdict.first_bad is None and verdict.table == "witness":
        place = "a witness"
    whole = f"{counted(verdict.records, 'record')} from the first on {'is' if verdict.records == 1 else 'are'} whole"
    output.say(f"{whole}, up to head {verdict.head}")
    output.say(f"BROKEN at {place}: {verdict.problem}", "bold red")
    output.say(f"  -> {advice}")
    if on_chain:
        output.say("not compared with the chain: the log itself is broken")
    return Exit.FOUND


def _of_chain(
    report: Report | None, silent: OutsideError | None, document: Callable[[Report], dict[str, object]]
) -> dict[str, object] | None:
    """The key ``on_chain``; None where the log itself is broken and the chain was not asked."""
    if silent is not None:
        return {"ok": False, "complete": False, "error": {"message": silent.message, "remedy": silent.remedy}}
    return None if report is None else document(report)


def _has_lines(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _gone(output: Output, url: str, files: Sequence[Path]) -> int:
    """A witness saw a log, and there is none: the keeper was not just never started."""
    from keeper.adapters.audit.location import without_password

    seen = ", ".join(str(file) for file in files if _has_lines(file))
    output.failed(
        f"there is no log at {without_password(url)}, and the witness {seen} saw one",
        "somebody or something took the database away: look at `audit.url`, then for a backup or an exported log",
    )
    return Exit.FOUND


def _advice(verdict: Verification, url: str, signer: str | None) -> str:
    file = url.startswith("sqlite")
    if signer is not None and verdict.table == "checkpoints":
        return f"look first whether --signer is the right address; if it is, {CHANGED if file else CHANGED_ON_SERVER}"
    if verdict.table == "witness":
        return WITNESSED
    if verdict.problem.startswith(("the file is damaged", "the database is damaged")):
        return DAMAGED if file else DAMAGED_ON_SERVER
    return CHANGED if file else CHANGED_ON_SERVER


def _signer(settings: AuditConfig, asked: str | None) -> str | None:
    """Whose checkpoints these must be, as far as anybody says: the command line, the configuration, or the identity's keystore."""
    if asked is not None:
        try:
            return checksum_address(parse_address(asked))
        except UnitError as error:
            raise KeeperError(f"--signer: {error.message}", remedy=error.remedy) from None
    if settings.signer is not None or settings.checkpoints is None:
        return settings.signer
    # a keystore says its address to everybody who can read it, a key file only to who may know the key
    path = Path(settings.checkpoints.identity.path)
    try:
        text = path.read_text() if hasattr(settings.checkpoints.identity, "password") else "{}"
        document = json.loads(text)
        address = document.get("address") if isinstance(document, dict) else None
        return checksum_address(bytes.fromhex(str(address).removeprefix("0x"))) if address else None
    except (OSError, ValueError, RecursionError, UnitError):
        return None


def _grace_ms(settings: AuditConfig, asked: str | None) -> int:
    """How long after its start a keeper may have made no checkpoint; who asks for a signer has seen one."""
    if asked is not None:
        return 0
    return PERIODS * (settings.checkpoints.every_ms if settings.checkpoints is not None else USUAL_MS)


def _witnesses(settings: AuditConfig, asked: Sequence[Path]) -> tuple[tuple[Path, ...], list[str]]:
    """The files to compare with, and what is to be said of those that are not there. One that was asked for must be."""
    from keeper.config.audit import FileWitness

    files, missing = list(asked), []
    for witness in settings.checkpoints.witnesses if settings.checkpoints is not None else ():
        if not isinstance(witness, FileWitness):
            continue
        path = Path(witness.path)
        if path.exists():
            files.append(path)
        else:
            missing.append(f"not looked at: the witness {path} is not there")
    return tuple(dict.fromkeys(files)), missing


def _warnings(verdict: Verification, settings: AuditConfig, url: str) -> list[str]:
    found = []
    seen = verdict.evidence
    if verdict.ok and seen.files > seen.looked_into:
        left = f"{seen.files - seen.looked_into} of {counted(seen.files, 'archive file')}"
        found.append(f"not looked at: {left}, with {counted(seen.archived, 'reference')} of records into them in all")
    if verdict.checkpoints.earlier:
        earlier = ", ".join(verdict.checkpoints.earlier)
        found.append(f"older checkpoints are signed by {earlier}: was the identity changed then?")
    if verdict.ok and verdict.records and not verdict.checkpoints.count and _signer(settings, None) is not None:
        found.append(
            "no checkpoint yet of the signer that is configured: soon after the keeper's start one must be there"
        )
    if verdict.ok and settings.checkpoints is not None and verdict.records:
        found += _late(verdict, settings.checkpoints.every_ms, url)
    return found


def _late(verdict: Verification, every_ms: int, url: str) -> list[str]:
    from keeper.adapters.audit.reading import page_sync
    from keeper.adapters.audit.times import from_iso
    from keeper.domain.record import RecordQuery

    newest = page_sync(url, RecordQuery(limit=1, newest_first=True))[0]
    last = verdict.checkpoints.last_at or page_sync(url, RecordQuery(limit=1))[0].at
    try:
        late_ms = from_iso(newest.at) - from_iso(last)
    except ValueError:  # whoever signed it wrote no time
        return []
    if newest.seq <= verdict.checkpoints.last_seq or late_ms <= PERIODS * every_ms:
        return []
    what = (
        f"the last checkpoint is {late_ms // 60_000} minutes older than"
        if verdict.checkpoints.count
        else "there is no checkpoint before"
    )
    return [f"{what} record {newest.seq}, and one is to be made every {every_ms // 1000} s: does their job fail?"]


def _say_more(output: Output, verdict: Verification) -> None:
    seen = verdict.checkpoints
    if seen.count:
        whose = (
            "the keeper's signer"
            if seen.known
            else "compare this address with the keeper's: nothing here says whose it is (--signer, audit.signer)"
        )
        output.say(f"  {counted(seen.count, 'checkpoint')} up to record {seen.last_seq} ({seen.last_at})")
        output.say(f"  signed by {seen.signer}: {whose}")
    elif verdict.records:
        output.say("  no checkpoints: nothing here shows whether the end was cut off, or all of it made anew")
    for witness in verdict.witnesses:
        torn = "; its last line is torn" if witness.torn else ""
        output.say(f"  witness {witness.file}: {counted(witness.lines, 'checkpoint')}, all of this log{torn}")
    evidence = verdict.evidence
    if evidence.kept or evidence.archived:
        away = f", {evidence.archived} archived in {counted(evidence.files, 'file')}" if evidence.files else ""
        output.say(f"  evidence: {evidence.kept} in the database{away}")


def _more(verdict: Verification) -> dict[str, object]:
    seen, evidence = verdict.checkpoints, verdict.evidence
    return {
        "checkpoints": {
            "count": seen.count,
            "last_seq": seen.last_seq,
            "last_at": seen.last_at,
            "signer": seen.signer,
            "signer_known": seen.known,
            "earlier_signers": list(seen.earlier),
        },
        "witnesses": [{"file": one.file, "checkpoints": one.lines, "torn": one.torn} for one in verdict.witnesses],
        "evidence": {
            "kept": evidence.kept,
            "archived": evidence.archived,
            "files": evidence.files,
            "files_looked_into": evidence.looked_into,
        },
    }
