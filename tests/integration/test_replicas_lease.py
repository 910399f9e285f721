"""The lease of replicas on a real PostgreSQL: who has it, who gets it next, and what is refused without it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from keeper import __version__
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.postgres_database import PostgresDatabase
from keeper.adapters.audit.postgres_ddl import WRITER
from keeper.adapters.audit.postgres_lease import LeaseTable, Sight, who_leads
from keeper.adapters.audit.sole import sole_keeper
from keeper.adapters.audit.store import LeaseTerms, SqlAuditStore
from keeper.app.leading import ReplicaLeading
from keeper.app.taking_over import takeover, under_lease
from keeper.config.replicas import ReplicasConfig
from keeper.domain.errors import AlreadyRunning, LeaseLost
from keeper.domain.lease import Acting, Role, Why
from keeper.domain.record import Draft, RecordKind
from keeper.execution.edges import Way
from keeper.ports.route import Submission, SubmissionKind
from tests.support.postgres_roles import as_role, connected, login

pytestmark = pytest.mark.integration

LEASE_MS = 60_000
"""So long that only what a test does ends it."""


@pytest.fixture
def tables(postgres_url: str) -> Iterator[Callable[..., LeaseTable]]:
    with ExitStack() as stack:

        def made(name: str, length_ms: int = LEASE_MS) -> LeaseTable:
            table = LeaseTable(postgres_url, name, length_ms, "1.0", Acting("0xhash", "", name))
            stack.callback(table.close)
            table.open()
            return table

        yield made


def make_old(url: str) -> None:
    """The time of the lease is over."""
    with connected(url) as connection:
        connection.execute("UPDATE lease SET expires_ms = expires_ms - 10000000")


def note(number: int = 1) -> Draft:
    return Draft(RecordKind.STOP, {"reason": f"test {number}"}, number)


async def log_under(url: str, fence: int) -> SqlAuditStore:
    return await SqlAuditStore.open(url, terms=LeaseTerms(lambda: fence, 1_000))


def test_lease__first_of_two__is_taken_once_and_seen_by_both(tables: Callable[..., LeaseTable]) -> None:
    one, two = tables("one"), tables("two")
    assert one.beat(0, 0, 0).lease is None

    assert one.take(ended=False) == 1
    assert two.take(ended=False) is None
    assert one.beat(1, 7, 6).held
    sight = two.beat(0, 8, 0)

    assert sight.lease is not None
    assert (sight.lease.holder, sight.lease.fence, sight.lease.why, sight.lease.ended) == ("one", 1, Why.FREE, False)
    assert 0 < sight.lease.left_ms <= LEASE_MS
    (other,) = sight.others
    assert (other.name, other.role, other.seen, other.evaluated) == ("one", Role.LEADER, 7, 6)


def test_lease__over_but_not_taken__is_renewed_and_once_taken_is_not(
    tables: Callable[..., LeaseTable], postgres_url: str
) -> None:
    one, two = tables("one"), tables("two")
    assert one.take(ended=False) == 1
    make_old(postgres_url)
    assert one.beat(1, 0, 0).held, "nobody took it"
    assert two.take(ended=False) is None
    make_old(postgres_url)

    assert two.take(ended=False) == 2
    sight = one.beat(1, 0, 0)

    assert not sight.held
    assert sight.lease is not None
    assert (sight.lease.holder, sight.lease.before, sight.lease.why) == ("two", "one", Why.EXPIRED)


def test_lease__released__is_free_at_once(tables: Callable[..., LeaseTable]) -> None:
    one, two = tables("one"), tables("two")
    assert one.take(ended=False) == 1

    two.release(1 + 1)  # of another fence: nothing happens
    assert two.take(ended=False) is None
    one.release(1)
    assert two.take(ended=False) == 2
    one.end(0, 0)

    lease, replicas = two.beat(2, 0, 0).lease, two.beat(2, 0, 0).others
    assert lease is not None
    assert (lease.why, lease.before) == (Why.FREE, "one")
    assert [each.role for each in replicas] == [Role.STOPPED]


def test_lease__session_of_the_holder_ended__is_taken_only_by_who_asks_for_it(
    tables: Callable[..., LeaseTable],
) -> None:
    one, two = tables("one"), tables("two")
    assert one.take(ended=False) == 1
    assert two.take(ended=True) is None, "the session lives"
    one.close()
    until(lambda: bool((lease := two.beat(0, 0, 0).lease) and lease.ended))

    assert two.take(ended=False) is None, "its time is not over"
    assert two.take(ended=True) == 2


def test_replicas__beside_a_keeper_without__each_keeps_the_other_out(
    tables: Callable[..., LeaseTable], postgres_url: str
) -> None:
    with sole_keeper(postgres_url), pytest.raises(AlreadyRunning, match="another keeper") as caught:
        tables("one")
    assert "keeper.replicas" in caught.value.remedy

    tables("one")
    tables("two")
    with pytest.raises(AlreadyRunning, match="another keeper runs on") as refused, sole_keeper(postgres_url):
        pass
    assert "keeper.replicas" in refused.value.remedy


def test_lease__login_of_the_writer__can_do_all_that_a_replica_does(postgres_url: str) -> None:
    upgrade(postgres_url)
    url = as_role(postgres_url, login(postgres_url, WRITER))
    one, two = (
        LeaseTable(url, "one", LEASE_MS, "1.0", Acting("0xhash", "", "p")),
        LeaseTable(url, "two", LEASE_MS, "1.0", Acting("0xhash", "", "p")),
    )
    try:
        one.open()
        two.open()
        assert one.take(ended=False) == 1
        assert one.beat(1, 5, 5).held
        one.close()
        until(lambda: bool((lease := two.beat(0, 0, 0).lease) and lease.ended))
        assert two.take(ended=True) == 2
        two.release(2)
        two.end(0, 0)
    finally:
        one.close()
        two.close()


# -- the fence ----------------------------------------------------------------------------------------------------------------


async def test_append__fence_of_another_or_time_over__is_refused_and_nothing_is_stored(
    tables: Callable[..., LeaseTable], postgres_url: str
) -> None:
    one, two = tables("one"), tables("two")
    assert one.take(ended=False) == 1
    old = await log_under(postgres_url, 1)
    await old.append([note(1)])
    await old.append([note(2)])  # the short way, with the head known
    make_old(postgres_url)
    with pytest.raises(LeaseLost):
        await old.append([note(3)])
    assert one.beat(1, 0, 0).held
    await old.append([note(3)])

    make_old(postgres_url)
    assert two.take(ended=False) == 2
    for drafts in ([note(4)], [note(4), note(5)]):  # one statement, and a pipeline
        with pytest.raises(LeaseLost) as caught:
            await old.append(drafts)
    assert "stands by" in caught.value.remedy
    new = await log_under(postgres_url, 2)
    await new.append([note(6)])
    with pytest.raises(LeaseLost):
        await old.append([note(7)])

    assert (await new.head())[0] == 4
    await old.close()
    await new.close()


def test_take__append_under_way__waits_for_its_end(tables: Callable[..., LeaseTable], postgres_url: str) -> None:
    one, two = tables("one"), tables("two")
    assert one.take(ended=False) == 1
    taken: list[int | None] = []
    with connected(postgres_url) as appending:
        appending.execute("BEGIN")
        appending.execute("SELECT lock_appending_as(1)")
        make_old(postgres_url)
        taking = threading.Thread(target=lambda: taken.append(two.take(ended=False)))
        taking.start()
        until(lambda: waits_for_a_lock(postgres_url))
        assert not taken
        appending.execute("COMMIT")
        taking.join(30)
    assert taken == [2]


def test_take__append_stands_still__its_transaction_is_ended_by_the_server(
    tables: Callable[..., LeaseTable], postgres_url: str
) -> None:
    one, two = tables("one"), tables("two")
    assert one.take(ended=False) == 1
    database = PostgresDatabase(postgres_url, 1_000, lambda: 1, idle_ms=100)
    writer = database._writer()
    writer.execute(b"BEGIN")
    writer.execute(b"SELECT lock_appending_as(1)")
    make_old(postgres_url)

    assert two.take(ended=False) == 2
    with pytest.raises(psycopg.Error):
        writer.execute(b"COMMIT")
    database.drop_writer()


# -- who leads ----------------------------------------------------------------------------------------------------------------


class Chain:
    """Heads as the test gives them."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.more: asyncio.Queue[int] = asyncio.Queue()

    async def chain_id(self) -> int:
        return 1

    async def head(self) -> Any:
        return SimpleNamespace(number=self._first)

    async def heads(self) -> AsyncIterator[Any]:
        while True:
            yield SimpleNamespace(number=await self.more.get())


