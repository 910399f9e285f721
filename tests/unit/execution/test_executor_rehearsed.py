"""What was simulated with the reads of the block is not asked for again, and decides as the simulation would."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import Simulation
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.domain.rehearsal import Rehearsal, Rehearsed
from keeper.execution.executor import Executor
from tests.support.execution_stage import MISSING_ROLE, VAULT, Stage, pause, vault

pytestmark = pytest.mark.unit

GOOD = Simulation(True, b"")


class Counting:
    """Counts the simulations that the chain is asked for."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        simulate = stage.chain.simulate

        async def counted(call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
            self.asked += 1
            return await simulate(call, sender, block)

        monkeypatch.setattr(stage.chain, "simulate", counted)


async def act(stage: Stage, executor: Executor, rehearsed: Rehearsed) -> None:
    ((draft, order),) = stage.items()
    assert order is not None
    items = [(draft, replace(order, rehearsed=rehearsed))]
    await executor.act(items, stage.block, {"head": stage.clock.monotonic_ms()})


def known(stage: Stage, simulation: Simulation = GOOD) -> Rehearsed:
    return Rehearsed(Rehearsal(pause().call, stage.signer.address), stage.block.hash, simulation)


async def test_act__rehearsed_at_this_block__is_sent_without_a_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    chain = Counting(stage, monkeypatch)
    await act(stage, executor, known(stage))
    assert (chain.asked, len(stage.route.sent)) == (0, 1)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)


async def test_act__the_rehearsal_would_revert__nothing_is_sent() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    await act(stage, executor, known(stage, Simulation(False, MISSING_ROLE, "execution reverted")))
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.MISSING_ROLE)
    assert stage.route.sent == []
    assert stage.records(RecordKind.BROADCAST) == []


@pytest.mark.parametrize("simulation", [GOOD, Simulation(False, MISSING_ROLE, "execution reverted")])
async def test_act__known_at_the_block_before__is_asked_again_only_where_it_would_have_reverted(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    chain = Counting(stage, monkeypatch)
    await act(stage, executor, replace(known(stage, simulation), block_hash=stage.block.parent_hash))
    assert (chain.asked, len(stage.route.sent)) == (0 if simulation.ok else 1, 1)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.calls) == (OutcomeKind.INCLUDED, 1)


async def test_act__what_went_through_at_the_block_before_does_not_any_more__ends_as_reverted() -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    stage.chain.install(VAULT, vault, mode="reverts", paused=0, limit=1_000, calls=0, unreadable=0)
    await act(stage, executor, replace(known(stage), block_hash=stage.block.parent_hash))
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.REVERTED


@pytest.mark.parametrize("other", ["call", "sender", "block"])
async def test_act__rehearsed_was_something_else__is_simulated(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    executor = await stage.ready(measured=True)
    chain = Counting(stage, monkeypatch)
    rehearsed = known(stage, Simulation(False, b"", "of something else"))
    if other == "block":
        rehearsed = replace(rehearsed, block_hash="0x" + "00" * 32)
    elif other == "call":
        rehearsed = replace(rehearsed, rehearsal=Rehearsal(Call(VAULT, b"else"), stage.signer.address))
    else:
        rehearsed = replace(rehearsed, rehearsal=Rehearsal(pause().call, VAULT))
    await act(stage, executor, rehearsed)
    assert chain.asked == 1
    assert len(stage.route.sent) == 1
