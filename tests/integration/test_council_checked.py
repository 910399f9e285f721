"""A real Safe and the service's stand-in as the doctor, ``keeper status`` and ``keeper audit verify --on-chain`` see them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.app.cli.output import Output
from keeper.app.cli.status import run
from keeper.app.doctor import Check, Health, examine
from keeper.app.onchain import Report, verify_on_chain
from keeper.app.onchain.findings import Subject
from keeper.config import load
from keeper.config.onchain import chain_and_breakers
from keeper.devnet.safe_service import Fault, FaultKind
from keeper.devnet.world import Role
from keeper.domain.record import Json, RecordKind
from tests.support.breaker_stage import forge
from tests.support.council_stage import CouncilStage, councilled
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import MARKET, Stage

pytestmark = pytest.mark.integration

ACTION = f"action pause-market on {MARKET}"


@pytest_asyncio.fixture
async def council(tmp_path: Path) -> AsyncIterator[CouncilStage]:
    async with councilled(tmp_path) as staged:
        yield staged


async def examined(council: CouncilStage) -> dict[str, Check]:
    await council.stage.node.mine()
    found = {check.name: check async for check in examine(load(council.stage.config))}
    for check in found.values():
        assert check.remedy or check.health is Health.OK, check
        assert "a-secret" not in repr(check)
    return {name: check for name, check in found.items() if name.startswith(("safe ", "action ", "http ", "balance"))}


def health(found: Mapping[str, Check]) -> dict[str, str]:
    return {name: check.health.value for name, check in found.items()}


async def test_doctor__a_safe_and_its_service__each_part_has_a_line(
    council: CouncilStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNCIL_KEY", "a-secret-of-the-service")
    carol = council.owners[2].address
    council.write(execute=True, more="api_key: ${COUNCIL_KEY}", extra='http: {listen: "127.0.0.1:0"}\n')
    found = await examined(council)
    assert health(found) == {
        "safe council": "ok",
        "safe council members": "warn",
        "safe council modules": "ok",
        "safe council batches": "ok",
        "safe council execution": "ok",
        "safe council service": "ok",
        "safe council key": "ok",
        "safe council queue": "ok",
        "safe council files": "ok",
        "balance": "ok",
        ACTION: "ok",
        "http 127.0.0.1:0": "ok",
    }
    assert f"version 1.4.1, 2 of 3 owners sign (Ada, Ben, {carol}), next nonce 0" in found["safe council"].message
    assert found["safe council members"].message == f"owners without a name: {carol}"
    assert found["safe council key"].message.endswith("is a delegate of Ada: it proposes, and cannot sign")
    assert found[ACTION].message.startswith("would work, once enough owners have signed")
    assert not (council.stage.config.parent / "proposals").exists(), "the doctor changes nothing"

    # What the Safe lost, the key's role does not make up for; and nobody proposes with a key that is no delegate.
    await council.stage.world.revoke(Role.PAUSER, council.safe.address)
    await council.stage.world.grant(Role.PAUSER, council.stage.world.keeper.address)
    council.write(more="propose_as: owner")
    found = await examined(council)
    assert found[ACTION].health is Health.FAIL
    assert council.safe.address in found[ACTION].remedy
    assert found["safe council key"].health is Health.FAIL

    council.service.inject(Fault(FaultKind.HTTP_500))
    found = await examined(council)
    assert health(found)["safe council service"] == "fail"
    assert "safe council queue" not in found


async def compared(council: CouncilStage) -> Report:
    chain, contracts = chain_and_breakers(council.stage.config)
    return await verify_on_chain(council.stage.url, chain, contracts, lambda _: None)


async def test_paused_by_the_council__is_told_by_status_and_fits_the_chain_until_it_is_forged(
    council: CouncilStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = council.stage

    def waiting() -> list[dict[str, Json]]:
        capsys.readouterr()  # what the keeper says
        run(Output(as_json=True), str(stage.config))
        return list(json.loads(capsys.readouterr().out)["proposals"])

    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        (queued,) = await council.queue()
        (told,) = waiting()
        assert (told["hash"], told["signed"], told["threshold"], told["step"]) == (
            queued.claimed_hash, 0, 2, "sent",
        )  # fmt: skip
        await council.confirm(queued.transaction, *council.owners[:2])
        await stage.mine_until(lambda: "threshold" in council.steps(), ended=keeper.ended)
        assert [each["signed"] for each in waiting()] == [2]
        await council.execute(queued.transaction, *council.owners[:2])
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
        await keeper.end()
    assert waiting() == []
    report = await compared(council)
    assert (report.found, report.unchecked) == ([], [])
    assert report.checked == {
        Subject.TRANSACTION: 0,
        Subject.EFFECT: 1,
        Subject.TRIP: 0,
        Subject.EXECUTION: 1,
        Subject.NONCE: 0,
    }

    def another(kind: RecordKind, body: dict[str, Json]) -> dict[str, Json]:
        return body | {"ok": False} if kind is RecordKind.PROPOSAL and body["step"] == "executed" else body

    await forge(stage, another)
    (found,) = (await compared(council)).found
    assert "the log says that its call failed" in found.message


def steps(stage: Stage) -> set[str]:
    return {str(record.body["step"]) for record in stage.records(RecordKind.PROPOSAL)}


async def test_executed_by_the_keeper__its_transaction_and_what_the_safe_did_fit_the_chain(
    council: CouncilStage,
) -> None:
    stage = council.stage
    council.write(execute=True)
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        (queued,) = await council.queue()
        await council.confirm(queued.transaction, *council.owners[1:])
        await stage.mine_until(
            lambda: "executed" in steps(stage) and len(stage.outcomes()) == 2, ended=keeper.ended, pace_s=0.3
        )
        await keeper.end()
    report = await compared(council)
    assert (report.found, report.unchecked) == ([], [])
    assert report.checked == {
        Subject.TRANSACTION: 1,
        Subject.EFFECT: 2,
        Subject.TRIP: 0,
        Subject.EXECUTION: 1,
        Subject.NONCE: 1,
    }
