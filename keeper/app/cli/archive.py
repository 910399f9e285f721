"""``keeper audit archive``: what the retention of the configuration asks for, now and by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.app.retention import Report
from keeper.config.audit import RetentionConfig
from keeper.domain.errors import KeeperError


def archive(output: Output, config: str, *, dry_run: bool) -> int:
    """Moves old evidence into files; FOUND when a file that the log names is not as it says.

    Raises ConfigurationError, StoreUnavailable, StoreNotMigrated, and KeeperError where nothing says what to keep.
    """
    from keeper.adapters.audit.reading import page_sync
    from keeper.config import audit_settings
    from keeper.domain.record import RecordQuery

    settings = audit_settings(config)
    if settings.retention is None:
        raise KeeperError(
            "the configuration does not say how long evidence is kept",
            remedy="add audit.retention: {keep: 30d, archive: FOLDER}",
        )
    url = settings.url.reveal()
    if not log_exists(url):
        return say_so(output, config)
    page_sync(url, RecordQuery(limit=1))  # an older schema is never written to
    done = asyncio.run(_run(url, settings.retention, dry_run))
    output.document(
        {
            "ok": not done.problems,
            "dry_run": dry_run,
            "records": done.count,
            "bytes": done.size,
            "files": done.files,
            "stayed": done.stayed,
            "finished": done.finished,
            "interrupted": done.interrupted,
            "problems": done.problems,
        }
    )
    _say(output, done, settings.retention, dry_run)
    return Exit.FOUND if done.problems else Exit.DONE


async def _run(url: str, kept: RetentionConfig, dry_run: bool) -> Report:
    from keeper.adapters.audit.archiving import SqlRetention
    from keeper.adapters.clock import SystemClock
    from keeper.app.retention import Archiving

    retention = SqlRetention(url)
    try:
        return await Archiving(retention, SystemClock(), Path(kept.archive), kept.keep_ms).run(dry_run=dry_run)
    except OSError as error:
        raise KeeperError(
            f"{kept.archive} cannot be written to: {error.strerror or error}", remedy="look at audit.retention.archive"
        ) from None
    finally:
        retention.close()


def _say(output: Output, done: Report, kept: RetentionConfig, dry_run: bool) -> None:
    moved = f"the evidence of {counted(done.count, 'record')} ({done.size / 1e6:.1f} MB)"
    if dry_run:
        output.say(f"{moved} would move to {kept.archive}" if done.count else "nothing is old enough to move")
    elif done.count:
        output.say(f"{moved} moved to {kept.archive}:", "green")
        for name in done.files:
            output.say(f"  {name}")
    else:
        output.say("nothing was old enough to move")
    if done.finished:
        output.say(
            f"an earlier run was cut off: {counted(done.finished, 'piece')} of evidence that it had archived let go"
        )
    if done.stayed:
        output.say(
            f"{done.stayed} as old stay in the database: around incidents, or what a keeper that starts again goes on from"
        )
    if done.interrupted:
        output.say("another process archives too: run this again", "yellow")
    for problem in done.problems:
        output.say(f"NOT LET GO: {problem}", "bold red")
    if done.problems:
        output.say("  -> put back the file that the log names; until then its evidence stays in the database too")
