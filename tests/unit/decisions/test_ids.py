"""Ids: unique, computable again, and not remembered for ever."""

from __future__ import annotations

import pytest

from keeper.decisions.ids import REORG_DEPTH, Ids

pytestmark = pytest.mark.unit


def test_ids__first_time__is_the_plain_one() -> None:
    ids = Ids()
    assert ids.issue("M@7/pause/7", 7) == "M@7/pause/7"
    assert ids.issue("M@7/limit/7", 7) == "M@7/limit/7"


def test_ids__again_at_one_block__is_numbered() -> None:
    ids = Ids()
    assert [ids.issue("a/7", 7) for _ in range(3)] == ["a/7", "a/7~2", "a/7~3"]


def test_ids__chain_goes_back__the_id_of_the_replaced_block_is_not_reused() -> None:
    ids = Ids()
    ids.issue("a/7", 7)
    ids.issue("a/8", 8)
    assert ids.issue("a/7", 7) == "a/7~2"


def test_ids__reorg_depth__both_sides() -> None:
    ids = Ids()
    ids.issue("a/7", 7)
    ids.issue("x", 7 + REORG_DEPTH)
    assert ids.issue("a/7", 7) == "a/7~2"
    ids.issue("x", 8 + REORG_DEPTH)
    assert ids.issue("a/7", 7) == "a/7"


def test_ids__over_a_long_time__memory_is_bounded() -> None:
    ids = Ids()
    for block in range(5 * REORG_DEPTH):
        ids.issue(f"a/{block}", block)
    assert len(ids.issued) <= REORG_DEPTH + 1


@pytest.mark.parametrize(
    ("given", "base", "following"),
    [
        ("M@5", "M@5", "M@5~2"),
        ("M@5~2", "M@5", "M@5~3"),
        ("M@5/pause/7", "M@5/pause/7", "M@5/pause/7~2"),
        ("M@5~2/pause/7", "M@5~2/pause/7", "M@5~2/pause/7~2"),
        ("M@5~2/pause/7~4", "M@5~2/pause/7", "M@5~2/pause/7~5"),
    ],
)
def test_ids__given_out_before_a_restart__never_again(given: str, base: str, following: str) -> None:
    ids = Ids()
    ids.given(given, 7)
    assert ids.issue(base, 7) == following
