"""DER: what must hold of medians, cross rates and inverses, over the whole range of prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.consensus import Member, consensus, median
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.engine.derivation import Derivation, How
from keeper.engine.derive import Deriver
from keeper.engine.grade import Grader
from keeper.engine.spec import SourceSpec

pytestmark = pytest.mark.property

TIMES = settings(max_examples=150, deadline=None)
ROUNDING = Fraction(5, 10**60)
"""What one operation may be off, as a share: half of the last of 60 digits."""

values = st.integers(1, 10**48).map(lambda units: Decimal(units).scaleb(-18)) | st.integers(-18, 30).map(
    lambda exponent: Decimal(1).scaleb(exponent)
)
"""From 1e-18 to 1e30, with up to 48 digits."""


def derive(prices: Sequence[Decimal], *made: tuple[str, Derivation]) -> dict[str, Observation]:
    """Sources ``s0``, ``s1``, ... with these prices, and what is made of them."""
    sources = [SourceSpec(f"s{number}", Unit.PRICE) for number in range(len(prices))]
    sources += [SourceSpec(name, Unit.PRICE, derived=derivation) for name, derivation in made]
    said = {f"s{number}": Observation(f"s{number}", value, Unit.PRICE, 0) for number, value in enumerate(prices)}
    grader, deriver = Grader(sources), Deriver(sources)
    grades = grader.initial_state()
    with localcontext() as context:
        context.prec = 5  # whatever the caller's context is
        grader.grade_all(grades, said, 0)
        deriver.derive_all(deriver.initial_state(), grades, 0)
    return {one.source: one for one in grades.graded}


def value_of(one: Observation) -> Fraction:
    assert one.quality is Quality.OK
    assert one.value is not None
    return Fraction(one.value)


def off_by(found: Fraction, exact: Fraction) -> Fraction:
    return abs(found / exact - 1)


@TIMES
@given(st.lists(values, min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_der_1__median__is_between_the_middle_values_whatever_their_order(
    prices: list[Decimal], chance: object
) -> None:
    made = ("m", Derivation(How.MEDIAN, tuple(f"s{number}" for number in range(len(prices)))))
    found = derive(prices, made)["m"].value
    shuffled = list(prices)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert derive(shuffled, made)["m"].value == found
    ordered = sorted(prices)
    assert found is not None
    assert ordered[(len(prices) - 1) // 2] <= found <= ordered[len(prices) // 2]
    if len(prices) % 2:
        assert found == ordered[len(prices) // 2], "to the last digit"


@TIMES
@given(values)
def test_der_2__inverse_of_the_inverse__is_the_value(price: Decimal) -> None:
    found = derive([price], ("i", Derivation(How.INVERSE, ("s0",))), ("ii", Derivation(How.INVERSE, ("i",))))
    assert off_by(value_of(found["i"]), 1 / Fraction(price)) <= ROUNDING
    assert off_by(value_of(found["ii"]), Fraction(price)) <= 3 * ROUNDING


@TIMES
@given(values, values, values)
def test_der_3__cross_rates__are_the_direct_rate(a: Decimal, b: Decimal, c: Decimal) -> None:
    found = derive(
        [a, b, c],
        ("ab", Derivation(How.RATIO, ("s0", "s1"))),
        ("bc", Derivation(How.RATIO, ("s1", "s2"))),
        ("ac", Derivation(How.RATIO, ("s0", "s2"))),
        ("cross", Derivation(How.PRODUCT, ("ab", "bc"))),
    )
    exact = Fraction(a) / Fraction(c)
    assert off_by(value_of(found["ac"]), exact) <= ROUNDING
    assert off_by(value_of(found["cross"]), exact) <= 4 * ROUNDING


@TIMES
@given(st.lists(values, min_size=2, max_size=4))
def test_der_4__product_and_ratio__are_exact_to_a_rounding_for_each_operation(prices: list[Decimal]) -> None:
    names = tuple(f"s{number}" for number in range(len(prices)))
    found = derive(prices, ("p", Derivation(How.PRODUCT, names)), ("r", Derivation(How.RATIO, names)))
    product, ratio = Fraction(prices[0]), Fraction(prices[0])
    for price in prices[1:]:
        product, ratio = product * Fraction(price), ratio / Fraction(price)
    bound = len(prices) * ROUNDING
    assert off_by(value_of(found["p"]), product) <= bound
    assert off_by(value_of(found["r"]), ratio) <= bound


@TIMES
@given(values, st.lists(st.integers(-45, 45), min_size=2, max_size=6), values, st.integers(0, 6))
def test_der_5__one_liar_among_many__never_moves_the_median_out_of_the_honest(
    price: Decimal, bps: list[int], lie: Decimal, place: int
) -> None:
    """Honest ones are within 1 % of each other, and so is the bound; the liar says anything."""
    honest = [price * (1 + Decimal(one) / 10_000) for one in bps]
    members = [Member(f"h{number}", value) for number, value in enumerate(honest)]
    members.insert(min(place, len(members)), Member("liar", lie))
    found = consensus(members, 2, Decimal("0.01"))
    if found.quality is Quality.OK:
        assert found.value is not None
        reach = Decimal("1.01") if len(honest) == 2 else Decimal(1)
        assert min(honest) / reach <= found.value <= max(honest) * reach
    else:
        assert found.quality is Quality.DISAGREE


@TIMES
@given(st.lists(st.tuples(values, st.sampled_from(list(Quality))), min_size=1, max_size=6), st.integers(1, 4))
def test_der_6__qualities_of_all_kinds__a_good_median_is_of_good_members(
    said: list[tuple[Decimal, Quality]], at_least: int
) -> None:
    none = (Quality.MISSING, Quality.MALFORMED)
    members = [Member(f"m{n}", None if q in none else value, q, "why") for n, (value, q) in enumerate(said)]
    found = consensus(members, at_least)
    good = [one.value for one in members if one.quality is Quality.OK and one.value is not None]
    assert (found.quality is Quality.OK) == (len(good) >= at_least)
    assert (found.value is None) == (found.quality is Quality.MISSING)
    if found.quality is Quality.OK:
        assert found.value == median(good)
    assert found.reason
