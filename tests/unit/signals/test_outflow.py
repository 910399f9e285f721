"""Net outflow: both bases, both directions, the window's edges, and the highest balance of a window that moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span, Unit
from keeper.signals import highest, outflow
from keeper.signals.registry import SIGNALS
from keeper.signals.ring import enter
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
START = spec_of("outflow", window=Span(ms=40_000), sampling=Span(ms=10_000), base="start")
HIGHEST = spec_of("outflow", window=Span(ms=40_000), sampling=Span(ms=10_000), base="highest")
BY_BASE = {"start": START, "highest": HIGHEST}


def balances(*values: float) -> list[Input]:
    """One value in the middle of each interval."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def last(base: str, *values: float) -> Output:
    return drive(BY_BASE[base], balances(*values))[-1]


@pytest.mark.parametrize(
    ("base", "values", "value"),
    [
        ("start", (100.0, 90.0, 80.0, 70.0, 75.0), 0.25),
        ("start", (100.0, 100.0, 100.0, 100.0, 100.0), 0.0),
        ("start", (100.0, 100.0, 100.0, 100.0, 150.0), -0.5),
        ("start", (100.0, 200.0, 400.0, 100.0, 0.0), 1.0),
        ("highest", (100.0, 90.0, 80.0, 70.0, 75.0), 0.25),
        ("highest", (100.0, 200.0, 400.0, 100.0, 0.0), 0.25),
        ("highest", (100.0, 100.0, 100.0, 100.0, 400.0), -0.75),
        ("highest", (0.0, 1.0, 4.0, 1.0, 2.0), -0.5),
    ],
)
def test_outflow__balance_then_and_now__share_of_the_base(base: str, values: Sequence[float], value: float) -> None:
    assert last(base, *values) == (READY, value)


def test_outflow__highest__counts_until_its_interval_is_more_than_a_window_back() -> None:
    answers = drive(HIGHEST, balances(100.0, 400.0, 100.0, 100.0, 50.0, 50.0, 50.0))
    # interval 1 is the start of the window of interval 5, and behind that of interval 6
    assert [value for _, value in answers[4:]] == [50.0 / 400.0, 350.0 / 400.0, 50.0 / 100.0]


def test_outflow__highest_in_progress__counts_with_its_last_value_only() -> None:
    ticks = [*balances(100.0, 100.0, 100.0, 100.0), (40_000, (800.0,)), (41_000, (50.0,))]
    assert drive(HIGHEST, ticks)[-1] == (READY, 0.5)


def test_outflow__warm_up__ready_exactly_when_the_window_is_full() -> None:
    ticks: list[Input] = [(0, (4.0,)), (39_999, (2.0,)), (40_000, (1.0,))]
    for spec in (START, HIGHEST):
        assert [status for status, _ in drive(spec, ticks)] == [WARMING, WARMING, READY]
        assert drive(spec, ticks)[-1] == (READY, 0.75)


def test_outflow__base_of_nothing__no_input() -> None:
    assert last("start", 0.0, 5.0, 5.0, 5.0, 5.0)[0] is NO_INPUT
    assert last("highest", 0.0, 0.0, 0.0, 0.0, 0.0)[0] is NO_INPUT
    assert last("highest", 0.0, 0.0, 0.0, 0.0, 5.0) == (READY, -1.0)


def test_outflow__share_beyond_every_float__no_input_rather_than_infinity() -> None:
    assert last("start", 1e-300, 1.0, 1.0, 1.0, 1e300)[0] is NO_INPUT


@pytest.mark.parametrize("bad", [NAN, -1.0, math.inf])
@pytest.mark.parametrize("base", BY_BASE)
def test_outflow__input_that_is_no_balance__no_input_and_nothing_lost(bad: float, base: str) -> None:
    ticks = [*balances(8.0, 8.0, 8.0, 8.0, 2.0), (46_000, (bad,)), (47_000, (2.0,))]
    answers = drive(BY_BASE[base], ticks)
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4] == (READY, 0.75)


