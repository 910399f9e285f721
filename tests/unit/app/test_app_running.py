"""The running process: it waits for a database that goes away while it begins, and a replica that stands by takes a changed file at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.clock import SystemClock
from keeper.app import reload_records, reloading, running
from keeper.app.reloading import Wish, Wishes, standing_reload
from keeper.app.running import Running
from keeper.config import loads
from keeper.config.model import Config
from keeper.config.replicas import ReplicasConfig
from keeper.config.template import template
from keeper.domain.errors import LeaseLost, StoreUnavailable
from keeper.domain.record import Draft, RecordKind, RecordQuery

pytestmark = pytest.mark.unit

ENVIRON = {"KEEPER_RPC_URL": "ws://127.0.0.1:8545", "KEEPER_NOTIFY_URL": "json://127.0.0.1:8080/keeper"}
AWAY = StoreUnavailable("the database does not answer")


def config_of(old: str = "", new: str = "") -> Config:
    text, _ = template()
    assert old in text
    return loads(text.replace(old, new).encode(), folder=Path("/nowhere"), environ=ENVIRON)


ALONE = config_of()
REPLICA = replace(ALONE, keeper=replace(ALONE.keeper, replicas=ReplicasConfig(6_000, "one")))


class Leading:
    """Leads as soon as ``leads`` is set."""

    def __init__(self, *, leads: bool = True) -> None:
        self.terms: Any = object()
        self.lost, self.refused, self.leads = asyncio.Event(), None, asyncio.Event()
        self.closed = 0
        if leads:
            self.leads.set()

    async def wait(self, stop: asyncio.Event, parts: Any) -> bool:
        await self.leads.wait()
        return not stop.is_set()

    def acts_by(self, markets: str, sender: str) -> None:
        assert markets

    async def close(self) -> None:
        self.closed += 1


class Parts:
    """What is built of a configuration."""

    def __init__(self, config: Config, store: MemoryAuditStore) -> None:
        self.config, self.closed = config, 0
        self.engine = SimpleNamespace(fingerprint="0xengine")

        async def chain_id() -> int:
            return config.chain.id

        self.edges = SimpleNamespace(
            store=store, senders={}, clock=SystemClock(), chain=SimpleNamespace(chain_id=chain_id, head=None)
        )

    async def close(self, *, keep_log: bool = False) -> None:
        self.closed += 1


class Scene:
    """A process whose services end with ``ends``, one after the other; the last one asks it to stop."""

    def __init__(self, patch: pytest.MonkeyPatch, config: Config, *ends: Exception | None, leads: bool = True) -> None:
        self.stop, self.ends, self.built, self.ran = asyncio.Event(), [*ends], list[Parts](), list[Config]()
        self.leading, self.store, self.file = Leading(leads=leads), MemoryAuditStore(), config
        self.running = Running(config, lambda: self.file, self.stop)
        for name, value in {
            "open_leading": lambda _: self.leading,
            "build": self._build,
            "Service": self._service,
            "onlookers": lambda _: SimpleNamespace(observer=SimpleNamespace(role=lambda _: None), mounts=()),
            "settle": lambda: None,
            "collapse": lambda: None,
            "BACKOFF_S": (0.0,),
        }.items():
            patch.setattr(running, name, value)
        patch.setattr(reloading, "build", self._build)

    async def _build(self, config: Config, before: Any = None, leading: Any = None) -> Parts:
        self.built.append(Parts(config, self.store))
        return self.built[-1]

    def _service(self, parts: Parts, *_: object) -> Any:
        async def run(over: asyncio.Event) -> None:
            self.ran.append(parts.config)
            await asyncio.sleep(0)
            if (end := self.ends.pop(0)) is not None:
                raise end
            self.stop.set()

        async def leave() -> None:
            return None

        return SimpleNamespace(run=run, leave=leave, open_incidents=dict)


async def test_running__database_away_at_a_takeover__a_replica_waits_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, REPLICA, AWAY, LeaseLost("another one leads"), AWAY, None)
    await asyncio.wait_for(scene.running.run(), 10)
    assert len(scene.ran) == 4
    assert [one.closed for one in scene.built] == [1, 1, 1, 1], "nothing is left behind by a try"
    assert scene.leading.closed == 1


async def test_running__database_away_at_the_first_start_of_a_keeper_alone__is_said_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, ALONE, AWAY)
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(scene.running.run(), 10)
    assert scene.leading.closed == 1


async def test_standing_by__reload_asked_for__the_changed_file_is_what_it_begins_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, REPLICA, None, leads=False)
    going = asyncio.create_task(scene.running.run())
    await until(lambda: len(scene.built) == 1)
    changed = config_of("above: 2%", "above: 3%")
    scene.file = replace(changed, keeper=REPLICA.keeper)
    scene.running.reload()
    await until(lambda: len(scene.built) == 2)
    await until(lambda: scene.built[0].closed == 1)
    scene.leading.leads.set()
    await asyncio.wait_for(going, 10)
    assert [one.hash for one in scene.ran] == [changed.hash]


async def test_standing_by__file_that_leaves_out_a_market_in_an_incident__keeps_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, REPLICA)
    parts = cast(Any, Parts(REPLICA, scene.store))
    gone = replace(REPLICA, engine=replace(REPLICA.engine, markets=()))

    async def incident(phase: str) -> None:
        body: dict[str, Any] = {"phase": phase}
        await scene.store.append([Draft(RecordKind.INCIDENT, body, 1, market="ETH-PERP", incident="ETH-PERP@7")])

    await incident("opened")
    assert await standing_reload(parts, lambda: gone) is None
    await incident("closed")
    following = await standing_reload(parts, lambda: gone)
    assert following is not None
    assert following.config is gone


async def test_wishes__whoever_waits_is_cut_off_while_it_reads__hears_of_it_the_next_time() -> None:
    store = Halting()
    wishes = Wishes(cast(Any, store), asyncio.Event())
    waiting = asyncio.create_task(wishes.next())
    await until(lambda: store.pages > 0)
    (asked,) = await store.append([reload_records.asked(1, "me", "0x")])
    store.halts = True
    await until(lambda: store.halted)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    store.halts = False
    assert await asyncio.wait_for(wishes.next(), 10) == Wish(asked.seq)
    wishes.put_back(Wish(asked.seq))
    assert await wishes.next() == Wish(asked.seq), "nobody answered it"


async def test_wishes__asked_for_before_anybody_waits__is_answered() -> None:
    store = MemoryAuditStore()
    wishes = Wishes(store, asyncio.Event())
    await store.append([reload_records.asked(1, "before the process", "0x")])
    await wishes.begin()
    (asked,) = await store.append([reload_records.asked(2, "me", "0x")])
    assert await asyncio.wait_for(wishes.next(), 10) == Wish(asked.seq)


class Halting(MemoryAuditStore):
    """After a page with something on it the next one does not come while ``halts``."""

    halts = halted = False
    pages = 0

    async def page(self, query: RecordQuery) -> Any:
        found: Any = await super().page(query)
        self.pages += 1
        if self.halts and not found:
            self.halted = True
            await asyncio.Event().wait()
        return found


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)
