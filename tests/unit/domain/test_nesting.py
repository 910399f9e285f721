"""JSON that would end the process is told from JSON that only looks like it."""

from __future__ import annotations

import pytest

from keeper.domain.nesting import MAX_DEPTH, too_deep

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth__at_the_limit__is_taken_and_one_more_is_not(opening: str, closing: str) -> None:
    assert not too_deep(opening * MAX_DEPTH + "1" + closing * MAX_DEPTH)
    assert too_deep(opening * (MAX_DEPTH + 1) + "1" + closing * (MAX_DEPTH + 1))
    assert too_deep(opening * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" + ",".join(["[]"] * 10_000) + "]",
        '"' + "[" * 10_000 + '"',
        '["' + '\\"[' * 10_000 + '"]',
        '["\\\\", "' + "[" * 10_000 + '"]',
        '"' + "[" * 10_000,
        "]" * 10_000 + "[" * MAX_DEPTH,
    ],
)
def test_depth__many_brackets_side_by_side_or_in_strings__is_shallow(text: str) -> None:
    assert not too_deep(text)


@pytest.mark.parametrize("text", ['"\\\\"' + "[" * 1_000, '"a" "b"' + "[" * 1_000, "[" * 150 + "]" * 10 + "[" * 61])
def test_depth__real_brackets_behind_strings__count(text: str) -> None:
    assert too_deep(text)


def test_depth__quotes_that_never_end__take_linear_time() -> None:
    assert not too_deep('"' + '\\"' * 1_000_000 + "[" * 1_000)
