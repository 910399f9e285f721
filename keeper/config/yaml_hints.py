"""What to do about text that is not YAML: the parser says what it did not expect, the reader wants to know what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ENTRY = re.compile(r"\s*(?:- +)*[^\s:#][^:#]*:(?:\s|$)")
_GLUED = re.compile(r"\s*(?:- +)*[\w.-]+:[^\s/]")

_QUOTE_VARIABLE = 'put it in quotes: "${NAME}"'
_QUOTE_NAME = 'put it in quotes: "{name}"'
_COLON = "each line of a section is a key, a colon, a blank and its value: name: my-protocol"
_COLUMN = "the keys of a section begin in one column, and the section's own line has nothing after its colon"
_SPACES = "indent with spaces: a tab is not allowed there"


@dataclass(frozen=True, slots=True)
class Advice:
    """``line`` counts from 1. ``message`` never holds text of the file."""

    line: int | None
    message: str
    hint: str


def advice(error: yaml.YAMLError, text: str) -> Advice:
    """Where the mistake most likely is, what it is, and the remedy."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "cannot be read as YAML"
    if mark is None:
        return Advice(None, problem, "look at quotes, brackets and indentation")
    # the parser ends lines at LF, CR and CRLF, and so must this count
    lines = [*re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text), ""]
    begin = getattr(error, "context_mark", None) or mark
    first, last = begin.line, min(mark.line, len(lines) - 1)
    return (
        _tab(problem, lines, last, mark.column)
        or _first_character(problem, lines, last, mark.column)
        or _flow(problem, lines, first, last)
        or _colon(problem, lines, first, last)
        or _shape(problem, first, last)
        or Advice(last + 1, problem, "look at this line and the one above: quotes, brackets and indentation")
    )


def _tab(problem: str, lines: Sequence[str], last: int, column: int) -> Advice | None:
    if "tab character" in problem or lines[last][column : column + 1] == "\t":
        return Advice(last + 1, "a tab where blanks belong", _SPACES)
    return None


def _first_character(problem: str, lines: Sequence[str], last: int, column: int) -> Advice | None:
    if "cannot start any token" not in problem:
        return None
    sign = lines[last][column : column + 1]
    return Advice(last + 1, f"a value cannot begin with {sign}", "put the value in quotes")


def _flow(problem: str, lines: Sequence[str], first: int, last: int) -> Advice | None:
    """Between brackets a brace begins a mapping, so ``${NAME}`` needs its quotes there."""
    if "expected ',' or" not in problem:
        return None
    for number in range(first, last + 1):
        plain = _plain(lines[number])
        if "${" in plain:
            return Advice(number + 1, "${...} between brackets needs quotes", _QUOTE_VARIABLE)
        if re.search(r"[\w/]\{\w+\}", plain):
            return Advice(number + 1, "{...} inside a text between brackets needs quotes", _QUOTE_NAME)
    closing = problem[-2:-1]
    return Advice(
        first + 1,
        f"a comma or the closing {closing} is missing",
        f"separate entries with commas and end with {closing}",
    )


def _colon(problem: str, lines: Sequence[str], first: int, last: int) -> Advice | None:
    if "could not find expected ':'" in problem:
        return Advice(first + 1, "a colon is missing", _COLON)
    if "mapping values are not allowed" not in problem and "expected <document start>" not in problem:
        return None
    before = next((number for number in range(last - 1, -1, -1) if _plain(lines[number]).strip()), None)
    if len(re.findall(r":(?:\s|$)", _plain(lines[last]))) > 1:
        return Advice(last + 1, "a second colon in one line", "put a value that holds a colon in quotes")
    if before is None:
        return None
    if not _ENTRY.match(_plain(lines[before])):
        missing = "the blank after the colon" if _GLUED.match(_plain(lines[before])) else "a colon"
        return Advice(before + 1, f"{missing} is missing", _COLON)
    return Advice(
        last + 1,
        "indented below a line that has a value already",
        _COLUMN,
    )


def _shape(problem: str, first: int, last: int) -> Advice | None:
    if "unexpected end of stream" in problem:
        return Advice(first + 1, "a quote that begins here is not closed", "close it")
    if "escape character" in problem:
        return Advice(first + 1, problem, "use single quotes: between double quotes a backslash begins an escape")
    if "expected key" in problem:
        return Advice(last + 1, "this line does not fit the ones above", _COLUMN)
    return None


def _plain(line: str) -> str:
    """The line without quoted texts and comment."""
    return _COMMENT.sub("", _QUOTED.sub("''", line))
