"""One value of several: who is left out, what is said about it, and both sides of every bound."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from keeper.domain.consensus import BADNESS, CONTEXT, LONGEST_REASON, Member, agreeing, apart, consensus, median, worst
from keeper.domain.observation import WITHOUT_VALUE, Quality

pytestmark = pytest.mark.unit

TENTH = Decimal("0.1")


def decimals(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def member(name: str, value: str | None, quality: Quality = Quality.OK) -> Member:
    reason = "" if quality is Quality.OK else "so it said"
    return Member(name, None if value is None else Decimal(value), quality, reason)


def test_badness__names_every_quality_once() -> None:
    assert sorted(BADNESS) == sorted(Quality)


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [
        ([], Quality.OK),
        ([Quality.OK, Quality.OK], Quality.OK),
        ([Quality.WIDE, Quality.STALE, Quality.THIN], Quality.STALE),
        ([Quality.MISSING, Quality.DISAGREE], Quality.MISSING),
    ],
)
def test_worst__of_several__is_the_worst(qualities: list[Quality], expected: Quality) -> None:
    assert worst(qualities) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["3"], "3"), (["1", "2"], "1.5"), (["9", "1", "2"], "2"), (["4", "1", "2", "9"], "3"), (["-1", "1"], "0")],
)
def test_median__odd_and_even__is_the_middle(values: list[str], expected: str) -> None:
    assert median(decimals(*values)) == Decimal(expected)


def test_median__of_numbers_longer_than_the_context__stays_between_them() -> None:
    low, high = decimals("1." + "0" * 70 + "1", "1." + "0" * 70 + "3")
    assert low <= median([low, high]) <= high


def test_median__in_a_context_of_few_digits__is_as_exact_as_ever() -> None:
    with localcontext() as context:
        context.prec = 3
        assert median(decimals("1.00001", "1.00003")) == Decimal("1.00002")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1", "1", "0"),
        ("1", "1.10", "0.1"),
        ("1.10", "1", "0.1"),
        ("-1", "-1.10", "0.1"),
        ("0", "0", "0"),
        ("0", "1", "Infinity"),
        ("-1", "1", "Infinity"),
    ],
)
def test_apart__same_both_ways__and_infinite_across_zero(one: str, other: str, expected: str) -> None:
    assert apart(Decimal(one), Decimal(other)) == Decimal(expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1"], (0,)),
        (["1", "1.1"], (0, 1)),  # exactly the bound is no outlier
        (["1", "1.1000001"], ()),  # one against one: nobody can say who lies
        (["1", "1.01", "0.5"], (0, 1)),  # one liar among three
        (["1000000", "1", "1.01"], (1, 2)),
        (["1", "1", "0.5", "0.5"], ()),  # two against two
        (["1", "1", "1", "0.5", "0.5"], (0, 1, 2)),
        (["1", "1.2", "1.44"], ()),  # no two of them agree
        (["0", "1", "1"], (1, 2)),
    ],
)
def test_agreeing__bound_of_a_tenth__both_sides(values: list[str], expected: tuple[int, ...]) -> None:
    assert agreeing(decimals(*values), TENTH) == expected


def test_agreeing__no_bound__all_stay() -> None:
    assert agreeing(decimals("1", "1000"), None) == (0, 1)


def test_consensus__all_good__the_median_and_their_names() -> None:
    found = consensus([member("a", "1"), member("b", "3"), member("c", "2")], 2)
    assert (found.value, found.quality) == (Decimal(2), Quality.OK)
    assert found.reason == "median of a 1, b 3, c 2"
    assert [one.name for one in found.kept] == ["a", "b", "c"]


def test_consensus__one_bad__is_left_out_and_named_with_its_reason() -> None:
    found = consensus([member("a", "1"), member("b", "3"), member("c", "200", Quality.THIN)], 2)
    assert (found.value, found.quality) == (Decimal(2), Quality.OK)
    assert found.reason == "median of a 1, b 3; c is thin (so it said)"


def test_consensus__one_outlier__is_left_out_and_named() -> None:
    found = consensus([member("a", "1"), member("b", "1.01"), member("c", "10")], 2, TENTH)
    assert (found.value, found.quality) == (Decimal("1.005"), Quality.OK)
    assert found.reason == "median of a 1, b 1.01; c is disagree (10 is too far away)"


def test_consensus__too_few_agree__disagree_with_the_median_of_all() -> None:
    found = consensus([member("a", "1"), member("b", "2"), member("c", None, Quality.MISSING)], 2, TENTH)
    assert (found.value, found.quality) == (Decimal("1.5"), Quality.DISAGREE)
    assert found.reason == "more than 10% apart: a 1, b 2; c is missing (so it said)"


def test_consensus__one_is_enough_but_two_are_apart__disagree() -> None:
    assert consensus([member("a", "1"), member("b", "2")], 1, TENTH).quality is Quality.DISAGREE


@pytest.mark.parametrize("quality", [one for one in Quality if one is not Quality.OK and one not in WITHOUT_VALUE])
def test_consensus__too_few_good__worse_ones_are_taken_in_and_told(quality: Quality) -> None:
    found = consensus([member("a", "1"), member("b", "3", quality)], 2)
    assert (found.value, found.quality) == (Decimal(2), quality)
    assert f"b is {quality} (so it said)" in found.reason


def test_consensus__several_defects__the_mildest_that_suffice() -> None:
    members = [member("a", "1"), member("b", "3", Quality.STALE), member("c", "5", Quality.WIDE)]
    found = consensus(members, 2)
    assert (found.value, found.quality) == (Decimal(3), Quality.WIDE)
    assert consensus(members, 3).quality is Quality.STALE


@pytest.mark.parametrize("quality", sorted(WITHOUT_VALUE))
def test_consensus__too_few_values__missing_with_every_reason(quality: Quality) -> None:
    found = consensus([member("a", "1"), member("b", None, quality)], 2)
    assert (found.value, found.quality, found.kept) == (None, Quality.MISSING, ())
    assert found.reason == f"1 good, 2 needed; b is {quality} (so it said)"


def test_consensus__nobody__missing() -> None:
    assert consensus([], 1).quality is Quality.MISSING


def test_consensus__reason_of_many__is_cut() -> None:
    many = [Member(f"venue-{number}", None, Quality.MISSING, "x" * 50) for number in range(50)]
    assert len(consensus(many, 2).reason) == LONGEST_REASON


def test_context__never_raises() -> None:
    assert not CONTEXT.divide(Decimal(1), Decimal(0)).is_finite()
    assert CONTEXT.divide(Decimal(0), Decimal(0)).is_nan()
