"""``keeper audit CONFIG export DIR`` and ``keeper audit verify-export DIR``: a log as a folder that needs no database."""

from __future__ import annotations

from pathlib import Path

from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.cli.progress import Progress
from keeper.app.cli.typed import keeper_command, typed
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError, UnitError


def export(output: Output, config: str, folder: Path) -> int:
    """Writes the bundle; FOUND when there is no log yet, or one that does not hold together.

    Raises ConfigurationError, StoreUnavailable, StoreNotMigrated, and KeeperError for a folder that cannot be written.
    """
    from keeper import __version__
    from keeper.adapters.audit.times import to_iso
    from keeper.adapters.audit.verify import opened
    from keeper.adapters.clock import SystemClock
    from keeper.app.bundle.exporting import About, NotWhole
    from keeper.app.bundle.exporting import export as write
    from keeper.app.bundle.rows import LogRows
    from keeper.config import audit_settings

    settings = audit_settings(config)
    url = settings.url.reveal()
    if not log_exists(url):
        return say_so(output, config)
    name, chain_id = _name_and_chain(url)
    archive = Path(settings.retention.archive) if settings.retention is not None else None
    about = About(name, chain_id, to_iso(SystemClock().now_ms()), __version__, archive)
    progress = Progress(output)
    try:
        with opened(url) as log:
            log.check_version()
            rows = LogRows(log)
            missing_from = rows.missing_from()
            contents = write(rows, folder, about, progress.say)
    except NotWhole as error:
        output.failed(error.message, error.remedy)
        return Exit.FOUND
    finally:
        progress.end()
    output.document({"ok": True, "folder": str(folder.absolute()), **contents.document(), "missing_from": missing_from})
    counts = [
        counted(contents.records, "record"),
        counted(contents.evidence, "piece") + " of evidence",
        counted(contents.checkpoints, "checkpoint"),
    ]
    output.say(f"wrote {', '.join(counts)} to {folder}, head {contents.head}", "green")
    for missing in contents.missing_archives:
        output.say(f"NOT INCLUDED: the archive {missing} is not in the folder of `audit: retention: archive`", "yellow")
    if missing_from is not None:
        what = f"record {missing_from} and what was written with it: durable, but not in the tables yet"
        output.say(f"NOT INCLUDED: {what}; export again when the keeper has started", "yellow")
    if not contents.checkpoints:
        output.say("there are no checkpoints: who has only this cannot tell whether the end was cut off", "yellow")
    output.say("check it anywhere, with nothing but Python or with this program:")
    output.say(f"    python3 {typed(folder / 'verify.py')}")
    output.say(f"    {keeper_command()} audit verify-export {typed(folder)}")
    return Exit.DONE


def verify_export(output: Output, folder: Path, *, signer: str | None, witnesses: tuple[Path, ...]) -> int:
    """The verdict on a bundle; FOUND when it is broken. Raises KeeperError where there is none."""
    from keeper.app.bundle.checking import check

    progress = Progress(output)
    try:
        found = check(folder, signer=_address(signer), witnesses=witnesses, tell=progress.say)
    finally:
        progress.end()
    log, loaded = found.log, found.loaded
    checkpoints = log.checkpoints if log else None
    output.document(
        {
            "ok": found.ok,
            "problem": found.problem,
            "records": log.records if log else 0,
            "head": log.head if log else None,
            "first_bad": log.first_bad if log else None,
            "keeper": loaded.keeper if loaded else None,
            "evidence": loaded.evidence if loaded else 0,
            "archived": loaded.archived if loaded else 0,
            "checkpoints": checkpoints.count if checkpoints else 0,
            "signer": (checkpoints.signer or None) if checkpoints else None,
            "missing_archives": list(found.missing),
        }
    )
    if not found.ok:
        output.say(f"BROKEN: {found.problem}", "bold red")
        output.say("  -> ask for the bundle again, and compare with a copy that somebody else has")
        return Exit.FOUND
    assert log is not None, "a good bundle was looked at to its end"
    assert loaded is not None, "a good bundle was looked at to its end"
    whose = f" of the keeper {loaded.keeper}" if loaded.keeper else ""
    output.say(
        f"ok: {counted(log.records, 'record')}{whose}: every file, hash, link and table holds, head {log.head}", "green"
    )
    if found.missing:
        files = f"{counted(len(found.missing), 'archive')} with {counted(loaded.archived, 'piece')} of evidence in all"
        output.say(
            f"warning: not looked at: {files}; not in the bundle, as it says: {', '.join(found.missing)}", "yellow"
        )
    if log.checkpoints.count and signer is None:
        output.say(
            f"{counted(log.checkpoints.count, 'checkpoint')} signed by {log.checkpoints.signer}: compare this address, or give --signer"
        )
    elif log.checkpoints.count:
        output.say(f"{counted(log.checkpoints.count, 'checkpoint')} signed by {log.checkpoints.signer}, as you said")
    else:
        output.say("no checkpoints: nobody can tell from this alone whether the end was cut off", "yellow")
    return Exit.DONE


def _name_and_chain(url: str) -> tuple[str, int | None]:
    """Whose log it is, by its newest start."""
    from keeper.adapters.audit.reading import page_sync
    from keeper.domain.record import RecordKind, RecordQuery

    for start in page_sync(url, RecordQuery(kinds=(RecordKind.START,), newest_first=True, limit=1)):
        name, chain_id = start.body.get("name"), start.body.get("chain_id")
        return str(name), chain_id if isinstance(chain_id, int) else None
    return "", None


def _address(text: str | None) -> str | None:
    from keeper.domain.address import checksum_address, parse_address

    if text is None:
        return None
    try:
        return checksum_address(parse_address(text))
    except UnitError as error:
        raise KeeperError(f"--signer: {error.message}", remedy=error.remedy) from None
