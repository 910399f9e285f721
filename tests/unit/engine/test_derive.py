"""Derived sources: what each kind gives, how quality and time travel, and that the engine uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.consensus import LONGEST_REASON
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.engine.derivation import Derivation, How, circles, in_order, possible_units
from keeper.engine.derive import CHANGES, Deriver
from keeper.engine.engine import compile_engine
from keeper.engine.grade import Grader
from keeper.engine.spec import SourceSpec
from tests.support.engine_world import divergence, market, price, rule, run, snapshot, spec

pytestmark = pytest.mark.unit

A, B, C = (SourceSpec(name, Unit.PRICE) for name in "abc")
Said = Mapping[str, Observation]


def derived(how: How, *of: str, name: str = "d", unit: Unit = Unit.PRICE, **more: object) -> SourceSpec:
    return SourceSpec(name, unit, derived=Derivation(how, of, **more))  # type: ignore[arg-type]


def after(
    sources: Sequence[SourceSpec], *steps: tuple[int, Said], disputed: Mapping[int, tuple[int, int]] | None = None
) -> dict[str, Observation]:
    """What every source is worth after these (time, observations); ``disputed``: the times about which a tick learns that they are."""
    grader, deriver = Grader(sources), Deriver(sources)
    grades, state = grader.initial_state(), deriver.initial_state()
    for at_ms, said in steps:
        grader.grade_all(grades, said, at_ms)
        deriver.derive_all(state, grades, at_ms, [disputed[at_ms]] if disputed and at_ms in disputed else ())
    return {one.source: one for one in grades.graded}


def seen(one: SourceSpec, **prices: str) -> Observation:
    said = {name: price(name, value) for name, value in prices.items()}
    return after([A, B, C, one], (0, said))[one.name]


def bad(name: str, quality: Quality, value: str | None = "5") -> Observation:
    return replace(
        price(name, "5"), value=None if value is None else Decimal(value), quality=quality, reason="so it said"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (derived(How.MEDIAN, "a", "b", "c"), "4"),
        (derived(How.RATIO, "a", "b"), "0.5"),
        (derived(How.RATIO, "a", "b", "c"), "0.1"),
        (derived(How.PRODUCT, "a", "b", "c"), "40"),
        (derived(How.INVERSE, "b"), "0.25"),
        (derived(How.UNCHANGED, "c", stuck_after_ms=1), "5"),
        (derived(How.CONSTANT, value=Decimal(7)), "7"),
    ],
)
def test_derive__each_kind__its_value_its_unit_and_its_members(source: SourceSpec, expected: str) -> None:
    found = seen(source, a="2", b="4", c="5")
    assert (found.quality, found.value, found.unit) == (Quality.OK, Decimal(expected), Unit.PRICE)
    assert source.derived is not None
    assert all(f"{name}" in found.reason for name in source.derived.of)


def test_derive__declared_before_its_members__is_computed_after_them() -> None:
    chain = [derived(How.INVERSE, "e"), derived(How.PRODUCT, "a", "b", name="e"), A, B]
    found = after(chain, (0, {"a": price("a", "2"), "b": price("b", "4")}))
    assert found["d"].value == Decimal("0.125")


@pytest.mark.parametrize("quality", [Quality.WIDE, Quality.CLAMPED, Quality.THIN, Quality.STALE, Quality.DISAGREE])
@pytest.mark.parametrize("how", [How.RATIO, How.PRODUCT])
def test_derive__member_of_another_quality__has_it_too_with_its_reason(quality: Quality, how: How) -> None:
    found = after([A, B, derived(how, "a", "b")], (0, {"a": price("a", "5"), "b": bad("b", quality)}))["d"]
    assert (found.quality, found.value is not None) == (quality, True)
    assert f"b is {quality} (so it said)" in found.reason


@pytest.mark.parametrize("how", [How.RATIO, How.PRODUCT])
def test_derive__two_defects__the_worst_and_both_reasons(how: How) -> None:
    said = {"a": bad("a", Quality.WIDE), "b": bad("b", Quality.STALE)}
    found = after([A, B, derived(how, "a", "b")], (0, said))["d"]
    assert found.quality is Quality.STALE
    assert "a is wide" in found.reason
    assert "b is stale" in found.reason


@pytest.mark.parametrize("how", [How.RATIO, How.PRODUCT, How.MEDIAN])
def test_derive__member_that_is_not_there__is_missing(how: How) -> None:
    found = after([A, B, derived(how, "a", "b", at_least=2)], (0, {"a": price("a", "5")}))["d"]
    assert (found.quality, found.value) == (Quality.MISSING, None)
    assert "b is missing (not in the snapshot)" in found.reason


@pytest.mark.parametrize("how", [How.INVERSE, How.UNCHANGED])
@pytest.mark.parametrize("quality", [Quality.MISSING, Quality.MALFORMED])
def test_derive__only_member_without_a_value__has_its_quality(how: How, quality: Quality) -> None:
    source = derived(how, "a", stuck_after_ms=1)
    found = after([A, source], (0, {"a": bad("a", quality, None)}))["d"]
    assert (found.quality, found.value) == (quality, None)
    assert "so it said" in found.reason


@pytest.mark.parametrize(
    ("how", "of", "prices"),
    [
        (How.RATIO, ("a", "b"), {"a": "1", "b": "0"}),
        (How.RATIO, ("a", "b"), {"a": "0", "b": "0"}),
        (How.INVERSE, ("a",), {"a": "0"}),
        (How.PRODUCT, ("a", "b"), {"a": "1E+200", "b": "1E+200"}),
        (How.RATIO, ("a", "b"), {"a": "1E-200", "b": "1E+200"}),
    ],
)
def test_derive__result_that_is_no_number__is_malformed(how: How, of: tuple[str, ...], prices: dict[str, str]) -> None:
    found = seen(derived(how, *of), **prices)
    assert (found.quality, found.value) == (Quality.MALFORMED, None)


def test_derive__median_with_one_member_too_old__is_of_the_others() -> None:
    sources = [replace(A, max_age_ms=1_000), B, C, derived(How.MEDIAN, "a", "b", "c", at_least=2)]
    said = {"a": price("a", "9"), "b": price("b", "4"), "c": price("c", "6")}
    assert after(sources, (1_000, said))["d"].value == 6
    found = after(sources, (1_000, said), (1_001, said))["d"]
    assert (found.value, found.quality) == (Decimal(5), Quality.OK)
    assert "a is stale" in found.reason


def test_derive__median_with_an_outlier__is_of_the_others() -> None:
    found = seen(
        derived(How.MEDIAN, "a", "b", "c", at_least=2, outlier=Decimal("0.1")),
        a="100",
        b="101",
        c="0.000000000000000100",
    )
    assert (found.value, found.quality) == (Decimal("100.5"), Quality.OK)
    assert "c is disagree" in found.reason


def test_derive__times__oldest_own_and_newest_received() -> None:
    said = {"a": price("a", "2", received_ms=50, at_ms=20), "b": price("b", "4", received_ms=40)}
    found = after([A, B, derived(How.RATIO, "a", "b")], (60, said))["d"]
    assert (found.at_ms, found.received_ms) == (20, 50)


def test_derive__constant__is_always_new() -> None:
    sources = [derived(How.CONSTANT, value=Decimal(1))]
    assert after(sources, (0, {}), (10**12, {}))["d"].received_ms == 10**12


@pytest.mark.parametrize(("at_ms", "quality"), [(1_500, Quality.OK), (1_501, Quality.STALE)])
def test_unchanged__same_value__both_sides_of_stuck_after(at_ms: int, quality: Quality) -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    steps = [(500, {"a": price("a", "5")}), (900, {"a": price("a", "5.0")}), (at_ms, {"a": price("a", "5", at_ms)})]
    found = after(sources, *steps)["d"]
    assert (found.quality, found.value) == (quality, Decimal(5))
    assert ("longer than 1s" in found.reason) == (quality is Quality.STALE)


def test_unchanged__value_moves__starts_anew() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    steps = [(0, {"a": price("a", "5")}), (999, {"a": price("a", "5.01")}), (1_999, {"a": price("a", "5.01")})]
    assert after(sources, *steps)["d"].quality is Quality.OK
    assert after(sources, *steps, (2_000, {"a": price("a", "5.01")}))["d"].quality is Quality.STALE
    assert after(sources, *steps, (2_000, {"a": price("a", "5")}))["d"].quality is Quality.OK


@pytest.mark.parametrize(
    ("span", "quality"),
    [((499, 500), Quality.STALE), ((0, 500), Quality.STALE), ((500, 501), Quality.OK), ((0, 499), Quality.OK)],
)
def test_unchanged__change_that_was_disputed__has_not_been(span: tuple[int, int], quality: Quality) -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    lie, truth = {"a": price("a", "6")}, {"a": price("a", "5")}
    found = after(sources, (0, truth), (500, lie), (600, truth), (1_001, truth), disputed={600: span})["d"]
    assert (found.quality, found.value) == (quality, Decimal(5))


def test_unchanged__true_change_after_the_lie__stays_one() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    steps = [(at_ms, {"a": price("a", value)}) for at_ms, value in [(0, "5"), (500, "6"), (600, "7"), (1_600, "7")]]
    assert after(sources, *steps, disputed={1_600: (0, 500)})["d"].quality is Quality.OK
    assert after(sources, *steps, (1_601, steps[-1][1]), disputed={1_600: (0, 500)})["d"].quality is Quality.STALE


def test_unchanged__lie_that_is_told_again_after_it_was_disputed__is_a_new_change() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    steps = [(at_ms, {"a": price("a", value)}) for at_ms, value in [(0, "5"), (500, "6"), (900, "6"), (1_900, "6")]]
    assert after(sources, *steps, disputed={900: (0, 500)})["d"].quality is Quality.OK
    assert after(sources, *steps, (1_901, steps[-1][1]), disputed={900: (0, 500)})["d"].quality is Quality.STALE


def test_unchanged__first_value_was_disputed__begins_with_the_next() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    steps = [(at_ms, {"a": price("a", "5")}) for at_ms in (0, 500, 1_500)]
    assert after(sources, *steps, disputed={500: (-1, 0)})["d"].quality is Quality.OK
    assert after(sources, *steps, (1_501, steps[-1][1]), disputed={500: (-1, 0)})["d"].quality is Quality.STALE


def test_unchanged__value_that_changes_for_ever__memory_is_bounded() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    grader, deriver = Grader(sources), Deriver(sources)
    grades, state = grader.initial_state(), deriver.initial_state()
    for at_ms in range(10 * CHANGES):
        grader.grade_all(grades, {"a": price("a", str(at_ms))}, at_ms)
        deriver.derive_all(state, grades, at_ms)
    assert len(state.changes["d"]) == CHANGES


def test_unchanged__gap_with_the_same_value_behind_it__is_stuck_all_the_while() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    steps: list[tuple[int, Said]] = [(0, {"a": price("a", "5")}), (500, {}), (1_001, {"a": price("a", "5")})]
    assert after(sources, *steps)["d"].quality is Quality.STALE


def test_unchanged__member_of_another_quality__keeps_the_worse() -> None:
    sources = [A, derived(How.UNCHANGED, "a", stuck_after_ms=1_000)]
    wide = {"a": bad("a", Quality.WIDE)}
    assert after(sources, (0, wide))["d"].quality is Quality.WIDE
    assert after(sources, (0, wide), (1_001, wide))["d"].quality is Quality.STALE


def test_derive__snapshot_that_holds_its_name__does_not_count() -> None:
    said = {"a": price("a", "2"), "b": price("b", "4"), "d": price("d", "999")}
    assert after([A, B, derived(How.RATIO, "a", "b")], (0, said), (1, said))["d"].value == Decimal("0.5")


def test_derive__nothing_new__is_the_same_object() -> None:
    sources = [A, B, derived(How.RATIO, "a", "b")]
    grader, deriver = Grader(sources), Deriver(sources)
    grades, state = grader.initial_state(), deriver.initial_state()
    said = {"a": price("a", "2"), "b": price("b", "4")}
    made = []
    for at_ms in (0, 1):
        grader.grade_all(grades, said, at_ms)
        deriver.derive_all(state, grades, at_ms)
        made.append(grades.graded[2])
    assert made[0] is made[1]


def test_derive__reasons_of_many__are_cut() -> None:
    sources = [SourceSpec(f"{number}-{'x' * 60}", Unit.PRICE) for number in range(20)]
    source = derived(How.PRODUCT, *(one.name for one in sources))
    assert len(after([*sources, source], (0, {}))["d"].reason) == LONGEST_REASON


UNITS = [
    (How.MEDIAN, [Unit.PRICE, Unit.PRICE], (Unit.PRICE,)),
    (How.MEDIAN, [Unit.PRICE, Unit.RATIO], ()),
    (How.UNCHANGED, [Unit.AMOUNT], (Unit.AMOUNT,)),
    (How.INVERSE, [Unit.PRICE], (Unit.PRICE,)),
    (How.INVERSE, [Unit.RATIO], (Unit.RATIO,)),
    (How.INVERSE, [Unit.AMOUNT], ()),
    (How.RATIO, [Unit.PRICE, Unit.PRICE], (Unit.RATIO, Unit.PRICE)),
    (How.RATIO, [Unit.AMOUNT, Unit.AMOUNT], (Unit.RATIO,)),
    (How.RATIO, [Unit.AMOUNT, Unit.RATIO], (Unit.AMOUNT,)),
    (How.RATIO, [Unit.AMOUNT, Unit.PRICE], ()),
    (How.RATIO, [Unit.RATIO, Unit.PRICE], ()),
    (How.RATIO, [Unit.PRICE, Unit.PRICE, Unit.PRICE], (Unit.PRICE,)),
    (How.PRODUCT, [Unit.PRICE, Unit.PRICE], (Unit.PRICE,)),
    (How.PRODUCT, [Unit.RATIO, Unit.RATIO], (Unit.RATIO,)),
    (How.PRODUCT, [Unit.AMOUNT, Unit.PRICE], (Unit.AMOUNT,)),
    (How.PRODUCT, [Unit.AMOUNT, Unit.AMOUNT], ()),
    (How.PRODUCT, [Unit.PRICE, Unit.FLAG], ()),
    (How.CONSTANT, [], tuple(Unit)),
]


@pytest.mark.parametrize(("how", "members", "expected"), UNITS)
def test_units__of_every_kind__follow_the_members(how: How, members: list[Unit], expected: tuple[Unit, ...]) -> None:
    assert possible_units(how, members) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"a": ["b"], "b": ["x"]}, []),
        ({"a": ["a"]}, [("a", "a")]),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, [("a", "b", "c", "a")]),
        ({"x": ["a"], "a": ["b"], "b": ["a"]}, [("a", "b", "a")]),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}, [("a", "b", "a"), ("c", "d", "c")]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["x"]}, []),
    ],
)
def test_circles__each__is_found_once(members: dict[str, list[str]], expected: list[tuple[str, ...]]) -> None:
    assert circles(members) == expected


def test_circles__a_long_chain__needs_no_stack() -> None:
    chain = {f"n{number}": [f"n{number + 1}"] for number in range(5_000)}
    assert circles(chain) == []
    assert in_order(chain)[-1] == "n0"
    assert circles({**chain, "n5000": ["n0"]})[0][0] == "n0"


def test_in_order__diamond__members_come_first() -> None:
    order = in_order({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["x"]})
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("d") < order.index("b") < order.index("a")
    assert order.index("c") < order.index("a")


def test_engine__rule_on_a_median__trips_by_it_and_shows_every_member() -> None:
    sources = [
        *(SourceSpec(name, Unit.PRICE) for name in ("x", "y", "z")),
        derived(How.MEDIAN, "x", "y", "z", name="spot", at_least=2),
        derived(How.CONSTANT, name="oracle", value=Decimal(1)),
    ]
    engine = compile_engine(spec(sources=sources))
    ticks = run(
        engine,
        [
            snapshot(1, {"x": "1", "y": "1", "z": "0.5"}),
            snapshot(2, {"x": "1", "y": "0.5", "z": "0.5"}),
        ],
    )
    assert [len(tick.decisions) for tick in ticks] == [0, 1]
    evidence = ticks[1].decisions[0].observations
    assert [one.source for one in evidence] == ["oracle", "spot", "x", "y", "z"]
    assert evidence[1].value == Decimal("0.5")


def test_engine__copied_state__goes_on_with_what_is_stuck() -> None:
    sources = [SourceSpec("x", Unit.PRICE), derived(How.UNCHANGED, "x", name="spot", stuck_after_ms=12_000)]
    sources.append(derived(How.CONSTANT, name="oracle", value=Decimal(1)))
    engine = compile_engine(spec([market(signals=[divergence()], rules=[rule()])], sources))
    state, _ = engine.tick(engine.initial_state(), snapshot(1, {"x": "1"}))
    copy = state.copy()
    for each in (state, copy):
        _, tick = engine.tick(each, snapshot(3, {"x": "1"}))
        assert tick.counts["hold:input-not-usable"] == 1
