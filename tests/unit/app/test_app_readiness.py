"""The readiness probe: each armed action that would not work is a fault with its own reason, before anything trips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import cast

import pytest
from eth_abi.abi import encode

from keeper.adapters.chain.memory import Reverted, Storage
from keeper.app.faults import Fault, Faults
from keeper.app.readiness import RETRY_FOR_MS, RETRY_S, Readiness, unreachable_is_a_fault
from keeper.app.readiness_hindrances import Hindrances
from keeper.app.readiness_keys import Obstacle
from keeper.domain.abi import parse_signature
from keeper.domain.action import BreakerTrip
from keeper.domain.block import BlockStamp
from keeper.domain.budget import Budget
from keeper.domain.circuit_breaker import TRIP, BreakerState, BreakerStatus
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.evm import UnsignedTransaction
from keeper.domain.readiness import ActionReadiness
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.execution.edges import Edges, Way
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction, arm
from keeper.ports.notifier import Notice
from tests.support.breaker_double import ADDRESS, READY, Double, contract
from tests.support.eventually import eventually
from tests.support.execution_stage import ETHER, MISSING_ROLE, VAULT, Stage, adjust, pause

pytestmark = pytest.mark.unit

PART = "readiness:ETH-PERP/pause"


def edges_of(stage: Stage) -> Edges:
    return Edges(
        store=stage.store,
        chain=stage.chain,
        accounts=stage.chain,
        signer=stage.signer,
        ways={"public": Way(stage.route)},
        clock=stage.clock,
    )


def probing(
    stage: Stage,
    executor: Executor,
    armed: ArmedAction | None = None,
    *,
    told: list[Notice] | None = None,
    actor: str = "",
    safes: Mapping[str, str] | None = None,
    executing: Collection[str] = (),
) -> tuple[Readiness, Faults]:
    faults = Faults(stage.clock, lambda _: None, ([] if told is None else told).append)
    armed = armed or pause()
    probe = Readiness(edges_of(stage), executor, {armed.key: armed}, faults, lambda _: actor, safes or {}, executing)
    return probe, faults


class OwnHindrances:
    """What a keeper's own hindrances say, as the test sets it."""

    blind: Fault | None = None
    lacks: Obstacle | None = None
    held: Obstacle | None = None

    def look(self) -> Fault | None:
        return self.blind

    def broken(self, armed: ArmedAction) -> Obstacle | None:
        return self.lacks

    def held_back(self, armed: ArmedAction) -> Obstacle | None:
        return self.held


async def test_probe__the_keeper_itself_would_not_do_it__is_never_armed() -> None:
    stage, own, seen = Stage(), OwnHindrances(), list[tuple[str, str]]()
    records: list[Draft] = []
    armed = pause()
    faults = Faults(stage.clock, lambda _: None, lambda _: None)
    probe = Readiness(
        edges_of(stage),
        await stage.ready(),
        {armed.key: armed},
        faults,
        probed=lambda all_of: seen.extend((one.state.value, one.reason) for one in all_of),
        record=records.append,
        hindrances=cast("Hindrances", own),
    )
    await probe.probe()
    own.held = Obstacle("locked", "words", "remedy")
    await probe.probe()
    own.lacks = Obstacle("no-log", "words", "remedy")
    await probe.probe()
    own.blind = Fault("heads", "stalled", "no block", "look", 1)
    await probe.probe()
    probe.unreachable(Unreachable("gone"))
    own.blind = own.lacks = own.held = None
    await probe.probe()
    assert seen == [
        ("ready", ""),
        ("held-back", "locked"),
        ("not-ready", "no-log"),
        ("unknown", "heads-stalled"),
        ("unknown", "heads-stalled"),
        ("ready", ""),
    ]
    assert [one.body["reason"] for one in records if one.market] == ["", "locked", "no-log", "heads-stalled", ""]


