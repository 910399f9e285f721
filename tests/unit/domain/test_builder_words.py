"""Many answers in one line."""

from __future__ import annotations

import pytest

from keeper.domain.builder_words import in_one_line

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], ""),
        ([("a", "accepted", "0xhash"), ("a", "refused", "no"), ("b", "known", "")], "taken by a, b"),
        ([("a", "refused", "no"), ("a", "accepted", "")], "taken by a"),
        ([("a", "refused", "no"), ("b", "invalid", "no"), ("a", "refused", "nor this")], "refused by a, b (no)"),
        ([("a", "refused", "x"), ("b", "refused", "y")], "refused by a (x); refused by b (y)"),
        ([("a", "unreachable", "time-out"), ("b", "accepted", "")], "taken by b; no answer from a (time-out)"),
        ([("a", "unreachable", ""), ("a", "refused", "no")], "refused by a (no)"),
        ([("a", "refused", "block 7: no"), ("b", "refused", "block 8: HTTP 400: no")], "refused by a, b (no)"),
        ([("a", "refused", "HTTP 404: ")], "refused by a (HTTP 404:)"),
        ([("a", "refused", "in block 7: no")], "refused by a (in block 7: no)"),
    ],
)
def test_in_one_line__answers__each_is_named_once(answers: list[tuple[str, str, str]], expected: str) -> None:
    assert in_one_line(answers) == expected


def test_in_one_line__a_long_reason__is_cut() -> None:
    assert len(in_one_line([("a", "refused", "x" * 999)])) < 130
