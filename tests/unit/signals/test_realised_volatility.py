"""Realised volatility: the window's edges, gaps, bad times, bad prices, and what rounding may not do. Window of 4 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals import realised_volatility
from keeper.signals.bank import NEVER, Slots, empty_board
from keeper.signals.realised_volatility import allocate, prepare, step
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec
from tests.support.engine_world import volatility
from tests.support.statistics import NAN, Input, Output, drive, drive_over, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
SAMPLING_MS = 10_000
SPEC = volatility(window_ms=40_000, sampling_ms=SAMPLING_MS)


def prices(*values: float, first: int = 0) -> list[Input]:
    """One price in the middle of each interval, from interval ``first`` on; NaN for none."""
    return [((first + index) * SAMPLING_MS + 5_000, (value,)) for index, value in enumerate(values)]


def last(ticks: Sequence[Input]) -> Output:
    return drive(SPEC, ticks)[-1]


def is_ready(answer: Output, value: float) -> bool:
    return answer[0] is READY and math.isclose(answer[1], value, rel_tol=1e-15)


def root_of(*returns: float) -> float:
    return math.sqrt(math.fsum(one * one for one in returns))


def test_volatility__warm_up__ready_exactly_when_the_window_is_full() -> None:
    statuses = [status for status, _ in drive(SPEC, prices(1, 2, 4, 8, 16, 32))]
    assert statuses == [WARMING, WARMING, WARMING, WARMING, READY, READY]


def test_volatility__warm_up__a_millisecond_before_the_fifth_interval_is_not_enough() -> None:
    ticks: list[Input] = [(0, (1.0,)), (39_999, (1.0,)), (40_000, (1.0,))]
    answers = drive(SPEC, ticks)
    assert [status for status, _ in answers] == [WARMING, WARMING, READY]
    assert [math.isnan(value) for _, value in answers] == [True, True, False]


def test_volatility__full_window__is_the_root_of_the_sum_of_squares() -> None:
    status, value = last(prices(1, 2, 4, 8, 4))
    assert status is READY
    assert value == pytest.approx(root_of(*[math.log(2)] * 4), rel=1e-15)


def test_volatility__prices_that_do_not_move__are_zero_and_ready() -> None:
    assert last(prices(5, 5, 5, 5, 5)) == (READY, 0.0)


def test_volatility__return_at_the_windows_edge__counts_until_its_interval_is_left_behind() -> None:
    answers = drive(SPEC, prices(1, 2, 2, 2, 2, 2))
    assert is_ready(answers[4], math.log(2))
    assert answers[5] == (READY, 0.0)


def test_volatility__interval_in_progress__counts_with_its_last_price_so_far() -> None:
    ticks = [*prices(1, 1, 1, 1), (40_000, (2.0,)), (41_000, (3.0,)), (49_999, (1.0,))]
    answers = drive(SPEC, ticks)
    assert answers[4][1] == pytest.approx(math.log(2), rel=1e-15)
    assert answers[5][1] == pytest.approx(math.log(3), rel=1e-15)
    assert answers[6] == (READY, 0.0)


def test_volatility__several_prices_in_an_interval__only_the_last_is_a_sample() -> None:
    noisy = [
        (at + shift, (value * factor,))
        for at, (value,) in prices(1, 2, 4, 8, 4)
        for shift, factor in ((-1, 9.0), (0, 1.0))
    ]
    assert last(noisy) == last(prices(1, 2, 4, 8, 4))


def test_volatility__gap_inside_the_window__its_return_counts_whole_at_its_end() -> None:
    assert is_ready(last(prices(1, 1, NAN, NAN, 2)), math.log(2))


def test_volatility__gap_of_just_the_window__still_gives_a_return() -> None:
    assert is_ready(last([(0, (1.0,)), (40_000, (3.0,))]), math.log(3))


def test_volatility__gap_longer_than_the_window__starts_anew() -> None:
    ticks: list[Input] = [*prices(1, 2, 4, 8, 16), (95_000, (1.0,)), (134_000, (1.0,)), (135_000, (2.0,))]
    answers = drive(SPEC, ticks)
    assert [status for status, _ in answers[4:]] == [READY, WARMING, READY, READY]
    assert answers[-2] == (READY, 0.0)
    assert answers[-1][1] == pytest.approx(math.log(2), rel=1e-15)


def test_volatility__gap_longer_than_the_window__boundary_is_one_interval() -> None:
    warm = prices(1, 2, 4, 8, 16)
    assert drive(SPEC, [*warm, (80_000, (16.0,))])[-1][0] is READY  # interval 4 to 8: exactly the window
    assert drive(SPEC, [*warm, (90_000, (16.0,))])[-1][0] is WARMING  # interval 4 to 9


def test_volatility__input_missing_now__no_input_and_nothing_lost() -> None:
    answers = drive(SPEC, [*prices(1, 2, 4, 8, 16), (49_000, (NAN,)), (49_500, (16.0,))])
    assert answers[5][0] is NO_INPUT
    assert math.isnan(answers[5][1])
    assert answers[6] == answers[4]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_volatility__price_that_is_none__is_no_sample(bad: float) -> None:
    answers = drive(SPEC, prices(1, bad, 1, 1, 1, 2))
    assert answers[1][0] is NO_INPUT
    assert is_ready(answers[5], math.log(2))


def test_volatility__bad_price_first__does_not_start_the_warm_up() -> None:
    assert last(prices(NAN, 1, 1, 1, 1))[0] is WARMING
    assert last(prices(NAN, 1, 1, 1, 1, 1))[0] is READY


def test_volatility__equal_times__the_last_price_counts() -> None:
    ticks = [*prices(1, 1, 1, 1), (40_000, (7.0,)), (40_000, (2.0,))]
    assert last(ticks)[1] == pytest.approx(math.log(2), rel=1e-15)


def test_volatility__times_before_1970__cut_into_the_same_intervals() -> None:
    shifted = [(at - 400_000, values) for at, values in prices(1, 2, 4, 8, 4)]
    assert last(shifted) == last(prices(1, 2, 4, 8, 4))


def test_volatility__tiny_returns__keep_their_digits() -> None:
    low = 3.0  # not a power of two: a quotient of the two would be rounded
    high = low + 2**-40
    up, down = math.log1p((high - low) / low), math.log1p((low - high) / high)
    assert is_ready(last(prices(low, high, low, high, low)), root_of(up, down, up, down))


def test_volatility__after_a_violent_hour__calm_is_exactly_zero_again() -> None:
    wild = [float(10 ** ((-1) ** index * 8)) for index in range(400)]
    answers = drive(SPEC, prices(*wild, *[1.0] * 6))
    assert answers[-1] == (READY, 0.0)


@pytest.mark.parametrize(
    ("window", "sampling", "per_interval"), [(Span(blocks=4), Span(blocks=1), 1), (Span(blocks=12), Span(blocks=3), 3)]
)
def test_volatility__window_of_blocks__is_cut_by_block_and_not_by_time(
    window: Span, sampling: Span, per_interval: int
) -> None:
    spec = spec_of("realised-volatility", window=window, sampling=sampling, annualised="no")
    path = [price for price in (1.0, 2.0, 4.0, 8.0, 4.0) for _ in range(per_interval)]
    answers = drive(spec, [(0, (price,)) for price in path])
    assert answers[4 * per_interval - 1][0] is WARMING
    assert is_ready(answers[4 * per_interval], root_of(*[math.log(2)] * 4))


def test_volatility__block_that_goes_back__belongs_to_the_interval_in_progress() -> None:
    spec = spec_of("realised-volatility", window=Span(blocks=2), sampling=Span(blocks=1), annualised="no")
    answers = drive(spec, [(0, (price,)) for price in (1.0, 1.0, 1.0, 2.0, 4.0)], blocks=[7, 8, 9, 8, 10])
    assert is_ready(answers[3], math.log(2))
    assert is_ready(answers[4], root_of(math.log(2), math.log(2)))


def test_volatility__window_of_samples__counts_ticks_with_an_input() -> None:
    spec = spec_of("realised-volatility", window=Span(samples=2), sampling=Span(samples=1), annualised="no")
    answers = drive(spec, [(0, (price,)) for price in (1.0, NAN, 2.0, -1.0, 4.0, 4.0)])
    assert [status for status, _ in answers] == [WARMING, NO_INPUT, WARMING, NO_INPUT, READY, READY]
    assert is_ready(answers[4], root_of(math.log(2), math.log(2)))
    assert is_ready(answers[5], math.log(2))


def test_volatility__annualised__is_scaled_by_the_root_of_windows_in_a_year() -> None:
    cut = {"window": Span(ms=40_000), "sampling": Span(ms=10_000)}
    yearly = drive(spec_of("realised-volatility", **cut, annualised="yes"), prices(1, 2, 4, 8, 4))[-1]
    assert is_ready(yearly, last(prices(1, 2, 4, 8, 4))[1] * math.sqrt(365 * 86_400 / 40))


@pytest.mark.parametrize(
    ("window", "wrong"), [(Span(ms=2), []), (Span(blocks=2), ["annualised"]), (Span(samples=2), ["annualised"])]
)
def test_volatility__annualised__only_over_time(window: Span, wrong: list[str]) -> None:
    each = Span(**{name: 1 for name in ("ms", "blocks", "samples") if getattr(window, name)})
    check = SIGNALS["realised-volatility"].check
    assert [one.param for one in check({"window": window, "sampling": each, "annualised": "yes"})] == wrong
    assert check({"window": window, "sampling": each, "annualised": "no"}) == ()


def test_volatility__sampling_left_out__is_a_sixtieth_of_the_window() -> None:
    implied = SignalSpec(
        "v",
        "realised-volatility",
        ("of",),
        (("window", Span(ms=60_000)), ("sampling", Span(samples=1)), ("annualised", "no")),
    )
    ticks = [(at * 500, (1.0 + at % 7,)) for at in range(200)]
    given = drive(volatility(window_ms=60_000, sampling_ms=1_000), ticks)
    assert given[-1][0] is READY
    assert repr(drive(implied, ticks)) == repr(given)


def test_volatility__same_window_begun_at_different_times__is_the_same_to_the_last_bit() -> None:
    rng = np.random.default_rng(3)
    path = prices(*np.exp(np.cumsum(rng.normal(0, 0.01, 60))))
    for begin in range(1, 20):
        assert last(path[begin:]) == last(path)


def test_volatility__slots__do_not_touch_each_other() -> None:
    specs = [volatility(window_ms=n * 10_000, sampling_ms=10_000) for n in (2, 3, 7)]
    params = prepare(specs)
    rng = np.random.default_rng(5)
    paths = np.exp(np.cumsum(rng.normal(0, 0.01, (3, 30)), axis=1))
    board = empty_board(6, 30)
    board.at_ms[:] = np.arange(30) * 9_000
    board.values[:3], board.status[:3] = paths, READY
    step(board, Slots(np.array([3, 4, 5], np.int32), np.array([[0], [1], [2]], np.int32)), params, allocate(params))
    for slot, spec in enumerate(specs):
        alone = [value for _, value in drive(spec, [(index * 9_000, (paths[slot, index],)) for index in range(30)])]
        np.testing.assert_array_equal(board.values[3 + slot], alone)


@pytest.mark.parametrize("at", [9_000, 10_000])
def test_volatility__slots_whose_windows_fill_up_at_one_tick__have_the_bits_of_each_over_arrays(at: int) -> None:
    specs = [volatility(window_ms=n * 10_000, sampling_ms=10_000) for n in (2, 4, 7, 4)]
    params = prepare(specs)
    state, paths = allocate(params), np.exp(np.cumsum(np.random.default_rng(6).normal(0, 0.01, (4, 40)), axis=1))
    found = np.empty_like(paths)
    for tick in range(40):
        board = empty_board(8, 1)
        board.at_ms[0] = at * tick
        board.values[:4, 0], board.status[:4] = paths[:, tick], READY
        step(board, Slots(np.arange(4, 8, dtype=np.int32), np.arange(4, dtype=np.int32).reshape(-1, 1)), params, state)
        found[:, tick] = board.values[4:, 0]
    for slot, spec in enumerate(specs):
        over = drive_over(spec, [(tick * at, (paths[slot, tick],)) for tick in range(40)])
        np.testing.assert_array_equal(found[slot], [value for _, value in over])


def test_allocate__slots_of_different_windows__sums_fit_the_widest() -> None:
    params = prepare(
        [volatility(window_ms=20_000, sampling_ms=10_000), volatility(window_ms=50_000, sampling_ms=10_000)]
    )
    assert params.cut.length.tolist() == [2, 5]
    state = allocate(params)
    assert state.parts.shape == (4, 2)
    assert state.interval.tolist() == [NEVER, NEVER]


def test_step__interpreted__says_the_same_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [*prices(1, 2, NAN, 8, 16, 15, 17), (66_000, (3.0,)), (69_000, (3.0,)), (200_000, (1.0,))]
    compiled = drive(SPEC, ticks)
    for name in ("squared", "close", "roll", "total_root", "enter_once", "sum_parts", "step_once", "step"):
        monkeypatch.setattr(realised_volatility, name, getattr(realised_volatility, name).py_func)
    interpreted = drive(SPEC, ticks)
    assert [status for status, _ in interpreted] == [status for status, _ in compiled]
    np.testing.assert_allclose([v for _, v in interpreted], [v for _, v in compiled], rtol=1e-15)
