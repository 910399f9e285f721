"""What the watcher reads of the keeper's log: short questions through the driver, in a thread, none of them in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

import structlog

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.times import from_iso
from keeper.app.watcher.findings import LogView
from keeper.domain.errors import AuditError
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

BLINDING = ("heads", "reads")
FAULTS_LOOKED_AT = 50
INCIDENTS_LOOKED_AT = 1_000
ASK_S = 5.0


class LogSide:
    """Reads only. Every method raises AuditError."""

    def __init__(self, url: str, page: Callable[[str, RecordQuery], Sequence[Record]] = page_sync) -> None:
        self._url = url
        self._page = page

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        """As ``AuditStore.page``."""
        return await asyncio.to_thread(self._page, self._url, query)

    async def view(self) -> LogView:
        """The newest evaluated block, whoever wrote it, and what was recorded since."""
        return await asyncio.to_thread(self._view)

    async def knows(self, market: str, since_block: int) -> bool:
        """Whether an incident of the market is open there, or something was decided about it since this block. That it holds back is no decision."""
        kinds = (RecordKind.INCIDENT, RecordKind.DECISION)
        for record in await self.page(RecordQuery(market=market, kinds=kinds, newest_first=True, limit=50)):
            body = record.body
            if record.kind is RecordKind.INCIDENT:
                return body.get("phase") == "opened" or _number(body.get("block")) >= since_block
            if body.get("kind") != "hold" and _number(body.get("block")) >= since_block:
                return True
        return False

    async def troubled(self) -> frozenset[str]:
        """The markets of the newest incidents, as far back as one page goes: one that is open stands there, unless 1,000 came after it."""
        found = await self.page(RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=INCIDENTS_LOOKED_AT))
        phases: dict[str, Json] = {}
        for record in found:
            phases.setdefault(record.market or "", record.body.get("phase"))
        return frozenset(market for market, phase in phases.items() if phase == "opened")

    async def worked(self, market: str, action: str) -> str | None:
        """The intent of the newest outcome of this action, where it worked in an incident that is still open; else None."""
        found = await self._newest(RecordKind.OUTCOME, market, action)
        if found is None or found.body.get("kind") != "included":
            return None
        incident = await self._newest(RecordKind.INCIDENT, market)
        turned = await self._newest(RecordKind.BREAKER, market)
        if turned is not None and turned.seq > found.seq:
            return None
        return found.intent if incident is not None and incident.body.get("phase") == "opened" else None

    async def _newest(self, kind: RecordKind, market: str, action: str | None = None) -> Record | None:
        query = RecordQuery(market=market, action=action, kinds=(kind,), newest_first=True, limit=1)
        return next(iter(await self.page(query)), None)

    def _view(self) -> LogView:
        def newest(*kinds: RecordKind, limit: int = 1) -> Sequence[Record]:
            return self._page(self._url, RecordQuery(kinds=kinds, newest_first=True, limit=limit))

        ends, ticks, last = newest(RecordKind.START, RecordKind.STOP), newest(RecordKind.TICK), newest()
        trouble = ""
        since = ticks[0].seq if ticks else 0
        for record in newest(RecordKind.FAULT, limit=FAULTS_LOOKED_AT):
            if record.seq < since or record.body.get("part") in BLINDING:
                down = record.seq > since and record.body.get("state") == "down"
                trouble = f"{record.body.get('part')}: {record.body.get('message')}" if down else ""
                break
        block = ticks[0].body.get("block") if ticks else None
        return LogView(
            evaluated=_number(block.get("number")) if isinstance(block, dict) else None,
            evaluated_ms=from_iso(ticks[0].at) if ticks else 0,
            last_ms=from_iso(last[0].at) if last else 0,
            started=bool(ends),
            stopped=bool(ends) and ends[0].kind is RecordKind.STOP,
            trouble=trouble,
            started_ms=from_iso(ends[0].at) if ends and ends[0].kind is RecordKind.START else 0,
        )


class Asked:
    """``look`` at the log, however it fails or hangs: whoever waits for it waits ``patience_s`` at most, and one question is under way at a time."""

    def __init__(self, look: Callable[[], Coroutine[None, None, LogView]], patience_s: float = ASK_S) -> None:
        self._look = look
        self._patience_s = patience_s
        self._asking: asyncio.Task[LogView] | None = None
        self._log = structlog.get_logger("watch")

    async def view(self) -> LogView | str:
        """What the log says now; in words, why nobody knows."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._look())
        await asyncio.wait({self._asking}, timeout=self._patience_s)
        if not self._asking.done():
            return f"the database did not answer within {self._patience_s:g} s"
        asked, self._asking = self._asking, None
        try:
            return asked.result()
        except AuditError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - a log that cannot be understood must be told, and not end the looking
            self._log.exception("the log could not be read")
            return f"a record is not as the keeper writes it ({type(error).__name__})"


def _number(value: Json) -> int:
    return value if isinstance(value, int) else -1
