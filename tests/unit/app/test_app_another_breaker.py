"""A breaker that is registered anew under the same id, and does something else than the action says: it is told, and not tripped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.app.breakers.following import Breakers
from keeper.app.breakers.registered import Contract, contracts_in
from keeper.app.faults import Faults
from keeper.config.model import BreakerRoute
from keeper.devnet.guard import Limits, Registration
from keeper.domain.abi import encode_call
from keeper.domain.action import BreakerTrip, FunctionCall
from keeper.domain.circuit_breaker import BreakerStatus, breaker_id
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import Draft, RecordKind
from keeper.execution.edges import Way
from keeper.execution.executor import Edges, Executor, Terms
from keeper.execution.planner import ArmedAction, arm
from tests.support.breaker_double import ADDRESS, READY, TARGET, Double
from tests.support.cosigning_scene import Scene as Together
from tests.support.execution_stage import VAULT, Stage, pause

pytestmark = pytest.mark.unit

ID = breaker_id("pause")
PART = "breaker:public/pause"
GOES_ON = encode_call(FunctionCall(VAULT, "goOn()")).data
MEANT = Registration(VAULT, pause().call.data, GOES_ON, Limits())
OTHER_CALL = replace(MEANT, call=GOES_ON)
OTHER_TARGET = replace(MEANT, target=ADDRESS)


def through(name: str = "pause", identifier: str = ID) -> ArmedAction:
    action = replace(pause(name=name).action, breaker=BreakerTrip(ADDRESS, identifier))
    return arm(action)


def answer(registration: Registration) -> bytes:
    """Of ``breakerOf``: the calldata of ``register`` has the same tuple behind its two words."""
    return (32).to_bytes(32, "big") + registration.register(ID)[4 + 64 :]


class Scene:
    """One keeper, one breaker; ``block`` makes the next block with the contract changed like this, and the keeper looks."""

    def __init__(self, registration: Registration, *, live: bool = True) -> None:
        self.stage = Stage()
        self.double = Double(self.stage.chain)
        self.double.install(heard_s=self.stage.block.timestamp_s, registration=answer(registration))
        stage, armed = self.stage, through()
        edges = Edges(stage.store, stage.chain, stage.chain, stage.signer, {"public": Way(stage.route)}, stage.clock)
        self.executor = Executor(edges, Terms(31337, 1, live=live), {armed.key: armed}, stage._ended)
        self.drafts: list[Draft] = []
        self.faults = Faults(stage.clock, self.drafts.append, lambda _: None)
        contracts = contracts_in([armed], [BreakerRoute("public", ADDRESS, 10**9, None)])
        self.breakers = self._breakers(contracts, edges)

    def _breakers(self, contracts: tuple[Contract, ...], edges: Edges) -> Breakers:
        lasting: Any = None
        return Breakers(
            contracts,
            self.executor,
            edges,
            self.faults,
            lasting,
            live=False,
            hear=lambda _: None,
            record=self.drafts.append,
            tell=lambda _: None,
            incidents=dict,
        )

    async def block(self, **storage: Any) -> None:
        self.double.set(**storage)
        self.stage.block = self.stage.chain.mine()
        await self.breakers.look(self.stage.block)

    async def act(self) -> None:
        await self.executor.refresh(self.stage.block)
        await self.stage.act(self.executor, through())

    @property
    def down(self) -> dict[str, str]:
        return {fault.part: fault.reason for fault in self.faults.current}


def anew(registration: Registration, nonce: int) -> dict[str, Any]:
    return {"registration": answer(registration), "state": replace(READY, nonce=nonce)}


@pytest.mark.parametrize(
    ("other", "words"),
    [(OTHER_CALL, "its call has the selector"), (OTHER_TARGET, f"it calls {ADDRESS}, and the action {VAULT}")],
)
async def test_registered_anew__as_another__is_told_until_it_fits_again(other: Registration, words: str) -> None:
    scene = Scene(MEANT)
    await scene.block()
    assert scene.down == {}
    await scene.block(**anew(other, 2))
    assert scene.down == {PART: "another-breaker"}
    (fault,) = scene.faults.current
    assert words in fault.message
    assert "let the council register it as reviewed" in fault.remedy
    await scene.block(**anew(MEANT, 3))
    assert scene.down == {}
    assert scene.executor.declined.outcome(through()) is None


async def test_registered_anew__as_another__nothing_is_sent() -> None:
    scene = Scene(MEANT)
    await scene.block()
    await scene.block(**anew(OTHER_CALL, 2))
    await scene.act()
    outcome = scene.stage.outcome
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.NOT_CONFIGURED)
    assert "breaker pause" in outcome.message
    assert "its call has the selector" in outcome.message
    assert "act by hand" in outcome.remedy
    assert scene.stage.route.sent == []
    assert "sign" not in scene.stage.events


async def test_another_at_the_first_look__nothing_is_sent_in_shadow_mode_either() -> None:
    scene = Scene(OTHER_CALL, live=False)
    await scene.block()
    await scene.act()
    assert scene.stage.outcome.kind is OutcomeKind.DRY_RUN
    assert "another one than the action says" in scene.stage.outcome.message
    assert "its call has the selector" in scene.stage.outcome.message


async def test_registration__unreadable__is_another() -> None:
    scene = Scene(MEANT)
    await scene.block(registration=answer(MEANT)[: 32 * 12], state=replace(READY, nonce=2))
    assert scene.down == {PART: "another-breaker"}
    assert "cannot be read" in scene.faults.current[0].message


async def test_another__unregistered_again__is_told_as_that() -> None:
    scene = Scene(OTHER_CALL)
    await scene.block()
    gone = replace(READY, status=BreakerStatus.UNKNOWN, armed=False)
    await scene.block(state=gone, registration=b"")
    assert scene.down == {PART: "unregistered"}
    assert scene.executor.declined.outcome(through()) is None


async def test_another__the_node_answers_nonsense__stays_declined() -> None:
    scene = Scene(OTHER_CALL)
    await scene.block()
    scene.stage.chain.install(ADDRESS, lambda data, sender, storage: b"\xff" * 32)
    await scene.block()
    assert scene.executor.declined.outcome(through()) is not None


async def test_registration__is_asked_for_only_when_the_nonce_changes() -> None:
    scene = Scene(OTHER_CALL)
    await scene.block()
    asked = scene.stage.chain.requests_made
    await scene.breakers.look(scene.stage.block)
    assert scene.stage.chain.requests_made == asked + 1


async def test_sent_before_it_became_another__is_not_sent_anew() -> None:
    scene = Scene(MEANT)
    await scene.block()
    chain = scene.stage.chain
    chain.install(ADDRESS, lambda data, sender, storage: b"")  # takes any call
    scene.stage.block = chain.mine()
    await scene.act()
    (attempt,) = scene.stage.route.sent
    chain.forget_pool()
    scene.executor.declined.other = {through().key: "it calls another"}
    await scene.executor.rebroadcast()
    assert scene.stage.route.sent == [attempt]
    assert scene.stage.outcome.reason is Reason.NOT_CONFIGURED
    assert attempt.tx_hash in scene.stage.outcome.message


async def test_decline__an_action_that_goes_through_no_breaker__is_not_asked_about() -> None:
    stage = Stage()
    executor = await stage.ready()
    executor.declined.other = {pause().key: "nonsense"}
    await stage.act(executor)
    assert len(stage.route.sent) == 1


async def test_several_keepers__another_breaker__is_not_signed() -> None:
    scene = Together()
    one = scene.members[0]
    order = one.decide()
    executor = Stage().executor()
    executor.declined.other = {order.armed.key: "it calls another"}
    one.cosigning._declined = executor.declined.outcome
    assert not one.cosigning.takes(order), "the executor says why"
    await one.look()
    assert one.hand.signed == []
    assert one.failed == [("M", "limit", "not-configured")]
    assert scene.trip_count == 0


def test_contracts__each_breaker__knows_what_the_actions_say() -> None:
    armed = [through("a"), through("b"), pause()]
    (contract,) = contracts_in(
        armed, [BreakerRoute("public", TARGET, 1, None), BreakerRoute("public", ADDRESS, 1, None)]
    )
    assert contract.breakers[0].armed == tuple(armed[:2])


async def test_another__of_two_actions__only_the_one_that_it_does_not_fit_is_declined() -> None:
    scene = Scene(MEANT)
    moved = replace(through("b").action, call=FunctionCall(TARGET, "halt()"))
    contracts = contracts_in([through(), arm(moved)], [BreakerRoute("public", ADDRESS, 10**9, None)])
    stage = scene.stage
    edges = Edges(stage.store, stage.chain, stage.chain, stage.signer, {"public": Way(stage.route)}, stage.clock)
    scene.breakers = scene._breakers(contracts, edges)
    await scene.block()
    assert scene.down == {PART: "another-breaker"}
    assert "b on ETH-PERP" in scene.faults.current[0].message
    assert scene.executor.declined.outcome(through()) is None
    assert scene.executor.declined.outcome(arm(moved)) is not None
    assert not [one for one in scene.drafts if one.kind is RecordKind.BREAKER]
