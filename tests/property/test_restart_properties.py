"""RST: a keeper that is cut off anywhere, and started again from what it wrote down, goes on as if nothing had been."""

from __future__ import annotations

import base64
import copy
import json
import random
import zlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.audit.evidence import pack, unpack
from keeper.decisions.spec import ActionPolicy, Limits
from keeper.domain.action import ActionKind
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.observation import Observation, Quality
from keeper.domain.outcome import OutcomeKind
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine.engine import Engine, EngineState, compile_engine
from keeper.engine.evidence import decision_body, incident_body, judged_body, seen_body, tick_body
from keeper.engine.memento import Refusal
from keeper.engine.recorded import inputs_body, snapshot_of
from keeper.engine.spec import Derivation, EngineSpec, How, MarketSpec, SourceSpec
from keeper.engine.tick import Tick
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec
from tests.property.reference import Reference
from tests.property.textbook import TEXTBOOK
from tests.support.engine_world import divergence, rule, stamp, volatility

pytestmark = pytest.mark.property

TIMES = settings(max_examples=60, deadline=None)
NAMES = ("A", "B")
PLAIN = ("oracle", "spot", "other")
ALL = pytest.mark.parametrize("reference", TEXTBOOK.values(), ids=list(TEXTBOOK))


def sources_of(name: str) -> tuple[SourceSpec, ...]:
    middle = Derivation(How.MEDIAN, (f"{name}-spot", f"{name}-other"), 1, Decimal("0.05"))
    stuck = Derivation(How.UNCHANGED, (f"{name}-oracle",), stuck_after_ms=120)
    return (
        SourceSpec(f"{name}-oracle", Unit.PRICE, max_age_ms=500, needs="up"),
        SourceSpec(f"{name}-spot", Unit.PRICE),
        SourceSpec(f"{name}-other", Unit.PRICE, max_age_ms=50),
        SourceSpec(f"{name}-middle", Unit.PRICE, derived=middle),
        SourceSpec(f"{name}-stuck", Unit.PRICE, derived=stuck),
    )


def market_of(name: str) -> MarketSpec:
    signals = (
        divergence(of=f"{name}-stuck", against=f"{name}-middle"),
        volatility(of=f"{name}-spot", window_ms=200, sampling_ms=50),
    )
    rules = (
        rule("warn", above="0.01", clear="0.005", severity=Severity.WARNING, actions=("limit", "alert")),
        rule(
            "wide", above="0.03", clear="0.02", hold=Span(blocks=3), clear_hold=Span(ms=60), actions=("pause", "limit")
        ),
        rule("wild", "vol", above="0.05", clear="0.04", hold=Span(ms=40), severity=Severity.INFO, actions=("pause",)),
    )
    return MarketSpec(name, signals, rules)


WORLD = EngineSpec(
    (SourceSpec("up", Unit.FLAG), *(source for name in NAMES for source in sources_of(name))),
    tuple(map(market_of, NAMES)),
    (
        ActionPolicy("pause", ActionKind.PAUSE, 300, 120),
        ActionPolicy("limit", ActionKind.RATE_LIMIT, 200, 50, needs_rules=1),
    ),
    Limits(actions_per_day=4, exempt=frozenset({ActionKind.PAUSE}), lock_ms=150),
)
ENGINE, AGAIN = compile_engine(WORLD), compile_engine(WORLD)

prices = st.sampled_from(["100", "100", "100.4", "101.5", "104", "96"])
qualities = st.sampled_from([Quality.OK] * 10 + [Quality.THIN, Quality.MISSING, Quality.MALFORMED])
outcomes = st.builds(
    lambda market, action, kind: (market, action, kind),
    st.sampled_from(NAMES),
    st.sampled_from(["pause", "limit"]),
    st.sampled_from(OutcomeKind),
)
interventions = st.tuples(
    st.sampled_from(InterventionKind), st.sampled_from(["", *NAMES]), st.sampled_from(["", "pause", "limit"])
)


@st.composite
def said(draw: st.DrawFn, at_ms: int, before: dict[str, Observation]) -> dict[str, Observation]:
    """What the sources say at a tick; sometimes the very objects of the tick before, as a feed that heard nothing new gives them."""
    found: dict[str, Observation] = {}
    flag = draw(st.sampled_from(["1", "1", "1", "0"]))
    found["up"] = Observation("up", Decimal(flag), Unit.FLAG, at_ms)
    for name in (f"{market}-{one}" for market in NAMES for one in PLAIN):
        quality = draw(qualities)
        if quality is Quality.MISSING:
            continue
        if name in before and draw(st.booleans()):
            found[name] = before[name]
            continue
        value = None if quality is Quality.MALFORMED else Decimal(draw(prices))
        age = draw(st.sampled_from([0, 0, 30, 501]))
        found[name] = Observation(name, value, Unit.PRICE, at_ms, at_ms - age, quality=quality, reason=str(quality))
    return found


