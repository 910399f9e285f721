"""What is not YAML is told with the line where the mistake is and what to write instead."""

from __future__ import annotations

import pytest

from keeper.config.problems import Report
from keeper.config.tree import parse
from keeper.domain.errors import ConfigurationError, Problem

pytestmark = pytest.mark.unit


def refused(text: str) -> Problem:
    def read() -> None:
        report = Report()
        parse(text.encode(), report)
        report.raise_any()

    with pytest.raises(ConfigurationError) as caught:
        read()
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("chain:\n  endpoints:\n    - {url: ${URL}, role: primary}\n", 3, "${...} between brackets", '"${NAME}"'),
        ("a: [\n  1,\n  ${X},\n  2]\n", 3, "${...} between brackets", '"${NAME}"'),
        ("a: [x{id}]\n", 1, "{...} inside a text", '"{name}"'),
        ('a: {u: "${X}" b: 1}\n', 1, "a comma or the closing }", "separate entries with commas"),
        ("a:\n  - [1\nb: 2\n", 2, "a comma or the closing ]", "end with ]"),
        ("a:\n\tb: 1\n", 2, "a tab", "indent with spaces"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "a tab", "indent with spaces"),
        ("a:\n  b: 1\n  \tc: 2\n", 3, "a tab", "indent with spaces"),
        ("a: 1\nb\nc: 2\n", 2, "a colon is missing", "name: my-protocol"),
        ("a: 1\r\nb\r\nc: 2\r\n", 2, "a colon is missing", "name: my-protocol"),
        ("a:\n  b 1\n  c: 2\n", 2, "a colon is missing", "name: my-protocol"),
        ("a:\n  b: 1\n  c 2\nd: 3\n", 3, "a colon is missing", "name: my-protocol"),
        ("keeper  # of us: all\n\n  name: x\n", 1, "a colon is missing", "name: my-protocol"),
        ("a:1\nb: 2\n", 1, "the blank after the colon", "a blank"),
        ("a: 1\nb: 1: 2\n", 2, "a second colon", "in quotes"),
        ("a: 1\n  b: 2\n", 2, "indented below", "one column"),
        ("a:\n  b: 1\n c: 2\n", 3, "does not fit the ones above", "one column"),
        ("a: @x\n", 1, "cannot begin with @", "in quotes"),
        ('a: "x\nb: 1\n', 1, "a quote that begins here", "close it"),
        ('a: "\\d"\n', 1, "escape", "single quotes"),
        ("a: *\n", 1, "alphabetic", "look at this line"),
    ],
)
def test_parse__not_yaml__line_what_it_is_and_what_to_write(text: str, line: int, message: str, hint: str) -> None:
    problem = refused(text)
    assert problem.line == line
    assert problem.message.startswith("not valid YAML: ")
    assert message in problem.message
    assert hint in problem.hint


def test_parse__key_there_twice__says_where_and_what_to_do() -> None:
    problem = refused("a: 1\nb: 2\na: 3\n")
    assert (problem.line, problem.hint) == (3, "keep one of them: the first stands on line 1")


@pytest.mark.parametrize(
    "text", ["a: {key: ${X}, 'sesame", "sesame\nb: 1\n", 'a: "sesame', "a: sesame\n  b: 1", "\tsesame"]
)
def test_parse__not_yaml__no_text_of_the_file_is_repeated(text: str) -> None:
    # it may be a key that was pasted in the wrong place
    assert "sesame" not in repr(refused(text))
