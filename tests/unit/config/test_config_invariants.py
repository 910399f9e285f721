"""The section ``invariants`` and what actions must keep."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from keeper.domain.action import FunctionCall
from keeper.domain.invariant import (
    Accounts,
    BoundInvariant,
    Invariant,
    LiquidatableInvariant,
    Multiple,
    Otherwise,
    PriceInvariant,
    View,
)

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load


pytestmark = pytest.mark.unit

SECTION = "signer: {kind: keystore"
DEAD = "0x000000000000000000000000000000000000dEaD"
MARKET = "0x4554482d50455250000000000000000000000000000000000000000000000000"
PRICE = f'kind: price, target: "{DEAD}", call: "priceOf(bytes32)(uint256)", args: ["{{id}}"], decimals: 8'
BOUND = f'kind: bound, target: "{DEAD}", call: "cap()(uint256)"'
HEALTH = 'health: {call: "healthOf(address)(uint256)", args: ["{account}"], decimals: 18, below: 1}'
POSITIONS = f'kind: liquidatable, target: "{DEAD}"'
LISTED = f'{POSITIONS}, accounts: {{call: "owners()(address[])"}}, {HEALTH}'


def one(text: str, name: str = "held") -> tuple[str, str]:
    return SECTION, f"invariants:\n  {name}: {{{text}}}\n{SECTION}"


def only(load_good: Load, text: str) -> Invariant:
    (invariant,) = load_good(one(text)).invariants
    return invariant


def test_invariants__left_out__are_none(load_good: Load) -> None:
    config = load_good()
    assert config.invariants == ()
    assert {action.keep for action in config.actions} == {()}


def test_price__with_variables__is_bound_to_its_market(load_good: Load) -> None:
    found = only(load_good, f"{PRICE}, source: eth-spot, within: 2%, label: the price in use")
    call = FunctionCall(DEAD, "priceOf(bytes32)(uint256)", (MARKET,))
    view = View(call, 8, 0, "the price in use")
    assert found == PriceInvariant("held", "ETH-PERP", Otherwise.BLOCK, view, "eth-spot", Decimal("0.02"))


def test_price__source_by_a_variable__is_that_of_the_market(load_good: Load) -> None:
    edit = one(f'{PRICE}, source: "{{spot}}", within: 50bps')
    (found,) = load_good(edit, ('key: "{id}"}', 'key: "{id}", spot: eth-spot}')).invariants
    assert isinstance(found, PriceInvariant)
    assert (found.source, found.within) == ("eth-spot", Decimal("0.005"))


def test_bound__without_variables__is_of_no_market(load_good: Load) -> None:
    found = only(
        load_good, f'{BOUND}, at_least: {{call: "used()(uint256)", times: 1.1}}, at_most: 1000, otherwise: act'
    )
    view, used = View(FunctionCall(DEAD, "cap()(uint256)")), View(FunctionCall(DEAD, "used()(uint256)"))
    expected = BoundInvariant("held", None, Otherwise.ACT, view, Multiple(used, Decimal("1.1")), Decimal(1000))
    assert found == expected


def test_liquidatable__with_a_list_of_accounts__is_read(load_good: Load) -> None:
    text = f'{LISTED}, value: {{call: "debtOf(address)(uint256)", args: ["{{account}}"]}}, value_at_most: 7, at_most: 2'
    found = only(load_good, text)
    assert isinstance(found, LiquidatableInvariant)
    assert found.accounts == Accounts((), FunctionCall(DEAD, "owners()"), most=500)
    assert found.health == View(FunctionCall(DEAD, "healthOf(address)(uint256)", ("{account}",)), 18)
    assert found.value == View(FunctionCall(DEAD, "debtOf(address)(uint256)", ("{account}",)))
    assert (found.below, found.at_most, found.value_at_most) == (Decimal(1), 2, Decimal(7))


def test_liquidatable__other_ways_to_name_accounts__are_read(load_good: Load) -> None:
    fixed = only(load_good, f'{POSITIONS}, accounts: ["{DEAD}"], {HEALTH}')
    pages = f'accounts: {{count: "count()(uint256)", at: "at(uint256)(address)", most: 9}}, {HEALTH}'
    counted = only(load_good, f"{POSITIONS}, {pages}")
    assert isinstance(fixed, LiquidatableInvariant)
    assert isinstance(counted, LiquidatableInvariant)
    assert fixed.accounts.fixed == (DEAD,)
    count, at = FunctionCall(DEAD, "count()(uint256)"), FunctionCall(DEAD, "at(uint256)(address)", ("{index}",))
    assert counted.accounts == Accounts((), None, count, at, 9)


def test_keep__of_an_action__is_in_the_bound_action(load_good: Load) -> None:
    edits = one(f"{BOUND}, at_most: 1"), ("    gas_limit: 200000\n", "    gas_limit: 200000\n    keep: [held]\n")
    assert {action.name: action.keep for action in load_good(*edits).actions}["pause-market"] == ("held",)


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        (f"{PRICE}, source: eth-spt, within: 2%", "source", "no source has this name", "did you mean eth-spot?"),
        (f"{PRICE}, source: eth-tvl, within: 2%", "source", "unit price or ratio is needed", "of unit amount"),
        (f"{PRICE}, source: eth-spot, within: 2", "within", "not a share", "2% or 50bps"),
        (f"{PRICE}, source: eth-spot, within: 100%", "within", "above 0 and below 100%", "2%"),
        (f"{PRICE}, source: eth-spot, within: 0%", "within", "above 0 and below 100%", "2%"),
        (f"{PRICE}, source: eth-spot", "within", "within is missing", ""),
        (f"{PRICE}, source: eth-spot, witin: 2%, within: 2%", "witin", "unknown key", "did you mean within?"),
        (f"{PRICE}, source: eth-spot, within: 2%, markets: [ETH-PRP]", "markets", "no market has this name", "ETH-PERP?"),
        (f"{BOUND}, at_most: 1, markets: [ETH-PERP]", "markets", "no variables", "leave markets out"),
        (f"{BOUND}", "", "at_least or at_most is missing", ""),
        (f"{BOUND}, at_most: 1, index: 1", "index", "there are 1 results", "from 0 to 0"),
        (f"{BOUND}, at_most: {{call: \"used()(bool)\"}}", "at_most.call", "is a bool, not a number", ""),
        (f"{BOUND}, at_most: {{call: \"used()(uint256)\", time: 2}}", "at_most.time", "unknown key", "did you mean times?"),
        (f"{BOUND}, at_most: many", "at_most", "not a plain number", ""),
        (f"{LISTED}, value_at_most: 3", "value_at_most", "no value that it could bound", "add value"),
        (f'{POSITIONS}, accounts: {{call: "owners()(address)"}}, {HEALTH}', "accounts.call", "a list of addresses", ""),
        (f'{POSITIONS}, accounts: ["0x12"], {HEALTH}', "accounts[0]", "not an address", ""),
        (f"{POSITIONS}, accounts: [], {HEALTH}", "accounts", "0 accounts", ""),
        (
            f'{POSITIONS}, accounts: {{count: "count()(uint256)", at: "at(uint256)(uint256)"}}, {HEALTH}',
            "accounts.at",
            "answers an address",
            "",
        ),
        (
            f'{POSITIONS}, accounts: ["{DEAD}"], health: {{call: "h(address)(uint256)", args: ["{DEAD}"], below: 1}}',
            "health.args",
            "none of the arguments is {account}",
            "",
        ),
        ("kind: prices", "kind", "not one of the words", "did you mean price?"),
    ],
)  # fmt: skip
def test_invariants__wrong__are_told_with_their_place(
    text: str, place: str, message: str, hint: str, broken: Break
) -> None:
    problems = broken(one(text))
    path = "invariants.held" + (f".{place}" if place else "")
    found = [problem for problem in problems if problem.path == path and message in problem.message]
    assert found, problems
    assert hint in found[0].hint
    assert found[0].line is not None


def test_invariants__variable_that_the_market_lacks__names_the_market(broken: Break) -> None:
    (problem,) = broken(one(f'{BOUND}, at_most: {{call: "used(uint8)(uint256)", args: ["{{nothing}}"]}}'))
    assert problem.path == "invariants.held.at_most.args[0]"
    assert "no variable nothing" in problem.message
    assert "ETH-PERP" in problem.message


@pytest.mark.parametrize(
    ("keep", "place", "message", "hint"),
    [
        ("[hold]", "keep[0]", "no invariant has this name", "did you mean held?"),
        ("[held, held]", "keep[1]", "named twice", ""),
        ("held", "keep", "a list is needed", ""),
    ],
)
def test_keep__wrong__is_told_with_its_place(keep: str, place: str, message: str, hint: str, broken: Break) -> None:
    edit = "    gas_limit: 200000\n", f"    gas_limit: 200000\n    keep: {keep}\n"
    (problem,) = broken(one(f"{BOUND}, at_most: 1"), edit)
    assert problem.path == f"actions.pause-market.{place}"
    assert message in problem.message
    assert hint in problem.hint


def test_keep__without_invariants__says_that_there_are_none(broken: Break) -> None:
    (problem,) = broken(("    gas_limit: 200000\n", "    gas_limit: 200000\n    keep: [held]\n"))
    assert "no section invariants" in problem.hint