@st.composite
def runs(draw: st.DrawFn) -> list[Snapshot]:
    shots: list[Snapshot] = []
    at_ms, block = 100_000, 50
    before: dict[str, Observation] = {}
    for turn in range(draw(st.integers(2, 25))):
        at_ms += draw(st.sampled_from([-30, 0, 20, 40, 60, 400]))
        block += draw(st.sampled_from([1, 1, 1, 0, -2]))
        before = draw(said(at_ms, before))
        told = tuple(ActionOutcome(*one, "", at_ms) for one in draw(st.lists(outcomes, max_size=2)))
        people = tuple(
            Intervention(kind, at_ms, market, action=action, reason="told")
            for kind, market, action in (draw(st.lists(interventions, max_size=1)) if draw(st.booleans()) else [])
        )
        disputed = ((at_ms - 70, at_ms - 10),) if draw(st.integers(0, 9)) == 0 else ()
        shots.append(Snapshot(stamp(block, str(turn)), at_ms, before, told, disputed, people))
    return shots


def bodies(ticks: Sequence[Tick]) -> bytes:
    return b"\n".join(
        rfc8785.dumps(body)
        for tick in ticks
        for body in (tick_body(tick), *map(decision_body, tick.decisions), *map(incident_body, tick.incidents))
    )


def go_on(engine: Engine, state: EngineState, shots: Sequence[Snapshot]) -> tuple[EngineState, list[Tick]]:
    ticks = []
    for shot in shots:
        state, tick = engine.tick(state, shot)
        ticks.append(tick)
    return state, ticks


def through_text(engine: Engine, state: EngineState, again: Engine) -> EngineState:
    """Written down as text and read by another engine, as a restart does."""
    found = again.load(json.loads(rfc8785.dumps(engine.save(state).body())))
    assert not isinstance(found, Refusal), found
    return found


def as_recorded(shots: Sequence[Snapshot], ticks: Sequence[Tick]) -> list[Snapshot]:
    """The snapshots of these ticks, as the log gives them back."""
    return [
        snapshot_of(json.loads(rfc8785.dumps(judged_body(tick))) | unpack(pack(seen_body(tick) | inputs_body(shot))))
        for shot, tick in zip(shots, ticks, strict=True)
    ]


@TIMES
@given(runs(), st.integers(0, 25))
def test_rst_1__cut_off_at_any_tick__goes_on_as_if_nothing_had_been(shots: list[Snapshot], at: int) -> None:
    cut = min(at, len(shots))
    state, _ = go_on(ENGINE, ENGINE.initial_state(), shots[:cut])
    again = AGAIN
    taken_up = through_text(ENGINE, state, again)
    state, after = go_on(ENGINE, state, shots[cut:])
    end, restored = go_on(again, taken_up, shots[cut:])
    assert bodies(restored) == bodies(after)
    assert again.save(end).body() == ENGINE.save(state).body()


@TIMES
@given(runs(), st.integers(0, 25), st.integers(0, 25))
def test_rst_2__cut_off_with_recorded_ticks_after_the_state__goes_on_as_if_nothing_had_been(
    shots: list[Snapshot], first: int, second: int
) -> None:
    saved_at, cut = sorted((min(first, len(shots)), min(second, len(shots))))
    state, _ = go_on(ENGINE, ENGINE.initial_state(), shots[:saved_at])
    again = AGAIN
    taken_up = through_text(ENGINE, state, again)
    state, lost = go_on(ENGINE, state, shots[saved_at:cut])
    taken_up, fed = go_on(again, taken_up, as_recorded(shots[saved_at:cut], lost))
    assert bodies(fed) == bodies(lost)
    state, after = go_on(ENGINE, state, shots[cut:])
    taken_up, restored = go_on(again, taken_up, shots[cut:])
    assert bodies(restored) == bodies(after)
    assert again.save(taken_up).body() == ENGINE.save(state).body()


@TIMES
@given(runs())
def test_rst_5__evidence_of_any_tick__unpacks_to_what_was_packed(shots: list[Snapshot]) -> None:
    _, ticks = go_on(ENGINE, ENGINE.initial_state(), shots)
    for shot, tick in zip(shots, ticks, strict=True):
        content = seen_body(tick) | inputs_body(shot)
        evidence = pack(content)
        assert rfc8785.dumps(unpack(evidence)) == rfc8785.dumps(content)
        assert evidence.size == len(rfc8785.dumps(content))
        assert not content.keys() & judged_body(tick).keys()
        assert judged_body(tick) | seen_body(tick) == tick_body(tick)


