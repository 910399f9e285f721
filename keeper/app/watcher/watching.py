"""The watcher's loop: a node of its own, the keeper's log, the engine beside it. It survives whatever goes away, and goes on telling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace

import structlog

from keeper.adapters.clock import SystemClock
from keeper.app.heads import newest_and_announced
from keeper.app.nodes import open_nodes
from keeper.app.watcher.findings import ChainView, Finding, Judge, Matter
from keeper.app.watcher.log_side import ASK_S, Asked, LogSide
from keeper.app.watcher.shadow import Shadow
from keeper.app.watcher.telling import Teller
from keeper.app.wiring import open_notifier
from keeper.config.model import ChainConfig, Config, EndpointRole
from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, OutsideError

LOOK_S = 0.5
UNDONE_EVERY = 20
"""The effects of what was done are held against the log at every so many-th look."""
BACK_OFF_S = 1.0
DRAIN_S = 5.0


def own_nodes(chain: ChainConfig) -> ChainConfig:
    """The verify endpoints first, so that the keeper's own node is no witness for itself; each may be followed here."""
    reading = (*chain.verifiers, *chain.primaries)
    return replace(chain, endpoints=tuple(replace(each, role=EndpointRole.PRIMARY) for each in reading))


class Watcher:
    """One watcher, from start to stop. Not reusable."""

    def __init__(self, config: Config) -> None:
        assert config.watch is not None, "the loader fills it in"
        self._config = config
        self._terms = config.watch
        self._clock = SystemClock()
        self._log = structlog.get_logger("watch")
        self._log_side = LogSide(config.audit.url.reveal())
        self._asked = Asked(self._log_side.view)
        self._nodes = open_nodes(own_nodes(config.chain), self._clock)
        self._chain = ChainView(heard_ms=self._clock.monotonic_ms())
        self._judge = Judge(self._terms.silent_blocks, self._terms.stands_ms)
        self._shadow = Shadow(config, self._nodes.fleet, self._log_side, self._clock)
        self._evaluated: BlockStamp | None = None
        self._undone: list[Finding] = []
        self._looks = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Raises ConfigurationError for a receiver that cannot be used."""
        notifiers = [
            await open_notifier(each, place) for place, each in enumerate(self._terms.notify or self._config.notify)
        ]
        whose = f"the watcher of keeper {self._config.keeper.name} on chain {self._config.chain.id}"
        teller = Teller(notifiers, self._clock, self._terms.again_ms, whose)
        telling = asyncio.create_task(teller.run())
        await self._shadow.warm_up()
        works = [self._heads, lambda: self._looking(teller)]
        works += [lambda feed=feed: self._shadow.watch.poll(feed) for feed in self._shadow.feeds]  # type: ignore[misc]
        tasks = [asyncio.create_task(self._kept(work)) for work in works]
        self._log.info("watching", chain=self._config.chain.id, silent=f"{self._terms.silent_blocks} blocks")
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await teller.drain(DRAIN_S)
            telling.cancel()
            closers = [
                self._nodes.close,
                *(each.close for each in notifiers),
                *(each.close for each in self._shadow.feeds),
            ]
            await asyncio.gather(telling, *(close() for close in closers), return_exceptions=True)

    async def once(self) -> list[Finding]:
        """One look, without the engine: what is wrong now, as far as one look can tell."""
        try:
            async with asyncio.timeout(ASK_S):
                head = await self._nodes.fleet.head()
            self._chain.number = head.number
            age_ms = self._clock.now_ms() - head.timestamp_s * 1000
            self._chain.heard_ms = self._clock.monotonic_ms() - max(0, age_ms)
        except (OutsideError, TimeoutError) as error:
            self._chain.away = error.message if isinstance(error, OutsideError) else f"no answer within {ASK_S:g} s"
        finally:
            await self._nodes.close()
        log = await self._asked.view()
        now_ms = self._clock.monotonic_ms()
        asked_at = self._chain.number
        self._judge.judge(self._chain, asked_at, log, now_ms)
        # once more, as if it had lasted: nobody comes back to look
        return self._judge.judge(self._chain, asked_at, log, now_ms + ASK_S * 1000)

    async def _heads(self) -> None:
        """Hears every head, and evaluates it. Ends by raising when the node is lost."""
        fleet = self._nodes.fleet
        try:
            served = await fleet.chain_id()
            if served != self._config.chain.id:
                self._away(f"its node serves chain {served}, and the configuration says {self._config.chain.id}")
                return
            self._chain.number, self._chain.away = (await fleet.head()).number, ""
            async with aclosing(newest_and_announced(fleet, self._evaluated)) as blocks:
                async for block in blocks:
                    self._chain.number, self._chain.away = block.number, ""
                    self._chain.heard_ms = self._clock.monotonic_ms()
                    await self._shadow.look(block)
                    self._evaluated = block
            self._away("the subscription to heads ended")
        except OutsideError as error:
            self._away(error.message)

    def _away(self, why: str) -> None:
        if not self._chain.away:
            self._chain.away_ms = self._clock.monotonic_ms()
        self._chain.away = why

    async def _looking(self, teller: Teller) -> None:
        while True:
            teller.update(await self._found())
            await self._clock.sleep(LOOK_S)

    async def _found(self) -> list[Finding]:
        asked_at = self._chain.number
        log = await self._asked.view()
        found = self._judge.judge(self._chain, asked_at, log, self._clock.monotonic_ms())
        found += await self._shadow.missed()
        self._looks += 1
        if self._looks % UNDONE_EVERY == 0 and all(each.matter is not Matter.DATABASE for each in found):
            with suppress(AuditError):
                self._undone = await self._shadow.undone()
        return found + self._undone

    async def _kept(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begins again whatever ended: nothing that goes wrong in one part may end the watching."""
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - the watcher outlives its own bugs
                self._log.exception("a part of the watcher failed, and begins again")
            await self._clock.sleep(BACK_OFF_S)
