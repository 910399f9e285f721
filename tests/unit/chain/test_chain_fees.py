"""EIP-1559 in integers."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.fees import next_base_fee_wei, suggested_priority_fee_wei

pytestmark = pytest.mark.unit

GWEI = 10**9
LIMIT = 30_000_000


@pytest.mark.parametrize(
    ("base", "used", "expected"),
    [
        (GWEI, 15_000_000, GWEI),
        (GWEI, 30_000_000, GWEI * 9 // 8),
        (GWEI, 0, GWEI * 7 // 8),
        (GWEI, 15_000_001, GWEI + 8),
        (GWEI, 14_999_999, GWEI - 8),
        (7, 30_000_000, 8),
        (1, 15_000_001, 2),
        (0, 30_000_000, 1),
        (7, 0, 7),
        (8, 0, 7),
        (0, 0, 0),
    ],
)
def test_base_fee__above_and_below_the_target__moves_as_the_standard_says(base: int, used: int, expected: int) -> None:
    assert next_base_fee_wei(base, used, LIMIT) == expected


def test_base_fee__first_block_of_mainnet_with_one__gives_the_second_its_fee() -> None:
    # blocks 12965000 and 12965001
    assert next_base_fee_wei(1_000_000_000, 30_025_257, 30_029_122) == 1_124_967_822


def test_base_fee__limit_of_zero__stays() -> None:
    assert next_base_fee_wei(GWEI, 5, 0) == GWEI
    assert next_base_fee_wei(GWEI, 5, 1) == GWEI


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([], 5),
        ([4], 5),
        ([5], 5),
        ([6], 6),
        ([10, 20, 30, 40, 50, 60, 70, 80, 90, 10_000], 90),
        ([10_000, 90, 80, 70, 60, 50, 40, 30, 20, 10], 90),
        ([0] * 9 + [10_000], 5),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], 9),
    ],
)
def test_priority_fee__last_blocks__is_the_ninetieth_percentile_and_never_below_the_floor(
    rewards: list[int], expected: int
) -> None:
    assert suggested_priority_fee_wei(rewards, floor_wei=5) == expected
