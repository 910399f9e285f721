"""Incidents in a list: order, filters, pages; and which one a name means."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.app.incidents.listing import Asked, Meant, list_incidents, meant
from keeper.app.incidents.story import State
from keeper.domain.record import Draft
from tests.support import incident_log as log

pytestmark = pytest.mark.unit


def opened(market: str, block: int) -> list[Draft]:
    name = f"{market}@{block}"
    return [log.turn("opened", block, name, market), log.turn("closed", block + 2, name, market)]


MANY = [one for block in range(30, 60, 5) for one in opened("BTC-PERP" if block % 10 else "SOL-PERP", block)]
PAGE = log.page_of(
    log.records_of([*log.whole(), *log.restoring(), *MANY, log.turn("opened", 70, "BTC-PERP@70", "BTC-PERP")])
)


def ids(asked: Asked) -> Sequence[str]:
    return [one.id for one in list_incidents(PAGE, asked).lines]


def test_list__of_everything__is_newest_first_with_its_state() -> None:
    lines = list_incidents(PAGE, Asked()).lines
    assert [one.id for one in lines] == [
        "BTC-PERP@70",
        "BTC-PERP@55",
        "SOL-PERP@50",
        "BTC-PERP@45",
        "SOL-PERP@40",
        "BTC-PERP@35",
        "SOL-PERP@30",
        log.ID,
    ]
    assert (lines[0].state, lines[1].state, lines[-1].state) == (State.OPEN, State.CLOSED, State.RESTORED)
    assert (lines[0].lasted_ms, lines[1].lasted_ms) == (None, 2 * log.BLOCK_MS)
    assert [(one.name, one.outcome) for one in lines[-1].actions] == [(log.ACTION, "included")]


def test_list__filtered__has_those_that_fit() -> None:
    assert ids(Asked(market="SOL-PERP")) == ["SOL-PERP@50", "SOL-PERP@40", "SOL-PERP@30"]
    assert ids(Asked(only_open=True)) == ["BTC-PERP@70"]
    assert ids(Asked(since_ms=log.seen_ms(50))) == ["BTC-PERP@70", "BTC-PERP@55", "SOL-PERP@50"]
    assert ids(Asked(since_ms=log.seen_ms(50) + 1)) == ["BTC-PERP@70", "BTC-PERP@55"]
    assert ids(Asked(market="NONE")) == []


@pytest.mark.parametrize("limit", [1, 3, 7, 8, 9])
def test_list__in_pages__has_each_once(limit: int) -> None:
    found: list[str] = []
    before: int | None = 0
    while before is not None:
        listing = list_incidents(PAGE, Asked(limit=limit, before=before))
        assert len(listing.lines) <= limit
        found += [one.id for one in listing.lines]
        before = listing.cursor
    assert found == ids(Asked(limit=100))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (log.ID, Meant(log.ID)),
        ("ETH", Meant(log.ID)),
        ("BTC-PERP@7", Meant("BTC-PERP@70")),
        ("SOL", Meant(None, several=True, near=("SOL-PERP@50", "SOL-PERP@40", "SOL-PERP@30"))),
    ],
)
def test_meant__by_name_or_beginning__is_the_only_one(name: str, found: Meant) -> None:
    assert meant(PAGE, name) == found


@pytest.mark.parametrize("name", ["", "ETH-PERP@16", "eth", "*", "%"])
def test_meant__by_nothing_that_is_there__names_the_nearest(name: str) -> None:
    found = meant(PAGE, name)
    assert (found.id, found.several) == (None, False)
    assert found.near
    assert name != "ETH-PERP@16" or found.near[0] == log.ID
