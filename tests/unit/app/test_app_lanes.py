"""Several keys: what is probed of each, what a breaker contract must know of each, and what is told when one is asked for too much."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.breakers.health import Health
from keeper.app.breakers.own import own_actions
from keeper.app.breakers.registered import Answers, Breaker, Contract, Reader, contracts_in
from keeper.app.breakers.upkeep import Upkeep
from keeper.app.executing import executor_of
from keeper.app.faults import Faults
from keeper.app.observer import Observer
from keeper.app.readiness import Readiness
from keeper.config.model import BreakerRoute
from keeper.config.secret import Secret
from keeper.domain.action import UPKEEP_LANE, BreakerTrip
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.errors import SigningError
from keeper.domain.evm import UnsignedTransaction
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.execution.edges import Edges, Way
from keeper.execution.executor import Executor, Terms
from keeper.execution.mandate import REMEDY, MandatedSigner
from keeper.execution.planner import ArmedAction, arm
from keeper.ports.notifier import Notice
from tests.support.breaker_double import ADDRESS, LIMIT_S, READY, Double
from tests.support.execution_stage import MISSING_ROLE, OTHER_KEY, VAULT, Stage, StageSigner, limit, pause

pytestmark = pytest.mark.unit

THIRD_KEY = bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")
ID = breaker_id("pause")
INTERVAL_S = 1_200
MARKET, ACTION = pause().key
BREAKERS = (Breaker(ADDRESS, ID, "public", ((MARKET, ACTION),)),)
BOTH = Contract(ADDRESS, "public", INTERVAL_S * 1000, BREAKERS, ("", "fast"))


def at(lane: str, armed: ArmedAction) -> ArmedAction:
    return arm(replace(armed.action, lane=lane))


def edges_of(stage: Stage) -> Edges:
    ways = {"public": Way(stage.route)}
    return Edges(stage.store, stage.chain, stage.chain, stage.signer, ways, stage.clock, lanes=stage.lanes)


def faults_of(stage: Stage, told: list[Notice] | None = None, written: list[Draft] | None = None) -> Faults:
    records: list[Draft] = [] if written is None else written
    return Faults(stage.clock, records.append, ([] if told is None else told).append)


async def probed(stage: Stage, *armed: ArmedAction) -> dict[str, str]:
    faults = faults_of(stage)
    await Readiness(edges_of(stage), await stage.ready(*armed), {each.key: each for each in armed}, faults).probe()
    return {fault.part: fault.message for fault in faults.current}


# -- readiness -----------------------------------------------------------------------------------------------------------------------


async def test_probe__only_one_key_has_the_role__each_action_is_tried_from_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    fast = stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY)).address
    simulate = stage.chain.simulate

    async def only_the_first(call: Any, sender: str, *rest: Any) -> Any:
        found = await simulate(call, sender, *rest)
        return found if sender == stage.signer.address else replace(found, ok=False, data=MISSING_ROLE, error="no")

    monkeypatch.setattr(stage.chain, "simulate", only_the_first)
    found = await probed(stage, pause(), at("fast", limit()))
    assert list(found) == ["readiness:ETH-PERP/limit"]
    assert fast in found["readiness:ETH-PERP/limit"]


@pytest.mark.parametrize(("poor", "part"), [("", "balance"), ("fast", "balance:fast"), (UPKEEP_LANE, "balance:upkeep")])
async def test_probe__each_keys_balance__is_a_part_of_its_own(poor: str, part: str) -> None:
    stage = Stage()
    stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY))
    stage.add_lane(UPKEEP_LANE, StageSigner(stage.events, THIRD_KEY))
    signer = stage.lanes.get(poor, stage.signer)
    stage.chain.fund(signer.address, 1_000)
    stage.block = stage.chain.mine()
    found = await probed(stage, pause(), at("fast", limit()))
    assert list(found) == [part]
    assert found[part].startswith(f"{signer.address} has 1000 wei")


async def test_probe__a_key_that_has_nothing_to_send__needs_nothing() -> None:
    stage = Stage()
    stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY))
    stage.chain.fund(stage.lanes["fast"].address, 0)
    stage.block = stage.chain.mine()
    assert await probed(stage, pause()) == {}


# -- breaker contracts -----------------------------------------------------------------------------------------------------------------


def through(name: str, lane: str, route: str) -> ArmedAction:
    armed = pause(name=name)
    return replace(armed, action=replace(armed.action, route=route, lane=lane, breaker=BreakerTrip(ADDRESS, ID)))


@pytest.mark.parametrize(
    ("lanes", "orders", "known"),
    [
        (("",), False, ("",)),
        (("fast", ""), False, ("fast", "")),
        (("fast", "fast"), False, ("fast",)),
        (("fast",), True, ("", "fast")),
    ],
)
def test_contracts__the_keys_that_must_be_keepers__are_those_that_trip_and_the_first_that_signs_orders(
    lanes: tuple[str, ...], orders: bool, known: tuple[str, ...]
) -> None:
    route = BreakerRoute("guard", ADDRESS, 4_000, Secret("sqlite:///orders.db") if orders else None)
    (found,) = contracts_in([through(f"a{number}", lane, "guard") for number, lane in enumerate(lanes)], [route])
    assert found.lanes == known


def test_own_actions__signs_of_life__are_of_each_key_and_the_end_of_a_trip_of_the_lane_for_it() -> None:
    stage = Stage()
    fast = StageSigner([], OTHER_KEY).address
    own = own_actions([BOTH], {"": stage.signer.address, "fast": fast})
    lanes = {key[1]: each.action.lane for key, each in own.items()}
    assert lanes == {"heartbeat:public": "", "heartbeat:public:fast": "fast", f"expire:{ACTION}": UPKEEP_LANE}
    assert own["keeper", "heartbeat:public:fast"].action.effect.read.args == (fast,)


async def test_reader__asks_for_each_key_and_health_tells_of_each() -> None:
    stage = Stage()
    Double(stage.chain).install(heard_s=stage.block.timestamp_s)
    stage.block = stage.chain.mine()
    senders = {"": stage.signer.address, "fast": StageSigner([], OTHER_KEY).address}
    (answers,) = await Reader(stage.chain, [BOTH], senders).read(stage.block)
    assert isinstance(answers, Answers)
    assert set(answers.silent_at_s) == {"", "fast"}
    assert answers.states == {ID: READY}
    faults = faults_of(stage)
    said = replace(answers, silent_at_s={"": 0, "fast": answers.silent_at_s["fast"]})
    Health(faults).look(BOTH, said, senders, stage.block.timestamp_s)
    assert [fault.part for fault in faults.current] == ["breaker-key:public"]
    Health(faults).look(BOTH, replace(said, silent_at_s={"": 0, "fast": 0}), senders, stage.block.timestamp_s)
    assert faults.current[1].part == "breaker-key:public/fast"
    assert senders["fast"] in faults.current[1].message


class Keeping:
    """Signs of life are due for both keys."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.add_lane("fast", StageSigner(self.stage.events, OTHER_KEY))
        self.double = Double(self.stage.chain)
        self.double.install(heard_s=self.stage.block.timestamp_s)

    async def begin(self) -> Executor:
        edges = edges_of(self.stage)
        own = own_actions([BOTH], edges.senders)
        executor = await self.stage.ready(pause(), at("fast", limit()), *own.values())
        self.upkeep = Upkeep([BOTH], executor, edges, faults_of(self.stage), live=True, tell=lambda _: None)
        return executor

    async def due(self) -> list[str]:
        """What is sent, by whom."""
        before, stage = len(self.stage.route.sent), self.stage
        silent_at_s = stage.block.timestamp_s - INTERVAL_S + LIMIT_S
        answers = Answers(False, LIMIT_S, {"": silent_at_s, "fast": silent_at_s}, {ID: READY})
        await self.upkeep.keep_up(stage.block, [(BOTH, answers)], ())
        names = {signer.address: name for name, signer in (("", stage.signer), *stage.lanes.items())}
        return [names[attempt.sender] for attempt in stage.route.sent[before:]]


