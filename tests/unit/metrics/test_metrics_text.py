"""Lines made by hand are what Prometheus' own parser reads."""

from __future__ import annotations

import math

import pytest

from keeper.app.metrics.text import Family, OneHot, number, table
from tests.support.metrics_scene import samples

pytestmark = pytest.mark.unit

GAUGE = Family("keeper_x", "gauge", "An x.", ("market", "rule"))


@pytest.mark.parametrize("name", ["ETH-PERP", 'a "quoted" one', "back\\slash", "two\nlines", "ünï"])
def test_table__names_of_any_form__are_read_as_they_were(name: str) -> None:
    text = table(GAUGE, [GAUGE.prefix(name, "r")], [1.5])
    assert samples(text) == {("keeper_x", frozenset({("market", name), ("rule", "r")})): 1.5}


def test_table__without_labels__has_a_bare_name() -> None:
    bare = Family("keeper_x", "gauge", "An x.")
    assert table(bare, [bare.prefix()], [3]).splitlines()[-1] == "keeper_x 3"


@pytest.mark.parametrize(
    ("value", "written"),
    [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (0, "0"), (0.25, "0.25"), (-1e-9, "-1e-09")],
)
def test_number__each_form__is_that_of_prometheus(value: float, written: str) -> None:
    assert number(value) == written


def test_table__more_values_than_prefixes__is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        table(GAUGE, [GAUGE.prefix("m", "r")], [1, 2])


def test_one_hot__one_word_holds__that_is_one_and_all_others_are_zero() -> None:
    family = Family("keeper_state", "gauge", "A state.", ("market", "state"))
    hot = OneHot(family, [("A",), ("B",)], ["calm", "hot"])
    found = samples(hot.text({("A",): "hot"}, "calm"))
    shown = {(dict(labels)["market"], dict(labels)["state"]): value for (_, labels), value in found.items()}
    assert shown == {("A", "calm"): 0, ("A", "hot"): 1, ("B", "calm"): 1, ("B", "hot"): 0}