def parts(chain: Chain) -> Any:
    return SimpleNamespace(
        edges=SimpleNamespace(chain=chain),
        feed_sources=(),
        config=SimpleNamespace(chain=SimpleNamespace(id=1), http=None),
    )


@contextmanager
def replica(url: str, name: str, lease_ms: int = 900, process: str = "") -> Iterator[ReplicaLeading]:
    table = LeaseTable(url, name, lease_ms, __version__, Acting("0xhash", "0xkey", process or name))
    table.open()
    leading = ReplicaLeading(table, ReplicasConfig(lease_ms, name))
    try:
        yield leading
    finally:
        leading._close()


async def test_leading__leader_evaluates_nothing_while_another_sees_blocks__hands_over(postgres_url: str) -> None:
    stop = asyncio.Event()
    with replica(postgres_url, "one") as one, replica(postgres_url, "two") as two:
        assert await one.wait(stop, parts(Chain(10)))
        assert (one.fence, one.may_act()) == (1, True)
        one.evaluated(10)
        chain = Chain(10)
        waiting = asyncio.create_task(two.wait(stop, parts(chain)))
        chain.more.put_nowait(11)  # one more is no reason
        await asyncio.sleep(1)
        assert not one.lost.is_set()
        chain.more.put_nowait(12)

        assert await asyncio.wait_for(waiting, 60)
        await asyncio.wait_for(one.lost.wait(), 60)
        assert (one.fence, one.may_act(), two.fence) == (0, False, 2)
        assert two.said() == {
            "replica": "two",
            "fence": 2,
            "took_over": {"from": "one", "why": "free", "silent_ms": two.said()["took_over"]["silent_ms"]},  # type: ignore[index,call-overload]
        }
        notice = takeover(two)
        assert notice is not None
        assert notice.title.startswith("two took over from one after ")
        assert one.terms is not None
        with pytest.raises(LeaseLost):
            one.terms.fence()


