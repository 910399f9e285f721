"""What a replica does while another one leads: it hears heads and polls feeds, so that it can take over at once. It writes nothing to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from keeper.app.metrics.standing import standing
from keeper.app.parts import Parts
from keeper.app.supervision import BACKOFF_S
from keeper.domain.errors import OutsideError, WrongChain
from keeper.ports.prices import FeedSource


async def stand_by(parts: Parts, saw: Callable[[int], None]) -> None:
    """Until cancelled. ``saw`` hears the number of every block."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_kept(partial(_hear, parts, saw)))
        for feed in parts.feed_sources:
            group.create_task(_kept(partial(_poll, feed)))
        group.create_task(_kept(partial(_show, parts)))


async def _kept(run: Callable[[], Awaitable[None]]) -> None:
    """Starts it again when it fails."""
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001 - a part that fails must not end the others, nor the standby
            structlog.get_logger("keeper").exception("a part of the standby failed, and starts again")
        await asyncio.sleep(BACKOFF_S[-1])


async def _hear(parts: Parts, saw: Callable[[int], None]) -> None:
    """Heads of the right chain, across lost connections; a fault is said once in the program's log, which is all that a standby has."""
    log, chain = structlog.get_logger("keeper"), parts.edges.chain
    wait = 0
    while True:
        try:
            served = await chain.chain_id()
            if served != parts.config.chain.id:
                raise WrongChain(f"the node serves chain {served}, and the configuration says {parts.config.chain.id}")
            saw((await chain.head()).number)
            async for block in chain.heads():
                if wait:
                    log.info("the standby hears heads again", block=block.number)
                wait = 0
                saw(block.number)
        except OutsideError as error:
            if not wait:
                log.error("the standby hears no heads", error=error.message, remedy=error.remedy)
        await asyncio.sleep(BACKOFF_S[min(wait, len(BACKOFF_S) - 1)])
        wait += 1


async def _show(parts: Parts) -> None:
    if (page := standing(parts)) is not None:
        await page()
    await asyncio.Event().wait()


async def _poll(feed: FeedSource) -> None:
    """Keeps its connections and what it knows of its markets warm."""
    while True:
        await feed.poll()
        await asyncio.sleep(feed.interval_ms / 1000)
