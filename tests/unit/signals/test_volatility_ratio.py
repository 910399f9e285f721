"""Volatility ratio: where the windows meet and end, floor, gaps, warm-up. A window of 2 and a baseline of 3 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.registry import SIGNALS
from keeper.signals.scores import HIGHEST
from tests.support.statistics import NAN, Input, Output, drive, is_near, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
CUT = {"window": Span(ms=20_000), "baseline": Span(ms=30_000), "sampling": Span(ms=10_000)}


def prices(*powers: float) -> list[Input]:
    """Two to these powers, one in the middle of each interval; NaN for none. Returns are then whole numbers of ln 2."""
    return [(place * 10_000 + 5_000, (2.0**power,)) for place, power in enumerate(powers)]


def run(ticks: Sequence[Input], floor: str = "0", cut: dict[str, Span] = CUT) -> list[Output]:
    return drive(spec_of("volatility-ratio", **cut, floor=Decimal(floor)), ticks)


def ratio(short: list[int], long: list[int]) -> float:
    return math.sqrt(sum(one**2 for one in short) / len(short) / (sum(one**2 for one in long) / len(long)))


def test_volatility_ratio__full_windows__is_that_of_their_root_mean_squares() -> None:
    assert is_near(run(prices(0, 1, 3, 6, 16, 36))[-1], ratio([10, 20], [1, 2, 3]), rel=1e-14)


def test_volatility_ratio__windows_move_on__each_return_passes_from_one_to_the_other() -> None:
    powers, returns = [0], [1, 2, 3, 10, 20, 5, 7, 1, 30, 2, 4]
    for one in returns:
        powers.append(powers[-1] + one)
    answers = run(prices(*powers))
    for now in range(5, len(powers)):
        expected = ratio(returns[now - 2 : now], returns[now - 5 : now - 2])
        assert is_near(answers[now], expected, rel=1e-14), now


def test_volatility_ratio__same_moves_throughout__is_one() -> None:
    assert is_near(run(prices(*[0, 1] * 6))[-1], 1.0, rel=1e-15)


def test_volatility_ratio__warm_up__ready_exactly_when_both_windows_are_full() -> None:
    ticks: list[Input] = [(0, (1.0,)), (30_000, (2.0,)), (49_999, (2.0,)), (50_000, (2.0,))]
    assert [status for status, _ in run(ticks)] == [WARMING, WARMING, WARMING, READY]


def test_volatility_ratio__return_in_progress__counts_at_once_and_not_twice() -> None:
    answers = run([*prices(0, 1, 2, 3, 4, 5), (56_000, (2.0**14,)), (57_000, (2.0**5,))])
    assert is_near(answers[6], ratio([1, 10], [1, 1, 1]), rel=1e-14)
    assert answers[7] == answers[5]


def test_volatility_ratio__calm_before__highest_without_a_floor_and_counted_in_floors_with_one() -> None:
    still = prices(0, 0, 0, 0, 0, 0)
    assert run(still)[-1] == (READY, 0.0)
    shock = [*still[:-1], (55_000, (math.exp(0.01),))]
    assert run(shock)[-1] == (READY, HIGHEST)
    assert is_near(run(shock, floor="0.001")[-1], 10 / math.sqrt(2), rel=1e-12)


def test_volatility_ratio__gap__its_return_counts_whole_at_its_end() -> None:
    assert is_near(run(prices(0, 1, 2, 3, NAN, 13))[-1], ratio([0, 10], [1, 1, 1]), rel=1e-14)


def test_volatility_ratio__gap__boundary_is_both_windows() -> None:
    warm = prices(0, 1, 2, 3, 4, 5)
    assert run([*warm, (100_000, (1.0,))])[-1][0] is READY
    assert run([*warm, (110_000, (1.0,))])[-1][0] is WARMING


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_volatility_ratio__price_that_is_none__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*prices(0, 1, 3, 6, 16, 36), (56_000, (bad,)), (57_000, (2.0**36,))])
    assert answers[6][0] is NO_INPUT
    assert answers[7] == answers[5]


def test_volatility_ratio__scaled_by_a_power_of_two__does_not_change() -> None:
    path = [(at, (value * 1.1,)) for at, (value,) in prices(0, 0.1, 0.3, 0.2, 0.25, 0.4)]
    scaled = [(at, (value * 2.0**40,)) for at, (value,) in path]
    assert run(scaled)[-1] == run(path)[-1]


@pytest.mark.parametrize("name", ["blocks", "samples"])
def test_volatility_ratio__blocks_and_samples__are_the_same_as_time(name: str) -> None:
    cut = {"window": Span(**{name: 2}), "baseline": Span(**{name: 3}), "sampling": Span(**{name: 1})}
    path = prices(0, 1, 3, 6, 16, 36)
    assert run([(0, one) for _, one in path], cut=cut)[-1] == run(path)[-1]


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, []),
        ({"window": Span(ms=10_000)}, ["window"]),
        ({"baseline": Span(ms=10_000)}, ["baseline"]),
        ({"baseline": Span(ms=35_000)}, ["baseline"]),
        ({"baseline": Span(blocks=3)}, ["sampling"]),
        ({"window": Span(ms=60_000), "baseline": Span(ms=2_000), "sampling": Span(samples=1)}, []),
        ({"window": Span(ms=60_000), "baseline": Span(ms=2_500), "sampling": Span(samples=1)}, ["baseline"]),
    ],
)
def test_volatility_ratio__check__both_windows_are_whole(changed: dict[str, Span], wrong: list[str]) -> None:
    assert [one.param for one in SIGNALS["volatility-ratio"].check({**CUT, **changed})] == wrong
