"""An action whose new value follows from the current one: what it becomes, and what is said of each mistake."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.schema import json_schema
from keeper.domain.action import SafeSide
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.outcome import Reason
from keeper.execution.planner import arm
from tests.unit.config.test_config_schema import document, fits

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit

FIXED = """\
    args: ["{id}", "250000000000"]
    read: {call: "withdrawalLimit(bytes32)(uint256)", args: ["{id}"], expect: 250000000000}
    safe_side: lower
"""
ADJUSTS = """\
    args: ["{id}", "{new}"]
    new: "current * 0.5"
    bounds: {min: "100000000", max: 900000000000}
    max_step: 50%
    read: {call: "withdrawalLimit(bytes32)(uint256)", args: ["{id}"]}
    safe_side: lower
"""
BOUNDS = 'bounds: {min: "100000000", max: 900000000000}'
NEW_KEY = 'new: "current * 0.5"'
VARS = 'vars: {id: "0x4554482d50455250000000000000000000000000000000000000000000000000", key: "{id}"}'
WITH_CAP = VARS.replace('"{id}"}', '"{id}", cap: "900000000000"}')


def adjusting(*changes: Edit) -> Edit:
    """The edit that makes the fixed action an adjusting one, with these changes to it."""
    text = ADJUSTS
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return FIXED, text


def test_load__an_adjustment__as_written(load_good: Load) -> None:
    action = load_good(adjusting()).actions[-1]
    assert action.adjustment == Adjustment(
        "current * 0.5", SafeSide.LOWER, 100_000_000, 900_000_000_000, Decimal("0.5")
    )
    assert (action.call.args[1], action.effect.expect) == (NEW, NEW)
    assert arm(action).at("1000000000").action.call.args[1] == "500000000"


def test_load__without_max_bound_and_step__the_argument_is_the_bound(load_good: Load) -> None:
    edit = adjusting((BOUNDS, "bounds: {min: 5}"), ("    max_step: 50%\n", ""))
    assert load_good(edit).actions[-1].adjustment == Adjustment("current * 0.5", SafeSide.LOWER, 5, 2**256 - 1, None)


def test_load__a_bound_of_the_market__is_put_in(load_good: Load) -> None:
    edit = adjusting(("max: 900000000000", 'max: "{cap}"'))
    adjustment = load_good(edit, (VARS, WITH_CAP)).actions[-1].adjustment
    assert adjustment is not None
    assert adjustment.most == 900_000_000_000


def test_load__a_fixed_action__has_no_adjustment(load_good: Load) -> None:
    assert [action.adjustment for action in load_good().actions] == [None, None]


GOOD: dict[str, tuple[Edit, ...]] = {
    "a plain number": ((NEW_KEY, "new: 200000000"),),
    "higher": (
        ("safe_side: lower", "safe_side: higher"),
        (NEW_KEY, 'new: "current * 1.5"'),
        ("max_step: 50%", "max_step: 200%"),
    ),
    "a step of the whole": (("max_step: 50%", "max_step: 100%"),),
    "min equals max": ((BOUNDS, "bounds: {min: 5, max: 5}"), (NEW_KEY, 'new: "5"')),
    "another width": (("(bytes32)(uint256)", "(bytes32)(uint128)"),),
    "a bound in hex": (('min: "100000000"', 'min: "0x5f5e100"'),),
}


@pytest.mark.parametrize("case", GOOD)
def test_load__other_ways_to_write_it__are_taken(case: str, load_good: Load, good: str) -> None:
    edit = adjusting(*GOOD[case])
    assert load_good(edit).actions[-1].adjustment is not None
    assert fits(document(good.replace(*edit)), json_schema())


AT = "actions.tighten-withdrawals"
BAD: dict[str, tuple[tuple[Edit, ...], str, str]] = {
    "no expression": (((NEW_KEY, 'new: "current * (0.5 + "'),), "new", "character 18: "),
    "unknown word": (((NEW_KEY, 'new: "2 * price"'),), "new", "character 5: "),
    "empty": (((NEW_KEY, 'new: ""'),), "new", "character 1: "),
    "a list": (((NEW_KEY, "new: [current]"),), "new", "a single value"),
    "it loosens": (((NEW_KEY, 'new: "current * 1.5"'),), "new", "never gives a tighter value"),
    "it changes nothing": (((NEW_KEY, "new: current"),), "new", "never gives a tighter value"),
    "the other side": ((("safe_side: lower", "safe_side: higher"),), "new", "never gives a tighter value"),
    "no bounds": (((f"    {BOUNDS}\n", ""),), "bounds", "bounds is missing"),
    "no bound on the safe side": ((('min: "100000000", ', ""),), "bounds.min", "min is missing"),
    "bound of another form": ((('"100000000"', '"1e8"'),), "bounds.min", "not a value of uint256"),
    "negative bound": ((('"100000000"', '"-1"'),), "bounds.min", "not a value of uint256"),
    "bounds in the wrong order": ((('"100000000"', '"900000000001"'),), "bounds", "min is more than max"),
    "unknown bound": ((("max: 9", "most: 9"),), "bounds.most", "unknown key"),
    "bound that the view never answers": (
        (("(bytes32)(uint256)", "(bytes32)(uint8)"),),
        "bounds",
        "the view answers a uint8, which is never 100000000",
    ),
    "step of nothing": ((("50%", "0%"),), "max_step", "more than zero"),
    "negative step": ((("50%", "-5%"),), "max_step", "more than zero"),
    "step without a unit": ((("50%", "0.5"),), "max_step", "its unit is missing"),
    "step above the whole": ((("50%", "100.01%"),), "max_step", "more than the whole value"),
    "{new} is not there": ((('"{new}"', '"5"'),), "args", "{new} is not among the arguments"),
    "{new} twice": ((('["{id}", "{new}"]', '["{new}", "{new}"]'),), "args", "more than once"),
    "{new} in a place for bytes": (
        (('["{id}", "{new}"]', '["{new}", "5"]'),),
        "args[0]",
        "this argument a bytes32",
    ),
    "{new} and more": ((('"{new}"', '"{new}0"'),), "args[1]", "{new} is a whole argument"),
    "{new} in the view": ((('["{id}"]}', '["{new}"]}'),), "read.args[0]", "{new} means nothing here"),
    "expect as well": ((('["{id}"]}', '["{id}"], expect: 5}'),), "read.expect", "follows from the new value"),
    "a view of no number": ((("(uint256)", "(bool)"),), "read", "the view answers a bool"),
    "a view of two": ((("(bytes32)(uint256)", "(bytes32)(uint256,bool)"),), "read.call", "the view has 2 results"),
    "no safe side": ((("    safe_side: lower\n", ""),), "safe_side", "safe_side is missing"),
    "unknown variable in a bound": ((("max: 900000000000", 'max: "{cap}"'),), "bounds.max", "no variable cap"),
}


@pytest.mark.parametrize("case", BAD)
def test_load__one_mistake__one_problem_at_its_place(case: str, broken: Break) -> None:
    changes, path, message = BAD[case]
    problems = broken(adjusting(*changes))
    assert len(problems) == 1, problems
    assert problems[0].path == f"{AT}.{path}"
    assert message in problems[0].message


def test_load__a_bound_of_the_market_in_the_wrong_order__names_the_market(broken: Break) -> None:
    edit = adjusting(("max: 900000000000", 'max: "{cap}"'))
    (problem,) = broken(edit, (VARS, WITH_CAP.replace('cap: "900000000000"', 'cap: "99999999"')))
    assert problem.path == f"{AT}.bounds.max"
    assert "ETH-PERP" in problem.message
    assert "min is more than max" in problem.message


def test_load__new_left_out__each_part_of_it_is_told(broken: Break) -> None:
    problems = broken(adjusting((f"    {NEW_KEY}\n", "")))
    assert {(one.path.removeprefix(f"{AT}."), one.message) for one in problems} == {
        ("args[1]", "{new} means nothing here"),
        ("bounds", "this belongs to `new`"),
        ("max_step", "this belongs to `new`"),
        ("read.expect", "expect is missing"),
    }


def test_load__a_pause_with_a_new_value__is_refused(broken: Break) -> None:
    pause = 'read: {call: "paused(bytes32)(bool)", args: ["{key}"], expect: true}'
    (problem,) = broken((pause, pause.replace(", expect: true", "") + '\n    new: "current * 0.5"'))
    assert (problem.path, problem.message) == ("actions.pause-market.new", "a pause has no new value")


def test_load__new_in_the_undo__is_refused(broken: Break) -> None:
    undo = 'undo: {call: "setWithdrawalLimit(bytes32,uint256)", args: ["{id}", "{new}"]}\n    safe_side: lower'
    (problem,) = broken(adjusting(("safe_side: lower", undo)))
    assert problem.path == f"{AT}.undo.args[1]"


@pytest.mark.parametrize("case", ["no bounds", "no safe side", "expect as well", "unknown bound", "a list"])
def test_schema__a_mistake_of_form__does_not_satisfy_it(case: str, good: str) -> None:
    assert fits(document(good.replace(*adjusting())), json_schema())
    assert not fits(document(good.replace(*adjusting(*BAD[case][0]))), json_schema())


def test_schema__a_fixed_action_without_expect__does_not_satisfy_it(good: str) -> None:
    text = good.replace(", expect: 250000000000", "")
    assert text != good
    assert not fits(document(text), json_schema())


def test_schema__the_expression__allows_no_other_characters() -> None:
    schema: Any = json_schema()
    new = schema["properties"]["actions"]["additionalProperties"]["properties"]["new"]
    assert fits("max(current * 0.5, 10)", new)
    assert not fits("current % 2", new)
    assert not fits("", new)


PAGE = (Path(__file__).parents[3] / "docs/operator/adjusting.md").read_text("utf-8")


def test_page__its_example__can_be_used(good: str, load_good: Load) -> None:
    example = PAGE.split("```yaml\nactions:\n")[1].split("```")[0]
    below = example.split("\n", 1)[1]
    old = good[good.index("    kind: rate-limit") : good.index("signer:")]
    assert load_good((old, below)).actions[-1].adjustment == Adjustment(
        "current * 0.5", SafeSide.LOWER, 100_000_000, 2**256 - 1, Decimal("0.5")
    )


def test_page__its_table__is_what_comes_of_it() -> None:
    rows = re.findall(r"^\| (\d+) \| `(.+?)` \| (\d+) \| (\S*) ?\| (\d+) \|", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for current, expression, least, step, new in rows:
        max_step = Decimal(step.rstrip("%")) / 100 if step else None
        adjustment = Adjustment(expression, SafeSide.LOWER, int(least), 10**9, max_step)
        assert adjustment.adjusted(int(current)).new == int(new)


@pytest.mark.parametrize("reason", [Reason.NO_NEW_VALUE, Reason.CURRENT_UNKNOWN, Reason.CURRENT_CHANGED])
def test_page__each_reason__is_explained(reason: Reason) -> None:
    assert f"`failed ({reason})`" in PAGE
