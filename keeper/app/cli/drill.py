"""``keeper drill``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.domain.errors import AuditError, KeeperError

if TYPE_CHECKING:
    from keeper.app.drill.plan import Asked
    from keeper.app.drill.report import DrillReport
    from keeper.config.model import Config

FOLDER = Path("drills")
"""Where reports go that nobody gave a name."""


def run(output: Output, config: str, asked: Asked, fork: str | None, report: Path | None) -> int:
    """One drill; FOUND when it did not pass. Raises KeeperError for what cannot begin."""
    from keeper.config import load

    logs.set_up(output.verbosity if output.verbosity else -1)
    loaded = load(config)
    _can_write(report or FOLDER / "report")  # minutes of work should not end in this
    with TemporaryDirectory(prefix="keeper-drill-") as folder:
        done = asyncio.run(_drill(output, loaded, asked, fork, Path(folder)))
    recorded = asyncio.run(_record(loaded, done))
    written = report or FOLDER / f"{done.document()['at']!s:.19}.md".replace(":", "")
    _write(written, done)
    output.document({**done.document(), "report": str(written), "record": recorded})
    _print(output, done, written, recorded)
    return Exit.DONE if done.ok else Exit.FOUND


def asked_for(
    market: str, rule: str, source: str, factor: str, *, in_source: bool, block_s: float, patience_s: float
) -> Asked:
    """Raises KeeperError for a factor that is no number."""
    from keeper.app.drill.plan import Asked

    try:
        number = Decimal(factor) if factor else None
    except InvalidOperation:
        number = Decimal("nan")
    if number is not None and not (number.is_finite() and 0 <= number <= 1_000_000):
        raise KeeperError(
            f"--factor {factor!r:.20} is not a number from 0 to 1000000", remedy="write 0.9 for a fall by a tenth"
        )
    return Asked(market, rule, source, number, in_source, block_s, patience_s)


async def _drill(output: Output, config: Config, asked: Asked, fork: str | None, folder: Path) -> DrillReport:
    from keeper.app.drill.fork_drill import drill

    return await drill(config, asked, folder, output.say, fork)


async def _record(config: Config, report: DrillReport) -> int | None:
    """In the operator's own log, beside a keeper that may be running; its number, None where there is no log to write to."""
    from keeper.adapters.audit.store import SqlAuditStore

    try:
        store = await SqlAuditStore.open(config.audit.url.reveal(), create=True)
    except AuditError:
        return None
    try:
        (record,) = await store.append([report.record()])
    except AuditError:
        return None
    finally:
        await store.close()
    return record.seq


def _can_write(path: Path) -> None:
    """Leaves nothing behind but the folder. Raises KeeperError."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        path.open("a", encoding="utf-8").close()
        if new:
            path.unlink()


def _write(path: Path, report: DrillReport) -> None:
    import json

    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.document(), indent=2) + "\n" if path.suffix == ".json" else report.markdown()
        path.write_text(text, encoding="utf-8")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeeperError(f"cannot write {path}: {error.strerror}", remedy="name another file with --report") from None


def _print(output: Output, report: DrillReport, written: Path, recorded: int | None) -> None:
    from keeper.app.drill.report import STAGES, in_order

    for one in report.actions:
        output.say(f"  {one.action}: {one.outcome}" + (f" in block {one.block}" if one.block else ""), "bold")
        for stage, ms in in_order(one.stages_ms):
            output.say(f"    {ms:>9.1f} ms  {STAGES.get(stage, stage)}")
        output.say(f"    effect {one.before} -> {one.after}, restored to {one.restored}")
    for part, why in report.left_out.items():
        output.say(f"  not drilled: {part}: {why}", "dim")
    output.say(
        f"report: {written}"
        + (f"; record {recorded} of the log" if recorded is not None else "; NOT in the log, which cannot be written")
    )
    if report.ok:
        output.say("passed", "bold green")
    else:
        output.say(f"FAILED: {report.problem}", "bold red")
        output.say(f"-> {report.remedy}")
