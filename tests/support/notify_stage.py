"""A courier with receivers that keep what they get, a log in memory, and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.notify.filtered import Filtered
from keeper.adapters.notify.memory import MemoryNotifier
from keeper.app import records
from keeper.app.courier import Courier
from keeper.app.notifying.acknowledging import acknowledge
from keeper.app.notifying.links import Links
from keeper.app.scribe import Scribe
from keeper.domain.matters import Policy
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock, settle

POLL_MS = 20_000
"""How often the keeper looks for acknowledgements in these tests: hours go by in them."""
ASIDE_MS = 50
"""Longer than a record stands aside before it is written."""


class NotifyStage:
    """``policies`` by name; those in ``keyed`` are pagers."""

    def __init__(self, *policies: Policy, keyed: Sequence[str] = ()) -> None:
        self.clock = ManualClock()
        self.store = MemoryAuditStore()
        self.policies = policies
        self.receivers = {policy.name: MemoryNotifier(policy.name) for policy in policies}
        self.keyed = keyed
        self.incidents: Mapping[str, str] = {}
        self.links: Links | None = None
        self._courier: Courier | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """A keeper starts: as after a kill, when one ran before."""
        await self.stop()
        await self.write(records.start(self.clock.now_ms(), name="t", mode="live", chain_id=1, sender=None))
        scribe = Scribe(self.store, self.clock)
        notifiers = [Filtered(self.receivers[each.name], each, keyed=each.name in self.keyed) for each in self.policies]
        self._courier = Courier(
            notifiers, scribe, self.clock, store=self.store, links=self.links, incidents=lambda: self.incidents
        )
        self._tasks = [asyncio.create_task(scribe.run()), asyncio.create_task(self._courier.run())]
        await settle()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell(self, *notices: Notice) -> None:
        """All of them at once."""
        assert self._courier is not None
        for notice in notices:
            self._courier.put(notice)
        await settle()
        await self.clock.advance(ASIDE_MS)

    async def write(self, *drafts: Draft) -> None:
        await self.store.append(drafts)

    async def ack(self, word: str, note: str = "") -> list[str]:
        """As another process does; the keeper has seen it when this returns."""
        keys = await acknowledge(self.store, word, by="ana", note=note, now_ms=self.clock.now_ms())
        await self.clock.advance(POLL_MS + 1_000)
        return keys

    def got(self, name: str) -> list[Notice]:
        return self.receivers[name].notices

    def titles(self, name: str) -> list[str]:
        return [one.title for one in self.got(name)]

    async def told(self) -> list[Record]:
        return list(await self.store.page(RecordQuery(kinds=(RecordKind.NOTIFICATION,), limit=1_000)))


@asynccontextmanager
async def running(*policies: Policy, keyed: Sequence[str] = ()) -> AsyncIterator[NotifyStage]:
    """Started, and ended with the test."""
    stage = NotifyStage(*policies, keyed=keyed)
    await stage.start()
    try:
        yield stage
    finally:
        await stage.stop()


def down(part: str = "heads", severity: Severity = Severity.CRITICAL, reason: str = "unreachable") -> Notice:
    return Notice(f"fault/{part}", f"{part} is down", f"{part} does not answer\nstart it", severity, variant=reason)


def up(part: str = "heads") -> Notice:
    return Notice(f"fault/{part}", f"{part} is up", "works again", Severity.INFO, ends=True)


def fault_record(part: str, at_ms: int, *, is_down: bool) -> Draft:
    reason = "unreachable" if is_down else "recovered"
    return records.fault(at_ms, part, down=is_down, reason=reason, message="does not answer")


def tripped(incident: str = "i-1", severity: Severity = Severity.CRITICAL) -> Notice:
    return Notice(f"incident/{incident}", "ETH-PERP: divergence tripped", "divergence = 0.07, threshold 0.02", severity)


def cleared(incident: str = "i-1") -> Notice:
    return Notice(f"incident/{incident}", "ETH-PERP: all rules are clear", "well again", Severity.INFO, ends=True)


def failed(intent: str = "n-1", incident: str = "i-1") -> Notice:
    title = "ETH-PERP: pause failed (reverted)"
    within, subject = f"incident/{incident}", "ETH-PERP/pause"
    return Notice(
        f"outcome/{intent}", title, "reverted", Severity.CRITICAL, settles=True, within=within, subject=subject
    )


def included(intent: str = "n-2", incident: str = "i-1") -> Notice:
    title = "ETH-PERP: pause included (effect-verified)"
    within, subject = f"incident/{incident}", "ETH-PERP/pause"
    return Notice(
        f"outcome/{intent}", title, "done", Severity.WARNING, ends=True, settles=True, within=within, subject=subject
    )
