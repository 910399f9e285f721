"""``{previous}``: what an undo puts back, which is known once the log says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keeper.domain.action import PREVIOUS, FunctionCall

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

ID = "0x4554482d50455250000000000000000000000000000000000000000000000000"
TARGET = "0x000000000000000000000000000000000000dEaD"
SIDE = "    safe_side: lower\n"
UNDO = SIDE + '    undo: {call: "setWithdrawalLimit(bytes32,uint256)", args: ["{id}", "{previous}"]}\n'
PAUSED = 'undo: {call: "unpauseMarket(bytes32)", args: ["{id}"]}'


def test_load__previous_in_an_undo__stays_for_the_log_to_say(load_good: Load) -> None:
    action = load_good((SIDE, UNDO)).actions[-1]
    assert action.undo == FunctionCall(TARGET, "setWithdrawalLimit(bytes32,uint256)", (ID, PREVIOUS))


def test_load__previous_of_a_flag__stays_too(load_good: Load) -> None:
    undo = 'undo: {call: "setPaused(bytes32,bool)", args: ["{id}", "{previous}"]}'
    (pause, *_) = load_good((PAUSED, undo)).actions
    assert pause.undo == FunctionCall(TARGET, "setPaused(bytes32,bool)", (ID, PREVIOUS))


def test_load__another_width_of_number__is_taken(load_good: Load) -> None:
    undo = load_good((SIDE, UNDO.replace("bytes32,uint256", "bytes32,uint128"))).actions[-1].undo
    assert undo is not None
    assert undo.args[1] == PREVIOUS


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('"-{previous}"', "{previous} is a whole argument"),
        ('"{previous} "', "{previous} is a whole argument"),
    ],
)
def test_load__previous_with_something_around_it__is_refused(broken: Break, written: str, message: str) -> None:
    (problem,) = broken((SIDE, UNDO.replace('"{previous}"', written)))
    assert (problem.path, problem.message) == ("actions.tighten-withdrawals.undo.args[1]", message)


def test_load__previous_where_another_type_is_asked_for__is_refused(broken: Break) -> None:
    (problem,) = broken((SIDE, UNDO.replace("bytes32,uint256", "bytes32,address")))
    assert problem.message == "the view answers uint256, and this argument is address"


def test_load__previous_in_the_call_itself__is_no_variable(broken: Break) -> None:
    (problem,) = broken(('args: ["{id}", "250000000000"]', 'args: ["{id}", "{previous}"]'))
    assert "no variable previous" in problem.message
