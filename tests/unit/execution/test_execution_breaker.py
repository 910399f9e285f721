"""An action through the breaker contract: what is sent, what it rests on, and what a refusal of the contract means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from keeper.domain.abi import parse_signature
from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import NO_EVIDENCE, TRIP_SIGNED, breaker_id, evidence_of
from keeper.domain.evm import Simulation
from keeper.domain.outcome import Reason
from keeper.execution.breaker_errors import REFUSALS
from keeper.execution.gate import simulated
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.reverts import explain
from tests.support.execution_stage import MISSING_ROLE, limit, pause

pytestmark = pytest.mark.unit

CONTRACT = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
ID = breaker_id("pause ETH-PERP")
RAW_ID = bytes.fromhex(ID[2:])
EVIDENCE, OTHER = b"\x07" * 32, b"\x08" * 32


def through(armed: ArmedAction, *values: str, identifier: str = ID) -> ArmedAction:
    return arm(replace(armed.action, route="breaker", breaker=BreakerTrip(CONTRACT, identifier, values)))


def signed_by_several(identifier: bytes, values: list[int], evidence: bytes) -> bytes:
    types = ["(bytes32,uint256[],bytes32)", "uint256", "bytes[]"]
    return TRIP_SIGNED + encode(types, [(identifier, values, evidence), 99, [b"s" * 65, b"t" * 65]])


def revert(name: str, *values: object) -> bytes:
    error = next(one for one in REFUSALS.values() if one.name == name)
    return parse_signature(f"{name}({','.join(error.types)})").selector + encode(error.types, values)


def test_arm__through_a_breaker__calls_the_contract_without_evidence() -> None:
    armed = through(pause())
    assert armed.call.to == CONTRACT
    assert evidence_of(armed.call.data) == NO_EVIDENCE
    assert armed.effect_call == pause().effect_call


def test_on__a_decision__is_what_the_call_rests_on() -> None:
    assert evidence_of(through(pause()).on(EVIDENCE).call.data) == EVIDENCE
    assert pause().on(EVIDENCE) == pause(), "a call that goes to the protocol itself names nothing"


def test_as_written__the_same_action__keeps_the_evidence_of_then() -> None:
    armed, written = through(pause()), through(pause()).on(EVIDENCE).call
    again = armed.as_written(written.to, written.data)
    assert again is not None
    assert again.call == written


@pytest.mark.parametrize(
    "now",
    [
        through(pause(), identifier=breaker_id("pause BTC-PERP")),
        through(pause(), "5"),
        pause(),
    ],
)
def test_as_written__another_action_now__is_none(now: ArmedAction) -> None:
    written = through(pause()).on(EVIDENCE).call
    assert now.as_written(written.to, written.data) is None


def test_as_written__no_breaker__compares_the_call() -> None:
    armed = pause()
    assert armed.as_written(armed.call.to, armed.call.data) == armed
    assert armed.as_written(armed.call.to, armed.call.data + b"\0") is None
    assert armed.as_written(CONTRACT, armed.call.data) is None


def test_as_written__signed_by_several__is_taken_up_with_its_signatures() -> None:
    data = signed_by_several(RAW_ID, [5], EVIDENCE)
    again = through(limit(5), "5").as_written(CONTRACT, data)
    assert again is not None
    assert again.call.data == data
    assert evidence_of(data) == EVIDENCE


@pytest.mark.parametrize("data", [signed_by_several(OTHER, [5], EVIDENCE), signed_by_several(RAW_ID, [6], EVIDENCE)])
def test_as_written__signed_for_something_else__is_none(data: bytes) -> None:
    assert through(limit(5), "5").as_written(CONTRACT, data) is None


def test_simulated__key_that_is_no_keeper__lacks_authority_with_the_councils_remedy() -> None:
    outcome = simulated(through(pause()), SENDER, Simulation(False, revert("NotKeeper", SENDER)))
    assert outcome is not None
    assert outcome.reason is Reason.MISSING_ROLE
    assert "breaker pause ETH-PERP" in outcome.message
    assert "addKeeper" in outcome.remedy


def test_simulated__contract_without_the_role__names_who_needs_it() -> None:
    data = revert("CallFailed", CONTRACT, MISSING_ROLE)
    outcome = simulated(through(pause()), SENDER, Simulation(False, data))
    assert outcome is not None
    assert outcome.reason is Reason.MISSING_ROLE
    assert "AccessControlUnauthorizedAccount" in outcome.message
    assert "grant the role to the breaker contract" in outcome.remedy


def test_simulated__cooling_down__says_until_when() -> None:
    outcome = simulated(through(pause()), SENDER, Simulation(False, revert("CoolingDown", RAW_ID, 60)))
    assert outcome is not None
    assert outcome.reason is Reason.SIMULATION_REVERTED
    assert "breaker pause ETH-PERP rests until 1970-01-01 00:01:00 UTC" in outcome.message
    assert outcome.remedy


def test_explain__nested_without_end__comes_back() -> None:
    data = b""
    for _ in range(2_000):
        data = revert("CallFailed", CONTRACT, data)
    assert explain(data).text


@pytest.mark.parametrize("error", REFUSALS.values(), ids=lambda error: error.name)
def test_explain__every_error__has_words_and_a_remedy(error: object) -> None:
    samples = {"address": SENDER, "bytes32": RAW_ID, "uint256": 2**256 - 1, "bytes": b"\xff" * 100}
    known = next(one for one in REFUSALS.values() if one is error)
    told = explain(revert(known.name, *(samples[each] for each in known.types)))
    assert told.remedy
    assert "custom error" not in told.text.split(":")[0]
    assert told.text.isprintable()


@pytest.mark.parametrize("error", REFUSALS.values(), ids=lambda error: error.name)
def test_explain__every_error_cut_short__is_shown_as_hex(error: object) -> None:
    known = next(one for one in REFUSALS.values() if one is error)
    if known.types:
        selector = revert(
            known.name,
            *({"address": SENDER, "bytes32": RAW_ID, "uint256": 1, "bytes": b""}[each] for each in known.types),
        )[:4]
        assert "custom error 0x" + selector.hex() in explain(selector + b"\x01").text
