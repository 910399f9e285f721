"""The expression over a current value: what it comes to, exactly, and where it is no expression."""

from __future__ import annotations

from fractions import Fraction

import pytest

from keeper.domain.errors import UnitError
from keeper.domain.expression import MAX_LENGTH, MAX_NESTING, parse_expression

pytestmark = pytest.mark.unit

VALUES = [
    ("current", 7, Fraction(7)),
    ("current * 0.5", 7, Fraction(7, 2)),
    ("current/3", 10, Fraction(10, 3)),
    ("current / 3 * 3", 10, Fraction(10)),
    ("1 - 2 - 3", 0, Fraction(-4)),
    ("8 / 4 / 2", 0, Fraction(1)),
    ("1 + 2 * 3", 0, Fraction(7)),
    ("(1 + 2) * 3", 0, Fraction(9)),
    ("-current", 7, Fraction(-7)),
    ("--current", 7, Fraction(7)),
    ("2 - -current", 7, Fraction(9)),
    ("-2 * 3", 0, Fraction(-6)),
    ("min(current, 5)", 7, Fraction(5)),
    ("max(current, 5, 9.25)", 7, Fraction(37, 4)),
    ("max(min(current, 5), 1) - 1", 7, Fraction(4)),
    ("\t 250000 ", 0, Fraction(250_000)),
    ("0.1 + 0.2", 0, Fraction(3, 10)),
    ("current * 0.000000000000000001", 2**256 - 1, Fraction(2**256 - 1, 10**18)),
]


@pytest.mark.parametrize(("text", "current", "value"), VALUES)
def test_expression__a_current_value__is_exact(text: str, current: int, value: Fraction) -> None:
    assert parse_expression(text).value(current) == value


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", 1, "the text ends"),
        ("   ", 4, "the text ends"),
        ("current *", 10, "the text ends"),
        ("current 5", 9, "an operator, or the end"),
        ("5 current", 3, "an operator, or the end"),
        ("curent * 2", 1, "a number, current"),
        ("(current", 9, "a closing parenthesis"),
        ("current)", 8, "an operator, or the end"),
        ("min(current)", 12, "a comma: min takes two or more"),
        ("min current", 5, "an opening parenthesis"),
        ("max(1,)", 7, "a number, current"),
        ("max(1, 2", 9, "a closing parenthesis"),
        ("current % 2", 9, "neither a number"),
        ("current ** 2", 10, "a number, current"),
        ("1e18", 1, "neither a number"),
        ("1_000", 1, "neither a number"),
        (".5", 1, "neither a number"),
        ("5.", 1, "neither a number"),
        ("1.2.3", 1, "neither a number"),
        ("current\n", 8, "neither a number"),
        ("1" * 79, 1, "neither a number"),
        ("0." + "1" * 19, 1, "neither a number"),
        ("(" * MAX_NESTING + "1", MAX_NESTING + 1, "nested deeper"),
        ("-" * MAX_NESTING + "1", MAX_NESTING + 1, "nested deeper"),
        ("٣", 1, "neither a number"),
    ],
)
def test_expression__no_expression__is_refused_with_the_character(text: str, place: int, words: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_expression(text)
    assert caught.value.message.startswith(f"character {place}: ")
    assert words in caught.value.message
    assert caught.value.remedy


def test_expression__as_long_and_as_deep_as_allowed__is_one() -> None:
    deep = "(" * (MAX_NESTING - 1) + "1" + ")" * (MAX_NESTING - 1)
    assert parse_expression(deep).value(0) == 1
    assert parse_expression("1" * 78).value(0) == int("1" * 78)
    assert parse_expression("1" + " " * (MAX_LENGTH - 1)).value(0) == 1
    with pytest.raises(UnitError, match=f"longer than {MAX_LENGTH}"):
        parse_expression("1" + " " * MAX_LENGTH)


@pytest.mark.parametrize(("text", "current"), [("1 / current", 0), ("1 / (current - 3)", 3), ("current / 0", 1)])
def test_expression__a_division_by_zero__is_refused(text: str, current: int) -> None:
    expression = parse_expression(text)
    with pytest.raises(UnitError, match="divided by zero"):
        expression.value(current)
    assert parse_expression("1 / current").value(2) == Fraction(1, 2)
