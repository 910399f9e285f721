"""The presets that no history is at hand for, on made-up paths: what each rule is there for trips it, and what is usual does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from keeper.app.replay.files import Data, Series
from keeper.app.replay.mapping import places_of
from keeper.app.replay.run import replay
from keeper.config import loads
from keeper.config.template import template

pytestmark = pytest.mark.unit

MINUTE_MS, HOUR, DAY = 60_000, 60, 24 * 60
START_MS = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS
RATE = 1.15
Minutes = Callable[[np.ndarray], np.ndarray]


def tripped(name: str, minutes: int, every: int, **sources: Minutes) -> dict[str, int]:
    """The rules of the preset's market that trip, each with the minute of the first time. NaN is no row."""
    minute = np.arange(0, minutes, every)
    series = {}
    for source, path in sources.items():
        values = np.broadcast_to(path(minute), minute.shape).astype(float)
        there = ~np.isnan(values)
        series["", source.replace("_", "-")] = Series(START_MS + minute[there] * MINUTE_MS, values[there], None)
    config = loads(template(name)[0].encode(), folder=Path("/somewhere"), environ={}, offline=True)
    data = Data(series, minutes, 0)
    done = replay(config, data, places_of(config.sources, (), data.series), 12_000, 1, lambda _: None)
    found: dict[str, int] = {}
    for trip in done.runs[0].trips:
        found.setdefault(trip.rule, (trip.at_ms - START_MS) // MINUTE_MS)
    return found


def level(value: float) -> Minutes:
    return lambda minute: np.full(minute.shape, value)


def step(before: float, after: float, at: int) -> Minutes:
    return lambda minute: np.where(minute < at, before, after)


def rewards(minute: np.ndarray) -> np.ndarray:
    """1 bp once a day."""
    return RATE * (1 + 0.0001 * (minute // DAY))


def staked(minutes: int, worth: Minutes, rate: Minutes = rewards, **others: Minutes) -> dict[str, int]:
    """All three ways say the same; ``worth`` is that of one stETH in ETH."""
    ways: Mapping[str, Minutes] = {
        "steth_curve": worth,
        "steth_oracle": worth,
        "wsteth_pool": lambda minute: worth(minute) * rate(minute),
        **others,
    }
    return tripped("staking-ratio", minutes, 6, rate=rate, **ways)


def test_staking__rewards_once_a_day__no_trip() -> None:
    assert staked(3 * DAY, level(0.999)) == {}


def test_staking__chronic_discount__no_trip() -> None:
    """4 % for nine days: the fixed limit is further away, and to the other one it becomes what is usual."""
    assert staked(9 * DAY, level(0.96)) == {}


@pytest.mark.parametrize(("worth", "expected"), [(0.981, {}), (0.979, {"discount"})])
def test_staking__new_discount_after_a_week_at_par__trips_beyond_two_per_cent(worth: float, expected: set[str]) -> None:
    at = 8 * DAY
    found = staked(at + 2 * HOUR, step(1.0, worth, at))
    assert set(found) == set(expected)
    assert all(at + 30 <= minute <= at + 45 for minute in found.values())


@pytest.mark.parametrize(("worth", "expected"), [(0.956, set()), (0.949, {"discount"})])
def test_staking__more_than_a_chronic_discount__is_held_against_it(worth: float, expected: set[str]) -> None:
    assert set(staked(8 * DAY + 2 * HOUR, step(0.975, worth, 8 * DAY))) == expected


def test_staking__deep_discount_in_the_first_hours__trips() -> None:
    found = staked(4 * HOUR, step(1.0, 0.94, HOUR))
    assert set(found) == {"discount"}


def test_staking__one_pool_is_emptied__no_trip() -> None:
    assert staked(4 * HOUR, level(1.0), steth_curve=step(1.0, 0.6, HOUR)) == {}


def test_staking__rate_goes_down_by_two_days_of_rewards__trips() -> None:
    found = staked(DAY, level(1.0), rate=step(RATE, RATE * 0.9998, 5 * HOUR))
    assert set(found) == {"rate-down"}


@pytest.mark.parametrize(("growth", "expected"), [(0.0009, set()), (0.0011, {"rate-jump"})])
def test_staking__rate_jumps__trips_beyond_ten_days_of_rewards(growth: float, expected: set[str]) -> None:
    assert set(staked(DAY, level(1.0), rate=step(RATE, RATE * (1 + growth), 5 * HOUR))) == expected


def lending(minutes: int, **sources: Minutes) -> dict[str, int]:
    calm: Mapping[str, Minutes] = {
        "eth": level(2000.0),
        "eth_oracle": level(2000.0),
        "pool_cash": level(50_000.0),
        **sources,
    }
    return tripped("lending-oracle", minutes, 1, **calm)


@pytest.mark.parametrize(("oracle", "expected"), [(2039.0, set()), (1961.0, set()), (2041.0, {"oracle-divergence"})])
def test_lending__oracle_leaves_the_market__trips_beyond_two_per_cent(oracle: float, expected: set[str]) -> None:
    assert set(lending(3 * HOUR, eth_oracle=step(2000.0, oracle, HOUR))) == expected


@pytest.mark.parametrize(("silent", "expected"), [(74, set()), (80, {"oracle-silent"})])
def test_lending__oracle_says_nothing__trips_after_its_heartbeat(silent: int, expected: set[str]) -> None:
    def speaks(minute: np.ndarray) -> np.ndarray:
        return np.where((minute >= HOUR) & (minute < HOUR + silent), np.nan, 2000.0)

    assert set(lending(4 * HOUR, eth_oracle=speaks)) == expected


@pytest.mark.parametrize(("left", "expected"), [(38_000.0, set()), (37_000.0, {"drain"})])
def test_lending__pool_is_drained_within_the_hour__trips_beyond_a_quarter(left: float, expected: set[str]) -> None:
    assert set(lending(4 * HOUR, pool_cash=step(50_000.0, left, 2 * HOUR))) == expected


def test_lending__a_quarter_leaves_within_a_day__no_trip() -> None:
    assert lending(DAY, pool_cash=lambda minute: 50_000.0 * (1 - 0.3 * minute / DAY)) == {}