async def test_leading__first_block_is_evaluated_while_the_database_is_asked__keeps_the_lead(postgres_url: str) -> None:
    beats: list[int] = []

    class Table(LeaseTable):
        def beat(self, fence: int, seen: int, evaluated: int) -> Sight:
            sight = super().beat(fence, seen, evaluated)
            if one.fence:
                beats.append(evaluated)
                one.evaluated(10)
            return sight

    with replica(postgres_url, "two") as two:
        two.saw(10)
        await reached(lambda: [each.seen for each in who_leads(postgres_url, 900)[1]] == [10])
        table = Table(postgres_url, "one", 900, __version__, Acting("0xhash", "0xkey", "one"))
        table.open()
        one = ReplicaLeading(table, ReplicasConfig(900, "one"))
        try:
            assert await one.wait(asyncio.Event(), parts(Chain(10)))
            await reached(lambda: len(beats) > 2 or one.lost.is_set())
            assert (beats[:2], one.lost.is_set()) == ([0, 10], False)
        finally:
            one._close()


async def test_leading__server_ends_every_connection__leader_goes_on(postgres_url: str) -> None:
    stop = asyncio.Event()
    with replica(postgres_url, "one", 30_000) as one, replica(postgres_url, "two", 30_000) as two:
        assert await one.wait(stop, parts(Chain(1)))
        waiting = asyncio.create_task(two.wait(stop, parts(Chain(1))))
        with connected(postgres_url) as connection:
            before = sessions(connection)
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            while len(sessions(connection) - before) < 2:  # noqa: ASYNC110 - both hold their locks again
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert (one.fence, one.lost.is_set(), waiting.done()) == (1, False, False)
        stop.set()
        assert not await waiting


