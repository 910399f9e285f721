"""Whether this process may act: alone on its database, or as the replica that holds the lease.

A replica renews its lease from a thread of its own, so that a busy event loop does not lose it; but it gives the lease up when it evaluates nothing
while another replica sees newer blocks. What the database refuses (``LeaseLost``) is never done another way.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from keeper import __version__
from keeper.adapters.audit.sole import sole_keeper
from keeper.adapters.audit.store import LeaseTerms
from keeper.adapters.clock import boottime_ms
from keeper.config.model import Config
from keeper.config.replicas import ReplicasConfig
from keeper.domain.errors import AlreadyRunning, AuditError, LeaseLost
from keeper.domain.lease import Acting, Lease, Replica, must_yield, sees_enough, unlike
from keeper.domain.record import Json

if TYPE_CHECKING:
    from keeper.adapters.audit.postgres_lease import LeaseTable, Sight
    from keeper.app.parts import Parts

LOOK_MS: Final = 500
"""At most so long between two looks of a replica that stands by."""
AGAIN_MS: Final = 200
"""Between two looks at a session that ended, and while the database does not answer."""
ENDED_MS: Final = 600
"""So long a leader has to connect again when only its connection was lost: it notices at once."""
FIRST_BLOCK_LEASES: Final = 3
"""So many lengths of the lease the first evaluated block may take after a takeover."""
END_S: Final = 10.0
TWIN_LEASES: Final = 2
"""For so many lengths of the lease another process is believed to have this name after it was seen."""
ALIKE: Final = (
    "give all replicas the same configuration, key and version, and each a name of its own; then: keeper status CONFIG"
)


class Leading(Protocol):
    """``terms``: under which the log is written; None where nobody else can act. ``lost`` is set when this process may not act any more;
    ``refused`` then says why where another keeper has the database for good.
    """

    terms: LeaseTerms | None
    lost: asyncio.Event
    refused: AlreadyRunning | None

    async def wait(self, stop: asyncio.Event, parts: Parts) -> bool:
        """Stands by until this process may act (True, at once where it may already), or ``stop`` is set or it never may (False)."""

    def may_act(self) -> bool:
        """Whether anything may be sent now, by this machine's own clock."""

    def saw(self, block: int) -> None:
        """A block was announced."""

    def evaluated(self, block: int) -> None:
        """A block was evaluated."""

    def said(self) -> Mapping[str, Json]:
        """For the record of the start; empty without replicas."""

    def acts_by(self, markets: str, sender: str) -> None:
        """What this process acts by from now on: a hash of all that decides, and the address of its key."""

    def unlike(self) -> str:
        """In what other replicas differ that should be the same everywhere, in words; empty where all is well."""

    async def close(self) -> None:
        """Lets others act at once. Safe to call twice."""


def open_leading(config: Config) -> Leading:
    """By the configuration. Blocks for a moment. Raises AlreadyRunning, StoreUnavailable, StoreNotMigrated."""
    if config.keeper.replicas is None:
        return SoleLeading(config.audit.url.reveal())
    from keeper.adapters.audit.postgres_lease import LeaseTable

    replicas = config.keeper.replicas
    acting = Acting(process=secrets.token_hex(4))
    table = LeaseTable(config.audit.url.reveal(), replicas.name, replicas.lease_ms, __version__, acting)
    table.open()
    return ReplicaLeading(table, replicas)


class SoleLeading:
    """Implements ``Leading``: no other keeper can run on the database."""

    terms: LeaseTerms | None = None

    def __init__(self, url: str) -> None:
        self.lost = asyncio.Event()
        self.refused: AlreadyRunning | None = None
        self._loop = asyncio.get_running_loop()
        self._held = ExitStack()
        self._held.enter_context(sole_keeper(url, self._taken))

    def _taken(self, error: AlreadyRunning) -> None:
        self.refused = error
        with suppress(RuntimeError):  # the loop ended meanwhile
            self._loop.call_soon_threadsafe(self.lost.set)

    async def wait(self, stop: asyncio.Event, parts: Parts) -> bool:
        return not stop.is_set() and self.refused is None

    def may_act(self) -> bool:
        return True

    def saw(self, block: int) -> None:
        """Nobody compares."""

    def evaluated(self, block: int) -> None:
        """Nobody compares."""

    def said(self) -> Mapping[str, Json]:
        return {}

    def acts_by(self, markets: str, sender: str) -> None:
        """Nobody compares."""

    def unlike(self) -> str:
        return ""

    async def close(self) -> None:
        await asyncio.to_thread(self._held.close)


