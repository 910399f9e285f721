"""The running process: one configuration after the other over one log, until it is asked to stop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress

import structlog

from keeper.app.carry_over import Before
from keeper.app.caught_up import CaughtUp
from keeper.app.ending import end
from keeper.app.huge_pages import collapse, give_back
from keeper.app.leading import Leading, open_leading
from keeper.app.observer import Observers
from keeper.app.onlookers import onlookers
from keeper.app.parts import Parts
from keeper.app.reloading import Reloading, Wishes, standing_reload
from keeper.app.service import Service
from keeper.app.supervision import BACKOFF_S
from keeper.app.taking_over import deciding
from keeper.app.telling_systemd import READY, STOPPING, TellingSystemd
from keeper.app.wiring import build
from keeper.config.model import Config
from keeper.domain.errors import KeeperError, LeaseLost, StoreUnavailable


class Running:
    """``again`` reads the configuration anew and raises ConfigurationError; ``stop`` ends the process."""

    def __init__(self, config: Config, again: Callable[[], Config], stop: asyncio.Event) -> None:
        self._config = config
        self._again = again
        self._stop = stop
        self._asked = asyncio.Event()
        self._has_run = False
        self._tries = 0
        self._log = structlog.get_logger("keeper")

    def reload(self) -> None:
        """Takes over the configuration as it is now written, where that can be. Safe to call from a signal handler of the loop."""
        self._asked.set()

    async def run(self) -> None:
        """Until ``stop`` is set. Raises KeeperError when it cannot start, or when another keeper has taken its place."""
        leading = open_leading(self._config)
        systemd = TellingSystemd()
        alive = asyncio.create_task(systemd.keep_saying())
        try:
            while not self._stop.is_set() and leading.refused is None:
                try:
                    parts = await build(self._config, leading=leading)
                    systemd.say(READY)
                    await self._serve(parts, leading)
                except LeaseLost:
                    continue  # at the very start of a service; another replica leads, and this one stands by again
                except StoreUnavailable as error:
                    if self._config.keeper.replicas is None and not self._has_run:
                        raise
                    await self._pause(error)
        finally:
            systemd.say(STOPPING)
            alive.cancel()
            await leading.close()
        if leading.refused is not None:
            raise leading.refused

    async def _pause(self, error: StoreUnavailable) -> None:
        """The database went away while a service began. Another try is made when it may be there again, by this process or by another replica."""
        wait_s = BACKOFF_S[min(self._tries, len(BACKOFF_S) - 1)]
        self._log.error("the keeper waits for its database", error=error.message, remedy=error.remedy, again_s=wait_s)
        self._tries += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), wait_s)

    async def _serve(self, parts: Parts, leading: Leading) -> None:
        """Stands by until this process may act; then one service after the other, until it is to stop or another replica leads.

        Each goes on where the one before ended. Closes the parts, also those that were given.
        """
        over = asyncio.Event()
        ending: asyncio.Task[None] | None = None
        wishes, leaving = Wishes(parts.edges.store, self._asked), set[asyncio.Task[None]]()
        before: Before | None = None
        try:
            settle()
            collapse()
            await wishes.begin()
            while True:
                parts, acts = await self._stand_by(parts, leading, wishes)
                if not acts:
                    return
                if ending is None:  # not before: a lease that was lost earlier says nothing of this one
                    ending = asyncio.create_task(_set_after(over, self._stop, leading.lost))
                await self._look_again(parts.config)
                self._config = parts.config
                seen = onlookers(parts)
                seen.observer.role("leading")
                caught_up = CaughtUp(before.newest if before is not None else None)
                service = Service(parts, Observers([seen.observer, caught_up]), seen.mounts, before)
                following = await self._ended(service, caught_up, Reloading(parts, service, self._again, wishes), over)
                if following is None:
                    return
                self._has_run, self._tries = True, 0
                before = service.handed_over()
                task = asyncio.create_task(_bid_farewell(service, parts))
                leaving.add(task)
                task.add_done_callback(leaving.discard)
                parts = following
        finally:
            if ending is not None:
                ending.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            await parts.close()

    async def _stand_by(self, parts: Parts, leading: Leading, wishes: Wishes) -> tuple[Parts, bool]:
        """Until this process may act (True), or never may. What somebody wants taken over meanwhile is, and the parts before it are closed."""
        while True:
            leading.acts_by(deciding(parts), parts.edges.senders.get("", ""))
            waiting = asyncio.create_task(leading.wait(self._stop, parts))
            wished = asyncio.create_task(wishes.next())
            try:
                await asyncio.wait({waiting, wished}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    return parts, waiting.result()
            finally:
                await end([waiting, wished])
                if waiting.done() and not waiting.cancelled() and wished.done() and not wished.cancelled():
                    wishes.put_back(wished.result())  # the service that begins now answers it
            following = await standing_reload(parts, self._again)
            if following is not None:
                await parts.close(keep_log=True)
                parts, self._config = following, following.config

    async def _look_again(self, config: Config) -> None:
        """A replica that stood by may have read its file long ago: what was changed since is taken over as soon as it leads."""
        if config.keeper.replicas is None:
            return
        with suppress(KeeperError):  # a file that is wrong is refused when somebody asks for it
            if (await asyncio.to_thread(self._again)).hash != config.hash:
                self._asked.set()

    async def _ended(
        self, service: Service, caught_up: CaughtUp, reloading: Reloading, over: asyncio.Event
    ) -> Parts | None:
        """Runs a service until ``over`` is set (None), or others take over (their parts)."""
        running = asyncio.create_task(service.run(over))
        preparing = asyncio.create_task(_next(caught_up, reloading))
        try:
            await asyncio.wait({running, preparing}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                await service.leave()
            await running
            if preparing.done() and not over.is_set():
                return preparing.result()
        finally:
            for task in (running, preparing):
                task.cancel()
            await asyncio.gather(running, preparing, return_exceptions=True)
        if not preparing.cancelled():
            await preparing.result().close(keep_log=True)
        return None


async def _next(caught_up: CaughtUp, reloading: Reloading) -> Parts:
    await caught_up.wait()
    return await reloading.next()


async def _set_after(over: asyncio.Event, *events: asyncio.Event) -> None:
    """Sets ``over`` as soon as one of the others is set."""
    waiting = [asyncio.create_task(each.wait()) for each in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        over.set()
    finally:
        for task in waiting:
            task.cancel()


async def _bid_farewell(service: Service, parts: Parts) -> None:
    await service.farewell()
    await parts.close(keep_log=True)
    del service, parts  # nobody else has them: what 200 markets were made of, 30 MB, is free from here on
    settle()


def settle() -> None:
    """Takes what is there out of the collector's sight: a full collection would walk 200,000 objects: 90 ms in which no head is heard."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    give_back()
