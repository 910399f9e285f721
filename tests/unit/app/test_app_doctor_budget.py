"""Whether a budget lets anything be sent at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app.doctor.actions import examine_budget
from keeper.app.doctor.check import Health
from keeper.app.readiness_keys import GAS_GUESS
from keeper.domain.budget import Budget
from tests.support.execution_stage import pause

pytestmark = pytest.mark.unit

FEE = 10
ACTION = pause().action


@pytest.mark.parametrize(
    ("budget", "gas_limit", "health"),
    [
        (Budget(per_action_wei=1_000_000), 100_000, Health.OK),
        (Budget(per_action_wei=999_999), 100_000, Health.FAIL),
        (Budget(per_day_wei=999_999), 100_000, Health.FAIL),
        (Budget(per_action_wei=2_000_000, per_day_wei=1), 100_000, Health.FAIL),
        (Budget(per_action_wei=1), None, Health.FAIL),
        (Budget(per_action_wei=21_000 * FEE - 1), None, Health.FAIL),
        (Budget(per_action_wei=21_000 * FEE), None, Health.WARN),
        (Budget(per_action_wei=GAS_GUESS * FEE - 1), None, Health.WARN),
        (Budget(per_action_wei=GAS_GUESS * FEE), None, Health.OK),
    ],
)
def test_budget__against_a_first_offer__says_whether_it_could_be_sent(
    budget: Budget, gas_limit: int | None, health: Health
) -> None:
    check = examine_budget(budget, [replace(ACTION, gas_limit=gas_limit)], FEE)
    assert check.health is health
    assert bool(check.remedy) is (health is not Health.OK)
    assert ("`gas_budget_eth_per_action`" in check.remedy) is (health is not Health.OK)


def test_budget__one_of_two_actions_does_not_fit__it_is_named() -> None:
    both = [replace(ACTION, name="small", gas_limit=30_000), replace(ACTION, name="large", gas_limit=90_000)]
    check = examine_budget(Budget(per_action_wei=500_000), both, FEE)
    assert check.health is Health.FAIL
    assert check.message.endswith("would not be sent: large")
