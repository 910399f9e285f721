"""The node goes away in the middle of an action, at each moment that matters, and comes back; or it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.app import housekeeping
from keeper.domain.record import RecordKind
from tests.support.deaths import assert_told_truly
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged
from tests.support.proxy import Proxy

pytestmark = pytest.mark.chaos

SEND = "eth_sendRawTransaction"


@dataclass
class Course:
    """A keeper that reaches its node through the proxy only."""

    stage: Stage
    proxy: Proxy
    run: Inside

    async def trip(self) -> None:
        """The shock and the block that shows it."""
        await self.stage.shock()
        await self.stage.node.mine()

    async def bad_news(self) -> None:
        """Waits until the loss is in the log."""
        await self.run.until(lambda: ("down", "unreachable") in self.stage.faults("heads"))

    async def end_paused_once(self, *, lost: bool = True) -> None:
        back = [("up", "recovered")] if lost else []
        await self.stage.mine_until(
            lambda: bool(self.stage.outcomes()) and self.stage.faults("heads")[-1:] == back, ended=self.run.ended
        )
        await self.run.end()
        assert self.stage.outcomes() == [("included", "effect-verified")]
        await self.stage.assert_paused_once()
        self.stage.assert_log_holds()
        assert_told_truly(self.stage, (await self.stage.sent())[0]["hash"])
        assert self.stage.faults("heads")[-1:] == back


@asynccontextmanager
async def course(folder: Path, *, expires: str = "5m") -> AsyncIterator[Course]:
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240
    async with staged(folder) as stage, Proxy(stage.node.ws_url) as proxy:
        stage.write(Setup(node_url=proxy.url, expires=expires))
        async with inside(stage.config) as run:
            await run.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=run.ended)
            yield Course(stage, proxy, run)


async def test_node__lost_before_the_shock__fault_then_the_pause_lands(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        await c.proxy.lose()
        await c.bad_news()
        await c.trip()
        assert c.stage.records(RecordKind.INTENT) == []
        await c.proxy.restore()
        # no further block is needed: the newest one is looked at when the node is back
        await c.run.until(lambda: bool(c.stage.records(RecordKind.BROADCAST)))
        await c.end_paused_once()


async def test_node__lost_as_the_transaction_is_sent__it_is_sent_when_the_node_is_back(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.proxy.lose_before(SEND)
        await c.trip()
        await c.proxy.lost.wait()
        await c.bad_news()
        assert len(c.stage.records(RecordKind.ATTEMPT)) == 1
        assert await c.stage.waiting() == []
        await c.proxy.restore()
        # before blocks go by without it: for those the fee would be raised
        await c.run.until(lambda: len(c.stage.records(RecordKind.BROADCAST)) >= 2)
        await c.end_paused_once()
        assert len(c.stage.records(RecordKind.ATTEMPT)) == 1, "the same bytes, not another transaction"
        answers = [record.body["answer"] for record in c.stage.records(RecordKind.BROADCAST)]
        assert answers[:2] == ["unreachable", "accepted"]
        assert set(answers[2:]) <= {"already-known"}, "the job that sends again may meet it in the pool"


async def test_node__lost_with_its_answer_to_the_transaction__it_is_not_doubled(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.proxy.lose_after(SEND)
        await c.trip()
        await c.proxy.lost.wait()
        await c.bad_news()
        assert len(await c.stage.waiting()) == 1
        await c.proxy.restore()
        await c.end_paused_once()
        assert len(c.stage.records(RecordKind.ATTEMPT)) == 1


async def test_node__lost_and_the_transaction_mined_meanwhile__the_receipt_is_found(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.proxy.lose_after(SEND)
        await c.trip()
        await c.proxy.lost.wait()
        await c.bad_news()
        for _ in range(3):
            await c.stage.node.mine()
        assert await c.stage.world.paused(MARKET)
        await c.proxy.restore()
        await c.end_paused_once()


async def test_node__lost_after_the_broadcast__the_receipt_is_found(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        await c.trip()
        await c.run.until(lambda: bool(c.stage.records(RecordKind.BROADCAST)))
        await c.proxy.lose()
        await c.bad_news()
        await c.stage.node.mine()
        await c.proxy.restore()
        await c.end_paused_once()


async def test_node__lost_at_any_request_of_an_action__the_pause_lands_once(tmp_path: Path) -> None:
    """The first run notes every request from the shock to the outcome; the others lose the first of each method, or its answer."""
    async with course(tmp_path / "observed") as c:
        before = len(c.proxy.requests)
        await c.trip()
        await c.end_paused_once(lost=False)
        requests = c.proxy.requests[before:]
    assert {"eth_call", SEND, "eth_getTransactionReceipt"} <= set(requests)
    for number in sorted(requests.index(method) + 1 for method in set(requests)):
        for before_it in (True, False):
            async with course(tmp_path / f"{number}-{before_it}") as c:
                c.proxy.lose_at(number, before=before_it)
                await c.trip()
                await c.stage.mine_until(c.proxy.lost.is_set, ended=c.run.ended)
                await c.bad_news()
                await c.proxy.restore()
                await c.end_paused_once()


async def test_node__accepts_and_never_answers__fault_then_the_pause_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "READINESS_S", 1.0)
    async with course(tmp_path) as c:
        await c.trip()
        await c.run.until(lambda: bool(c.stage.records(RecordKind.BROADCAST)))
        c.proxy.hang()
        await c.stage.node.mine()
        # nothing breaks and no head comes: the probe is what notices
        await c.run.until(lambda: ("down", "unreachable") in c.stage.faults("readiness"))
        await c.proxy.restore()
        await c.stage.mine_until(lambda: bool(c.stage.outcomes()), ended=c.run.ended)
        await c.run.end()
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


@pytest.mark.parametrize("sent", [False, True], ids=["before-sending", "after-sending"])
async def test_node__never_back__the_intent_expires_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    monkeypatch.setattr(housekeeping, "REBROADCAST_S", 0.2)
    async with course(tmp_path, expires="3s") as c:
        (c.proxy.lose_after if sent else c.proxy.lose_before)(SEND)
        await c.trip()
        await c.proxy.lost.wait()
        await c.run.until(lambda: bool(c.stage.outcomes()))
        await c.run.end()
        assert c.stage.outcomes() == [("expired", "node-unreachable")]
        (outcome,) = c.stage.records(RecordKind.OUTCOME)
        assert outcome.body["remedy"]
        (attempt,) = c.stage.records(RecordKind.ATTEMPT)
        assert str(attempt.body["tx_hash"]) in str(outcome.body["message"]), (
            "it says which transaction may be mined yet"
        )
        assert c.stage.faults("heads")[-1] == ("down", "unreachable")
        c.stage.assert_log_holds()
        assert len(await c.stage.waiting()) == int(sent)
