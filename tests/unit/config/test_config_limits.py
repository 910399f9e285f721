"""The section ``limits``, the ladder's words in rules, and actions that need several rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeper.config.names import names
from keeper.decisions.spec import NO_LIMITS, PAUSES, Limits
from keeper.domain.action import ActionKind
from keeper.domain.budget import NO_BUDGET, Budget
from keeper.domain.verdict import Severity

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load


pytestmark = pytest.mark.unit

SECTION = "signer: {kind: keystore"
RULE_ACTIONS = "actions: [tighten-withdrawals, pause-market]"
VIOLENT = f"severity: warning\n        {RULE_ACTIONS}"


def limits(text: str) -> tuple[str, str]:
    return SECTION, f"limits: {{{text}}}\n{SECTION}"


# --- limits


def test_limits__left_out__bound_nothing(load_good: Load) -> None:
    assert load_good().engine.limits == NO_LIMITS == Limits(None, None, PAUSES, None)


def test_limits__all_given__are_in_the_engine(load_good: Load) -> None:
    text = "actions_per_day: 20, actions_per_market_per_day: 5, exempt: [pause], lock_after_override: 1h"
    assert load_good(limits(text)).engine.limits == Limits(20, 5, frozenset({ActionKind.PAUSE}), 3_600_000)


def test_limits__exempt_nothing__is_an_empty_list(load_good: Load) -> None:
    assert load_good(limits("actions_per_day: 1, exempt: []")).engine.limits == Limits(1, None, frozenset(), None)


def test_budget__left_out__is_none(load_good: Load) -> None:
    assert load_good().budget == NO_BUDGET == Budget(None, None)
    assert load_good(limits("gas_budget_eth_per_day: 1")).budget == Budget(None, 10**18)
    assert load_good(limits("gas_budget_eth_per_action: 1")).budget == Budget(10**18, None)


@pytest.mark.parametrize(
    ("written", "wei"),
    [
        ("0.5", 5 * 10**17),
        ("2", 2 * 10**18),
        ("007", 7 * 10**18),
        ("0.1", 10**17),
        ('"0.10"', 10**17),
        ("0.000000000000000001", 1),
        ("0.123456789012345678", 123_456_789_012_345_678),
        ("1000000", 10**24),
        ("999999.999999999999999999", 10**24 - 1),
    ],
)
def test_budget__eth_as_a_decimal__is_exact_in_wei(written: str, wei: int, load_good: Load) -> None:
    text = f"gas_budget_eth_per_day: {written}, gas_budget_eth_per_action: {written}"
    assert load_good(limits(text)).budget == Budget(wei, wei)


@pytest.mark.parametrize("key", ["gas_budget_eth_per_day", "gas_budget_eth_per_action"])
@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("0", "too small"),
        ("0.000", "too small"),
        ("-1", "not an amount"),
        ("1e-1", "not an amount"),
        (".5", "not an amount"),
        ("1.", "not an amount"),
        ("1 ETH", "not an amount"),
        ("true", "not an amount"),
        ("0.0000000000000000001", "18 digits"),
        ("1000000.000000000000000001", "too large"),
        ("1000000000", "not an amount"),
        ('"${NODE_KEY}"', "the environment cannot be used here"),
    ],
)
def test_budget__wrong__is_told_at_its_place(key: str, written: str, message: str, broken: Break) -> None:
    (problem,) = broken(limits(f"{key}: {written}"))
    assert problem.path == f"limits.{key}"
    assert message in f"{problem.message} {problem.hint}"


def test_budget__of_one_action_above_that_of_a_day__is_refused(load_good: Load, broken: Break) -> None:
    day = "gas_budget_eth_per_day: 0.5, gas_budget_eth_per_action: "
    assert load_good(limits(day + "0.5")).budget == Budget(5 * 10**17, 5 * 10**17)
    (problem,) = broken(limits(day + "0.500000000000000001"))
    assert problem.path == "limits.gas_budget_eth_per_action"
    assert problem.message == "one action may cost more than a whole day"


@pytest.mark.parametrize(("least", "expected"), [("1m", [600_000, 600_000]), ("1h", [3_600_000, 3_600_000])])
def test_limits__cooldown__is_the_least_of_every_action(least: str, expected: list[int], load_good: Load) -> None:
    engine = load_good(limits(f"cooldown: {least}")).engine
    assert [policy.cooldown_ms for policy in engine.actions] == expected


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("actions_per_day: 0", "actions_per_day", "too small"),
        ("actions_per_day: many", "actions_per_day", "not a whole number"),
        ("actions_per_day: 2, actions_per_market_per_day: 3", "actions_per_market_per_day", "more than all together"),
        ("exempt: [pause]", "exempt", "nothing to be exempt from"),
        ("actions_per_day: 2, exempt: [halt]", "exempt[0]", "not one of the words"),
        ("actions_per_day: 2, exempt: [pause, pause]", "exempt[1]", "named twice"),
        ("cooldown: -1s", "cooldown", "cannot be negative"),
        ("lock_after_override: 1", "lock_after_override", "not a duration"),
        ("gas_budget: 1", "gas_budget", "unknown key"),
        ("actions_a_day: 1", "actions_a_day", "unknown key"),
    ],
)
def test_limits__wrong__is_told_at_its_place(text: str, key: str, message: str, broken: Break) -> None:
    (problem,) = broken(limits(text))
    assert problem.path == f"limits.{key}"
    assert message in problem.message


def test_limits__one_market_as_much_as_all__is_allowed(load_good: Load) -> None:
    text = "actions_per_day: 2, actions_per_market_per_day: 2"
    assert load_good(limits(text)).engine.limits.actions_per_market_per_day == 2


# --- the ladder in rules


def test_rule__that_alerts__needs_no_action_of_the_section(load_good: Load) -> None:
    loaded = load_good((RULE_ACTIONS, "actions: [alert]"))
    assert loaded.engine.markets[0].rules[1].actions == ("alert",)
    assert [action.name for action in loaded.actions] == ["pause-market"]


def test_rule__that_is_observed__has_severity_info(load_good: Load, broken: Break) -> None:
    rule = load_good((VIOLENT, "severity: info\n        actions: []")).engine.markets[0].rules[1]
    assert (rule.actions, rule.severity) == ((), Severity.INFO)
    (problem,) = broken((RULE_ACTIONS, "actions: []"))
    assert problem.path == "markets.ETH-PERP.rules.violent.actions"
    assert "severity: info" in problem.hint


@pytest.mark.parametrize("word", ["allert", "Alert"])
def test_rule__almost_alert__is_no_action(word: str, broken: Break) -> None:
    (problem,) = broken((RULE_ACTIONS, f"actions: [{word}]"))
    assert problem.message == "no action has this name"


def test_action__named_alert__is_taken(broken: Break) -> None:
    problems = broken(("  tighten-withdrawals:\n", "  alert:\n"), (RULE_ACTIONS, "actions: [alert]"))
    assert [(one.path, one.message) for one in problems] == [("actions.alert", "this name is taken")]


def test_action__pause_all__has_no_safe_side(load_good: Load, broken: Break) -> None:
    loaded = load_good(("kind: pause\n", "kind: pause-all\n"))
    assert loaded.engine.actions[0].kind is ActionKind.PAUSE_ALL
    (problem,) = broken(("kind: pause\n", "kind: pause-all\n    safe_side: lower\n"))
    assert "no safe side" in problem.message


# --- several rules


@pytest.mark.parametrize(("count", "fits"), [(1, True), (2, True), (3, False)])
def test_needs_rules__both_sides__of_how_many_name_it(count: int, fits: bool, load_good: Load, broken: Break) -> None:
    edit = ("retry: 30s", f"retry: 30s\n    needs_rules: {count}")
    if fits:
        assert load_good(edit).engine.actions[0].needs_rules == count
    else:
        (problem,) = broken(edit)
        assert problem.path == "actions.pause-market.needs_rules"
        assert "ETH-PERP" in problem.message + problem.hint


# --- names, for the switch


def test_names__broken_elsewhere__are_read_all_the_same(good: str, tmp_path: Path) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text(good.replace("chain:", "chain: {}\nchian:"))
    found = names(file, environ={})
    assert found.rules == {"ETH-PERP": ("oracle-divergence", "violent")}
    assert found.actions == ("pause-market", "tighten-withdrawals")
    assert found.audit_url.endswith("/keeper.db")


@pytest.mark.parametrize("text", ["markets: 5\nactions: [x]\n", "markets: {M: 5}\n", "keeper: {}\n"])
def test_names__sections_that_are_none__have_no_names(text: str, tmp_path: Path) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text(text)
    found = names(file, environ={})
    assert (found.actions, [rules for rules in found.rules.values() if rules]) == ((), [])
