"""The readiness probe: each armed action that would not work is a fault with its own reason, before anything trips."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from keeper.app.faults import Faults
from keeper.app.readiness import RETRY_FOR_MS, RETRY_S, Readiness, unreachable_is_a_fault
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.evm import UnsignedTransaction
from keeper.execution.edges import Edges
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from tests.support.execution_stage import ETHER, MISSING_ROLE, VAULT, Stage, adjust, pause

pytestmark = pytest.mark.unit

PART = "readiness:ETH-PERP/pause"


def probing(stage: Stage, executor: Executor, armed: ArmedAction | None = None) -> tuple[Readiness, Faults]:
    faults = Faults(stage.clock, lambda _: None, lambda _: None)
    edges = Edges(
        store=stage.store,
        chain=stage.chain,
        accounts=stage.chain,
        signer=stage.signer,
        routes={"public": stage.route},
        clock=stage.clock,
    )
    armed = armed or pause()
    return Readiness(edges, executor, {armed.key: armed}, faults), faults


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


@pytest.mark.parametrize(
    ("limit", "mode", "reason"),
    [
        (1_000, "good", None),
        (1_000, "reverts", "simulation-reverted"),
        (100, "reverts", None),  # as tight as the bounds allow
        (99, "reverts", None),
        (101, "good", "no-new-value"),  # a step of 0.5 % is less than one
    ],
)
async def test_probe__an_adjustment__is_asked_for_the_value_of_now(limit: int, mode: str, reason: str | None) -> None:
    stage = Stage()
    stage.chain.store(VAULT, limit=limit, mode=mode)
    stage.chain.mine()
    armed = adjust(max_step=Decimal("0.005"))
    executor = await stage.ready(armed)
    probe, faults = probing(stage, executor, armed)
    await unreachable_is_a_fault(probe, faults)
    assert [fault.reason for fault in faults.current] == ([reason] if reason else [])


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


class Waits:
    """The clock of a Stage, moved by sleeping; ``wakes`` is called after so many sleeps."""

    def __init__(self, stage: Stage, wakes: dict[int, Callable[[], None]]) -> None:
        self.sleeps = 0
        self._stage = stage
        self._wakes = wakes

    def now_ms(self) -> int:
        return self._stage.clock.now_ms()

    def monotonic_ms(self) -> float:
        return self.sleeps * 1000.0

    async def sleep(self, seconds: float) -> None:
        assert seconds == RETRY_S
        self.sleeps += 1
        self._wakes.get(self.sleeps, lambda: None)()


async def later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, *, heals_after: int = -1
) -> tuple[Waits, Faults]:
    """After the first probe, which worked, the node fails with this error; how the second one went."""
    probe, faults = probing(stage, await stage.ready())
    await unreachable_is_a_fault(probe, faults)
    works = stage.chain.head

    async def fail() -> BlockStamp:
        raise error

    def heal() -> None:
        stage.chain.head = works  # type: ignore[method-assign]

    stage.chain.head = fail  # type: ignore[method-assign]
    waits = Waits(stage, {heals_after: heal})
    monkeypatch.setattr(Readiness, "clock", waits)
    await unreachable_is_a_fault(probe, faults)
    return waits, faults


async def test_probe__node_answers_again_after_three_seconds__the_fault_ends_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits, faults = await later(Stage(), monkeypatch, Unreachable("gone"), heals_after=3)
    assert waits.sleeps == 3
    assert faults.current == ()


async def test_probe__node_stays_away__gives_up_until_the_next_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, faults = await later(Stage(), monkeypatch, Unreachable("gone"))
    assert waits.sleeps * 1000 == RETRY_FOR_MS
    assert [(fault.part, fault.reason) for fault in faults.current] == [("readiness", "unreachable")]


async def test_probe__node_refuses__is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, faults = await later(Stage(), monkeypatch, Refused("no"))
    assert waits.sleeps == 0
    assert [fault.part for fault in faults.current] == ["readiness"]


async def test_probe__node_is_away_at_the_first_probe__does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    probe, faults = probing(stage, await stage.ready())
    waits = Waits(stage, {})
    monkeypatch.setattr(Readiness, "clock", waits)
    stage.chain_faults.failing = lambda _: "down"
    await unreachable_is_a_fault(probe, faults)
    assert waits.sleeps == 0


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
