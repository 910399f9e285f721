"""``keeper notify``: what people were told and have not answered, and whether they can be reached."""

from __future__ import annotations

import asyncio

from keeper.adapters.audit.times import to_iso
from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.cli.switch import user_name
from keeper.app.exit_codes import Exit
from keeper.app.notifying.book import Matter
from keeper.app.notifying.history import KINDS, LOOK_BACK_MS, History
from keeper.config.names import names
from keeper.config.problems import nearest
from keeper.domain.errors import ConfigurationError, KeeperError
from keeper.domain.matters import RANK
from keeper.domain.record import RecordQuery
from keeper.domain.text import printable
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

PAGE = 1_000
STYLES = {Severity.CRITICAL: "red", Severity.WARNING: "yellow", Severity.INFO: ""}


def open_matters(url: str, now_ms: int) -> list[Matter]:
    """By the log, the most severe first. Raises StoreUnavailable, StoreNotMigrated."""
    from keeper.adapters.audit.reading import page_sync

    history, after = History(), 0
    since_ms = max(0, now_ms - LOOK_BACK_MS)
    while page := page_sync(url, RecordQuery(kinds=KINDS, since_ms=since_ms, after=after, limit=PAGE)):
        history.take(page)
        after = page[-1].seq
    found = history.finish(now_ms).matters.values()
    return sorted(found, key=lambda one: (one.ack is not None, -RANK[one.severity], one.since_ms))


def document_of(matter: Matter) -> dict[str, object]:
    """For machines."""
    ack = matter.ack
    return {
        "key": matter.key,
        "title": matter.notice.title,
        "severity": str(matter.severity),
        "since": to_iso(matter.since_ms),
        "seen_since_start": matter.confirmed,
        "told": [
            {"receiver": name, "times": told.times, "last": to_iso(told.last_ms), "delivered": told.delivered}
            for name, told in sorted(matter.told.items())
        ],
        "acknowledged": None if ack is None else {"by": ack.by, "at": to_iso(ack.at_ms), "note": ack.note},
    }


def show(output: Output, config: str) -> int:
    """Raises ConfigurationError, StoreUnavailable, StoreNotMigrated."""
    from keeper.adapters.clock import SystemClock

    url = names(config).audit_url
    if not log_exists(url):
        return say_so(output, config)
    matters = open_matters(url, SystemClock().now_ms())
    output.document({"open": [document_of(one) for one in matters]})
    for matter in matters:
        _say(output, matter)
    if not matters:
        output.say("nothing is open", "green")
    return Exit.DONE


def ack(output: Output, config: str, what: str, note: str) -> int:
    """Raises KeeperError when nothing open is meant, ConfigurationError, AuditError."""
    from keeper.adapters.clock import SystemClock

    url = names(config).audit_url
    if not log_exists(url):
        return say_so(output, config)
    keys = asyncio.run(_acknowledge(url, what, note, SystemClock().now_ms()))
    output.document({"ok": True, "acknowledged": keys})
    for key in keys:
        output.say(f"acknowledged: {key}", "bold")
    if not keys:
        output.say("everything that is open was acknowledged before")
    else:
        output.say("a running keeper takes it in within two seconds; it tells the end, and what gets worse")
    return Exit.DONE


async def _acknowledge(url: str, what: str, note: str, now_ms: int) -> list[str]:
    from keeper.adapters.audit.store import SqlAuditStore
    from keeper.app.notifying.acknowledging import acknowledge

    store = await SqlAuditStore.open(url)
    try:
        return await acknowledge(store, what, by=user_name(), note=note, now_ms=now_ms)
    finally:
        await store.close()


def test(output: Output, config: str, receiver: str | None, severity: str) -> int:
    """Raises ConfigurationError, and KeeperError for a receiver that is not in the configuration."""
    from keeper.app.cli.logs import set_up
    from keeper.config import load

    set_up(output.verbosity)
    loaded = load(config)
    known = [each.policy.name for each in loaded.notify]
    if receiver is not None and receiver not in known:
        raise KeeperError(f"the configuration has no receiver {receiver!r}", remedy=nearest(receiver, known))
    lines = asyncio.run(_send(loaded, receiver, Severity(severity)))
    failed = [name for name, delivery in lines if not delivery.delivered and not delivery.suppressed]
    output.document(
        {
            "ok": not failed,
            "receivers": [
                {"receiver": name, "result": _result(delivery), "reason": delivery.message} for name, delivery in lines
            ],
        }
    )
    for name, delivery in lines:
        why = f": {delivery.message}" if delivery.message else ""
        style = "green" if delivery.delivered else "yellow" if delivery.suppressed else "red"
        output.say(f"{name}  {_result(delivery)}{why}", style)
    if failed:
        output.error(f"{counted(len(failed), 'receiver')} of {len(lines)} could not be told", "look at its address")
    return Exit.FOUND if failed else Exit.DONE


async def _send(loaded: object, receiver: str | None, severity: Severity) -> list[tuple[str, Delivery]]:
    from keeper.app.wiring import open_notifier
    from keeper.config.model import Config

    assert isinstance(loaded, Config)
    wanted = [(n, each) for n, each in enumerate(loaded.notify) if receiver in (None, each.policy.name)]

    async def one(number: int, each: object) -> Delivery:
        try:
            notifier = await open_notifier(each, number)  # type: ignore[arg-type]
        except ConfigurationError as error:
            return Delivery(delivered=False, message=error.problems[0].message)
        try:
            return await notifier.notify(test_notice(loaded.keeper.name, severity))
        finally:
            await notifier.close()

    answers = await asyncio.gather(*(one(number, each) for number, each in wanted))
    return [(each.policy.name, answer) for (_, each), answer in zip(wanted, answers, strict=True)]


def test_notice(keeper: str, severity: Severity) -> Notice:
    """Cannot be taken for the real thing."""
    body = (
        f"This is a test of keeper {keeper}, sent by hand (keeper notify CONFIG test): nothing has happened.\n"
        f"A notice of severity {severity} looks like this. Nobody needs to do anything."
    )
    return Notice("test/notify", f"TEST: notifications of keeper {keeper}", body, severity)


def _result(delivery: Delivery) -> str:
    return "delivered" if delivery.delivered else "filtered" if delivery.suppressed else "failed"


def _say(output: Output, matter: Matter) -> None:
    ack = matter.ack
    output.say(
        f"{matter.severity}  {printable(matter.notice.title)}", "dim" if ack is not None else STYLES[matter.severity]
    )
    output.say(f"  {matter.key}, since {to_iso(matter.since_ms)}")
    if not matter.confirmed:
        output.say("  known from before the last start; not seen again since")
    for name, told in sorted(matter.told.items()):
        failed = "" if told.delivered else ", and it did NOT arrive"
        output.say(
            f"  told to {name} {counted(max(told.times, told.failures), 'time')}, last {to_iso(told.last_ms)}{failed}"
        )
    if not matter.told:
        output.say("  nobody was told so far")
    if ack is not None:
        note = f": {printable(ack.note)}" if ack.note else ""
        output.say(f"  acknowledged by {printable(ack.by)} at {to_iso(ack.at_ms)}{note}", "green")
