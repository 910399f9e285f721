"""The log with a spool beside it: while the database is away, records wait in a local file, durably, and go into the log when it is back.

What belongs to watching always may wait there. What belongs to an action may only where the policy says so, and only what a critical rule asks
for (``keeper.app.without_log``); it obeys the journal's rules in this process, as the database would keep them. As long as the spool holds
anything, everything goes there: the order of what was written is kept. The journal in memory is that of this keeper; what another process
did meanwhile is met when the spool is written into the log (``keeper.app.reconciling``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from keeper.adapters.audit.chaining import make_ready
from keeper.adapters.audit.journal import JOURNAL_KINDS
from keeper.adapters.audit.memory_journal import MemoryJournal
from keeper.adapters.audit.pages import LARGEST_PAGE, matches
from keeper.adapters.audit.spool import Spool
from keeper.adapters.audit.spool_lines import SpoolDamaged
from keeper.adapters.audit.worker import Worker
from keeper.app.reconciling import Reconciler, content_hash
from keeper.app.records import fault
from keeper.app.without_log import Permission, Unanswered, aside_record
from keeper.config.audit import ActWithoutLog
from keeper.domain.errors import AuditError, IntentAlreadyOpen, InvalidTransition, StoreNotMigrated, StoreUnavailable
from keeper.domain.intent import Intent
from keeper.domain.record import GENESIS, Draft, Record, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock

RETRY_S: Final = 1.0
MOMENT_S: Final = 2.0
"""So long records of watching wait in memory: most troubles are over before."""
PATIENCE_S: Final = 2.0
"""So long an answer of the database is waited for where the keeper may act without it."""
REMEMBERED: Final = 2_000
"""Newest records of actions, kept so that an action can go on when nothing can be read."""
ASIDE_SEQ: Final = 2**52
"""What has no place in the log yet is numbered from here."""
THIN_FROM, ONE_OF = 0.5, 10
"""When so much of the spool's limit is used, one of ten ticks is kept, and how many were left out is said."""
ACTIONS_ONLY_FROM: Final = 0.9
_DECIDED: Final = JOURNAL_KINDS | {RecordKind.INCIDENT, RecordKind.DECISION}
AWAY = (StoreUnavailable, StoreNotMigrated)


