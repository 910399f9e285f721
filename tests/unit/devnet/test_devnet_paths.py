"""Price paths: exact decimals, bounds kept, the same for the same seed."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from keeper.devnet.paths import follow, moved, moves, noise

pytestmark = pytest.mark.unit

START = Decimal(3000)


@pytest.mark.parametrize(
    ("tenths_bps", "price"),
    [(0, "3000.00000000"), (10, "3000.30000000"), (-10, "2999.70000000"), (-60_000, "1200.00000000")],
)
def test_moved__tenths_of_a_basis_point__are_exact(tenths_bps: int, price: str) -> None:
    assert str(moved(START, tenths_bps)) == price


def test_moved__more_decimals_than_a_feed_holds__is_rounded_to_eight() -> None:
    assert moved(Decimal("0.00000333"), 1).as_tuple().exponent == -8


@pytest.mark.parametrize("seed", range(20))
def test_noise__every_step__stays_within_its_bound(seed: int) -> None:
    path = [START, *noise(Random(seed), START, 50, 4)]
    assert len(path) == 51
    assert all(abs(after / before - 1) <= Decimal("0.00040001") for before, after in pairwise(path))


def test_noise__many_steps__uses_the_whole_bound_on_both_sides() -> None:
    path = [START, *noise(Random(1), START, 500, 4)]
    changes = [after / before - 1 for before, after in pairwise(path)]
    assert max(changes) > Decimal("0.00035")
    assert min(changes) < Decimal("-0.00035")


def test_noise__same_seed__is_the_same_and_another_seed_is_not() -> None:
    assert noise(Random(7), START, 10, 4) == noise(Random(7), START, 10, 4)
    assert noise(Random(7), START, 10, 4) != noise(Random(8), START, 10, 4)


@pytest.mark.parametrize("seed", range(20))
def test_moves__jitter__keeps_direction_and_size(seed: int) -> None:
    wanted = (-1200, 700, -100)
    path = [START, *moves(Random(seed), START, wanted, 10)]
    for (before, after), bps in zip(pairwise(path), wanted, strict=True):
        change_bps = (after / before - 1) * 10_000
        assert abs(change_bps - bps) <= abs(bps) * Decimal("0.1001")


def test_moves__no_jitter__is_exactly_the_given_steps() -> None:
    assert moves(Random(1), START, (1000, -5000), 0) == [Decimal(3300), Decimal(1650)]


def test_moves__nothing_to_do__is_empty() -> None:
    assert moves(Random(1), START, (), 10) == []


def test_follow__each_point__is_near_its_own() -> None:
    path = noise(Random(2), START, 100, 300)
    near = follow(Random(3), path, 5)
    assert len(near) == 100
    assert all(abs(other / price - 1) <= Decimal("0.00050001") for price, other in zip(path, near, strict=True))
    assert near != path
