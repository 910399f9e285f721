"""Styles on a terminal only, and nothing of them with NO_COLOR."""

from __future__ import annotations

import io
import sys

import pytest
import structlog

from keeper.app.cli import logs
from keeper.app.cli.output import Output, coloured

pytestmark = pytest.mark.unit


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


CASES = [
    (True, {}, True),
    (True, {"NO_COLOR": ""}, True),
    (True, {"NO_COLOR": "1"}, False),
    (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    (False, {}, False),
    (False, {"FORCE_COLOR": "1"}, False),
]


@pytest.mark.parametrize(("terminal", "environ", "styled"), CASES)
def test_say__styled__escape_codes_only_where_they_are_wanted(
    terminal: bool, environ: dict[str, str], styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    output = Output()
    for style in ("bold", "bold red", "dim", None):
        output.say("[hello]", style)
    assert ("\x1b" in stream.getvalue()) is styled
    assert stream.getvalue().count("[hello]") == 4
    assert coloured(stream) is styled


@pytest.mark.parametrize(("terminal", "environ", "styled"), CASES)
def test_logs__on_standard_error__escape_codes_only_where_they_are_wanted(
    terminal: bool, environ: dict[str, str], styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    before = structlog.get_config()
    try:
        logs.set_up(0)
        structlog.get_logger("x").warning("hello", block=7)
    finally:
        structlog.configure(**before)
    assert ("\x1b" in stream.getvalue()) is styled
    assert "hello" in stream.getvalue()


def test_say__control_characters__are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(True)
    monkeypatch.setattr(sys, "stdout", stream)
    Output().say("a\x1b[2Jb\x07\rc\u202ed\ne")
    assert stream.getvalue() == "a?[2Jb??c?d\ne\n"
