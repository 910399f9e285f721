"""``index`` of a read, and arguments that are single bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keeper.execution.planner import arm

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

CALL = '"withdrawalLimit(bytes32)(uint256)"'
CAPS = '"caps(bytes32)(uint256,bool,uint256)"'
SET = 'call: "setWithdrawalLimit(bytes32,uint256)"'
ARGS = 'args: ["{id}", "250000000000"]'
EXPECT = "expect: 250000000000"
FLAGS = (
    (SET, 'call: "pause(bool,bool)"'),
    (ARGS, 'args: ["{new.bit0}", "{new.bit1}"]\n    new: "current | 2"\n    bounds: {max: 3}'),
    (f", {EXPECT}", ""),
    (CALL, '"flags(bytes32)(uint8)"'),
    ("safe_side: lower", "safe_side: higher"),
)


def test_load__index__is_the_result_that_counts(load_good: Load) -> None:
    action = load_good((f"call: {CALL}", f"call: {CAPS}, index: 2")).actions[-1]
    assert action.effect.read.signature == "caps(bytes32)(_,_,uint256)"
    assert (
        load_good((f"call: {CALL}", f"call: {CAPS}, index: 0")).actions[-1].effect.read.signature
        == "caps(bytes32)(uint256)"
    )


@pytest.mark.parametrize(
    ("written", "place", "message"),
    [
        (f"call: {CAPS}, index: 3", "read.index", "there are 3 results"),
        (f"call: {CAPS}, index: -1", "read.index", ""),
        (f"call: {CAPS}", "read.call", "the view has 3 results"),
        (f"call: {CAPS}, index: 1", "", ""),
        ('call: "caps(bytes32)(_,uint256)"', "read.call", "a result has no type"),
    ],
)
def test_load__index_that_does_not_fit__is_told(broken: Break, written: str, place: str, message: str) -> None:
    problems = broken((f"call: {CALL}", written))
    assert any(message in problem.message and place in problem.path for problem in problems)


def test_load__bits__become_the_arguments(load_good: Load) -> None:
    action = load_good(*FLAGS).actions[-1]
    assert arm(action).at("1").action.call.args == ("true", "true")
    assert arm(action).at("0").action.call.args == ("false", "true")
    assert arm(action).at("2").call.data == b""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("pause(bool,bool)", "pause(bool,uint256)"), "a bit is true or false, and this argument a uint256"),
        (("{new.bit1}", "{new.bit8}"), "the view answers a uint8, which has no bit 8"),
        (("(uint8)", "(int8)"), "the view answers a int8, which has no bit 0"),
    ],
)
def test_load__bits_that_do_not_fit__are_told(broken: Break, change: tuple[str, str], message: str) -> None:
    changes = tuple((before, after.replace(*change)) for before, after in FLAGS)
    assert message in {problem.message for problem in broken(*changes)}


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (("{max: 3}", "{max: 2}"), "bounds", "max is 2, which is not every flag up to the highest"),
        (("{max: 3}", "{max: 3}\n    max_step: 50%"), "max_step", "flags have no share"),
        (("current | 2", "2"), "new", "flags that others have set would be cleared"),
        (("current | 2", "current + 2"), "new", "flags that others have set would be cleared"),
    ],
)
def test_load__flags_that_would_be_cleared__are_told(
    broken: Break, change: tuple[str, str], place: str, message: str
) -> None:
    problems = broken(*((old, new.replace(*change)) for old, new in FLAGS))
    assert [(problem.path.rpartition(".")[2], problem.message) for problem in problems] == [(place, message)]
