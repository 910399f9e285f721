"""EWMA z-score: weights, floor, gaps, warm-up, what is no number. Half-life of 2 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals import ewma_z_score
from keeper.signals.bank import Slots, empty_board
from keeper.signals.scores import HIGHEST
from tests.support.statistics import NAN, Input, Output, drive, is_near, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
D = 2**-0.5
TIME = (Span(ms=20_000), Span(ms=10_000))


def values(*found: float) -> list[Input]:
    """One value in the middle of each interval; NaN for none."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(found)]


def run(ticks: Sequence[Input], direction: str = "up", floor: str = "0", cut: tuple[Span, Span] = TIME) -> list[Output]:
    return drive(
        spec_of("ewma-z-score", half_life=cut[0], sampling=cut[1], direction=direction, floor=Decimal(floor)), ticks
    )


def plain(window: list[float], now: float) -> float:
    """The definition, without recursion."""
    weights = [D ** (len(window) - 1 - place) for place in range(len(window))]
    mean = float(np.average(window, weights=weights))
    return float((now - mean) / math.sqrt(np.average([(one - mean) ** 2 for one in window], weights=weights)))


def test_ewma_z_score__weights__are_halved_with_each_half_life() -> None:
    assert is_near(run(values(1, 2, 4, 7, 9))[-1], plain([1, 2, 4, 7], 9), rel=1e-13)


def test_ewma_z_score__warm_up__ready_exactly_after_a_half_life() -> None:
    answers = run([(0, (1.0,)), (19_999, (2.0,)), (20_000, (4.0,))])
    assert [status for status, _ in answers] == [WARMING, WARMING, READY]


def test_ewma_z_score__latest_value__does_not_soften_itself() -> None:
    answers = run([*values(1, 2, 1, 2), (41_000, (100.0,)), (42_000, (3.0,))])
    assert answers[4][1] == pytest.approx(plain([1, 2, 1, 2], 100), rel=1e-13)
    assert answers[5][1] == pytest.approx(plain([1, 2, 1, 2], 3), rel=1e-13)


def test_ewma_z_score__gap__the_value_before_it_counts_in_each_interval() -> None:
    assert run(values(1, 3, NAN, NAN, NAN, 5))[-1][1] == pytest.approx(run(values(1, 3, 3, 3, 3, 5))[-1][1], rel=1e-13)


def test_ewma_z_score__gap__boundary_is_ten_half_lives() -> None:
    warm = values(1, 2, 4, 8)
    assert run([*warm, (230_000, (16.0,))])[-1][0] is READY  # interval 3 to 23
    assert run([*warm, (240_000, (16.0,))])[-1][0] is WARMING


@pytest.mark.parametrize(("now", "value"), [(0.1, 0.0), (0.2, HIGHEST), (0.0, -HIGHEST)])
def test_ewma_z_score__constant_and_no_floor__nothing_or_the_highest(now: float, value: float) -> None:
    assert run(values(*[0.1] * 50, now))[-1] == (READY, value)


def test_ewma_z_score__constant__moves_are_counted_in_floors() -> None:
    assert is_near(run(values(5, 5, 5, 5.01), floor="0.0001")[-1], 20, rel=1e-9)


@pytest.mark.parametrize(("direction", "sign"), [("up", -1), ("down", 1), ("either", 1)])
def test_ewma_z_score__direction__sign_is_the_way_that_counts(direction: str, sign: int) -> None:
    found = run(values(1, 2, 4, 7, 0), direction)[-1]
    assert is_near(found, sign * abs(plain([1, 2, 4, 7], 0)), rel=1e-13)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, NAN, 1e150])
def test_ewma_z_score__not_a_number_to_square__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*values(1, 2, 4, 7, 9), (46_000, (bad,)), (46_000, (9.0,))])
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4]


def test_ewma_z_score__scaled_by_a_power_of_two__does_not_change() -> None:
    path = values(1.1, 1.2, 1.15, 1.12, 1.19, 1.21)
    scaled = [(at, (value * 2**40,)) for at, (value,) in path]
    assert run(scaled, floor="0.0001")[2:] == run(path, floor="0.0001")[2:]


@pytest.mark.parametrize("cut", [(Span(blocks=2), Span(blocks=1)), (Span(samples=2), Span(samples=1))])
def test_ewma_z_score__blocks_and_samples__are_the_same_as_time(cut: tuple[Span, Span]) -> None:
    ticks = [(0, one) for _, one in values(1, 2, 4, 7, 9)]
    assert run(ticks, cut=cut)[-1] == run(values(1, 2, 4, 7, 9))[-1]


def test_ewma_z_score__interpreted__says_the_same_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [*values(1, 2, NAN, 8, 16, 15, 17), (66_000, (3.0,)), (99_000, (3.0,)), (900_000, (1.0,))]
    compiled = run(ticks)
    for name in ("close", "step_even", "step_slot", "step"):
        monkeypatch.setattr(ewma_z_score, name, getattr(ewma_z_score, name).py_func)
    interpreted = run(ticks)
    assert [status for status, _ in interpreted] == [status for status, _ in compiled]
    np.testing.assert_allclose([v for _, v in interpreted], [v for _, v in compiled], rtol=1e-13)


@pytest.mark.parametrize("odd", [[], [0], [700], [1_500, 1_501, 2_900]])
def test_ewma_z_score__several_slots_in_one_call__have_the_bits_of_one_call_a_tick(odd: list[int]) -> None:
    slots, ticks, together = 6, 3_000, ewma_z_score.SIDE_BY_SIDE
    assert slots > together  # some are taken together, and some are left over
    specs = [
        spec_of("ewma-z-score", half_life=Span(ms=(2 + slot % 3) * 10_000), sampling=Span(ms=10_000),
                direction=("either", "up", "down")[slot % 3], floor=Decimal("0.0001") * slot)
        for slot in range(slots)
    ]  # fmt: skip
    params = ewma_z_score.prepare(specs)
    places = Slots(np.arange(slots, 2 * slots, dtype=np.int32), np.arange(slots, dtype=np.int32).reshape(-1, 1))
    over = empty_board(2 * slots, ticks)
    over.at_ms[:] = over.block[:] = 10_000 * np.arange(ticks)
    over.values[:slots] = 100 + np.cumsum(np.random.default_rng(5).normal(0, 1, (slots, ticks)), axis=1)
    over.status[:slots] = READY
    over.status[0, odd] = NO_INPUT  # of one slot: the others stand still for nothing
    state = ewma_z_score.allocate(params)
    ewma_z_score.step(over, places, params, state)
    live, once = ewma_z_score.allocate(params), empty_board(2 * slots, 1)
    for tick in range(ticks):
        once.at_ms[0] = once.block[0] = over.at_ms[tick]
        once.values[:slots, 0], once.status[:slots, 0] = over.values[:slots, tick], over.status[:slots, tick]
        ewma_z_score.step(once, places, params, live)
        assert once.values[slots:, 0].tobytes() == over.values[slots:, tick].tobytes()
        assert (once.status[slots:, 0] == over.status[slots:, tick]).all()
    for remembered, column in zip(live, state, strict=True):
        assert remembered.tobytes() == column.tobytes()
