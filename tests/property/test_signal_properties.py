"""SIG: every registered signal against its textbook formula, found by discovery."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.bank import NEVER
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec
from tests.property.reference import Reference
from tests.property.textbook import TEXTBOOK
from tests.support.statistics import Input, Output, drive, drive_over

pytestmark = pytest.mark.property

SCALE_FREE = pytest.mark.parametrize(
    "reference",
    [one for one in TEXTBOOK.values() if one.scale_free],
    ids=[name for name, one in TEXTBOOK.items() if one.scale_free],
)
ALL = pytest.mark.parametrize("reference", TEXTBOOK.values(), ids=list(TEXTBOOK))
TIMES = settings(max_examples=120, deadline=None)

near = st.floats(0.5, 2.0)
close = st.floats(-1e-6, 1e-6).map(lambda share: 1.0 + share)
any_price = st.floats(1e-140, 1e140)  # so that no quotient leaves the range of a float
no_price = st.sampled_from([math.nan, 0.0, -1.0, math.inf])


def interval_ms(spec: SignalSpec) -> int:
    """How long the signal's intervals are; something for signals that have none, or none of time."""
    given = dict(spec.params).get("sampling")
    found = given.ms if isinstance(given, Span) else given
    return found if isinstance(found, int) else 1_000


@st.composite
def histories(draw: st.DrawFn, spec: SignalSpec, bad: bool = True, wild: bool = True) -> list[Input]:
    """Ticks for one slot: steps in time around the sampling interval, equal times among them; quiet and wild prices."""
    unit = interval_ms(spec)
    steps = st.one_of(st.integers(0, 2 * unit), st.just(0), st.integers(3 * unit, 12 * unit))
    prices = draw(st.sampled_from([near, close, any_price] if wild else [near, close]))
    if bad:
        prices = st.one_of(prices, prices, prices, prices, no_price)
    columns = st.tuples(*[prices] * len(spec.sources))
    moves = draw(st.lists(st.tuples(steps, columns), min_size=1, max_size=40))
    times = accumulate((step for step, _ in moves), initial=draw(st.integers(-(10**6), 10**13)))
    return [(at, values) for at, (_, values) in zip(times, moves, strict=False)]


def odd_walk(spec: SignalSpec, ticks: int, odd: int, seed: int) -> list[Input]:
    """An interval from tick to tick, as in a file of bars, and small moves; but so many ticks are odd in one of several ways."""
    chance, unit = np.random.default_rng(seed), interval_ms(spec)
    steps = np.full(ticks, unit)
    moves = np.exp(chance.normal(0, 0.004, (ticks, len(spec.sources))))
    here = chance.integers(0, ticks, (6, odd))
    steps[here[0]], steps[here[1]] = 0, unit // 2
    steps[here[2]] = unit * chance.integers(2, 30, odd)
    moves[here[3]] *= 1.04
    moves[here[4]] *= chance.choice([1e-3, 0.4, 3.0, 1e3], (odd, 1))
    values = np.cumprod(moves, axis=0)
    values[here[5]] = chance.choice([math.nan, 0.0, -1.0, math.inf], (odd, len(spec.sources)))
    return [(int(at), tuple(row)) for at, row in zip(np.cumsum(steps), values.tolist(), strict=True)]


@st.composite
def own_times(draw: st.DrawFn, reference: Reference, ticks: list[Input]) -> list[int] | None:
    """The own time of the input at each tick, for signals that look at it: sometimes none, often that of the tick before, seldom ahead."""
    if not reference.own_times:
        return None
    found: list[int] = []
    for at, _ in ticks:
        before = found[-1] if found else at
        found.append(draw(st.sampled_from([before, before, before, at, at - 1, at - 5_001, at + 300, NEVER])))
    return found


def agree(ours: Output, theirs: Output, bound: float, abs_tol: float = 0.0) -> bool:
    if ours[0] is not theirs[0]:
        return False
    if ours[0] is not SignalStatus.READY:
        return math.isnan(ours[1])
    return math.isclose(ours[1], theirs[1], rel_tol=bound, abs_tol=abs_tol)


def test_sig_1__every_registered_kind__has_a_textbook_formula() -> None:
    assert TEXTBOOK.keys() == SIGNALS.keys()


