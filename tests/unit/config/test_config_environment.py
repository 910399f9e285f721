"""``${NAME}`` and ``${NAME_FILE}``."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config.environment import Environment, EnvironmentProblem

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B_2}z", "x1y2z"),
        ("${A}${A}", "11"),
        ("$A {A} $", "$A {A} $"),
        ("${NESTED}", "${A}"),
    ],
)
def test_fill__names__become_values_once(text: str, filled: str) -> None:
    assert Environment({"A": "1", "B_2": "2", "NESTED": "${A}"}).fill(text) == filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${MISSING}", "MISSING is not set"),
        ("${EMPTY}", "EMPTY is empty"),
        ("${}", "not the name of a variable"),
        ("${A B}", "not the name of a variable"),
        ("${1A}", "not the name of a variable"),
        ("${A", "has no end"),
        ("${BOTH}", "both BOTH and BOTH_FILE are set"),
        ("${LINES}", "control character"),
        ("${SURROGATE}", "control character"),
        ("${GONE_FILE}", "the file that GONE_FILE names cannot be read"),
        ("${GONE}", "the file that GONE_FILE names cannot be read"),
        ("${UNSET_FILE}", "UNSET_FILE is not set"),
    ],
)
def test_fill__what_cannot_be_filled_in__names_the_variable_and_not_its_value(text: str, message: str) -> None:
    values = {
        "EMPTY": "",
        "BOTH": "zqx",
        "BOTH_FILE": "zqx",
        "LINES": "zqx\nzqx",
        "SURROGATE": "zqx\udcff",
        "GONE_FILE": "/zqx/nothing",
    }
    with pytest.raises(EnvironmentProblem) as caught:
        Environment(values).fill(text)
    assert message in caught.value.message
    assert "zqx" not in caught.value.message + caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize("text", ["${SECRET}", "${SECRET_FILE}"])
@pytest.mark.parametrize(
    ("content", "value"), [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b" abc ", " abc ")]
)
def test_fill__named_by_a_file__takes_its_content(text: str, content: bytes, value: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert Environment({"SECRET_FILE": str(file)}).fill(text) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\n\n", "control character"),
        (b"\xff", "cannot be read"),
        (b"a" * 65_537, "larger than"),
    ],
)
def test_fill__file_without_one_line_of_text__is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(EnvironmentProblem, match=message):
        Environment({"SECRET_FILE": str(file)}).fill("${SECRET}")


def test_fill__file_of_the_largest_size__is_taken(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"a" * 65_536)
    assert len(Environment({"SECRET_FILE": str(file)}).fill("${SECRET}")) == 65_536


def test_of__nothing_given__copies_the_variables_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_TEST_ONLY", "1")
    environment = Environment.of(None)
    monkeypatch.setenv("KEEPER_TEST_ONLY", "2")
    assert environment.fill("${KEEPER_TEST_ONLY}") == "1"
