"""The lottery of the local relay: repeatable, and true to its shares over many blocks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.relay import DOCUMENTED, Builder, Lottery

pytestmark = pytest.mark.property

BLOCKS = 20_000
FIVE_SIGMA = 0.018
"""Of a share of one half, over so many blocks."""

shares = st.lists(st.integers(0, 25), max_size=4)


def builders(percents: list[int]) -> list[Builder]:
    return [Builder(f"b{number}", percent) for number, percent in enumerate(percents)]


@given(seed=st.integers(0, 2**64), percents=shares, empty=st.integers(0, 100), block=st.integers(0, 2**40))
def test_lottery__any_shares__same_seed_same_winner_who_has_a_share(
    seed: int, percents: list[int], empty: int, block: int
) -> None:
    known = builders(percents)
    winner = Lottery(seed, known, empty_percent=empty).winner(block)
    assert winner == Lottery(seed, known, empty_percent=empty).winner(block)
    assert winner in {None, *[one.name for one in known if one.percent]}
    if empty == 100:
        assert winner is None


@given(seed=st.integers(), block=st.integers(0))
def test_lottery__whole_share_and_no_empty_blocks__always_wins(seed: int, block: int) -> None:
    assert Lottery(seed, [Builder("zero"), Builder("all", 100)], empty_percent=0).winner(block) == "all"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lottery__documented_shares__hold_over_many_blocks(seed: int) -> None:
    lottery = Lottery(seed)
    won = [lottery.winner(block) for block in range(BLOCKS)]
    found = Counter(won)
    for builder in DOCUMENTED:
        assert abs(found[builder.name] / BLOCKS - 0.9 * builder.percent / 100) < FIVE_SIGMA
    # the figures of field measurements: with BuilderNet alone, with Titan, with Quasar; and within two blocks
    for names, expected in (
        (("buildernet",), 0.25),
        (("buildernet", "titan"), 0.70),
        (("buildernet", "titan", "quasar"), 0.855),
    ):
        assert abs(sum(found[name] for name in names) / BLOCKS - expected) < FIVE_SIGMA
    within_two = sum(any(pair) for pair in pairwise(won)) / (BLOCKS - 1)
    assert abs(within_two - 0.979) < FIVE_SIGMA


def test_lottery__another_seed__draws_differently() -> None:
    first, second = ([Lottery(seed).winner(block) for block in range(100)] for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize(("percents", "empty"), [([50, 51], 0), ([-1], 0), ([], 101), ([], -1)])
def test_lottery__what_is_no_share__is_refused(percents: list[int], empty: int) -> None:
    with pytest.raises(ValueError, match="percentages"):
        Lottery(1, builders(percents), empty_percent=empty)


def test_lottery__shares_at_their_limits__are_taken() -> None:
    Lottery(1, builders([50, 50, 0]), empty_percent=100)
    Lottery(1, [], empty_percent=0)
