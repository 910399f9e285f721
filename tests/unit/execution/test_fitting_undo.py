"""The undo of an action with ``{previous}``, held against the one that a breaker is registered with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.action import PREVIOUS, Action, ActionKind, BreakerTrip, Effect, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.breaker_registration import Bound, Probe, Registration, Side
from keeper.domain.circuit_breaker import breaker_id
from keeper.execution.fitting import misfits
from keeper.execution.planner import arm
from tests.support.breaker_double import ADDRESS, TARGET, TERMS

pytestmark = pytest.mark.unit

ID = "0x" + "45" * 32
VIEW = FunctionCall(TARGET, "limit(bytes32)(uint256)", (ID,))
SET = "setLimit(bytes32,uint256)"


def action(**changes: object) -> Action:
    made = Action(
        "tighten", "ETH-PERP", ActionKind.RATE_LIMIT, FunctionCall(TARGET, SET, (ID, "100")), Effect(VIEW, "100"), "breaker", 1,
        undo=FunctionCall(TARGET, SET, (ID, PREVIOUS)), safe_side=SafeSide.LOWER,
        breaker=BreakerTrip(ADDRESS, breaker_id("limit"), ("100",)),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def registered(undo: str = SET) -> Registration:
    view = encode_call(VIEW).data
    empty = encode_call(FunctionCall(TARGET, SET, (ID, "0"))).data
    bound = Bound(TARGET, 1, 0, Side.LOWER, 5_000, 1, 10**9, view)
    back = parse_signature(undo).selector + empty[4:]
    return Registration(TERMS, empty, back, Probe(ADDRESS, 0, b"", bytes(32)), (bound,))


def test_misfits__previous_in_the_undo__is_filled_in_by_the_contract() -> None:
    assert list(misfits(arm(action()), registered())) == []


def test_misfits__previous_beside_an_adjustment__too() -> None:
    adjusting = action(
        call=FunctionCall(TARGET, SET, (ID, NEW)),
        effect=Effect(VIEW, NEW),
        breaker=BreakerTrip(ADDRESS, breaker_id("limit"), (NEW,)),
        adjustment=Adjustment("current * 0.5", SafeSide.LOWER, 10, 10**6),
    )
    assert list(misfits(arm(adjusting), registered())) == []


def test_misfits__another_undo_than_the_registered_one__is_told() -> None:
    (found,) = misfits(arm(action()), registered("setFloor(bytes32,uint256)"))
    assert "its undo has the selector" in found


def test_misfits__an_undo_of_a_flag__means_the_other_flag() -> None:
    pause = Action(
        "pause", "ETH-PERP", ActionKind.PAUSE, FunctionCall(TARGET, "setPaused(bool)", ("true",)),
        Effect(FunctionCall(TARGET, "paused()(bool)"), "true"), "breaker", 1,
        undo=FunctionCall(TARGET, "setPaused(bool)", (PREVIOUS,)), breaker=BreakerTrip(ADDRESS, breaker_id("pause")),
    )  # fmt: skip
    call = encode_call(pause.call).data
    undo = encode_call(FunctionCall(TARGET, "setPaused(bool)", ("false",))).data
    probe = Probe(TARGET, 0, encode_call(pause.effect.read).data, (1).to_bytes(32))
    assert list(misfits(arm(pause), Registration(TERMS, call, undo, probe, ()))) == []
    assert len(list(misfits(arm(pause), Registration(TERMS, call, call, probe, ())))) == 1
