"""YAML as far as it is allowed."""

from __future__ import annotations

import pytest

from keeper.config.problems import Report
from keeper.config.tree import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, MAX_NODES, Table, parse, plain_json
from keeper.domain.errors import ConfigurationError, Problem
from keeper.domain.record import Json

pytestmark = pytest.mark.unit


def tree(text: str | bytes) -> Table:
    report = Report()
    root = parse(text if isinstance(text, bytes) else text.encode(), report)
    report.raise_any()
    return root


def refused(data: str | bytes) -> Problem:
    with pytest.raises(ConfigurationError) as caught:
        tree(data)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("999999999999999", 999_999_999_999_999),
        ("1000000000000000", "1000000000000000"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("'true'", "true"),
        ('""', ""),
        ("2%", "2%"),
        ("[1, a]", [1, "a"]),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_parse__a_value__means_what_is_written(written: str, value: Json) -> None:
    assert plain_json(tree(f"key: {written}")) == {"key": value}


def test_parse__lines__of_keys_and_values() -> None:
    root = tree("a:\n  b: 1\n  c:\n    - x\n")
    inner = root.entries["a"]
    assert isinstance(inner, Table)
    assert (root.lines, inner.lines) == ({"a": 1}, {"b": 2, "c": 3})


def test_parse__alias__stands_for_its_anchor() -> None:
    assert plain_json(tree("a: &x {k: 1}\nb: *x\n")) == {"a": {"k": 1}, "b": {"k": 1}}


def test_parse__aliases__at_the_limit_and_above() -> None:
    text = "a: &x 1\nb: [" + ", ".join(["*x"] * MAX_ALIASES) + "]\n"
    assert len(plain_json(tree(text))["b"]) == MAX_ALIASES  # type: ignore[call-overload, index, arg-type]
    assert refused(text.replace("[", "[*x, ")).message == f"more than {MAX_ALIASES} YAML aliases"


def test_parse__nested__at_the_limit_and_above() -> None:
    assert tree("a: " + "[" * (MAX_DEPTH - 1) + "x" + "]" * (MAX_DEPTH - 1))
    assert refused("a: " + "[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH).message == f"nested deeper than {MAX_DEPTH} levels"


def test_parse__deep_beyond_reason__is_refused_without_building_it() -> None:
    assert "nested deeper" in refused("a: " + "[" * 500_000).message


def test_parse__values__at_the_limit_and_above() -> None:
    most = MAX_NODES - 3  # the root, the key and the list count too
    assert tree("a: [" + ",".join(["x"] * most) + "]")
    assert "values" in refused("a: [" + ",".join(["x"] * (most + 1)) + "]").message


def test_parse__bytes__at_the_limit_and_above() -> None:
    text = b"a: 1\n" + b"#" * (MAX_BYTES - 5)
    assert parse(text, Report()).entries["a"]
    assert "larger than" in refused(text + b"#").message


def test_parse__laughs__cost_nothing() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join(['*' + old] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "aliases written out" in refused("\n".join(lines)).message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "empty"),
        ("# only a comment\n", None, "empty"),
        ("~", None, "empty"),
        ("- a\n", 1, "not a mapping"),
        ("text", 1, "not a mapping"),
        ("a: 1\n---\nb: 1\n", 2, "more than one document"),
        ("a: 1\nb: 1: 2\n", 2, "not valid YAML"),
        ("a: [1\n", 1, "not valid YAML"),
        ("a: 1\na: 2\n", 2, "there twice"),
        ("a: !!str 1\n", 1, "tags"),
        ("a: ! 1\n", 1, "tags"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tags"),
        ("!!set {a}\n", 1, "tags"),
        ("a: *b\n", 1, "no anchor before it"),
        ("a: &a [*a]\n", 1, "contains itself"),
        ("a:\n  <<: {b: 1}\n", 2, "merge keys"),
        ("? [a]\n: 1\n", 1, "plain text"),
        ("? !!str a\n: 1\n", 1, "plain text"),
        ("&k a: 1\n", 1, "anchor"),
        ("a: 1\nb: \x07\n", 2, "control character"),
        ("a: 1\nb: \x00\n", 2, "control character"),
        ('a: "\\0"\n', 1, "control character"),
        ('a: "\\e[31m"\n', 1, "control character"),
    ],
)
def test_parse__what_is_not_allowed__is_refused_with_its_line(text: str, line: int | None, message: str) -> None:
    problem = refused(text)
    assert message in problem.message
    assert problem.line == line


def test_parse__not_utf_8__names_the_line() -> None:
    problem = refused(b"a: 1\nb: \xff\n")
    assert (problem.message, problem.line) == ("the file is not UTF-8 text", 2)


def test_parse__duplicates__all_told() -> None:
    report = Report()
    parse(b"a: 1\na: 2\nb: {c: 1, c: 2}\n", report)
    with pytest.raises(ConfigurationError) as caught:
        report.raise_any()
    assert [one.path for one in caught.value.problems] == ["a", "b.c"]
    assert caught.value.problems[0].hint == "keep one of them: the first stands on line 1"


def test_parse__long_and_strange_key__is_shown_in_short_and_plain() -> None:
    problem = refused(f'"{"k" * 200}": 1\n"{"k" * 200}": 2\n')
    assert len(problem.path) == 70
    assert refused('"a\\nb": 1\n"a\\nb": 1\n').path == "a\\nb"
