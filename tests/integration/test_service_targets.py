"""The service on a real node with contracts and keys that do not do what they should: each ends in an outcome of its own, told with its remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keeper.app import housekeeping
from keeper.devnet.accounts import Account
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import deploy, deployed
from keeper.devnet.world import Role
from keeper.domain.errors import WrongChain
from keeper.domain.record import Record, RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged, until
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

POOR_WEI = 10**12


@dataclass
class Course:
    """A keeper whose notices go to a webhook."""

    stage: Stage
    service: Inside
    hook: Webhook

    async def trip(self) -> Record:
        """Until the first intent has its end, which is returned; then the service is stopped."""
        await self.stage.shock()
        await self.stage.mine_until(lambda: bool(self.stage.outcomes()), ended=self.service.ended)
        await until(lambda: bool(self.told("pause-market")))
        await self.service.end()
        self.stage.assert_log_holds()
        return self.stage.records(RecordKind.OUTCOME)[0]

    def told(self, word: str) -> list[dict[str, Any]]:
        """The notices with this word in their title, as they arrived."""
        return [document for _, document in self.hook.received if word in document["title"]]

    def assert_told_as_failure(self, outcome: Record) -> None:
        """A critical notice with the message and the remedy; nothing anywhere says that it worked."""
        notice = self.told("pause-market")[0]
        assert notice["type"] == "failure"
        assert str(outcome.body["message"]) in notice["message"]
        assert outcome.body["remedy"]
        assert str(outcome.body["remedy"]) in notice["message"]
        assert all(kind not in ("included", "superseded") for kind, _ in self.stage.outcomes())
        assert all(record.body["verified"] is not True for record in self.stage.records(RecordKind.EFFECT))


@asynccontextmanager
async def course(
    folder: Path, target: str = "", *, key: str = "keeper", gas_limit: int | None = None
) -> AsyncIterator[Course]:
    async with staged(folder) as stage:
        with webhook() as hook:
            address = await _deployed(stage, target) if target else ""
            signer: Account = getattr(stage.world, key)
            notify = f'{{kind: apprise, url: "{hook.address()}", min_severity: info}}'
            stage.write(Setup(target=address, gas_limit=gas_limit, notify=(notify,)), key=signer)
            async with inside(stage.config) as service:
                await service.watching()
                await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
                yield Course(stage, service, hook)


async def _deployed(stage: Stage, name: str) -> str:
    artifact = load_artifact(name, file="Faulty")
    (address,) = await deployed(stage.node, [await deploy(stage.node, stage.world.admin.address, artifact)])
    return address


def readiness(stage: Stage) -> list[tuple[str, str]]:
    return stage.faults(f"readiness:{MARKET}/pause-market")


# -- what goes well -----------------------------------------------------------------------------------------------------------


async def test_service__pause_that_works__included_and_told_with_trip_and_outcome(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        outcome = await c.trip()
        assert (outcome.body["kind"], outcome.body["reason"]) == ("included", "effect-verified")
        await c.stage.assert_paused_once()
        (trip,) = c.told("oracle-divergence tripped")
        assert trip["type"] == "failure", "the rule is critical"
        assert "divergence = 0.0666667, threshold 0.02" in trip["message"]
        (ending,) = c.told("pause-market included")
        assert str(outcome.body["tx_hash"]) in ending["message"]
        assert ending["type"] == "warning"
        assert c.stage.records(RecordKind.FAULT) == []
        delivered = [record.body["delivered"] for record in c.stage.records(RecordKind.NOTIFICATION)]
        assert delivered == [True, True]
        timeline = outcome.body["timeline_ms"]
        assert isinstance(timeline, dict)
        assert sorted(timeline, key=lambda stage: float(str(timeline[stage]))) == [
            "head",
            "reads",
            "decided",
            "intent_durable",
            "signed",
            "broadcast",
            "included",
            "verified",
        ]


async def test_service__market_is_paused_already__superseded_and_nothing_is_sent(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        await c.stage.world.transact(
            c.stage.world.keeper, c.stage.world.exchange, "pauseMarket(bytes32)", c.stage.world.market_id(MARKET)
        )
        before = len(await c.stage.sent())
        await c.stage.shock()
        block = await c.stage.node.block_number()
        await c.stage.mine_until(lambda: c.stage.evaluated() >= block + 2, ended=c.service.ended)
        await c.service.end()
        c.stage.assert_log_holds()
        assert len(await c.stage.sent()) == before
        assert c.stage.records(RecordKind.ATTEMPT) == []
        decisions = [record.body for record in c.stage.records(RecordKind.DECISION)]
        assert ("declined", "already-done") in [(body["kind"], body["reason"]) for body in decisions]


# -- contracts ----------------------------------------------------------------------------------------------------------------


async def test_service__target_that_reverts__known_before_and_nothing_is_sent(tmp_path: Path) -> None:
    async with course(tmp_path, "RevertingTarget") as c:
        assert readiness(c.stage) == [("down", "simulation-reverted")]
        outcome = await c.trip()
        assert (outcome.body["kind"], outcome.body["reason"]) == ("failed", "simulation-reverted")
        c.assert_told_as_failure(outcome)
        assert await c.stage.sent() == []
        assert c.stage.records(RecordKind.ATTEMPT) == []


async def test_service__target_that_only_pretends__failed_with_no_effect(tmp_path: Path) -> None:
    async with course(tmp_path, "SilentTarget") as c:
        outcome = await c.trip()
        assert (outcome.body["kind"], outcome.body["reason"]) == ("failed", "no-effect")
        c.assert_told_as_failure(outcome)
        sent = await c.stage.sent()
        assert [each["status"] for each in sent] == ["0x1"], "the receipt alone looks like success"
        (effect,) = c.stage.records(RecordKind.EFFECT)
        assert (effect.body["before"], effect.body["after"]) == ("false", "false")


async def test_service__target_that_reverts_when_mined__reverted(tmp_path: Path) -> None:
    async with course(tmp_path, "LateReverter", gas_limit=200_000) as c:
        outcome = await c.trip()
        assert (outcome.body["kind"], outcome.body["reason"]) == ("reverted", "reverted-on-chain")
        c.assert_told_as_failure(outcome)
        assert [each["status"] for each in await c.stage.sent()] == ["0x0"]
        assert c.stage.records(RecordKind.EFFECT) == []


async def test_service__target_without_code__is_no_success(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(target="0x000000000000000000000000000000000000dEaD"))
        async with inside(stage.config) as service:
            await service.watching()
            await until(lambda: readiness(stage) == [("down", "effect-unreadable")])
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.records(RecordKind.INCIDENT)), ended=service.ended)
            block = await stage.node.block_number()
            await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
            await service.end()
        assert all(kind != "included" for kind, _ in stage.outcomes())


# -- keys ---------------------------------------------------------------------------------------------------------------------


async def test_service__key_without_the_role__told_before_the_incident_and_failed_after(tmp_path: Path) -> None:
    async with course(tmp_path, key="roleless") as c:
        assert readiness(c.stage) == [("down", "missing-role")]
        await c.service.until(lambda: bool(c.told("readiness")))
        (early,) = c.told("readiness")
        assert early["type"] == "failure"
        assert c.stage.key.address in early["message"]
        assert "grant the role" in early["message"]
        outcome = await c.trip()
        assert (outcome.body["kind"], outcome.body["reason"]) == ("failed", "missing-role")
        c.assert_told_as_failure(outcome)
        kinds = c.stage.kinds()
        assert kinds.index("fault") < kinds.index("incident")
        assert await c.stage.sent() == []
        assert not await c.stage.world.paused(MARKET)


async def test_service__role_is_granted_later__readiness_recovers_and_the_pause_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "READINESS_S", 0.2)
    async with course(tmp_path, key="roleless") as c:
        await c.stage.world.grant(Role.PAUSER, c.stage.key.address)
        await c.service.until(lambda: readiness(c.stage) == [("down", "missing-role"), ("up", "recovered")])
        outcome = await c.trip()
        assert outcome.body["kind"] == "included"
        assert await c.stage.world.paused(MARKET)


async def test_service__key_without_gas__low_balance_before_and_insufficient_funds_after(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.node.set_balance(stage.key.address, POOR_WEI)
        with webhook() as hook:
            notify = f'{{kind: apprise, url: "{hook.address()}", min_severity: info}}'
            stage.write(Setup(gas_limit=200_000, notify=(notify,)))
            async with inside(stage.config) as service:
                await service.watching()
                c = Course(stage, service, hook)
                await service.until(lambda: stage.faults("balance") == [("down", "low")])
                await service.until(lambda: bool(c.told("balance")))
                assert f"send ETH to {stage.key.address}" in c.told("balance")[0]["message"]
                outcome = await c.trip()
                assert (outcome.body["kind"], outcome.body["reason"]) == ("failed", "insufficient-funds")
                c.assert_told_as_failure(outcome)
                assert f"send ETH to {stage.key.address}" in str(outcome.body["remedy"])
                assert await stage.sent() == []


# -- chains -------------------------------------------------------------------------------------------------------------------


async def test_service__node_of_another_chain__never_watches_and_says_why(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with webhook() as hook:
            notify = f'{{kind: apprise, url: "{hook.address()}", min_severity: info}}'
            stage.write(Setup(chain_id=10, notify=(notify,)))
            async with inside(stage.config) as service:
                with pytest.raises(WrongChain) as caught:
                    await service.until(lambda: False)
            assert "serves chain 31337, and the configuration says 10" in caught.value.message
            assert stage.faults("heads") == [("down", "wrong-chain")]
            (notice,) = [document for _, document in hook.received]
            assert notice["type"] == "failure"
            assert "correct `chain.id`" in notice["message"]
        assert stage.records(RecordKind.STOP)[0].body["reason"] == "the node serves another chain"
        stage.assert_log_holds()
        assert stage.records(RecordKind.TICK) == []


# -- notices ------------------------------------------------------------------------------------------------------------------


async def test_service__receiver_hangs__the_pause_lands_all_the_same(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.hook.hang = True
        await c.stage.shock()
        await c.stage.mine_until(lambda: bool(c.stage.outcomes()), ended=c.service.ended)
        assert c.stage.outcomes() == [("included", "effect-verified")]
        assert c.stage.records(RecordKind.NOTIFICATION) == [], "nothing was delivered yet, and nobody waited for it"
        c.hook.hang = False
        c.hook.release.set()
        await c.service.end()
        await c.stage.assert_paused_once()


async def test_service__receiver_refuses__recorded_as_not_delivered_without_its_address(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.hook.status = 404
        await c.stage.shock()
        await c.stage.mine_until(lambda: len(c.stage.records(RecordKind.NOTIFICATION)) >= 2, ended=c.service.ended)
        await c.service.end()
        bodies = [record.body for record in c.stage.records(RecordKind.NOTIFICATION)]
        assert [body["delivered"] for body in bodies] == [False, False]
        assert all(str(c.hook.port) not in str(body["message"]) for body in bodies)
        c.stage.assert_log_holds()
