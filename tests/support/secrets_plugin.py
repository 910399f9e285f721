"""Fails a test that showed a secret, and a session whose files hold one. ``tests/conftest.py`` takes all of this over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from keeper.domain.errors import KeeperError
from tests.support import secrets_seen

__all__ = ["_no_secret_in_files", "_watched_errors", "_watched_log", "_watched_reading", "pytest_runtest_makereport"]

_OURS = "keeper"
"""The loggers whose lines are looked at even where nobody wants them written."""


@pytest.fixture(scope="session", autouse=True)
def _watched_log() -> Iterator[None]:
    """Every line that a handler gets, wherever it goes, and of our own loggers those below their level as well."""
    handled, as_text = logging.Logger.callHandlers, logging.Formatter()

    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        if _is_shown(self):
            secrets_seen.note(as_text.format(record), f"the log {record.name}")
        handled(self, record)

    def watched(level: int, written: Callable[..., None]) -> Callable[..., None]:
        def write(self: logging.Logger, message: object, *args: object, **more: Any) -> None:
            if self.name.partition(".")[0] == _OURS and not self.isEnabledFor(level):
                secrets_seen.note(f"{message} {args} {more}", f"the log {self.name}")
            # whoever wrote the line is one call further up than it seems
            written(self, message, *args, **more | {"stacklevel": more.get("stacklevel", 1) + 1})

        return write

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.Logger, "callHandlers", call_handlers)
        patch.setattr(logging.Logger, "debug", watched(logging.DEBUG, logging.Logger.debug))
        patch.setattr(logging.Logger, "info", watched(logging.INFO, logging.Logger.info))
        yield


def _is_shown(logger: logging.Logger | None) -> bool:
    """Not where the keeper has cut a library's log off, since it tells whole addresses. A root without handlers writes to standard error."""
    while logger is not None:
        # pytest hangs a handler of its own on loggers that are cut off
        if any(
            not isinstance(handler, logging.NullHandler) and type(handler).__module__ != "_pytest.logging"
            for handler in logger.handlers
        ):
            return True
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


@pytest.fixture(scope="session", autouse=True)
def _watched_reading() -> Iterator[None]:
    """What a test reads of its own output is no longer there at its end."""
    read = pytest.CaptureFixture.readouterr

    def readouterr(self: pytest.CaptureFixture[Any]) -> Any:
        found = read(self)
        for name, text in (("standard output", found.out), ("standard error", found.err)):
            secrets_seen.note(
                text if isinstance(text, str) else text.decode("utf-8", "replace"), f"{name} that was read"
            )
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytest.CaptureFixture, "readouterr", readouterr)
        yield


@pytest.fixture(scope="session", autouse=True)
def _watched_errors() -> Iterator[None]:
    """Whatever error of the keeper's is made, wherever it is caught: its text goes to people sooner or later."""
    made = KeeperError.__init__

    def init(self: KeeperError, message: str = "", *, remedy: str = "") -> None:
        made(self, message, remedy=remedy)
        secrets_seen.note(f"{self.message}\n{remedy}", f"a {type(self).__name__}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeeperError, "__init__", init)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_secret_in_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Databases, logs, spools and reports of all tests of this process, at its end."""
    yield
    leaks = secrets_seen.find_in_files(tmp_path_factory.getbasetemp())
    assert not leaks, "files of tests show secrets:\n" + "\n".join(map(str, leaks))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was captured so far, what an exception says, and what was noted on the way."""
    report = yield
    leaks = secrets_seen.take()
    for name, text in report.sections:
        # What an earlier phase showed has failed that one.
        if name in (f"Captured stdout {report.when}", f"Captured stderr {report.when}"):
            leaks += secrets_seen.find(text.encode("utf-8", "replace"), name)
    if call.excinfo is not None and not isinstance(call.excinfo.value, AssertionError):
        leaks += secrets_seen.find(str(call.excinfo.value).encode("utf-8", "replace"), call.excinfo.typename)
    if leaks:
        found = "\n".join(dict.fromkeys(map(str, leaks)))
        if report.passed:
            report.outcome = "failed"
            report.longrepr = found
        else:
            report.sections.append(("secrets", found))
    return report
