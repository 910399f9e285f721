"""CAR: an engine of a changed configuration goes on, for everything that is defined alike, as the one before would have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.observation import Observation
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Span
from keeper.engine.carry import Carried, Meanings
from keeper.engine.engine import Engine, EngineState, compile_engine
from keeper.engine.evidence import decision_body, incident_body, tick_body
from keeper.engine.memento import Refusal
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.engine.tick import Tick
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec
from tests.property.reference import Reference
from tests.property.test_restart_properties import ALL, WORLD, columns, go_on, runs, sources_of, through_text
from tests.support.engine_world import rule, stamp, volatility

pytestmark = pytest.mark.property

CAR_TIMES = settings(max_examples=25, deadline=None)
LOOSE = replace(WORLD, limits=replace(WORLD.limits, actions_per_day=None))
"""Without what bounds all markets together: what one does otherwise then changes nothing for the other."""


def meaning(spec: EngineSpec, **other: str) -> Meanings:
    actions = {(market.name, action.name): "same" for market in spec.markets for action in spec.actions}
    return Meanings({one.name: other.get(one.name, "same") for one in spec.sources}, actions)


def changed(spec: EngineSpec) -> EngineSpec:
    """Market A as it is; B with another window; C new; everything in another order."""
    a, b = spec.markets
    wider = replace(b, signals=(b.signals[0], volatility(of="B-spot", window_ms=450, sampling_ms=50)))
    fresh = MarketSpec("C", (volatility(of="C-spot", window_ms=800, sampling_ms=50),), (rule("calm", "vol"),))
    sources = (*sources_of("C"), *reversed(spec.sources))
    return replace(spec, sources=sources, markets=(fresh, wider, a), actions=tuple(reversed(spec.actions)))


def take_over(engine: Engine, old: Engine, state: EngineState, **other: str) -> tuple[EngineState, Carried]:
    return engine.take_over(old, state, meaning(old.spec), meaning(engine.spec, **other))


def of_market(ticks: Sequence[Tick], market: str) -> bytes:
    """Everything that was seen, judged and decided of one market."""
    found: list[Any] = []
    for tick in ticks:
        body = tick_body(tick)
        for name in ("signals", "verdicts"):
            found.append([one for one in _each(body[name]) if one["market"] == market])
            assert found[-1]
        found += [decision_body(one) for one in tick.decisions if one.market == market]
        found += [incident_body(one) for one in tick.incidents if one.market == market]
        found.append(str(tick.breakers[market]))
    return rfc8785.dumps(json.loads(json.dumps(found, default=str)))


def _each(value: Any) -> list[Mapping[str, Any]]:
    assert isinstance(value, list)
    return value


OLD, NEW = compile_engine(LOOSE), compile_engine(changed(LOOSE))


@CAR_TIMES
@given(runs(), st.integers(0, 25))
def test_car_1__market_that_is_the_same__goes_on_as_if_nothing_had_been(shots: list[Snapshot], at: int) -> None:
    cut = min(at, len(shots))
    state, _ = go_on(OLD, OLD.initial_state(), shots[:cut])
    taken, carried = take_over(NEW, OLD, state)
    written = through_text(NEW, taken, NEW)
    _, after = go_on(OLD, state, shots[cut:])
    _, carried_on = go_on(NEW, taken, shots[cut:])
    assert of_market(carried_on, "A") == of_market(after, "A")
    assert of_market(go_on(NEW, written, shots[cut:])[1], "A") == of_market(after, "A"), "also by what is written down"
    assert {"A/gap", "A/vol", "A/warn", "A/wide", "A/wild", "B/gap", "B/warn", "B/wide"} == set(carried.kept)
    assert set(carried.begun) == {"C/vol", "C/calm", "B/vol", "B/wild"}
    assert carried.gone == ()


@CAR_TIMES
@given(runs(), st.integers(0, 25))
def test_car_2__same_spec__is_the_same_state(shots: list[Snapshot], at: int) -> None:
    state, _ = go_on(OLD, OLD.initial_state(), shots[: min(at, len(shots))])
    taken, carried = take_over(OLD, OLD, state)
    assert OLD.save(taken).body() == OLD.save(state).body()
    assert not carried.begun


@CAR_TIMES
@given(runs(), st.integers(1, 25))
def test_car_3__source_that_is_read_elsewhere__begins_anew_with_all_that_is_made_of_it(
    shots: list[Snapshot], at: int
) -> None:
    state, _ = go_on(OLD, OLD.initial_state(), shots[: min(at, len(shots))])
    taken, carried = take_over(OLD, OLD, state, **{"A-oracle": "elsewhere"})
    assert set(carried.begun) == {"A/gap", "A/warn", "A/wide"}, "the divergence is against what is derived of it"
    assert {"A/vol", "A/wild"} <= set(carried.kept)
    assert not isinstance(OLD.load(OLD.save(taken).body()), Refusal)


def neighbours(signal: SignalSpec, draw: Any, reference: Reference) -> list[SignalSpec]:
    """Others of the kind, under names of their own; the windows of a bank are as wide as the longest."""
    return [replace(draw(reference.specs), name=f"other-{number}") for number in range(draw(st.integers(0, 3)))]


@ALL
def test_car_4__every_registered_kind__keeps_its_window_whatever_else_is_in_its_bank(reference: Reference) -> None:
    @settings(max_examples=6, deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        signal = data.draw(reference.specs)
        unit = min(SIGNALS[signal.kind].accepts)
        wide = rule("wide", signal.name, above="0.02", clear="0.01", hold=Span(blocks=2))

        def world(others: Sequence[SignalSpec], *, first: bool) -> EngineSpec:
            of = {name for one in (signal, *others) for name in one.sources}
            signals = (signal, *others) if first else (*others, signal)
            sources = tuple(SourceSpec(name, unit) for name in sorted(of))
            return EngineSpec(sources, (MarketSpec("M", signals, (wide,)),), WORLD.actions)

        old = compile_engine(world(neighbours(signal, data.draw, reference), first=data.draw(st.booleans())))
        new = compile_engine(world(neighbours(signal, data.draw, reference), first=data.draw(st.booleans())))
        shots = [
            Snapshot(
                stamp(block),
                at_ms,
                {
                    name: Observation(name, Decimal(repr(value)), unit, at_ms)
                    for name, value in zip(signal.sources, values, strict=True)
                    if value is not None
                },
            )
            for at_ms, block, values in data.draw(columns(signal))
        ]
        cut = data.draw(st.integers(0, len(shots)))
        state, _ = go_on(old, old.initial_state(), shots[:cut])
        taken, carried = take_over(new, old, state)
        assert f"M/{signal.name}" in carried.kept
        place_old, place_new = (_row(engine, signal.name) for engine in (old, new))
        for shot in shots[cut:]:
            state, before = old.tick(state, shot)
            taken, after = new.tick(taken, shot)
            assert before.table.values[place_old].tobytes() == after.table.values[place_new].tobytes()
            assert before.table.status[place_old] == after.table.status[place_new]
            assert _verdicts(before) == _verdicts(after)

    holds()


def _row(engine: Engine, name: str) -> int:
    return next(place for place, row in enumerate(engine._kernel.wiring.signals) if row.of == name)


def _verdicts(tick: Tick) -> list[tuple[str, str]]:
    return [(str(one.state), str(one.reason)) for one in tick.verdicts]