async def test_run__woken_between_two_blocks__probes_at_once() -> None:
    stage, own, seen = Stage(), OwnHindrances(), list[str]()
    armed = pause()
    executor = await stage.ready()
    probe = Readiness(
        edges_of(stage),
        executor,
        {armed.key: armed},
        Faults(stage.clock, lambda _: None, lambda _: None),
        probed=lambda all_of: seen.extend(one.state.value for one in all_of),
        hindrances=cast("Hindrances", own),
    )
    running = asyncio.create_task(probe.run())
    probe.hear_of(await stage.chain.head())
    await eventually(lambda: len(seen) == 1)
    own.blind = Fault("heads", "unreachable", "no connection", "", 1)
    probe.wake()
    await eventually(lambda: len(seen) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seen == ["ready", "unknown"]


@pytest.mark.parametrize(
    ("per_action", "per_day", "reason"),
    [(None, None, None), (10**18, 10**18, None), (1, None, "gas-budget"), (None, 1, "gas-budget")],
)
async def test_probe__the_budget_of_gas__must_allow_a_first_offer(
    per_action: int | None, per_day: int | None, reason: str | None
) -> None:
    stage = Stage(budget=Budget(per_action, per_day))
    seen: list[ActionReadiness] = []
    armed = pause(gas_limit=100_000)
    faults = Faults(stage.clock, lambda _: None, lambda _: None)
    await Readiness(edges_of(stage), await stage.ready(armed), {armed.key: armed}, faults, probed=seen.extend).probe()
    assert [(one.is_armed, one.reason or None) for one in seen] == [(reason is None, reason)]


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


@pytest.mark.parametrize("executing", [True, False])
async def test_probe__balance__what_a_safe_does_costs_the_key_nothing_unless_it_executes(executing: bool) -> None:
    stage = Stage()
    executor = await stage.ready()
    stage.chain.fund(stage.signer.address, 0)
    stage.chain.mine()
    route = pause().action.route
    probe, faults = probing(
        stage, executor, safes={route: stage.signer.address}, executing=[route] if executing else []
    )
    await unreachable_is_a_fault(probe, faults)
    assert {fault.part: fault.reason for fault in faults.current} == ({"balance": "low"} if executing else {})


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


# -- through a breaker that rests ---------------------------------------------------------------------------------------------

RAW_ID = b"pause".ljust(32, b"\0")
FAR_S = 4_000_000_000
"""Ahead of the chain's time."""
SIMPLE = {"InEffect": ("bytes32",), "IsFrozen": (), "NotArmed": ("bytes32",)}


def refuses(name: str) -> bytes:
    types = SIMPLE.get(name, ("bytes32", "uint256"))
    values = (RAW_ID, FAR_S)[: len(types)]
    return parse_signature(f"{name}({','.join(types)})").selector + encode(types, values)


async def resting(
    state: BreakerState, refusal: str, *, frozen: bool = False, vault: str = "good", actor: str = ""
) -> list[tuple[str, Severity, str]]:
    """Reason, severity and text of what is told when the contract stands so and refuses the trip with this."""
    stage = Stage()

    def breaker(data: bytes, sender: str, storage: Storage) -> bytes:
        if data[:4] == TRIP:
            raise Reverted(refuses(refusal))
        return contract(data, sender, storage)

    Double(stage.chain).install(frozen=int(frozen), state=state)
    stage.chain.install(ADDRESS, breaker, **stage.chain._code[ADDRESS][1])
    stage.chain.store(VAULT, mode=vault)
    stage.chain.mine()
    trip = BreakerTrip(ADDRESS, "0x" + RAW_ID.hex(), ())
    armed = arm(replace(pause().action, breaker=trip))
    told: list[Notice] = []
    probe, faults = probing(stage, await stage.ready(armed), armed, told=told, actor=actor)
    await unreachable_is_a_fault(probe, faults)
    assert [f"fault/{fault.part}" for fault in faults.current] == [notice.key for notice in told]
    return [(fault.reason, notice.severity, notice.body) for fault, notice in zip(faults.current, told, strict=True)]


TRIPPED = replace(READY, status=BreakerStatus.TRIPPED, expires_at_s=FAR_S)
RESTS = replace(READY, ready_at_s=FAR_S)
LOCKED = replace(READY, locked_until_s=FAR_S)
SPENT = replace(READY, recent_s=(FAR_S - 9_000, FAR_S - 10_000))


@pytest.mark.parametrize(
    ("state", "refusal", "words"),
    [
        (TRIPPED, "InEffect", "it is tripped until 2096-10-02 07:06:40 UTC, and may trip again from"),
        (RESTS, "CoolingDown", "it rests until 2096-10-02 07:06:40 UTC"),
        (LOCKED, "LockedAfterLift", "it is locked until 2096-10-02 07:06:40 UTC"),
        (SPENT, "BudgetSpent", "its budget of 2 trips in 10000 s is used up until 2096-10-02 07:06:40 UTC"),
    ],
)
@pytest.mark.parametrize("actor", ["", ADDRESS], ids=["one keeper", "several keepers"])
async def test_probe__breaker_rests__is_a_warning_with_the_time(
    state: BreakerState, refusal: str, words: str, actor: str
) -> None:
    ((reason, severity, body),) = await resting(state, refusal, actor=actor)
    assert (reason, severity) == ("resting", Severity.WARNING)
    assert words in body
    assert "it works again from 2096-10-02" in body


@pytest.mark.parametrize(
    ("state", "refusal", "frozen", "vault", "expected"),
    [
        (replace(TRIPPED, status=BreakerStatus.RATIFIED), "InEffect", False, "good", "simulation-reverted"),
        (replace(RESTS, armed=False), "NotArmed", False, "good", "simulation-reverted"),
        (RESTS, "IsFrozen", True, "good", "simulation-reverted"),
        (RESTS, "CoolingDown", True, "good", "simulation-reverted"),
        (RESTS, "CoolingDown", False, "no role", "missing-role"),
        (RESTS, "CoolingDown", False, "reverts", "simulation-reverted"),
    ],
    ids=["ratified", "disarmed", "frozen", "frozen since", "lost its role", "protocol reverts"],
)
async def test_probe__not_only_rest__stays_critical(
    state: BreakerState, refusal: str, frozen: bool, vault: str, expected: str
) -> None:
    ((reason, severity, _),) = await resting(state, refusal, frozen=frozen, vault=vault)
    assert (reason, severity) == (expected, Severity.CRITICAL)


async def test_probe__several_keepers_and_nothing_in_the_way__is_no_fault() -> None:
    assert await resting(READY, "CoolingDown", actor=ADDRESS) == []
