"""Commands that are printed to be typed: they fit the screen, and a shell reads them as they were meant."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.cli.typed import FOLD_AT, folded

pytestmark = pytest.mark.unit


def test_folded__as_long_as_the_line__stays_on_one() -> None:
    assert folded("a" * 10, "b" * (FOLD_AT - 11)) == "a" * 10 + " " + "b" * (FOLD_AT - 11)


def test_folded__one_more__goes_on_below() -> None:
    assert folded("a" * 10, "b" * (FOLD_AT - 10)) == "a" * 10 + " \\\n  " + "b" * (FOLD_AT - 10)


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60), min_size=1, max_size=12))
def test_folded__any_words__are_read_as_one_command_on_lines_that_fit(words: list[str]) -> None:
    quoted = [shlex.quote(word) for word in words]
    text = folded(*quoted)
    assert shlex.split(text.replace(" \\\n", " ")) == words
    assert all(len(line) <= FOLD_AT + 2 or len(shlex.split(line.removesuffix("\\"))) == 1 for line in text.splitlines())
