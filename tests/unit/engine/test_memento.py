"""The state of an engine written down: every field has a form, another spec and another version are refused, and places name what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, get_type_hints

import numpy as np
import pytest
import rfc8785

from keeper.decisions.recall import Decided, Happened
from keeper.decisions.state import DeskState
from keeper.domain.decision import DecisionKind, DecisionReason, IncidentPhase
from keeper.domain.units import Span
from keeper.engine.bounds import bound_of
from keeper.engine.engine import Engine, EngineState, compile_engine
from keeper.engine.fingerprint import fingerprint, text_of
from keeper.engine.memento import Refusal, RefusalReason
from keeper.engine.plain import NotPlain, from_plain, to_plain
from keeper.engine.spec import MarketSpec
from keeper.rules.codes import INSIDE, TRIPPED
from keeper.signals.bank import Bytes, Ints, load
from keeper.signals.registry import SIGNALS
from tests.support.engine_world import market, rule, run, snapshot, spec, volatility

pytestmark = pytest.mark.unit

WORLD = spec(markets=[market(signals=(volatility(),), rules=(rule("wild", "vol"),))])
ENGINE = compile_engine(WORLD)


def body_of(engine: Engine, state: EngineState) -> Any:
    return json.loads(rfc8785.dumps(engine.save(state).body()))


def half_filled() -> EngineState:
    state = ENGINE.initial_state()
    for block in range(3):
        state, _ = ENGINE.tick(state, snapshot(block, {"oracle": "100", "spot": str(100 + block)}))
    return state


NO_WHOLE_NUMBERS = {"divergence", "median"}
"""Kinds that remember none."""


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    colour: Colour
    amount: Decimal


@dataclass
class Outer:
    flag: bool
    count: int
    inner: Inner | None
    by_key: dict[tuple[int, str], list[Inner]]
    off: tuple[Inner, ...]
    names: frozenset[str]


FULL = Outer(
    True, -(2**62), Inner(Colour.RED, Decimal("1.20")), {(1, "a"): [Inner(Colour.RED, Decimal(0))]}, (), frozenset("ab")
)


def test_plain__every_kind_of_field__comes_back_the_same() -> None:
    plain = json.loads(rfc8785.dumps({"it": to_plain(FULL, Outer)}))["it"]
    assert from_plain(plain, Outer, "it") == FULL


@pytest.mark.parametrize(
    ("field", "bad", "words"),
    [
        ("flag", "true", "it.flag: not a bool"),
        ("flag", 1, "it.flag: not a bool"),
        ("count", 5, "it.count: not a int"),
        ("count", "1.0", "it.count: not a int"),
        ("count", str(2**63), "it.count: not a int"),
        ("inner", {}, "it.inner: not the fields of a Inner"),
        ("inner", {"colour": "blue", "amount": "1"}, "it.inner.colour: not a Colour"),
        ("inner", {"colour": "red", "amount": "NaN"}, "it.inner.amount: not a number"),
        ("by_key", [["1"]], "it.by_key: not a key and a value"),
        ("by_key", [[["1"], []]], "it.by_key[]: not 2 of them"),
        ("off", {}, "it.off: not a list"),
    ],
)
def test_plain__not_what_is_annotated__is_refused_with_its_place(field: str, bad: object, words: str) -> None:
    plain = to_plain(FULL, Outer)
    assert isinstance(plain, dict)
    with pytest.raises(NotPlain) as error:
        from_plain({**plain, field: bad}, Outer, "it")
    assert str(error.value) == words


@pytest.mark.parametrize("kind", [float, complex, bytes, int | str, object])
def test_plain__an_annotation_without_a_form__raises_when_it_is_written(kind: Any) -> None:
    with pytest.raises(TypeError):
        to_plain(1.5, kind)


def test_desk__every_field__can_be_written_and_read() -> None:
    plain = to_plain(ENGINE.initial_state().desk, DeskState)
    assert isinstance(plain, dict)
    assert set(plain) == {field.name for field in fields(DeskState)}
    assert isinstance(from_plain(plain, DeskState, "desk"), DeskState)


def test_desk__a_field_that_has_no_form__is_noticed() -> None:
    @dataclass
    class More(DeskState):
        weight: float = 0.5

    More.__annotations__["weight"] = float
    with pytest.raises(TypeError):
        to_plain(More([], np.zeros(0, dtype=np.int8)), More)


@pytest.mark.parametrize("kind", sorted(SIGNALS))
def test_bounds__whole_numbers_of_every_kind__have_been_thought_of(kind: str) -> None:
    unnamed, seen = _whole_numbers(load(SIGNALS[kind]).State)  # type: ignore[attr-defined]
    assert unnamed == []
    assert seen > 0 or kind in NO_WHOLE_NUMBERS


def _whole_numbers(state: type) -> tuple[list[str], int]:
    """The arrays of whole numbers in a state that nobody has said anything of, and how many there are."""
    unnamed: list[str] = []
    seen = 0
    for name, kind in get_type_hints(state).items():
        if hasattr(kind, "_fields"):
            inner, count = _whole_numbers(kind)
            unnamed, seen = unnamed + inner, seen + count
        elif kind in (Ints, Bytes):
            seen += 1
            if bound_of(state, name) is None:
                unnamed.append(f"{state.__name__}.{name}")
    return unnamed, seen


def test_load__another_version__is_refused() -> None:
    found = ENGINE.load({**body_of(ENGINE, half_filled()), "version": "0"})
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.OTHER_VERSION


@pytest.mark.parametrize(
    "other",
    [
        spec(markets=[MarketSpec("M", (volatility(window_ms=72_000),), (rule("wild", "vol"),))]),
        spec(markets=[MarketSpec("M", (volatility(),), (rule("wild", "vol", above="0.03"),))]),
        spec(markets=[MarketSpec("M", (volatility(),), (rule("wild", "vol", hold=Span(blocks=2)),))]),
        spec(markets=[MarketSpec("N", (volatility(),), (rule("wild", "vol"),))]),
    ],
    ids=["window", "threshold", "persistence", "name"],
)
def test_load__of_another_spec__is_refused(other: Any) -> None:
    found = compile_engine(other).load(body_of(ENGINE, half_filled()))
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.OTHER_SPEC


@pytest.mark.parametrize("body", [None, 1, "x", [], {}])
def test_load__no_object__is_refused(body: object) -> None:
    assert isinstance(ENGINE.load(body), Refusal)


@pytest.mark.parametrize("data", ["", "!", "eJwDAAAAAAE=", None, 5, "eA=="])
def test_load__memory_that_is_none__is_refused(data: object) -> None:
    body = body_of(ENGINE, half_filled())
    body["memory"]["data"] = data
    found = ENGINE.load(body)
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    ("name", "value", "well"),
    [("place", 3, True), ("place", 4, False), ("place", -1, False), ("interval", 2**62 + 1, False)],
)
def test_load__a_place_beyond_its_window__is_refused(name: str, value: int, well: bool) -> None:
    state = half_filled()
    (bank,) = state.memory.banks
    getattr(bank, name)[0] = value
    assert isinstance(ENGINE.load(body_of(ENGINE, state)), Refusal) is not well


def test_save__then_tick__leaves_what_was_saved_as_it_was() -> None:
    state = half_filled()
    memento = ENGINE.save(state)
    before = memento.body()
    run(ENGINE, [snapshot(9, {"oracle": "100", "spot": "150"})], state)
    assert memento.body() == before


def test_fingerprint__same_spec_made_twice__is_the_same_and_of_another_is_not() -> None:
    assert fingerprint(WORLD) == compile_engine(replace(WORLD)).fingerprint
    assert fingerprint(frozenset({"b", "a"})) == fingerprint(frozenset({"a", "b"}))
    assert text_of(Decimal("0.20")) == text_of(Decimal("0.2"))
    assert len({text_of(one) for one in (1, "1", Decimal(1), 1.0, (1,), None)}) == 6
    with pytest.raises(TypeError):
        text_of(object())


def test_load__a_tripped_rule_that_says_it_is_inside__is_refused() -> None:
    state = half_filled()
    state.memory.rules.state[0], state.memory.rules.reason[0] = TRIPPED, INSIDE
    found = ENGINE.load(body_of(ENGINE, state))
    assert isinstance(found, Refusal)
    assert found.reason is RefusalReason.MALFORMED


def test_recall__clock_set_back_afterwards__time_goes_on_and_the_state_can_be_read() -> None:
    world = spec(markets=[market(), market("N")])
    engine = compile_engine(world)
    state, _ = engine.tick(engine.initial_state(), snapshot(1, {"oracle": "1", "spot": "1"}, at_ms=1_000))
    act = Decided("M@2/p/2", DecisionKind.ACT, DecisionReason.TRIPPED, "M", "wide", "pause", "M@2", 500_000, 2)
    engine.recall(state, [Happened("M@2", "M", IncidentPhase.OPENED, 2)], [act])
    state, tick = engine.tick(state, snapshot(3, {"oracle": "1", "spot": "2"}, at_ms=2_000))
    assert tick.at_ms == 500_000
    assert [one.market for one in tick.decisions if one.kind is DecisionKind.ACT] == ["N"]
    assert not isinstance(engine.load(body_of(engine, state)), Refusal)
