"""Records that nobody waits for: written in order by one task, off the hot path, and never lost silently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import pack
from keeper.app import records
from keeper.domain.errors import AuditError
from keeper.domain.evidence import KEY
from keeper.domain.record import Draft, Json
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock

LIMIT = 10_000
"""How many records may wait while the database is away. Beyond it new ones are dropped, and their number is recorded."""
BATCH = 100
RETRY_S = 1.0
ASIDE_S = 0.02
"""How long a record may wait before it is written. What comes with a trip would else take the writer and the interpreter from it just then."""


@dataclass(slots=True)
class _Waiting:
    """``beside``: what is still to be packed as the draft's evidence."""

    draft: Draft
    beside: Mapping[str, Json] | None = None


class Scribe:
    """``put`` never blocks; ``run`` writes until cancelled; ``drain`` waits until everything is written.

    ``told`` hears of each commit: None when it worked, else what stood in the way.
    """

    def __init__(
        self, store: AuditStore, clock: Clock, told: Callable[[AuditError | None], None] = lambda _: None
    ) -> None:
        self._store = store
        self._clock = clock
        self._told = told
        self._waiting: list[_Waiting] = []
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._log = structlog.get_logger("audit")
        self._lost = 0
        self._one_by_one = False
        self.head = 0
        """The number of the newest record that was written here."""
        self.written = self.dropped = 0
        """How many records were written since the start, and how many were not."""

    @property
    def waiting(self) -> int:
        """How many records are still to be written."""
        return len(self._waiting)

    def put(self, draft: Draft, beside: Mapping[str, Json] | None = None) -> None:
        """Queues one record. What is large goes ``beside``: packed when its turn comes, kept by its hash, and only named in the record."""
        if len(self._waiting) >= LIMIT:
            self._drop()
            return
        self._waiting.append(_Waiting(draft, beside))
        self._idle.clear()
        self._news.set()

    async def run(self) -> None:
        """Writes whatever waits, again and again until the database takes it."""
        while True:
            await self._news.wait()
            await self._clock.sleep(ASIDE_S)
            self._news.clear()
            while self._waiting:
                batch = self._waiting[: 1 if self._one_by_one else BATCH]
                try:
                    for one in batch:
                        await _pack(one)
                    kept = await self._store.append([one.draft for one in batch])
                except DraftRefused as error:
                    if len(batch) > 1:
                        self._one_by_one = True
                        continue
                    # A record that the store can never take is a bug; it must not hold up the others, nor pass unseen.
                    self._log.error(
                        "a record was refused and is dropped", kind=batch[0].draft.kind, error=error.message
                    )
                    self._drop()
                except AuditError as error:
                    self._log.error("records are waiting", waiting=len(self._waiting), error=error.message)
                    self._told(error)
                    await self._clock.sleep(RETRY_S)
                    continue
                else:
                    self.head = kept[-1].seq if kept else self.head
                    self.written += len(batch)
                del self._waiting[: len(batch)]
                self._told(None)
                if self._lost:
                    message = f"{self._lost} records were dropped: too many waited, or the store refused them"
                    self._lost = 0
                    self.put(records.fault(self._clock.now_ms(), "audit", down=False, reason="gap", message=message))
            self._one_by_one = False
            self._idle.set()

    def _drop(self) -> None:
        self._lost += 1
        self.dropped += 1

    async def drain(self, timeout_s: float) -> bool:
        """True when everything was written in time."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return False
        return True


async def _pack(waiting: _Waiting) -> None:
    """Milliseconds for a large tick: in another thread, so that the next block does not wait for it. Raises DraftRefused."""
    if waiting.beside is None:
        return
    evidence = await asyncio.to_thread(pack, waiting.beside)
    body = {**waiting.draft.body, KEY: evidence.hash}
    waiting.draft, waiting.beside = replace(waiting.draft, body=body, evidence=evidence), None
