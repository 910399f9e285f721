"""Fails a test that showed a secret, and a session whose files hold one. ``tests/conftest.py`` takes all of this over."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator

import pytest

from keeper.domain.errors import KeeperError
from tests.support import secrets_seen

__all__ = ["_no_secret_in_files", "_watched_errors", "_watched_log", "pytest_runtest_makereport"]


class Watch(logging.Handler):
    """At the root, so it sees what a log of the whole program would. What pytest captures holds more: lines that a library was told to keep."""

    def emit(self, record: logging.LogRecord) -> None:
        secrets_seen.note(self.format(record), f"the log {record.name}")


@pytest.fixture(scope="session", autouse=True)
def _watched_log() -> Iterator[None]:
    watch = Watch()
    logging.getLogger().addHandler(watch)
    yield
    logging.getLogger().removeHandler(watch)


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
