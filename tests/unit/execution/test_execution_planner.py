"""Arming an action, what its view's answers mean, and the gate before sending."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from keeper.domain.action import FunctionCall, SafeSide
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.evm import CallResult, Simulation
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.execution.gate import already_there, simulated
from keeper.execution.planner import arm
from tests.support.execution_stage import MISSING_ROLE, VAULT, limit, pause

pytestmark = pytest.mark.unit

SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_arm__an_action__encodes_both_calls_once() -> None:
    armed = limit(255)
    assert armed.key == ("ETH-PERP", "limit")
    assert armed.call.to == armed.effect_call.to == VAULT
    assert armed.call.data[4:] == (255).to_bytes(32, "big")
    assert len(armed.effect_call.data) == 4


@pytest.mark.parametrize(
    "call",
    [
        FunctionCall(VAULT, "setLimit(uint256"),
        FunctionCall(VAULT, "setLimit(uint257)", ("1",)),
        FunctionCall(VAULT, "setLimit(uint256)"),
        FunctionCall(VAULT, "setLimit(uint256)", ("1", "2")),
        FunctionCall(VAULT, "setLimit(uint256)", ("-1",)),
        FunctionCall(VAULT, "setLimit(uint256)", ("much",)),
        FunctionCall("0x123", "pause()"),
        FunctionCall(VAULT, ""),
    ],
)
def test_arm__call_that_cannot_be_encoded__is_refused(call: FunctionCall) -> None:
    action = pause().action
    with pytest.raises(UnitError):
        arm(replace(action, call=call))
    with pytest.raises(UnitError):
        arm(replace(action, effect=replace(action.effect, read=call)))


@pytest.mark.parametrize(("word", "text"), [(0, "false"), (1, "true")])
def test_effect_text__an_answer__is_in_the_form_of_the_expectation(word: int, text: str) -> None:
    assert pause().effect_text(CallResult(True, word.to_bytes(32, "big"))) == text


@pytest.mark.parametrize("data", [b"", b"\x01", b"\xff" * 32, b"\x02".rjust(32, b"\0")])
def test_effect_text__no_bool__is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        pause().effect_text(CallResult(True, data))


def test_effect_text__the_view_reverts__is_malformed_and_names_it() -> None:
    with pytest.raises(MalformedAnswer, match=r"paused\(\)\(bool\) at 0x5FbDB.* reverted") as caught:
        pause().effect_text(CallResult(False, b""))
    assert caught.value.remedy


SIDES = [
    (SafeSide.LOWER, "99", Reason.WOULD_LOOSEN),
    (SafeSide.LOWER, "0", Reason.WOULD_LOOSEN),
    (SafeSide.LOWER, "100", Reason.ALREADY_IN_EFFECT),
    (SafeSide.LOWER, "101", None),
    (SafeSide.HIGHER, "101", Reason.WOULD_LOOSEN),
    (SafeSide.HIGHER, "100", Reason.ALREADY_IN_EFFECT),
    (SafeSide.HIGHER, "99", None),
    (SafeSide.LOWER, "unreadable: the view reverted", None),
    (SafeSide.LOWER, "unknown", None),
    (SafeSide.HIGHER, "", None),
]


@pytest.mark.parametrize(("side", "current", "reason"), SIDES)
def test_already_there__a_number__counts_also_when_it_is_tighter(
    side: SafeSide, current: str, reason: Reason | None
) -> None:
    armed = limit(100, side=side)
    outcome = already_there(armed, current)
    assert armed.in_effect(current) is (reason is not None)
    assert (outcome.reason if outcome else None) is reason
    if outcome is not None:
        assert outcome.kind is OutcomeKind.SUPERSEDED
        assert current in outcome.message


@pytest.mark.parametrize(("current", "there"), [("true", True), ("false", False), ("unknown", False), (None, False)])
def test_already_there__a_pause__needs_the_very_answer(current: str | None, there: bool) -> None:
    assert (already_there(pause(), current) is not None) is there


def test_simulated__it_would_go_through__is_no_end() -> None:
    assert simulated(pause(), SENDER, Simulation(True, b"")) is None


def test_simulated__the_sender_lacks_a_role__names_both_and_the_remedy() -> None:
    outcome = simulated(pause(), SENDER, Simulation(False, MISSING_ROLE, "execution reverted"))
    assert outcome is not None
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.MISSING_ROLE)
    assert SENDER in outcome.message
    assert VAULT in outcome.message
    assert SENDER in outcome.remedy


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "execution reverted: paused"),
        (bytes.fromhex("08c379a0") + encode(["string"], ["not now"]), "not now"),
        (b"\xde\xad\xbe\xef", "0xdeadbeef"),
    ],
)
def test_simulated__it_would_revert__is_told_with_the_reason(data: bytes, said: str) -> None:
    outcome = simulated(pause(), SENDER, Simulation(False, data, "execution reverted: paused"))
    assert outcome is not None
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.SIMULATION_REVERTED)
    assert said in outcome.message
    assert outcome.remedy