class SpoolingStore:
    """Implements ``keeper.ports.audit.AuditStore``. Made by ``open``; ``run`` brings what waits into the log.

    ``told`` may be set to hear when records begin to wait in the spool (the error that made them), and when they are all in the log (None).
    """

    def __init__(self, store: AuditStore, spool: Spool, policy: ActWithoutLog, clock: Clock) -> None:
        self._store = store
        self._spool = spool
        self._clock = clock
        self._permission = Permission(policy)
        self._reconciler = Reconciler(store, spool, clock, self._note_not_applied)
        self._worker = Worker("audit-spool")
        self._turn = asyncio.Lock()
        self._journal = MemoryJournal()
        self._stale = True
        self._not_applied: set[str] = set()
        self._known: deque[Record] = deque(maxlen=REMEMBERED)
        self._head = (0, GENESIS)
        self._failing_since_ms: float | None = None
        self._failed: AuditError | None = None
        self._away = spool.head is not None
        self._news = asyncio.Event()
        self._late: set[asyncio.Task[Sequence[Record]]] = set()
        self._unanswered = Unanswered()
        self._ticks = 0
        self._moment_ms = MOMENT_S * 1000
        self._closed = False
        self._log = structlog.get_logger("audit")
        self.told: Callable[[AuditError | None], None] = lambda _: None

    @classmethod
    async def open(cls, store: AuditStore, spool: Spool, policy: ActWithoutLog, clock: Clock) -> SpoolingStore:
        """With everything that an earlier run left in the spool written into the log. Raises StoreUnavailable where that cannot be done."""
        made = cls(store, spool, policy, clock)
        try:
            if made._away:
                await made.reconcile()
            else:
                await made._learn()
        except BaseException:
            await made.close()
            raise
        return made

    @property
    def away(self) -> bool:
        """Whether records wait in the spool."""
        return self._away

    @property
    def acts(self) -> bool:
        """Whether what critical rules ask for is done without the log."""
        return self._permission.acts

    # -- the port ---------------------------------------------------------------------------------------------------------------

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        self._check_open()
        drafts = [self._as_applicable(draft) for draft in drafts]
        if not drafts:
            return []
        async with self._turn:
            self._permission.hear(drafts)
            if self._away:
                return await self._aside(drafts, doubt=False)
            if self._failing_since_ms is not None and self.acts and any(one.intent is not None for one in drafts):
                # an action does not wait for what has just failed; records of watching ask again
                return await self._aside(drafts, doubt=False)
            try:
                records = await self._through(drafts)
            except AWAY as error:
                if self._failing_since_ms is None:
                    self._failing_since_ms = self._clock.monotonic_ms()
                self._failed = error
                self._unanswered.add(drafts)
                if self._for_a_moment(drafts) and not isinstance(error, _NoAnswer):
                    raise
                return await self._aside(drafts, doubt=True)
            self._failing_since_ms = None
            if self._spool.head is not None:  # begun, and then there was no room for a record
                await self._worker.run(self._spool.clear)
            self._follow(drafts, records)
            return records

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        self._check_open()
        # Steps of an action are looked up among the newest, and must be found also while nothing can be read.
        if self._away and query.newest_first and query.kinds and JOURNAL_KINDS.issuperset(query.kinds):
            kept = [one for one in reversed(self._known) if matches(one, query)]
            return [one for one in kept if query.after <= 0 or one.seq < query.after][: min(query.limit, LARGEST_PAGE)]
        return await self._store.page(query)

    async def head(self) -> tuple[int, str]:
        self._check_open()
        return await self._store.head()

    async def open_intents(self) -> Sequence[Intent]:
        self._check_open()
        if self._away:
            return self._journal.open_intents
        found = list(await self._store.open_intents())
        if self._stale:
            self._take_over(found)
        return [*found, *(one for one in self._journal.open_intents if one.id in self._not_applied)]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        async with self._turn:
            await self._settled()
            if self._away:
                waiting = self._spool.records
                self._log.warning("records wait in the spool; the next start writes them into the log", records=waiting)
            await self._worker.run(self._spool.close)
            self._worker.end()
        await self._store.close()

    # -- back into the log ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tries again and again to write what waits into the log, until cancelled."""
        while True:
            await self._news.wait()
            try:
                try:
                    await self.reconcile()
                except SpoolDamaged as error:
                    await self._set_aside(error)
            except AuditError as error:
                self._log.info("records are waiting in the spool", records=self._spool.records, error=error.message)
                await self._clock.sleep(RETRY_S)

    async def reconcile(self) -> None:
        """Everything that waits, into the log; then the spool is emptied. Raises AuditError: nothing is lost, to be called again."""
        await self._settled()
        while True:
            written = await self._reconciler.write()
            await self._learn_head()
            found = list(await self._store.open_intents())
            async with self._turn:
                if self._spool.records > written:
                    continue  # more came meanwhile
                await self._worker.run(self._spool.clear)
                self._reconciler.forget()
                self._away, self._failing_since_ms = False, None
                self._news.clear()
                self._take_over(found)
            self._log.info("what waited in the spool is in the log", records=written)
            self.told(None)
            return

    async def _set_aside(self, damage: SpoolDamaged) -> None:
        """What can be read of the spool is in the log; the file is kept, records begin anew, and people are told. Raises AuditError."""
        found = list(await self._store.open_intents())
        written = await self._reconciler.place()
        async with self._turn:
            lost = self._spool.records - written
            kept = await self._worker.run(self._spool.set_aside)
            self._reconciler.forget()
            self._away, self._failing_since_ms = False, None
            self._news.clear()
            # what was only in the spool goes on in memory until its end
            self._not_applied |= {one.id for one in self._journal.open_intents} - {one.id for one in found}
            self._take_over(found)
        message = f"{damage.message}: {lost} records of it are not in the log, and the file is kept as {kept.name}"
        self.told(
            SpoolDamaged(message, remedy="look what happened to its disk; what is whole in it can be read as text")
        )
        await self.append([fault(self._clock.now_ms(), "audit", down=False, reason="gap", message=message)])

    # -- steps ------------------------------------------------------------------------------------------------------------------

    async def _through(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        """To the database. Where the keeper may act without it, a late answer is as good as none: what came of it is seen later."""
        if not self.acts:
            try:
                return await self._store.append(drafts)
            except BaseException:
                self._stale = True
                raise
        task = asyncio.ensure_future(self._store.append(drafts))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        try:
            done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        except asyncio.CancelledError:
            task.cancel()
            self._stale = True
            raise
        if not done:
            self._stale = True
            task.add_done_callback(lambda each: each.cancelled() or each.exception())
            raise _NoAnswer(f"the database has not answered within {PATIENCE_S:g} s")
        self._stale = self._stale or task.exception() is not None
        return task.result()

    async def _settled(self) -> None:
        """What the database has not answered yet it may still take; nothing is compared with the log before."""
        if self._late:
            await asyncio.wait(set(self._late))

    def hurry(self) -> None:
        """The process is about to end: nothing waits in memory any more."""
        self._moment_ms = 0.0

    def _for_a_moment(self, drafts: Sequence[Draft]) -> bool:
        """Whether these may wait in memory a little longer; or must, because they may not be put aside."""
        if self._permission.refused(drafts) is not None:
            return True
        if any(one.intent is not None for one in drafts):
            return False
        since = self._failing_since_ms
        return since is None or self._clock.monotonic_ms() - since < self._moment_ms

    async def _aside(self, drafts: Sequence[Draft], *, doubt: bool) -> Sequence[Record]:
        """Into the spool, once begun also when nobody waits any more."""
        task = asyncio.ensure_future(self._put_aside(drafts, doubt=doubt))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()
            raise

    async def _put_aside(self, drafts: Sequence[Draft], *, doubt: bool) -> Sequence[Record]:
        ready = make_ready(drafts)
        refused = self._permission.refused(drafts)
        if refused is not None:
            why = self._failed.message if self._failed is not None else "records wait in the spool"
            raise StoreUnavailable(
                f"the log cannot be written ({why}), and a record of kind {refused.kind} may not be put aside",
                remedy=self._failed.remedy if self._failed is not None else "",
            )
        journal = self._journal.copy()
        for item in ready:
            if item.change is not None:
                journal.apply(item.change)
        # what failed before may be in the log, and may hold some of these
        doubt = doubt or any(self._unanswered.holds(one) or (self._stale and one.kind in _DECIDED) for one in drafts)
        kept = self._thinned(drafts)
        first = self._spool.records
        if kept:
            await self._worker.run(lambda: self._write(kept, doubt))
        self._journal = journal
        if kept and not self._away:
            self._away = True
            self._news.set()
            self.told(self._failed)
        records = [aside_record(item, ASIDE_SEQ + first + number) for number, item in enumerate(ready)]
        self._known += [record for record in records if record.kind in JOURNAL_KINDS]
        return records

    def _write(self, drafts: Sequence[Draft], doubt: bool) -> None:
        try:
            self._write_line(drafts, doubt)
        except SpoolDamaged as damage:  # a file came there that is none of ours
            kept = self._spool.set_aside()
            self._log.error("a file in the place of the spool is kept aside", file=str(kept), error=damage.message)
            self._write_line(drafts, doubt)

    def _write_line(self, drafts: Sequence[Draft], doubt: bool) -> None:
        if self._spool.head is None:
            reason = self._failed.message if self._failed is not None else "the log could not be written"
            perhaps_first = () if self._head[0] else [content_hash(one) for one in self._unanswered.drafts]
            self._spool.begin(*self._head, self._clock.now_ms(), reason, perhaps_first)
        self._spool.append(drafts, doubt=doubt)

    def _thinned(self, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """When room gets short, ticks give way, then everything else that is no action."""
        used = self._spool.size / self._spool.limit
        if used < THIN_FROM:
            return drafts
        kept = []
        for draft in drafts:
            if draft.intent is None and draft.kind in (RecordKind.TICK, RecordKind.STATE):
                self._ticks += 1
                if used >= ACTIONS_ONLY_FROM or self._ticks % ONE_OF:
                    self._spool.left_out += 1
                    continue
            kept.append(draft)
        return kept

    # -- what is known without the database -----------------------------------------------------------------------------------

    def _follow(self, drafts: Sequence[Draft], records: Sequence[Record]) -> None:
        """The journal in memory, after what the database took."""
        if records:
            self._head = (records[-1].seq, records[-1].hash)
        steps = [one for one in drafts if one.kind in JOURNAL_KINDS]
        if not steps:
            return
        self._known += [record for record in records if record.kind in JOURNAL_KINDS]
        try:
            for item in make_ready(steps):
                if item.change is not None:
                    self._journal.apply(item.change)
        except (IntentAlreadyOpen, InvalidTransition):
            self._stale = True  # another process had its hand in it

    async def _learn(self) -> None:
        """What the log says of actions, so that they can go on without it."""
        await self._learn_head()
        query = RecordQuery(kinds=tuple(sorted(JOURNAL_KINDS)), newest_first=True, limit=REMEMBERED // 2)
        self._known.extend(reversed(await self._store.page(query)))
        found = list(await self._store.open_intents())
        for intent in found:
            about = RecordQuery(
                market=intent.market,
                action=intent.action,
                incident=intent.incident,
                kinds=(RecordKind.DECISION,),
                newest_first=True,
            )
            self._permission.hear(one for one in await self._store.page(about) if one.body.get("id") == intent.id)
        self._take_over(found)

    async def _learn_head(self) -> None:
        self._head = await self._store.head()

    def _take_over(self, found: Sequence[Intent]) -> None:
        """The journal as the database has it; what it did not allow goes on in memory until its end."""
        aside = [one for one in self._journal.open_intents if one.id in self._not_applied]
        self._journal = MemoryJournal({one.id: one for one in (*found, *aside)})
        self._stale = False

    def _note_not_applied(self, draft: Draft) -> None:
        if draft.kind is RecordKind.INTENT and draft.intent is not None:
            self._not_applied.add(draft.intent)

    def _as_applicable(self, draft: Draft) -> Draft:
        """A later step of an intent that the database did not allow is kept as the intent was."""
        if self._away or draft.intent not in self._not_applied or draft.kind not in JOURNAL_KINDS:
            return draft
        (item,) = make_ready([draft])
        if item.change is not None:
            self._journal.apply(item.change)
        return self._reconciler.not_applied(draft, "its intent was not allowed when it was written late")

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the audit store is closed")


class _NoAnswer(StoreUnavailable):
    """The database may have taken it, or may yet."""