class ReplicaLeading:
    """Implements ``Leading``: one of several, by the lease in the database."""

    def __init__(self, table: LeaseTable, config: ReplicasConfig) -> None:
        self.lost = asyncio.Event()
        self.refused: AlreadyRunning | None = None
        self.terms: LeaseTerms | None = LeaseTerms(self._fence_to_write, config.lease_ms // 2)
        self.taken: Lease | None = None
        self._table = table
        self._name = config.name
        self._length_ms = config.lease_ms
        self._loop = asyncio.get_running_loop()
        self._took = asyncio.Event()
        self._waits = False
        self._fence = 0
        self._until_ms = 0.0
        self._seen = self._evaluated = self._evaluated_before = 0
        self._first_by_ms = 0.0
        self._ended_ms: float | None = None
        self._away = False
        self._leader: str | None = None
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        self._over = False
        self._unlike = ""
        self._twin_ms: float | None = None
        self._log = structlog.get_logger("keeper").bind(replica=config.name)
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    @property
    def fence(self) -> int:
        """The number of the lease that is held; 0 where none is."""
        return self._fence

    async def wait(self, stop: asyncio.Event, parts: Parts) -> bool:
        from keeper.app.standby import stand_by

        if self._fence or self.refused is not None or stop.is_set():
            return bool(self._fence) and not stop.is_set()
        self.lost.clear()
        self._took.clear()
        standing = asyncio.create_task(stand_by(parts, self.saw))
        ends = [asyncio.create_task(each.wait()) for each in (stop, self._took, self.lost)]
        self._waits = True
        os.write(self._waker, b"x")
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waits = False
            for task in (standing, *ends):
                task.cancel()
            await asyncio.gather(standing, *ends, return_exceptions=True)
        return bool(self._fence) and not stop.is_set()

    def may_act(self) -> bool:
        return bool(self._fence) and boottime_ms() < self._until_ms

    def saw(self, block: int) -> None:
        self._seen = max(self._seen, block)

    def evaluated(self, block: int) -> None:
        self._seen = max(self._seen, block)
        self._evaluated = block
        self._first_by_ms = 0.0

    def said(self) -> Mapping[str, Json]:
        taken = self.taken
        if taken is None:
            return {}
        before: dict[str, Json] = {"from": taken.before, "why": taken.why.value, "silent_ms": str(taken.silent_ms)}
        return {"replica": self._name, "fence": taken.fence, "took_over": before if taken.before else None}

    def acts_by(self, markets: str, sender: str) -> None:
        self._table.acting = replace(self._table.acting, markets=markets, sender=sender)

    def unlike(self) -> str:
        return self._unlike

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._over and not self._thread.is_alive():
            return
        self._over = True
        os.write(self._waker, b"x")
        self._thread.join(END_S)
        if self._thread.is_alive():
            return  # it waits for a network that takes nothing; the lease runs out
        fence, self._fence = self._fence, 0
        if fence:
            self._table.release(fence)
        self._table.end(self._seen, self._evaluated)
        os.close(self._wake)
        os.close(self._waker)

    def _fence_to_write(self) -> int:
        if not self._fence:
            raise LeaseLost("this replica does not lead", remedy="none is needed: another replica does")
        return self._fence

    # -- the thread -------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            try:
                wait_ms = self._lead() if self._fence else self._look()
                self._away = False
            except AlreadyRunning as error:
                self._lose("a keeper without replicas runs on the database", error)
                return
            except AuditError as error:
                if not self._away:
                    self._log.warning("the lease cannot be asked for", error=error.message, leads=bool(self._fence))
                wait_ms = AGAIN_MS if self._away else 0.0  # what was only a connection is there again at once
                self._away = True
            if not self._over:
                self._table.idle(wait_ms, self._wake)
                self._drain()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 100)

    def _lead(self) -> float:
        """Renews, or gives up; how long to wait, in ms."""
        # in this order: who evaluates its first block while the database is asked has the time for it, or has evaluated it
        begun_ms, first_by_ms, evaluated = boottime_ms(), self._first_by_ms, self._evaluated
        sight = self._table.beat(self._fence, self._seen, evaluated)
        others = self._compared(sight)
        if not sight.held:
            self._lose(f"{sight.lease.holder if sight.lease else 'nobody'} leads now")
            return 0.0
        self._until_ms = begun_ms + self._length_ms
        if begun_ms >= first_by_ms and must_yield(self._evaluated_before, evaluated, others):
            fence = self._fence
            self._lose("no block was evaluated, and another replica sees newer ones")
            self._table.release(fence)
            return self._length_ms / 3
        self._evaluated_before = evaluated
        return self._length_ms / 3

    def _look(self) -> float:
        """Says that it is there, and takes the lease where it may; how long to wait, in ms."""
        sight = self._table.beat(0, self._seen, self._evaluated)
        others = self._compared(sight)
        if not self._waits:
            return self._length_ms / 6
        lease = sight.lease
        ended = lease is not None and lease.ended
        self._ended_ms = (self._ended_ms or boottime_ms()) if ended else None
        gone = self._ended_ms is not None and boottime_ms() - self._ended_ms >= ENDED_MS
        free = lease is None or not lease.holder or lease.left_ms <= 0
        if (free or gone) and sees_enough(self._seen, others):
            begun_ms = boottime_ms()
            fence = self._table.take(ended=gone)
            if fence is not None:
                self._take(fence, begun_ms)
                return 0.0
        elif lease is not None and lease.holder != self._leader:
            self._leader = lease.holder
            self._log.info("standing by", leader=lease.holder or "nobody", fence=lease.fence)
        return AGAIN_MS if ended else min(self._length_ms / 6, LOOK_MS)

    def _take(self, fence: int, begun_ms: float) -> None:
        self._evaluated = self._evaluated_before = 0
        self._first_by_ms = begun_ms + FIRST_BLOCK_LEASES * self._length_ms
        self._until_ms = begun_ms + self._length_ms
        self._ended_ms = self._leader = None
        self.taken = self._table.beat(fence, self._seen, 0).lease
        self._fence = fence
        taken = self.taken
        assert taken is not None, "it was taken just now"
        self._log.warning(
            "leading", fence=fence, before=taken.before, why=taken.why.value, silent_s=taken.silent_ms / 1000
        )
        self._tell(self._took)

    def _lose(self, reason: str, refused: AlreadyRunning | None = None) -> None:
        fence, self._fence = self._fence, 0
        self.refused = refused
        self._leader = None
        if fence or refused:
            self._log.error("not leading any more", fence=fence, reason=reason)
            self._tell(self.lost)

    def _tell(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop ended meanwhile
            self._loop.call_soon_threadsafe(event.set)

    def _compared(self, sight: Sight) -> list[Replica]:
        """The others that live; in what they are not as this one is, is noted, and said in the program's log when that changes."""
        living = [one for one in sight.others if one.lives(self._length_ms)]
        mine = self._table.acting
        found = [f"{one.name} has {' and '.join(how)}" for one in living if (how := unlike(mine, __version__, one))]
        if sight.twin:
            self._twin_ms = boottime_ms()
        if self._twin_ms is not None and boottime_ms() - self._twin_ms <= TWIN_LEASES * self._length_ms:
            found.append(f"another process is called {self._name} too")
        said = "; ".join(found)
        if said != self._unlike:
            self._unlike = said
            if said:
                self._log.error("replicas are not alike", found=said, remedy=ALIKE)
            else:
                self._log.info("replicas are alike again")
        return living