def test_outflow__gap_longer_than_the_window__forgets_the_highest_too() -> None:
    warm = balances(900.0, 900.0, 900.0, 900.0, 900.0)
    assert drive(HIGHEST, [*warm, (80_000, (450.0,))])[-1] == (READY, 0.5)  # exactly the window
    anew = [*warm, (90_000, (8.0,)), (100_000, (16.0,)), (129_999, (4.0,)), (130_000, (4.0,))]
    answers = drive(HIGHEST, anew)[-4:]
    assert [status for status, _ in answers] == [WARMING, WARMING, WARMING, READY]
    assert answers[-1][1] == 0.25


def highest_by_hand(values: Sequence[float], length: int) -> list[float]:
    return [max(values[max(0, place - length) : place + 1]) for place in range(len(values))]


@pytest.mark.parametrize("length", [2, 3, 7])
@pytest.mark.parametrize("shape", ["falling", "rising", "equal", "random", "saw"])
def test_highest__any_shape__is_the_highest_of_the_window(length: int, shape: str) -> None:
    rng = np.random.default_rng(7)
    paths = {
        "falling": np.arange(60.0, 0.0, -1.0),
        "rising": np.arange(60.0),
        "equal": np.full(60, 3.0),
        "random": rng.integers(0, 9, 60).astype(float),
        "saw": np.arange(60.0) % 11,
    }
    values = paths[shape].tolist()
    spec = spec_of("outflow", window=Span(samples=length), sampling=Span(samples=1), base="highest")
    params = outflow.prepare([spec])
    state = outflow.allocate(params)
    found = []
    for value in values:
        enter(0, 0, 0, value, params.cut, state.ring)
        found.append(highest.highest_of(0, params.cut, state.ring, state.highest))
    assert found == highest_by_hand(values, length)


def test_highest__gap_longer_than_the_window__is_the_only_value_there_is() -> None:
    params = outflow.prepare([HIGHEST])
    state = outflow.allocate(params)
    found = []
    for at_ms, value in ((0, 9.0), (10_000, 5.0), (60_000, 3.0), (70_000, 1.0)):
        enter(0, at_ms, 0, value, params.cut, state.ring)
        found.append(highest.highest_of(0, params.cut, state.ring, state.highest))
    assert found == [9.0, 9.0, 3.0, 3.0]


def test_outflow__slots__do_not_touch_each_other() -> None:
    specs = [
        spec_of("outflow", window=Span(samples=length), sampling=Span(samples=1), base=base)
        for length, base in ((2, "highest"), (5, "start"), (3, "highest"))
    ]
    params = outflow.prepare(specs)
    state = outflow.allocate(params)
    rng = np.random.default_rng(3)
    paths = rng.uniform(1.0, 2.0, (3, 40))
    for slot, spec in enumerate(specs):
        alone = [value for _, value in drive(spec, [(0, (value,)) for value in paths[slot].tolist()])]
        together = [outflow.one(slot, 0, 0, value, params, state)[0] for value in paths[slot].tolist()]
        np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("base", BY_BASE)
def test_outflow__interpreted__says_the_same_as_compiled(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [*balances(1.0, 2.0, NAN, 0.0, 16.0, 15.0, 17.0, 3.0, 2.0, 1.0), (200_000, (1.0,))]
    compiled = drive(BY_BASE[base], ticks)
    for name in ("enter", "ago", "highest_of", "one", "step"):
        monkeypatch.setattr(outflow, name, getattr(outflow, name).py_func)
    interpreted = drive(BY_BASE[base], ticks)
    assert [status for status, _ in interpreted] == [status for status, _ in compiled]
    np.testing.assert_array_equal([value for _, value in interpreted], [value for _, value in compiled])


def test_outflow__units__balances_and_not_prices() -> None:
    assert SIGNALS["outflow"].accepts == {Unit.AMOUNT, Unit.COUNT}
    assert SIGNALS["outflow"].output is Unit.RATIO
