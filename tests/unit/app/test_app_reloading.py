"""What a running keeper may take over, how it hears that it should, and what it tells systemd."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app import records, reload_records
from keeper.app.carry_over import meanings
from keeper.app.parts import Parts
from keeper.app.reloading import REACH_S, RESTART, Wish, Wishes, lines_of, reach, unchangeable
from keeper.app.telling_systemd import READY, TellingSystemd
from keeper.config import loads
from keeper.config.audit import ActWithoutLog
from keeper.config.model import Config, Mode
from keeper.config.secret import Secret
from keeper.config.service_manager import ServiceManager, service_manager
from keeper.config.template import template
from keeper.domain.errors import ConfigurationError, KeeperError, Problem, Unreachable, WrongChain
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

ENVIRON = {"KEEPER_RPC_URL": "ws://127.0.0.1:8545", "KEEPER_NOTIFY_URL": "json://127.0.0.1:8080/keeper"}


def config_of(old: str = "", new: str = "") -> Config:
    text, _ = template()
    assert old in text
    return loads(text.replace(old, new).encode(), folder=Path("/nowhere"), environ=ENVIRON)


PLAIN = config_of()


def paths(new: Config, incidents: dict[str, str] | None = None) -> list[str]:
    parts = cast(Parts, SimpleNamespace(config=PLAIN))
    found = unchangeable(parts, new, incidents or {})
    assert all(one.hint for one in found)
    return [one.path for one in found]


def test_reload__of_what_may_change__is_taken() -> None:
    assert paths(PLAIN) == []
    assert paths(config_of("above: 2%", "above: 3%")) == []
    assert paths(replace(PLAIN, notify=())) == []


@pytest.mark.parametrize(
    ("other", "path"),
    [
        (replace(PLAIN, keeper=replace(PLAIN.keeper, mode=Mode.LIVE)), "keeper.mode"),
        (replace(PLAIN, chain=replace(PLAIN.chain, id=5)), "chain.id"),
        (replace(PLAIN, audit=replace(PLAIN.audit, url=Secret("sqlite:////else.db"))), "audit.url"),
        (replace(PLAIN, audit=replace(PLAIN.audit, spool="/else")), "audit.spool"),
        (
            replace(PLAIN, audit=replace(PLAIN.audit, act_without_log=ActWithoutLog.CRITICAL)),
            "audit.act_without_log",
        ),
        (replace(PLAIN, keeper=replace(PLAIN.keeper, replicas=cast(Any, "some"))), "keeper.replicas"),
        (replace(PLAIN, signer=cast(Any, "another key")), "signer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_reload__of_what_cannot_change__names_it_and_says_restart(other: Config, path: str) -> None:
    assert paths(other) == [path]
    assert unchangeable(cast(Parts, SimpleNamespace(config=PLAIN)), other, {})[0].hint == RESTART


def test_reload__that_leaves_out_a_market_in_an_incident__waits() -> None:
    assert paths(PLAIN, {"ETH-PERP": "ETH-PERP@7", "GONE": "GONE@9"}) == ["markets.GONE"]


def test_refusal__every_problem__has_its_line_and_its_hint() -> None:
    problems = (Problem("a.b", 3, "x", "is wrong", "write y"), Problem("c", None, "${NAME}", "is missing", ""))
    assert lines_of(ConfigurationError(problems)) == ["line 3, a.b: is wrong (found: x): write y", "c: is missing"]
    assert lines_of(KeeperError("cannot")) == ["cannot"]


def test_meanings__another_address_or_another_call__is_another_meaning() -> None:
    was = meanings(PLAIN)
    elsewhere = meanings(config_of("lastPrice", "bidPrice"))
    assert [name for name, one in was.sources.items() if elsewhere.sources[name] != one] == ["eth-spot"]
    assert was.actions == elsewhere.actions
    later = meanings(config_of("expires: 5m", "expires: 6m"))
    assert later.actions == was.actions, "how long it is tried is not what it does"
    other = meanings(config_of("pauseMarket(bytes32)", "haltMarket(bytes32)"))
    assert [key for key, one in was.actions.items() if other.actions[key] != one] == [("ETH-PERP", "pause-market")]


async def test_wishes__signal_and_records__are_one_when_they_wait_together() -> None:
    store, asked = MemoryAuditStore(), asyncio.Event()
    await store.append([reload_records.asked(1, "old", "0x")])
    wishes = Wishes(store, asked)
    waiting = asyncio.create_task(wishes.next())
    await asyncio.sleep(0.01)
    assert not waiting.done(), "what was asked for before the process began is not answered"
    asked.set()
    assert await waiting == Wish(0)
    await store.append([reload_records.asked(2, "me", "0x"), records.job(3, "probe", state="failing", message="")])
    await store.append([reload_records.asked(4, "you", "0x")])
    asked.set()
    assert await wishes.next() == Wish(4)
    assert not asked.is_set()


@pytest.mark.parametrize(("of", "mine"), [(7, True), (8, True), (6, False), (None, False)])
async def test_answer__to_this_wish_or_one_that_came_after__is_it(of: int | None, mine: bool) -> None:
    store = MemoryAuditStore()
    draft = reload_records.answer(1, reload_records.APPLIED, of or 0, "", "0xa", "0xb")
    (record,) = await store.append([draft if of is not None else reload_records.asked(1, "me", "0x")])
    assert reload_records.is_answer(record, 7) is mine


# -- systemd and the page of a replica that stands by ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ServiceManager()),
        ({"NOTIFY_SOCKET": "/run/x"}, ServiceManager("/run/x")),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "60000000"}, ServiceManager("@x", 60.0)),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "41"}, ServiceManager("", 60.0)),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "42"}, ServiceManager()),
        ({"WATCHDOG_USEC": "soon"}, ServiceManager()),
    ],
)
def test_service_manager__what_it_passed__is_read(environ: dict[str, str], expected: ServiceManager) -> None:
    assert service_manager(41, environ) == expected


def test_telling_systemd__without_one__says_nothing() -> None:
    TellingSystemd(ServiceManager()).say(READY)  # a socket would fail this test


class Away:
    """A chain that does not answer the first so many times."""

    def __init__(self, refusals: int, serves: int = PLAIN.chain.id) -> None:
        self.refusals = refusals
        self._serves = serves

    async def chain_id(self) -> int:
        if self.refusals > 0:
            self.refusals -= 1
            raise Unreachable("connection refused")
        return self._serves


async def reached(chain: Away) -> float:
    """Seconds until the nodes were reached."""
    clock = ManualClock()
    edges = SimpleNamespace(chain=chain, clock=clock)
    asking = asyncio.create_task(reach(cast(Parts, SimpleNamespace(config=PLAIN, edges=edges))))
    while not asking.done():
        await clock.advance(500)
    await asking
    return clock.monotonic_ms() / 1000


async def test_reach__node_away_for_a_moment__is_asked_again() -> None:
    assert await reached(Away(refusals=10)) < REACH_S


async def test_reach__node_away_for_long__is_refused() -> None:
    chain = Away(refusals=10_000)
    with pytest.raises(Unreachable, match="connection refused"):
        await reached(chain)
    assert chain.refusals > 10_000 - 3 * REACH_S


async def test_reach__another_chain__is_refused_at_once() -> None:
    with pytest.raises(WrongChain):
        await reached(Away(refusals=0, serves=PLAIN.chain.id + 1))


async def test_reach__of_a_standby__asks_once() -> None:
    chain = Away(refusals=10)
    edges = SimpleNamespace(chain=chain, clock=ManualClock())
    with pytest.raises(Unreachable):
        await reach(cast(Parts, SimpleNamespace(config=PLAIN, edges=edges)), patient=False)
    assert chain.refusals == 9
