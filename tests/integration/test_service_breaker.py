"""A keeper whose action goes through the real breaker contract: the end of a trip, the council's word, signs of life, and what is wrong there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.app.wiring import build
from keeper.config import load
from keeper.devnet.transactions import calldata, send, settle
from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import EXPIRE, HEARTBEAT, TRIP, BreakerStatus, trip_call, utc
from keeper.domain.intent import Attempt
from keeper.domain.record import RecordKind
from keeper.domain.verdict import Severity
from keeper.execution.edges import Way
from keeper.ports.notifier import Delivery, Notice
from keeper.ports.route import Submission, SubmissionKind
from tests.support.breaker_service import (
    COOLDOWN_S,
    DURATION_S,
    HEARTBEAT_S,
    ID,
    LOCK_S,
    NAME,
    SILENCE_S,
    breaker_staged,
)
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET

pytestmark = pytest.mark.integration

LASTS = f"effect-lasts:{MARKET}/pause-market"
TRIPPED = "0x" + TRIP.hex()
EXPIRED = "0x" + calldata(EXPIRE, bytes(32))[:4].hex()
ALIVE = "0x" + calldata(HEARTBEAT)[:4].hex()


class Deaf:
    """A route that hears nothing: what is signed is never sent."""

    name = "breaker"

    def __init__(self) -> None:
        self.asked: list[Attempt] = []

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        self.asked.append(attempt)
        await asyncio.Event().wait()
        return Submission(SubmissionKind.UNREACHABLE, "never")

    async def close(self) -> None:
        """Nothing is open."""


class Ear:
    """Whom people listen to."""

    name = "ear"

    def __init__(self) -> None:
        self.heard: list[Notice] = []

    async def notify(self, notice: Notice) -> Delivery:
        self.heard.append(notice)
        return Delivery(delivered=True)

    async def close(self) -> None:
        """Nothing is open."""

    def of(self, key: str) -> list[Notice]:
        return [notice for notice in self.heard if notice.key.startswith(key)]


async def test_trip__has_run_out__is_ended_by_the_keeper_and_decided_anew_when_the_breaker_may_trip_again(
    tmp_path: Path,
) -> None:
    async with breaker_staged(tmp_path) as breaker, inside(breaker.stage.config) as service:
        stage = breaker.stage
        await breaker.tripped(service)
        await breaker.pass_s(DURATION_S)
        await stage.mine_until(lambda: "expired" in breaker.market(), ended=service.ended)
        assert breaker.outcomes("expire:pause-market") == [("included", "effect-verified")]
        assert not await stage.world.paused(MARKET)
        assert (await breaker.state()).status is BreakerStatus.READY
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
        assert len(breaker.outcomes("pause-market")) == 1, "the breaker rests, and nobody asks in vain"
        await breaker.pass_s(COOLDOWN_S)
        await stage.mine_until(lambda: len(breaker.outcomes("pause-market")) == 2, ended=service.ended)
        assert breaker.outcomes("pause-market")[1] == ("included", "effect-verified")
        assert await stage.world.paused(MARKET)
        await stage.mine_until(lambda: len(breaker.on_chain()) == 3, ended=service.ended)
        await service.end()
        assert await breaker.sent() == [TRIPPED, EXPIRED, TRIPPED]
        assert breaker.on_chain() == ["tripped", "expired", "tripped"]
        assert breaker.market()[:2] == ["expired", "tripped"]
        assert stage.faults(LASTS) == [], "nobody took it back"
        assert len(stage.records(RecordKind.INCIDENT)) == 1
        stage.assert_log_holds()


async def test_trip__with_the_keepers_own_key_or_its_own__people_are_told_who_sent_it_and_until_when_it_lasts(
    tmp_path: Path,
) -> None:
    async with breaker_staged(tmp_path) as breaker:
        stage, ear = breaker.stage, Ear()
        parts = replace(await build(load(stage.config)), notifiers=(ear,))
        service = Inside(parts)
        try:
            await breaker.tripped(service)
            await service.until(lambda: bool(ear.of("breaker-own/")))
            state = await breaker.state()
            (own,) = ear.of("breaker-own/")
            assert own.title == f"{MARKET}: {NAME} is in effect until {utc(state.expires_at_s)}"
            assert f"lift({ID}, true) on contract {breaker.contract}" in own.body
            assert ear.of("breaker-stranger/") == []
            await breaker.council("lift(bytes32,bool)", ID, True)
            await stage.mine_until(lambda: "lifted" in breaker.market(), ended=service.ended)
            await breaker.pass_s(LOCK_S + COOLDOWN_S)
            await stage.node.mine()
            data = trip_call(BreakerTrip(breaker.contract, ID), b"\x07" * 32).data
            thief = stage.world.keeper.address
            await settle(stage.node, [tx := await send(stage.node, thief, breaker.contract, data, 2_000_000)])
            await stage.mine_until(lambda: bool(ear.of("breaker-stranger/")), ended=service.ended)
            (theft,) = ear.of("breaker-stranger/")
            assert theft.severity is Severity.CRITICAL
            assert f"revokeKeeper({thief}) now" in theft.body
            assert tx in theft.body
            await service.end()
        finally:
            service._stop.set()
            await asyncio.gather(service._task, return_exceptions=True)
            await parts.close()


async def test_council__ratifies_and_lifts__reaches_the_engine_and_nothing_is_done_again(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker, inside(breaker.stage.config) as service:
        stage = breaker.stage
        await breaker.tripped(service)
        await breaker.council("ratify(bytes32)", ID)
        await stage.mine_until(lambda: breaker.market() == ["ratified"], ended=service.ended)
        await breaker.pass_s(2 * DURATION_S)
        await stage.node.mine()
        await breaker.council("lift(bytes32,bool)", ID, True)
        await stage.mine_until(lambda: breaker.market() == ["ratified", "lifted"], ended=service.ended)
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
        await service.end()
        assert await breaker.sent() == [TRIPPED]
        assert breaker.on_chain() == ["tripped", "ratified", "lifted"]
        assert stage.faults(LASTS) == []
        assert not await stage.world.paused(MARKET)
        stage.assert_log_holds()


async def test_restart__the_trip_was_lifted_meanwhile__is_known_from_the_chain_and_told_once(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker:
        stage = breaker.stage
        async with inside(stage.config) as service:
            await breaker.tripped(service)
            await service.end()
        await breaker.council("lift(bytes32,bool)", ID, True)
        for _ in range(2):
            async with inside(stage.config) as service:
                await service.watching()
                block = await stage.node.block_number()
                await stage.mine_until(lambda: "lifted" in breaker.market(), ended=service.ended)
                await stage.mine_until(lambda block=block: stage.evaluated() >= block + 3, ended=service.ended)  # type: ignore[misc]
                await service.end()
        assert (breaker.on_chain(), breaker.market()) == (["tripped", "lifted"], ["lifted"])
        assert stage.faults(LASTS) == []
        assert await breaker.sent() == [TRIPPED]
        stage.assert_log_holds()


async def test_restart__the_trip_ran_out_meanwhile__is_ended_once(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker:
        stage = breaker.stage
        breaker.write(cooldown="1h")
        async with inside(stage.config) as service:
            await breaker.tripped(service)
            await service.end()
        await breaker.pass_s(DURATION_S)
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: "expired" in breaker.market(), ended=service.ended)
            await service.end()
        assert await breaker.sent() == [TRIPPED, EXPIRED]
        assert breaker.on_chain() == ["tripped", "expired"]
        assert stage.faults(LASTS) == []
        stage.assert_log_holds()


async def test_heartbeat__is_due__is_sent_once_and_its_effect_read_back(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker, inside(breaker.stage.config) as service:
        stage = breaker.stage
        await service.watching()
        await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
        assert await breaker.sent() == []
        await breaker.pass_s(HEARTBEAT_S)
        await stage.mine_until(lambda: bool(breaker.outcomes("heartbeat:breaker")), ended=service.ended)
        block = await stage.node.block_number()
        await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
        await service.end()
        assert breaker.outcomes("heartbeat:breaker") == [("included", "effect-verified")]
        assert await breaker.sent() == [ALIVE]
        assert stage.faults("breaker-key:breaker") == []
        ticks = stage.records(RecordKind.TICK)
        assert not any("outcomes" in record.body for record in ticks), "the engine hears nothing of it"
        stage.assert_log_holds()


async def test_heartbeat__the_keeper_ends_between_intent_and_sending__the_next_one_sends_it_once(
    tmp_path: Path,
) -> None:
    async with breaker_staged(tmp_path) as breaker:
        stage, deaf = breaker.stage, Deaf()
        await breaker.pass_s(HEARTBEAT_S)
        parts = await build(load(stage.config))
        parts.edges.ways["breaker"] = Way(deaf)  # type: ignore[index]
        service = Inside(parts)
        await service.watching()
        await stage.mine_until(lambda: bool(deaf.asked), ended=service.ended)
        await service.end()
        await parts.close()
        assert await breaker.sent() == []
        assert len(stage.records(RecordKind.ATTEMPT)) == 1
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: bool(breaker.outcomes("heartbeat:breaker")), ended=service.ended)
            block = await stage.node.block_number()
            await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
            await service.end()
        assert breaker.outcomes("heartbeat:breaker") == [("included", "effect-verified")]
        assert await breaker.sent() == [ALIVE]
        stage.assert_log_holds()


async def test_trip__the_node_forgot_the_heartbeat_before_it__is_mined_once_that_is_sent_again(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker, inside(breaker.stage.config) as service:
        stage = breaker.stage
        await service.watching()
        await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
        await breaker.pass_s(HEARTBEAT_S)
        await stage.node.mine()
        await service.until(lambda: "heartbeat:breaker" in breaker.accepted())
        (waiting,) = await stage.waiting()
        await stage.node.rpc("anvil_dropTransaction", waiting)
        await stage.shock()
        await stage.mine_until(lambda: bool(breaker.outcomes("pause-market")), ended=service.ended)
        await stage.mine_until(lambda: bool(breaker.outcomes("heartbeat:breaker")), ended=service.ended)
        await service.end()
        assert (
            breaker.outcomes("pause-market")
            == breaker.outcomes("heartbeat:breaker")
            == [("included", "effect-verified")]
        )
        assert await breaker.sent() == [ALIVE, TRIPPED]
        assert await stage.world.paused(MARKET)
        stage.assert_log_holds()


async def test_shadow__a_heartbeat_is_due__nothing_is_written_down_or_sent(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker:
        stage = breaker.stage
        breaker.write(mode="shadow")
        async with inside(stage.config) as service:
            await service.watching()
            await breaker.pass_s(SILENCE_S - 600)
            await stage.mine_until(lambda: bool(stage.faults("breaker-key:breaker")), ended=service.ended)
            await service.end()
        assert stage.faults("breaker-key:breaker") == [("down", "silent-soon")]
        assert stage.records(RecordKind.INTENT) == []


async def test_faults__frozen_disarmed_revoked_and_silent__each_with_its_end(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker, inside(breaker.stage.config) as service:
        stage = breaker.stage
        key, one = "breaker-key:breaker", f"breaker:breaker/{NAME}"
        await service.watching()

        async def seen(part: str, *faults: tuple[str, str]) -> None:
            await stage.mine_until(lambda: len(stage.faults(part)) >= len(faults), ended=service.ended)
            assert stage.faults(part) == list(faults)

        up = ("up", "recovered")
        for there, back, part, reason in (
            (("freeze()",), ("unfreeze()",), "breaker:breaker", "frozen"),
            (("disarm(bytes32)", ID), ("arm(bytes32)", ID), one, "disarmed"),
        ):
            await breaker.council(*there)
            await seen(part, ("down", reason))
            await breaker.council(*back)
            await seen(part, ("down", reason), up)
        account = stage.world.keeper.address
        await breaker.council("revokeKeeper(address)", account)
        await seen(key, ("down", "not-a-keeper"))
        await breaker.council("addKeeper(address)", account)
        await seen(key, ("down", "not-a-keeper"), up)
        await breaker.pass_s(SILENCE_S + 1)
        await seen(key, ("down", "not-a-keeper"), up, ("down", "silent"))
        assert await breaker.sent() == [], "one that is silent cannot come back by itself"
        await service.end()
        stage.assert_log_holds()
