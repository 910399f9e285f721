"""EWMA volatility: weights, half-life, gaps, warm-up, bad prices. Half-life of 2 samples, 10 s each, unless told otherwise."""

from __future__ import annotations

import math

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamValue, SignalSpec
from tests.support.statistics import NAN, Input, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
SPEC = spec_of("ewma-volatility", half_life=Span(ms=20_000), sampling=Span(ms=10_000), annualised="no")
D = 2**-0.5


def prices(*values: float, first: int = 0) -> list[Input]:
    """One price in the middle of each interval; NaN for none."""
    return [((first + place) * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def last(*values: float) -> float:
    status, value = drive(SPEC, prices(*values))[-1]
    assert status is READY
    return value


def test_ewma_volatility__warm_up__ready_exactly_after_a_half_life() -> None:
    ticks: list[Input] = [(0, (1.0,)), (19_999, (1.0,)), (20_000, (1.0,))]
    assert [status for status, _ in drive(SPEC, ticks)] == [WARMING, WARMING, READY]


def test_ewma_volatility__equal_moves__are_that_move_whatever_the_weights() -> None:
    assert last(1, 2, 1, 2) == pytest.approx(math.log(2), rel=1e-15)


def test_ewma_volatility__two_returns__weights_are_halved_with_each_half_life() -> None:
    newer, older = 1 - D, (1 - D) * D
    assert last(1, 2, 2) == pytest.approx(math.log(2) * math.sqrt(older / (older + newer)), rel=1e-15)


def test_ewma_volatility__calm__fades_to_half_the_variance_with_a_half_life() -> None:
    long = [1.0, 2.0] * 50
    now, later = last(*long), last(*long, 2.0, 2.0)
    assert later == pytest.approx(now * math.sqrt(0.5), rel=1e-9)


def test_ewma_volatility__gap__return_counts_as_as_many_of_equal_squares() -> None:
    across = last(1, 2, NAN, 4)
    assert across == pytest.approx(last_of_squares([1.0, 0.5, 0.5]), rel=1e-14)


def last_of_squares(squares: list[float]) -> float:
    """The weighted root mean of these squares of ln 2, the newest last."""
    weights = [D ** (len(squares) - 1 - place) for place in range(len(squares))]
    return math.log(2) * math.sqrt(sum(w * s for w, s in zip(weights, squares, strict=True)) / sum(weights))


def test_ewma_volatility__longest_gap__boundary_is_ten_half_lives() -> None:
    warm = prices(1, 2, 4, 8)
    assert drive(SPEC, [*warm, (230_000, (16.0,))])[-1][0] is READY  # interval 3 to 23
    assert drive(SPEC, [*warm, (240_000, (16.0,))])[-1][0] is WARMING


def test_ewma_volatility__interval_in_progress__counts_with_its_last_price_so_far() -> None:
    ticks = [*prices(1, 1, 1), (30_000, (5.0,)), (39_999, (1.0,)), (39_999, (2.0,))]
    answers = drive(SPEC, ticks)
    assert answers[4] == (READY, 0.0)
    assert answers[5] == drive(SPEC, prices(1, 1, 1, 2))[-1]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_ewma_volatility__price_that_is_none__no_input_and_nothing_lost(bad: float) -> None:
    answers = drive(SPEC, [*prices(1, 2, 4), (26_000, (bad,)), (27_000, (4.0,))])
    assert answers[3][0] is NO_INPUT
    assert answers[4] == answers[2]


@pytest.mark.parametrize(
    ("half_life", "sampling"), [(Span(blocks=2), Span(blocks=1)), (Span(samples=2), Span(samples=1))]
)
def test_ewma_volatility__blocks_and_samples__are_the_same_as_time(half_life: Span, sampling: Span) -> None:
    spec = spec_of("ewma-volatility", half_life=half_life, sampling=sampling, annualised="no")
    path = prices(1, 2, 3, 2, 5)
    assert drive(spec, [(0, values) for _, values in path])[-1] == drive(SPEC, path)[-1]


def test_ewma_volatility__annualised__is_scaled_from_the_sampling_interval() -> None:
    spec = spec_of("ewma-volatility", half_life=Span(ms=20_000), sampling=Span(ms=10_000), annualised="yes")
    _, value = drive(spec, prices(1, 2, 1, 2))[-1]
    assert value == pytest.approx(math.log(2) * math.sqrt(365 * 86_400 / 10), rel=1e-15)


def test_ewma_volatility__annualised__sampling_left_out_is_the_sixtieth() -> None:
    params = (("half_life", Span(ms=60_000)), ("sampling", Span(samples=1)), ("annualised", "yes"))
    implied = SignalSpec("v", "ewma-volatility", ("of",), params)
    ticks = [(place * 1_000, (1.0 + place % 2,)) for place in range(70)]
    assert drive(implied, ticks)[-1][1] == pytest.approx(math.log(2) * math.sqrt(365 * 86_400), rel=1e-12)


def test_ewma_volatility__check__names_the_half_life() -> None:
    check = SIGNALS["ewma-volatility"].check
    one: dict[str, ParamValue] = {"half_life": Span(ms=1_000), "sampling": Span(ms=1_000), "annualised": "no"}
    assert [problem.param for problem in check(one)] == ["half_life"]
    assert check({**one, "half_life": Span(ms=2_000)}) == ()
    assert [problem.param for problem in check({**one, "half_life": Span(ms=2_001)})] == ["half_life"]
    blocks: dict[str, ParamValue] = {"half_life": Span(blocks=2), "sampling": Span(blocks=1), "annualised": "yes"}
    assert [problem.param for problem in check(blocks)] == ["annualised"]
