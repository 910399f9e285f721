"""Quantile: which of the values it is, what is in the window, gaps, warm-up. Window of 4 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span, Unit
from keeper.signals import quantile
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamValue
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT


def values(*found: float) -> list[Input]:
    """One value in the middle of each interval; NaN for none."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(found)]


def run(ticks: Sequence[Input], q: str = "0.5", window: int = 4) -> list[Output]:
    return drive(spec_of("quantile", window=Span(ms=window * 10_000), sampling=Span(ms=10_000), q=Decimal(q)), ticks)


@pytest.mark.parametrize(
    ("q", "value"),
    [("0", 1), ("0.25", 1), ("0.2501", 3), ("0.5", 3), ("0.51", 5), ("0.75", 5), ("0.7501", 7), ("1", 7)],
)
def test_quantile__share__is_the_smallest_that_so_many_do_not_exceed(q: str, value: float) -> None:
    assert run(values(5, 1, 7, 3, 99), q)[-1] == (READY, value)


def test_quantile__share_that_no_float_holds__is_still_exact() -> None:
    path = values(*range(1, 11), 99)
    assert run(path, "0.1", window=10)[-1] == (READY, 1.0)
    assert run(path, "0.3", window=10)[-1] == (READY, 3.0)
    assert run(path, "0.7", window=10)[-1] == (READY, 7.0)


def test_quantile__interval_in_progress__does_not_count() -> None:
    answers = run([*values(5, 1, 7, 3, 99), (46_000, (-99.0,))], "1")
    assert answers[4] == answers[5] == (READY, 7.0)


def test_quantile__value_of_an_interval__is_its_last() -> None:
    assert run([*values(5, 1, 7, 3), (36_000, (4.0,)), (45_000, (0.0,))], "0.5")[-1] == (READY, 4.0)


def test_quantile__value_at_the_windows_edge__counts_until_its_interval_is_left_behind() -> None:
    answers = run(values(9, 1, 2, 3, 4, 5), "1")
    assert answers[4] == (READY, 9.0)
    assert answers[5] == (READY, 4.0)


def test_quantile__warm_up__ready_exactly_when_the_window_is_full() -> None:
    answers = run([(0, (1.0,)), (39_999, (2.0,)), (40_000, (4.0,))])
    assert [status for status, _ in answers] == [WARMING, WARMING, READY]


def test_quantile__gap__the_value_before_it_counts_in_each_interval() -> None:
    assert run(values(1, 5, NAN, NAN, 9), "0.25")[-1] == (READY, 1.0)
    assert run(values(1, 5, NAN, NAN, 9), "0.26")[-1] == (READY, 5.0)


def test_quantile__gap__boundary_is_one_interval() -> None:
    warm = values(1, 2, 4, 7, 9)
    assert run([*warm, (80_000, (4.0,))])[-1] == (READY, 9.0)
    answers = run([*warm, *[(90_000 + 10_000 * place, (1.0,)) for place in range(5)]])
    assert [status for status, _ in answers[5:]] == [WARMING] * 4 + [READY]
    assert answers[-1] == (READY, 1.0)  # nothing of before is left


@pytest.mark.parametrize("bad", [math.inf, -math.inf, NAN])
def test_quantile__not_finite__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*values(5, 1, 7, 3, 99), (46_000, (bad,)), (47_000, (99.0,))])
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4]


def test_quantile__window_of_one__is_the_value_before() -> None:
    assert [value for _, value in run(values(3, 1, 2), window=1)[1:]] == [3.0, 1.0]


def test_quantile__many_equal_values__come_and_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    path = np.random.default_rng(6).integers(0, 4, 200).astype(float)
    for name in ("close", "insert", "replace", "place_of", "one", "step"):
        monkeypatch.setattr(quantile, name, getattr(quantile, name).py_func)
    for q, rank in (("0", 0), ("0.5", 3), ("1", 6)):
        answers = run(values(*path), q, window=7)
        for now in range(7, 200):
            assert answers[now] == (READY, sorted(path[now - 7 : now])[rank])


@pytest.mark.parametrize("name", ["blocks", "samples"])
def test_quantile__blocks_and_samples__are_the_same_as_time(name: str) -> None:
    spec = spec_of("quantile", window=Span(**{name: 4}), sampling=Span(**{name: 1}), q=Decimal("0.5"))
    assert drive(spec, [(0, one) for _, one in values(5, 1, 7, 3, 99)])[-1] == (READY, 3.0)


def test_quantile__unit__is_that_of_its_input() -> None:
    assert SIGNALS["quantile"].unit_of([Unit.SCORE]) is Unit.SCORE
    assert SIGNALS["quantile"].unit_of([Unit.PRICE]) is Unit.PRICE


@pytest.mark.parametrize(("q", "wrong"), [("-0.001", ["q"]), ("0", []), ("1", []), ("1.001", ["q"])])
def test_quantile__check__a_share_of_the_values(q: str, wrong: list[str]) -> None:
    params: dict[str, ParamValue] = {"window": Span(ms=1), "sampling": Span(ms=1), "q": Decimal(q)}
    assert [one.param for one in SIGNALS["quantile"].check(params)] == wrong
