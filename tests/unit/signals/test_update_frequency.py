"""Update frequency: what is an update, the window's edges by time, blocks and samples, silence, outages and gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span, Unit
from keeper.signals import update_frequency
from keeper.signals.bank import NEVER
from keeper.signals.registry import SIGNALS
from tests.support.statistics import NAN, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
TIME = spec_of("update-frequency", window=Span(ms=40_000), sampling=Span(ms=10_000))
BLOCKS = spec_of("update-frequency", window=Span(blocks=3), sampling=Span(blocks=1))
SAMPLES = spec_of("update-frequency", window=Span(samples=3), sampling=Span(samples=1))


def every_ten_seconds(*own_ms: int) -> list[Output]:
    """One tick in the middle of each interval."""
    return drive(TIME, [(place * 10_000 + 5_000, (1.0,)) for place in range(len(own_ms))], own_ms)


def values(answers: Sequence[Output]) -> list[float | None]:
    """The values, None while warming; fails where there is no input."""
    assert all(status is not NO_INPUT for status, _ in answers)
    return [value if status is READY else None for status, value in answers]


def test_update_frequency__each_tick_new__as_many_as_the_window_has_intervals() -> None:
    assert values(every_ten_seconds(1, 2, 3, 4, 5, 6)) == [None, None, None, None, 4, 4]


def test_update_frequency__silence__falls_to_zero_when_the_last_update_leaves_the_window() -> None:
    assert values(every_ten_seconds(1, 2, 2, 2, 2, 2)) == [None, None, None, None, 1, 0]


def test_update_frequency__first_time_seen__is_no_update() -> None:
    assert values(every_ten_seconds(7, 7, 7, 7, 7)) == [None, None, None, None, 0]


def test_update_frequency__own_time_that_goes_back__is_an_update() -> None:
    assert values(every_ten_seconds(5, 5, 5, 5, 5, 4, 5)) == [None, None, None, None, 0, 1, 2]


def test_update_frequency__several_in_one_interval__count_each() -> None:
    ticks = [(at, (1.0,)) for at in (0, 10_000, 20_000, 30_000, 40_000, 40_000, 49_999, 50_000)]
    assert values(drive(TIME, ticks, [0, 0, 0, 0, 1, 2, 3, 3]))[4:] == [1, 2, 3, 3]


def test_update_frequency__edge_of_the_window__moves_by_whole_intervals() -> None:
    ticks = [(at, (1.0,)) for at in (0, 10_000, 19_999, 20_000, 30_000, 59_999, 60_000)]
    answers = values(drive(TIME, ticks, [0, 0, 1, 2, 2, 2, 2]))
    assert answers[5:] == [1, 0]  # 19,999 has left the window at 50,000, and 20,000 at 60,000


def test_update_frequency__value_that_is_not_usable__is_counted_all_the_same() -> None:
    ticks = [(place * 10_000, (NAN,)) for place in range(5)]
    assert values(drive(TIME, ticks, [1, 2, 3, 4, 5]))[4] == 4


def test_update_frequency__no_time_of_its_own__no_input_and_nothing_lost() -> None:
    ticks = [(place * 10_000, (1.0,)) for place in range(5)] + [(41_000, (1.0,)), (42_000, (1.0,))]
    answers = drive(TIME, ticks, [1, 2, 3, 4, 5, NEVER, 5])
    assert [status for status, _ in answers[4:]] == [READY, NO_INPUT, READY]
    assert answers[6] == answers[4]


def test_update_frequency__outage__what_changed_meanwhile_is_one_update() -> None:
    ticks = [(place * 10_000, (1.0,)) for place in range(7)]
    assert drive(TIME, ticks, [1, 1, 1, 1, 1, NEVER, 9])[-1] == (READY, 1.0)


def test_update_frequency__gap_longer_than_the_window__starts_anew() -> None:
    ticks = [(at, (1.0,)) for at in (0, 40_000, 80_000, 130_000, 160_000, 170_000)]
    answers = drive(TIME, ticks, [1, 2, 3, 4, 5, 5])
    assert [status for status, _ in answers] == [WARMING, READY, READY, WARMING, WARMING, READY]
    assert answers[-1][1] == 1.0


def test_update_frequency__window_of_blocks__counts_back_in_blocks() -> None:
    ticks = [(place, (1.0,)) for place in range(7)]
    blocks = [10, 11, 12, 13, 13, 12, 16]  # two ticks at 13, then the chain goes back
    answers = drive(BLOCKS, ticks, [1, 2, 3, 4, 5, 6, 6], blocks)
    assert values(answers) == [None, None, None, 3, 4, 5, 0]


def test_update_frequency__window_of_samples__counts_back_in_ticks() -> None:
    ticks = [(0, (1.0,))] * 7
    answers = drive(SAMPLES, ticks, [1, 2, 2, NEVER, 3, 3, 3])
    assert [status for status, _ in answers] == [WARMING, WARMING, WARMING, NO_INPUT, READY, READY, READY]
    assert [value for _, value in answers[4:]] == [2.0, 1.0, 1.0]


def test_update_frequency__interpreted__says_the_same_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [(at, (1.0,)) for at in (0, 9_000, 17_000, 30_000, 44_000, 46_000, 58_000, 140_000, 180_000)]
    own = [1, 2, 2, 3, 4, 5, NEVER, 6, 6]
    compiled = drive(TIME, ticks, own)
    for name in ("look", "counted", "one", "step"):
        monkeypatch.setattr(update_frequency, name, getattr(update_frequency, name).py_func)
    interpreted = drive(TIME, ticks, own)
    assert [status for status, _ in interpreted] == [status for status, _ in compiled]
    np.testing.assert_array_equal([value for _, value in interpreted], [value for _, value in compiled])


def test_update_frequency__units__of_anything_a_count() -> None:
    assert SIGNALS["update-frequency"].accepts == frozenset(Unit)
    assert SIGNALS["update-frequency"].output is Unit.COUNT
