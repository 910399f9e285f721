"""``keeper audit reproduce``: the decisions of one incident, made again from what the log holds.

Needs the database, and the folder of the archive where the evidence has moved there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.app.reproducing import Difference, Line, Reproduction, Verdict
from keeper.app.reproducing import reproduce as decide_again
from keeper.app.stretch import Page, own, pages
from keeper.domain.errors import KeeperError
from keeper.domain.record import RecordKind, RecordQuery

MOST_NAMED: Final = 8
"""Differences of one decision that are shown to people; the document has all."""
MOST_BLOCKS: Final = 3
MOST_INCIDENTS: Final = 5
COLOURS: Final = {Verdict.SAME: "green", Verdict.DIFFERS: "bold red", Verdict.CANNOT: "yellow"}
WORDS: Final = {Verdict.SAME: "same", Verdict.DIFFERS: "DIFFERS", Verdict.CANNOT: "CANNOT BE RECOMPUTED"}


def reproduce(output: Output, config: str, incident: str, archive: Path | None) -> int:
    """FOUND unless every decision and the incident's own beginning and end come out byte for byte as recorded.

    Raises ConfigurationError, StoreUnavailable, StoreNotMigrated, and KeeperError for an incident that the log does not know.
    """
    from keeper.adapters.audit.reading import page_sync
    from keeper.app.archive_reading import ArchiveReading
    from keeper.app.compiled import forget_outdated
    from keeper.app.recorded_engine import engines_of
    from keeper.config import audit_settings

    settings = audit_settings(config)
    url = settings.url.reveal()
    if not log_exists(url):
        return say_so(output, config)
    folder = archive or (Path(settings.retention.archive) if settings.retention is not None else None)
    page = partial(page_sync, url)
    name = named(page, incident)
    forget_outdated()
    done = decide_again(ArchiveReading(page, folder), name, own(page, name), engines_of(config))
    output.document(document_of(done))
    _say(output, done)
    return Exit.DONE if done.ok else Exit.FOUND


def named(page: Page, asked: str) -> str:
    """The incident that is meant: its whole name, or the beginning of one only. Raises KeeperError."""
    if asked and own(page, asked):
        return asked
    known = dict.fromkeys(str(one.incident) for one in pages(page, RecordQuery(kinds=(RecordKind.INCIDENT,)), 1_000))
    found = [name for name in known if asked and name.startswith(asked)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(list(reversed(found or known))[:MOST_INCIDENTS])
    if found:
        raise KeeperError(
            f"{asked!r} begins the names of {len(found)} incidents", remedy=f"write one of them: {newest}"
        )
    remedy = f"the newest: {newest}" if newest else "there is none in this log"
    raise KeeperError(f"the log knows no incident {asked!r}", remedy=remedy)


def document_of(done: Reproduction) -> dict[str, object]:
    """The answer for machines."""
    base = done.base
    return {
        "ok": done.ok,
        "incident": done.incident,
        "from": None
        if base is None
        else {"kind": "start" if base.state is None else "state", "record": _base_record(done)},
        "configuration": None
        if done.configuration is None
        else {
            "record": done.configuration.seq,
            "hash": done.configuration.body.get("hash"),
            "engine_from": done.engine_from or None,
        },
        "version": None if done.start is None else done.start.body.get("version"),
        "ticks": done.ticks,
        "decisions": [_line(line) for line in done.lines],
        "other_ticks": [
            {"record": one.seq, "block": one.block, "differences": [_difference(each) for each in one.differences]}
            for one in done.other_ticks
        ],
        "remarks": done.remarks,
        "obstacle": done.obstacle or None,
    }


def _line(line: Line) -> dict[str, object]:
    verdict = _part(line.body, "verdict")
    return {
        "record": line.seq or None,
        "kind": line.kind.value,
        "id": line.body.get("id"),
        "says": line.body.get("kind") or line.body.get("phase"),
        "block": line.body.get("block"),
        "action": line.body.get("action"),
        "rule": verdict.get("rule"),
        "signal": verdict.get("signal"),
        "observed": verdict.get("value"),
        "threshold": verdict.get("threshold"),
        "verdict": line.verdict.value,
        "why": line.why or None,
        "differences": [_difference(each) for each in line.differences],
    }


def _difference(one: Difference) -> dict[str, object]:
    return {"field": one.field, "recorded": one.recorded, "now": one.now}


def _say(output: Output, done: Reproduction) -> None:
    output.say(f"incident {done.incident}", "bold")
    if done.base is not None:
        what = "the start" if done.base.state is None else "the state"
        output.say(
            f"  gone on from {what} of record {_base_record(done)}: {counted(done.ticks, 'recorded block')} decided again"
        )
    if done.engine_from and done.configuration is not None:
        output.say(f"  with {done.engine_from}: {done.configuration.body.get('hash')}")
    for remark in done.remarks:
        output.say(f"  note: {remark}", "yellow")
    output.say()
    for line in done.lines:
        output.say(_sentence(line), COLOURS[line.verdict])
        if line.why and line.why != done.obstacle:
            output.say(f"      {line.why}")
        _say_differences(output, line.differences)
    for tick in done.other_ticks[:MOST_BLOCKS]:
        output.say(f"record {tick.seq}: block {tick.block} comes out differently from what was seen at it", "bold red")
        _say_differences(output, tick.differences)
    if len(done.other_ticks) > MOST_BLOCKS:
        output.say(f"... and {counted(len(done.other_ticks) - MOST_BLOCKS, 'more block')}")
    output.say()
    if done.obstacle:
        output.say(f"went no further: {done.obstacle}", "yellow")
    if done.ok:
        output.say(
            f"reproduced: all {len(done.lines)} decisions and events of the incident are the same, byte for byte",
            "bold green",
        )
        return
    count = {verdict: sum(line.verdict is verdict for line in done.lines) for verdict in Verdict}
    output.say(
        f"NOT REPRODUCED: {count[Verdict.SAME]} the same, {count[Verdict.DIFFERS]} different, "
        f"{count[Verdict.CANNOT]} cannot be recomputed, {counted(len(done.other_ticks), 'block')} different",
        "bold red",
    )


def _sentence(line: Line) -> str:
    """``record 31: block 117, act pause-market: oracle-divergence, divergence 0.061 against 0.02: same``."""
    body, verdict = line.body, _part(line.body, "verdict")
    says = body.get("kind") or body.get("phase")
    what = f"{line.kind.value} {says}" + (f" {body.get('action')}" if body.get("action") else "")
    place = f"record {line.seq}" if line.seq else "no record"
    numbers = f"{verdict.get('signal')} {verdict.get('value')} against {verdict.get('threshold')}"
    return f"{place}: block {body.get('block')}, {what}: {verdict.get('rule')}, {numbers}: {WORDS[line.verdict]}"


def _say_differences(output: Output, found: list[Difference]) -> None:
    for one in found[:MOST_NAMED]:
        output.say(f"      {one.field}: recorded {_short(one.recorded)}, now {_short(one.now)}")
    if len(found) > MOST_NAMED:
        output.say(f"      ... and {len(found) - MOST_NAMED} more fields (--json prints all)")


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _base_record(done: Reproduction) -> int | None:
    base = done.base
    return None if base is None else base.seq if base.state is None else base.state.seq


def _part(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}
