"""Others' words in a notice do nothing, wherever they are shown; and every message fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.notify.plain import LINE_MAX, TITLE_MAX, cleaned, defused, fitted, one_line, written

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("hostile", "gone"),
    [
        ("hello @everyone", "@everyone"),
        ("hello @here", "@here"),
        ("<!channel> now", "<!channel"),
        ("<@U024BE7LH>", "<@U"),
        ("<@&8812>", "@&"),
        ("<#C024>", "<#"),
        ("[sign here](https://evil.example)", "]("),
        ("[sign here][1]", "]["),
        ("https://evil.example", "://"),
        ("<https://evil.example|click>", "<https"),
        ("mailto:a@b.example", "mailto:"),
        ("javascript:alert(1)", "javascript:"),
        ("||the truth||", "||"),
        ("```hidden```", "`"),
        ("<b>x</b>", "<b"),
    ],
)
def test_defused__what_a_service_makes_something_of__is_broken(hostile: str, gone: str) -> None:
    assert gone in hostile
    assert gone not in defused(hostile)


@pytest.mark.parametrize(
    "text", ["value 0.07 > 0.02", "a < b and c", "price at 3 am", "keeper switch CONFIG on", "5 % | 7 %"]
)
def test_defused__ordinary_words__stay(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize("line", ["# big", "> quoted", "-# small", "### x"])
def test_defused__line_that_would_be_a_heading_or_a_quote__is_plain(line: str) -> None:
    assert not defused(f"a\n{line}").splitlines()[1].startswith(line[0])


@pytest.mark.parametrize(
    "sign", ["\x1b", "\x00", "\x07", "\u202e", "\u2066", "\u200b", "\u200f", "\ufeff", "\u2028", "\x85"]
)
def test_cleaned__signs_that_are_not_seen__are_gone(sign: str) -> None:
    assert sign not in cleaned(f"a{sign}b")
    assert sign not in one_line(f"a{sign}b")


def test_cleaned__lines_letters_and_numbers_of_any_script__stay() -> None:
    text = "первый 第二 é 🔒\n  indented · 5 %"
    assert cleaned(text) == text


@pytest.mark.parametrize(("length", "cut"), [(LINE_MAX, False), (LINE_MAX + 1, True)])
def test_cleaned__long_line__is_cut(length: int, cut: bool) -> None:
    line = cleaned("x" * length)
    assert len(line) == LINE_MAX
    assert line.endswith("[cut]") is cut


@pytest.mark.parametrize(("length", "cut"), [(TITLE_MAX, False), (TITLE_MAX + 1, True)])
def test_one_line__long_title__is_cut(length: int, cut: bool) -> None:
    assert one_line("x" * length).endswith("[cut]") is cut
    assert one_line("a\n\nb\tc") == "a b c"


def test_fitted__too_long__the_end_of_the_body_goes_and_the_links_stay() -> None:
    text = fitted("word " * 500, ["page https://keeper.example/incidents/1", "ack me"], 400)
    assert written(text) <= 400
    assert text.endswith("[cut]\npage https://keeper.example/incidents/1\nack me")


@given(st.text(max_size=300), st.lists(st.text(max_size=60), max_size=8), st.integers(200, 500))
def test_fitted__anything__fits(body: str, links: list[str], limit: int) -> None:
    assert written(fitted(body, links, limit)) <= limit


@given(st.text(max_size=200))
def test_defused__anything__has_no_sign_that_means_something(text: str) -> None:
    assert not re.search(r"@\w|<[!@#/:a-zA-Z]|\][(\[]|://|\|\||`", defused(cleaned(text)))