@st.composite
def columns(draw: st.DrawFn, spec: SignalSpec) -> list[tuple[int, int, list[float | None]]]:
    """(time, block, a value for each source) around the sampling interval of a signal."""
    given_ = dict(spec.params).get("sampling")
    unit = given_.ms if isinstance(given_, Span) and given_.ms is not None else 1_000
    moves = draw(
        st.lists(
            st.tuples(
                st.one_of(st.integers(0, 2 * unit), st.just(0), st.integers(3 * unit, 12 * unit)),
                st.integers(0, 2),
                st.tuples(*[st.one_of(st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.none())] * len(spec.sources)),
            ),
            min_size=4,
            max_size=30,
        )
    )
    at_ms, block, found = 1_700_000_000_000, 10, []
    for step, up, values in moves:
        at_ms, block = at_ms + step, block + up
        found.append((at_ms, block, list(values)))
    return found


@st.composite
def worlds(draw: st.DrawFn, reference: Reference) -> tuple[Engine, Engine, list[Snapshot]]:
    """An engine with one signal of this kind under a rule, another one of the same spec, and what happens."""
    signal = draw(reference.specs)
    unit = min(SIGNALS[signal.kind].accepts)
    sources = tuple(SourceSpec(name, unit) for name in signal.sources)
    wide = rule("wide", signal.name, above="0.02", clear="0.01", hold=Span(blocks=2))
    actions = (ActionPolicy("pause", ActionKind.PAUSE, 0, 0),)
    world = EngineSpec(sources, (MarketSpec("M", (signal,), (wide,)),), actions)
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
        for at_ms, block, values in draw(columns(signal))
    ]
    return compile_engine(world), compile_engine(world), shots


@ALL
def test_rst_3__every_registered_kind__remembers_its_window(reference: Reference) -> None:
    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        engine, again, shots = data.draw(worlds(reference))
        cut = data.draw(st.integers(0, len(shots)))
        state, _ = go_on(engine, engine.initial_state(), shots[:cut])
        taken_up = through_text(engine, state, again)
        assert bodies(go_on(engine, taken_up, shots[cut:])[1]) == bodies(go_on(engine, state, shots[cut:])[1])

    holds()


HURTFUL: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    "",
    "x",
    "-1",
    "9" * 19,
    "9" * 400,
    [],
    {},
    [[]],
    [["0", "0"]],
    {"a": "b"},
)


def spoil(body: Any, chance: random.Random) -> Any:
    """The body with something else at one place of it."""
    spoiled = copy.deepcopy(body)
    holder: Any = spoiled
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.25:
            holder[key] = chance.choice(HURTFUL)
            return spoiled
        holder = inner


def spoil_arrays(body: Any, chance: random.Random) -> Any:
    """The same arrays with other bytes in some places."""
    spoiled = copy.deepcopy(body)
    data = bytearray(zlib.decompress(base64.b64decode(spoiled["memory"]["data"])))
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data) // 8) * 8
        data[place : place + 8] = np.int64(chance.choice([-1, 2**62, -(2**63), 7, 10**6, 2**63 - 1])).tobytes()
    spoiled["memory"]["data"] = base64.b64encode(zlib.compress(bytes(data))).decode()
    return spoiled


@settings(max_examples=150, deadline=None)
@given(runs(), st.integers(0, 2**32))
def test_rst_4__whatever_was_written__is_refused_or_ticks(shots: list[Snapshot], seed: int) -> None:
    chance = random.Random(seed)
    half = len(shots) // 2
    state, _ = go_on(ENGINE, ENGINE.initial_state(), shots[:half])
    body = json.loads(rfc8785.dumps(ENGINE.save(state).body()))
    for _ in range(4):
        found = ENGINE.load((spoil_arrays if chance.random() < 0.4 else spoil)(body, chance))
        if isinstance(found, Refusal):
            assert found.message
        else:
            go_on(ENGINE, found, shots[half:])


@ALL
def test_rst_4__whatever_was_written_of_any_kind__is_refused_or_ticks(reference: Reference) -> None:
    @settings(max_examples=15, deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        engine, _, shots = data.draw(worlds(reference))
        chance = random.Random(data.draw(st.integers(0, 2**32)))
        half = len(shots) // 2
        state, _ = go_on(engine, engine.initial_state(), shots[:half])
        body = json.loads(rfc8785.dumps(engine.save(state).body()))
        for _ in range(4):
            found = engine.load(spoil_arrays(body, chance))
            if not isinstance(found, Refusal):
                go_on(engine, found, shots[half:])

    holds()
