"""``keeper switch``: writes into the log what the keeper may not do, or may do again. The running keeper takes it in before its next block."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keeper.adapters.audit.times import to_iso
from keeper.app import switch_records
from keeper.app.cli.nothing_yet import log_exists
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.config.names import Names, names
from keeper.config.problems import nearest
from keeper.domain.decision import ALERT
from keeper.domain.errors import KeeperError
from keeper.domain.intervention import Intervention, InterventionKind, still_off
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

PAGE = 1_000
NOTHING_OFF = "nothing is switched off"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line, unchecked."""

    kind: InterventionKind
    market: str | None
    rule: str | None
    action: str | None
    reason: str


def run(output: Output, config: str, asked: Request) -> int:
    """One durable record. Raises KeeperError for a name that is not in the configuration, ConfigurationError, AuditError."""
    from keeper.adapters.clock import SystemClock

    known = names(config)
    switch = Intervention(
        asked.kind,
        SystemClock().now_ms(),
        _known(asked.market, known.rules, "market"),
        _known(asked.rule, _rules(known, asked.market), "rule"),
        _known(asked.action, [*known.actions, ALERT], "action"),
        _one_line(asked.reason),
    )
    record = asyncio.run(_write(known.audit_url, switch))
    off = off_in(lambda query: _page(known.audit_url, query))
    word = str(record.body["state"])
    output.document({"ok": True, "record": record.seq, "state": word, "scope": switch.scope, "off": documents(off)})
    output.say(f"{word}: {switch.scope} (record {record.seq})", "bold")
    output.say("a running keeper takes it in within a second, before its next block; another one when it starts")
    _print(output, off)
    if asked.kind is InterventionKind.SWITCHED_OFF:
        output.say("what was decided before is carried out; incidents are recorded and told as always", "dim")
    return Exit.DONE


def show(output: Output, config: str) -> int:
    """What is off. Raises ConfigurationError, StoreUnavailable, StoreNotMigrated."""
    url = names(config).audit_url
    off = off_in(lambda query: _page(url, query)) if log_exists(url) else ()
    output.document({"off": documents(off)})
    _print(output, off)
    return Exit.DONE


def off_in(page: Callable[[RecordQuery], Sequence[Record]]) -> tuple[Intervention, ...]:
    """What is off by the switches of a log."""
    found: list[Intervention] = []
    seen = 0
    while records := page(RecordQuery(kinds=(RecordKind.SWITCH,), after=seen, limit=PAGE)):
        found += [switch_records.switch_of(record) for record in records]
        seen = records[-1].seq
    return still_off(found)


def documents(off: Iterable[Intervention]) -> list[Json]:
    """For machines: an empty scope is null."""
    return [
        {
            "market": one.market or None,
            "rule": one.rule or None,
            "action": one.action or None,
            "since": to_iso(one.at_ms),
            "reason": one.reason,
        }
        for one in off
    ]


def lines(off: Iterable[Intervention]) -> list[str]:
    """For people, one line each."""
    return [f"switched off: {one.scope}, since {to_iso(one.at_ms)}: {one.reason}" for one in off]


def _print(output: Output, off: Sequence[Intervention]) -> None:
    for line in lines(off):
        output.say(line, "yellow")
    if not off:
        output.say(NOTHING_OFF)


def _page(url: str, query: RecordQuery) -> Sequence[Record]:
    from keeper.adapters.audit.reading import page_sync

    return page_sync(url, query)


async def _write(url: str, switch: Intervention) -> Record:
    from keeper.adapters.audit.store import SqlAuditStore

    store = await SqlAuditStore.open(url, create=True)
    try:
        (record,) = await store.append([switch_records.record(switch, user_name())])
    finally:
        await store.close()
    return record


def user_name() -> str:
    """Of the user of the machine; the number where it has no name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _rules(known: Names, market: str | None) -> list[str]:
    return [rule for name, rules in known.rules.items() if market in (None, name) for rule in rules]


def _known(name: str | None, among: Iterable[str], what: str) -> str:
    """A switch with a misspelt name would switch nothing, and nobody would know."""
    if name is None:
        return ""
    allowed = list(among)
    if name not in allowed:
        raise KeeperError(f"the configuration has no {what} {name!r}", remedy=nearest(name, allowed))
    return name


def _one_line(reason: str) -> str:
    if not reason.strip() or not reason.isprintable():
        raise KeeperError("the reason is not one line of text", remedy="say why in a few words: --reason 'maintenance'")
    return reason.strip()