async def test_upkeep__a_sign_of_life_of_each_key__is_sent_by_that_key() -> None:
    keeping = Keeping()
    await keeping.begin()
    assert await keeping.due() == ["", "fast"]
    assert await keeping.due() == []


async def test_upkeep__a_pause_of_one_key_is_on_its_way__only_the_other_one_gives_a_sign_of_life() -> None:
    keeping = Keeping()
    executor = await keeping.begin()
    await keeping.stage.act(executor, pause())
    assert await keeping.due() == ["fast"]


# -- mandates ------------------------------------------------------------------------------------------------------------------------


async def test_service__a_key_was_asked_for_what_it_has_no_mandate_for__is_a_critical_fault_with_a_record() -> None:
    stage = Stage()
    stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY))
    told: list[Notice] = []
    written: list[Draft] = []
    parts: Any = SimpleNamespace(edges=edges_of(stage), proving=())
    terms, faults = Terms(31337, 1, live=True), faults_of(stage, told, written)
    executor = executor_of(parts, terms, {}, lambda *_: None, Observer(), faults, told.append)
    for pen in executor.lanes.pens:
        signer = pen._signer
        assert isinstance(signer, MandatedSigner)
        with pytest.raises(SigningError):
            await signer.sign(UnsignedTransaction(31337, 1, VAULT, b"\1\2\3\4\5", 1, 1, 1))
    assert "sign" not in stage.events
    assert [notice.severity for notice in told] == [Severity.CRITICAL]
    assert "0x01020304" in told[0].body
    assert REMEDY in told[0].body
    assert written[0].body["reason"] == "not-mandated"