def sessions(connection: psycopg.Connection[Any]) -> set[int]:
    """The server's processes that hold the lock of a replica."""
    return {row[0] for row in connection.execute("SELECT pid FROM pg_locks WHERE mode = 'RowShareLock' AND granted")}


async def test_leading__standby_is_blind__does_not_take_what_is_free_until_it_sees(postgres_url: str) -> None:
    stop = asyncio.Event()
    with (
        replica(postgres_url, "one") as one,
        replica(postgres_url, "two") as two,
        replica(postgres_url, "three") as three,
    ):
        assert await one.wait(stop, parts(Chain(50)))
        one.evaluated(50)
        seeing = Chain(51)
        blind = asyncio.create_task(two.wait(stop, parts(Chain(10))))
        able = asyncio.create_task(three.wait(stop, parts(seeing)))
        await asyncio.sleep(0.5)
        await one.close()
        assert await asyncio.wait_for(able, 60)
        assert not blind.done()
        stop.set()
        assert not await asyncio.wait_for(blind, 60)
    lease, replicas = who_leads(postgres_url, 1_000)
    assert lease is not None
    assert lease.holder == ""
    assert {each.role for each in replicas} == {Role.STOPPED}


async def test_leading__stops_without_the_database_after_its_time__sends_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    class Route:
        name = "public"

        async def submit(self, attempt: object, block: int) -> Submission:
            sent.append(block)
            return Submission(SubmissionKind.ACCEPTED)

    with replica(postgres_url, "one") as one:
        assert await one.wait(asyncio.Event(), parts(Chain(1)))
        way: Any = under_lease({"public": Way(Route())}, one)["public"]  # type: ignore[arg-type]
        assert (await way.open.submit(None, 1)).kind is SubmissionKind.ACCEPTED
        # as after SIGCONT: this machine's clock has gone on, and nothing was heard of the database
        monkeypatch.setattr("keeper.app.leading.boottime_ms", lambda: time.monotonic() * 1000 + 10**9)
        assert (await way.open.submit(None, 2)).kind is SubmissionKind.UNREACHABLE
    assert sent == [1]


def waits_for_a_lock(url: str) -> bool:
    with connected(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row is not None and row[0] > 0


def until(condition: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come")


async def test_leading__replicas_that_are_not_alike__say_so_before_a_takeover(postgres_url: str) -> None:
    stop = asyncio.Event()
    with replica(postgres_url, "one", 3_000) as one, replica(postgres_url, "two", 3_000) as two:
        assert await one.wait(stop, parts(Chain(10)))
        assert one.unlike() == ""
        two.acts_by("0xother", "0xkey")
        await reached(lambda: one.unlike() == "two has another configuration")
        two.acts_by("0xhash", "0xelse")
        await reached(lambda: one.unlike() == "two has another key (0xelse)")
        await reached(lambda: two.unlike() == "one has another key (0xkey)")
        two.acts_by("0xhash", "0xkey")
        await reached(lambda: (one.unlike(), two.unlike()) == ("", ""))


async def test_leading__two_processes_of_one_name__the_leader_says_so(postgres_url: str) -> None:
    with replica(postgres_url, "one", process="a") as one, replica(postgres_url, "one", process="b") as other:
        assert await one.wait(asyncio.Event(), parts(Chain(10)))
        await reached(lambda: one.unlike() == "another process is called one too")
        assert not other.fence


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a thread looks, and says nothing
            await asyncio.sleep(0.05)
