"""Fees: an offer outlasts six full blocks, and a replacement is always one that a node takes."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.fees import next_base_fee_wei
from keeper.execution.fees import BLOCKS_AHEAD, Fees, bump, escalate, offer, raised

pytestmark = pytest.mark.unit

GAS_LIMIT = 30_000_000
GWEI = 10**9


def after_full_blocks(base_fee_wei: int, blocks: int) -> int:
    for _ in range(blocks):
        base_fee_wei = next_base_fee_wei(base_fee_wei, GAS_LIMIT, GAS_LIMIT)
    return base_fee_wei


@pytest.mark.parametrize("base_wei", [1, 7, 8, 9, GWEI, 37 * GWEI + 11, 10**15])
@pytest.mark.parametrize("tip_wei", [0, 1, GWEI])
def test_offer__six_full_blocks_in_a_row__still_pays_base_fee_and_tip(base_wei: int, tip_wei: int) -> None:
    fees = offer(base_wei, tip_wei)
    assert fees.priority_fee_wei == tip_wei
    for blocks in range(BLOCKS_AHEAD + 1):
        assert fees.max_fee_wei >= after_full_blocks(base_wei, blocks) + tip_wei


@pytest.mark.parametrize("base_wei", [GWEI, 37 * GWEI + 11])
def test_offer__seventh_full_block__is_not_paid_for(base_wei: int) -> None:
    fees = offer(base_wei, 0)
    assert fees.max_fee_wei < after_full_blocks(base_wei, BLOCKS_AHEAD + 1)
    assert fees.max_fee_wei < base_wei * 2.1


@pytest.mark.parametrize("old_max", [1, 9, 10, GWEI, 10**18 + 1])
@pytest.mark.parametrize("old_tip", [0, 1, 9, GWEI])
def test_bump__any_old_offer__raises_both_fields_by_ten_percent_or_more(old_max: int, old_tip: int) -> None:
    old = Fees(old_max + old_tip, old_tip)
    new = bump(old, 0, 0)
    assert new.max_fee_wei * 10 >= old.max_fee_wei * 11
    assert new.priority_fee_wei * 10 >= old.priority_fee_wei * 11
    assert new.max_fee_wei > old.max_fee_wei
    assert new.priority_fee_wei > old.priority_fee_wei
    assert new.priority_fee_wei <= new.max_fee_wei


def test_bump__quiet_chain__offers_an_eighth_more_and_nothing_else() -> None:
    assert bump(Fees(8_000, 800), 1, 1) == Fees(9_000, 900)


def test_bump__base_fee_has_run_away__offers_what_a_fresh_offer_does() -> None:
    assert bump(Fees(8_000, 800), GWEI, 2_000) == offer(GWEI, 2_000)


def test_bump__eight_times__stays_below_three_times_the_first() -> None:
    fees = first = Fees(10 * GWEI, GWEI)
    for _ in range(7):
        fees = bump(fees, 0, 0)
    assert 2 * first.max_fee_wei < fees.max_fee_wei < 3 * first.max_fee_wei


@pytest.mark.parametrize("old_max", [1, 9, 10, GWEI, 10**18 + 1])
@pytest.mark.parametrize("old_tip", [0, 1, 9, GWEI])
def test_escalate__any_old_offer__doubles_the_tip_and_raises_both_fields_enough(old_max: int, old_tip: int) -> None:
    old = Fees(old_max + old_tip, old_tip)
    new = escalate(old, 0, 0)
    assert new.priority_fee_wei == max(2 * old_tip, 1)
    assert new.max_fee_wei * 10 >= old.max_fee_wei * 11
    assert new.priority_fee_wei <= new.max_fee_wei


@pytest.mark.parametrize(("fresh_tip_wei", "tip_wei"), [(1_600, 1_600), (1_601, 1_601), (1_599, 1_600)])
def test_escalate__base_fee_has_run_away__is_no_less_than_a_fresh_offer_with_that_tip(
    fresh_tip_wei: int, tip_wei: int
) -> None:
    assert escalate(Fees(8_000, 800), GWEI, fresh_tip_wei) == offer(GWEI, tip_wei)


def test_raised__is_an_eighth_more() -> None:
    assert raised(Fees(8_000, 800)) == Fees(9_000, 900)
    assert raised(Fees(1, 0)) == Fees(2, 1)