@ALL
def test_sig_1__every_textbook_entry__draws_signals_of_its_kind(reference: Reference) -> None:
    kind = next(name for name, one in TEXTBOOK.items() if one is reference)

    @settings(max_examples=10, deadline=None)
    @given(spec=reference.specs)
    def drawn(spec: SignalSpec) -> None:
        assert spec.kind == kind
        assert SIGNALS[kind].wrong_number(len(spec.sources)) is None

    drawn()


@ALL
def test_sig_2__step_on_every_growing_prefix__equals_the_textbook_within_its_bound(reference: Reference) -> None:
    @TIMES
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        spec = data.draw(reference.specs)
        ticks = data.draw(histories(spec))
        own_ms = data.draw(own_times(reference, ticks))
        for index, ours in enumerate(drive(spec, ticks, own_ms)):
            theirs = reference.answer(spec, ticks[: index + 1], own_ms and own_ms[: index + 1])
            assert agree(ours, theirs, reference.bound, reference.margin), (index, ours, theirs)

    holds()


@ALL
def test_sig_3__value__is_nan_unless_ready_and_finite_when_ready(reference: Reference) -> None:
    @TIMES
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        spec = data.draw(reference.specs)
        ticks = data.draw(histories(spec))
        for status, value in drive(spec, ticks, data.draw(own_times(reference, ticks))):
            assert math.isfinite(value) if status is SignalStatus.READY else math.isnan(value)

    holds()


@SCALE_FREE
def test_sig_4__prices_scaled_by_a_power_of_two__change_nothing(reference: Reference) -> None:
    @TIMES
    @given(data=st.data(), power=st.integers(-60, 60))
    def holds(data: st.DataObject, power: int) -> None:
        spec = data.draw(reference.specs)
        ticks = data.draw(histories(spec))
        scaled = [(at, tuple(math.ldexp(value, power) for value in values)) for at, values in ticks]
        for ours, theirs in zip(drive(spec, ticks), drive(spec, scaled), strict=True):
            assert agree(ours, theirs, 0.0)

    holds()


@SCALE_FREE
def test_sig_4__prices_scaled_by_anything__change_no_more_than_rounding(reference: Reference) -> None:
    @TIMES
    @given(data=st.data(), factor=st.floats(1e-6, 1e6))
    def holds(data: st.DataObject, factor: float) -> None:
        spec = data.draw(reference.specs)
        ticks = data.draw(histories(spec, bad=False, wild=False))
        scaled = [(at, tuple(value * factor for value in values)) for at, values in ticks]
        for ours, theirs in zip(drive(spec, ticks), drive(spec, scaled), strict=True):
            assert agree(ours, theirs, 1e-12, abs_tol=1e-13)

    holds()


@ALL
def test_sig_5__same_history_twice__is_the_same_to_the_last_bit(reference: Reference) -> None:
    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        spec = data.draw(reference.specs)
        ticks = data.draw(histories(spec))
        own_ms = data.draw(own_times(reference, ticks))
        first, second = ([(status, value.hex()) for status, value in drive(spec, ticks, own_ms)] for _ in range(2))
        assert first == second

    holds()


@ALL
def test_sig_6__all_ticks_in_one_call__equal_one_call_a_tick_to_the_last_bit(reference: Reference) -> None:
    @TIMES
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        spec = data.draw(reference.specs)
        ticks = data.draw(histories(spec))
        own_ms = data.draw(own_times(reference, ticks))
        live, over = drive(spec, ticks, own_ms), drive_over(spec, ticks, own_ms)
        assert [(status, value.hex()) for status, value in live] == [(status, value.hex()) for status, value in over]

    holds()


@ALL
def test_sig_6__long_even_stretches_with_odd_ticks_between__equal_one_call_a_tick_to_the_last_bit(
    reference: Reference,
) -> None:
    @settings(max_examples=12, deadline=None)
    @given(
        spec=reference.specs,
        ticks=st.integers(2, 700),
        odd=st.sampled_from([0, 0, 1, 3, 40]),
        seed=st.integers(0, 2**32 - 1),
        cut=st.integers(1, 699),
    )
    def holds(spec: SignalSpec, ticks: int, odd: int, seed: int, cut: int) -> None:
        walk = odd_walk(spec, ticks, odd, seed)
        live = [(status, value.hex()) for status, value in drive(spec, walk)]
        for cuts in ([], [min(cut, ticks - 1)]):
            assert live == [(status, value.hex()) for status, value in drive_over(spec, walk, cuts=cuts)]

    holds()
