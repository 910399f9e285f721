"""Staleness: the age of what is there, of what is not good enough, and of nothing."""

from __future__ import annotations

import math

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Unit
from keeper.engine.engine import compile_engine
from keeper.engine.spec import SourceSpec
from keeper.signals.bank import NEVER
from keeper.signals.registry import SIGNALS
from tests.support.engine_world import divergence, market, price, rule, run, snapshot, spec
from tests.support.statistics import NAN, Output, drive, spec_of

pytestmark = pytest.mark.unit


def at(at_ms: int, own_ms: int, value: float = 1.0) -> Output:
    return drive(spec_of("staleness"), [(at_ms, (value,))], [own_ms])[0]


@pytest.mark.parametrize(
    ("at_ms", "own_ms", "value"),
    [
        (10_000, 10_000, 0.0),
        (10_000, 9_999, 0.001),
        (10_000, 10_001, 0.0),
        (10_000, 0, 10.0),
        (1_700_000_000_123, 1_700_000_000_000, 0.123),
        (10_000, 1_700_000_000_000, 0.0),
        (1_000, -1_000, 2.0),
    ],
)
def test_staleness__own_time__is_its_age_in_seconds_and_never_negative(at_ms: int, own_ms: int, value: float) -> None:
    assert at(at_ms, own_ms) == (SignalStatus.READY, value)


@pytest.mark.parametrize("value", [NAN, math.inf, 0.0, -1.0])
def test_staleness__value_that_is_not_usable__still_has_its_age(value: float) -> None:
    assert at(10_000, 4_000, value) == (SignalStatus.READY, 6.0)


def test_staleness__no_time_of_its_own__no_input() -> None:
    status, value = at(10_000, NEVER)
    assert status is SignalStatus.NO_INPUT
    assert math.isnan(value)


def test_staleness__oldest_time_there_is__is_finite() -> None:
    status, value = at(1_700_000_000_000, NEVER + 1)
    assert status is SignalStatus.READY
    assert value == pytest.approx(2**62 / 1000, rel=1e-5)


def test_staleness__units__of_anything_in_seconds() -> None:
    assert SIGNALS["staleness"].accepts == frozenset(Unit)
    assert SIGNALS["staleness"].output is Unit.SECONDS


def test_staleness__source_that_the_engine_holds_for_stale__goes_on_ageing() -> None:
    signals = [spec_of("staleness", "oracle"), divergence()]
    held = spec(
        markets=[market(signals=signals, rules=[rule(signal="one", above="60", clear="30")])],
        sources=[SourceSpec("oracle", Unit.PRICE, max_age_ms=30_000), SourceSpec("spot", Unit.PRICE)],
    )
    old = price("oracle", "100", received_ms=0, at_ms=0)
    snapshots = [snapshot(block, {"oracle": old if block < 4 else None, "spot": "100"}) for block in range(1, 5)]
    ticks = run(compile_engine(held), snapshots)
    found = [{signal.name: (signal.status, signal.value) for signal in tick.signals} for tick in ticks]
    assert [one["one"][0] for one in found] == [SignalStatus.READY] * 3 + [SignalStatus.NO_INPUT]
    assert [one["one"][1] for one in found[:3]] == [12.0, 24.0, 36.0]
    assert [one["gap"][0] for one in found] == [SignalStatus.READY] * 2 + [SignalStatus.NO_INPUT] * 2


def test_registry__kinds_that_look_at_own_times__say_so() -> None:
    assert {name for name, kind in SIGNALS.items() if kind.timed} == {"staleness", "update-frequency"}
