"""The order of names in a configuration is found again after its document was sorted."""

from __future__ import annotations

import json

import pytest

from keeper.app.declared_order import in_order, order_of
from keeper.domain.record import Json

pytestmark = pytest.mark.unit

DOCUMENT: dict[str, Json] = {
    "sources": {"spot": {"b": 1, "a": 2}, "oracle": {"a": 1, "b": 2}},
    "markets": {"m/1": {"rules": [{"z": 1, "c~": {"y": 1, "x": 2}}, 3]}, "a": None},
}


def canonical(value: Json) -> Json:
    return json.loads(json.dumps(value, sort_keys=True))  # type: ignore[no-any-return]


def test_order__of_a_sorted_document__brings_it_back_as_it_was() -> None:
    order = json.loads(json.dumps(order_of(DOCUMENT)))
    assert json.dumps(in_order(canonical(DOCUMENT), order)) == json.dumps(DOCUMENT)


def test_order__of_tables_that_are_sorted_anyway__is_empty() -> None:
    assert order_of({"a": {"b": 1, "c": [{"d": 1, "e": 2}]}}) == {}


def test_order__of_names_with_slash_and_tilde__has_pointers_that_mean_one_place() -> None:
    assert order_of(DOCUMENT) == {
        "": ["sources", "markets"],
        "/sources": ["spot", "oracle"],
        "/sources/spot": ["b", "a"],
        "/markets": ["m/1", "a"],
        "/markets/m~11/rules/0": ["z", "c~"],
        "/markets/m~11/rules/0/c~0": ["y", "x"],
    }


@pytest.mark.parametrize(
    "names",
    [["oracle"], ["oracle", "oracle"], ["oracle", "other"], ["oracle", "spot", "spot"], "oracle", None, [1, {}]],
)
def test_order__that_does_not_fit__changes_nothing(names: object) -> None:
    document = canonical(DOCUMENT)
    assert json.dumps(in_order(document, {"/sources": names})) == json.dumps(document)


@pytest.mark.parametrize("order", [None, [], "order", 3])
def test_order__that_is_none__changes_nothing(order: object) -> None:
    document = canonical(DOCUMENT)
    assert json.dumps(in_order(document, order)) == json.dumps(document)
