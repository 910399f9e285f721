"""The readiness probe: each armed action that would not work is a fault with its own reason, before anything trips."""

from __future__ import annotations

import pytest

from keeper.app.faults import Faults
from keeper.app.readiness import Readiness, unreachable_is_a_fault
from keeper.domain.errors import Refused
from keeper.domain.evm import UnsignedTransaction
from keeper.execution.edges import Edges
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from tests.support.execution_stage import ETHER, MISSING_ROLE, VAULT, Stage, pause

pytestmark = pytest.mark.unit

PART = "readiness:ETH-PERP/pause"


def probing(stage: Stage, executor: Executor) -> tuple[Readiness, Faults]:
    faults = Faults(stage.clock, lambda _: None, lambda _: None)
    edges = Edges(
        store=stage.store,
        chain=stage.chain,
        accounts=stage.chain,
        signer=stage.signer,
        routes={"public": stage.route},
        clock=stage.clock,
    )
    return Readiness(edges, executor, {pause().key: pause()}, faults), faults


async def found(stage: Stage) -> dict[str, str]:
    probe, faults = probing(stage, await stage.ready())
    await unreachable_is_a_fault(probe, faults)
    return {fault.part: fault.reason for fault in faults.current}


async def test_probe__everything_would_work__is_no_fault() -> None:
    assert await found(Stage()) == {}


@pytest.mark.parametrize(("mode", "reason"), [("no role", "missing-role"), ("reverts", "simulation-reverted")])
async def test_probe__the_call_would_revert__says_why(mode: str, reason: str) -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode=mode)
    stage.chain.mine()
    assert await found(stage) == {PART: reason}


async def test_probe__effect_is_there_already__is_no_fault() -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode="reverts", paused=1)
    stage.chain.mine()
    assert await found(stage) == {}


async def test_probe__view_cannot_be_read__is_a_fault() -> None:
    stage = Stage()
    stage.chain.store(VAULT, unreadable=1)
    stage.chain.mine()
    assert await found(stage) == {PART: "effect-unreadable"}


async def test_probe__node_is_away__is_a_fault_and_comes_back() -> None:
    stage = Stage()
    probe, faults = probing(stage, await stage.ready())
    stage.chain_faults.failing = lambda _: "down"
    await unreachable_is_a_fault(probe, faults)
    assert [fault.part for fault in faults.current] == ["readiness"]
    stage.chain_faults.heal()
    await unreachable_is_a_fault(probe, faults)
    assert faults.current == ()


@pytest.mark.parametrize(("balance_wei", "low"), [(ETHER, False), (1_000, True)])
async def test_probe__balance__should_pay_for_every_action(balance_wei: int, low: bool) -> None:
    stage = Stage()
    stage.chain.fund(stage.signer.address, balance_wei)
    stage.chain.mine()
    assert await found(stage) == ({"balance": "low"} if low else {})


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (Refused("execution reverted", code=3, data="0x" + MISSING_ROLE.hex()), "missing-role"),
        (Refused("execution reverted", code=3, data="0xdeadbeef"), "simulation-reverted"),
        (Refused("execution reverted", code=3, data="0xnonsense"), "simulation-reverted"),
        (Refused("gas required exceeds allowance"), "gas-estimate"),
    ],
)
async def test_probe__only_the_estimate_is_refused__says_why_when_it_is_the_contract(
    refused: Refused, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()

    async def refuse(_: object, __: ArmedAction | UnsignedTransaction) -> None:
        raise refused

    monkeypatch.setattr(Executor, "measure_gas", refuse)
    assert await found(stage) == {PART: reason}
