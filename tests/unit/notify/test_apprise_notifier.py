"""apprise behind the port: what its answers become, and that the address stays secret. Nothing is sent here."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from apprise import AppriseResultStatus

from keeper.adapters.notify.apprise_notifier import AppriseNotifier, open_apprise
from keeper.domain.errors import ConfigurationError
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

pytestmark = pytest.mark.unit

NOTICE = Notice("incident/1", "ETH-PERP: tripped", "divergence = 0.031", Severity.CRITICAL)
SECRET = "T0KENabcdef0123456789"


class Answer:
    """What apprise gives back: a status, log lines, and a context that is to be left."""

    def __init__(self, status: AppriseResultStatus, *lines: str) -> None:
        self.status = status
        self._lines = lines
        self.released = False

    def logs(self) -> Iterator[SimpleNamespace]:
        return iter([SimpleNamespace(message=line) for line in self._lines])

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.released = True


class Collector(logging.Handler):
    """A handler of the root logger, as an application has it (caplog would look behind loggers that keep to themselves)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def root_log() -> Iterator[Collector]:
    collector = Collector()
    logging.getLogger().addHandler(collector)
    yield collector
    logging.getLogger().removeHandler(collector)


class Channel:
    """Stands in for apprise's object and keeps what it was called with."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.calls: list[dict[str, Any]] = []
        self.threads: list[threading.Thread] = []

    def notify(self, **arguments: Any) -> Answer:
        self.calls.append(arguments)
        self.threads.append(threading.current_thread())
        return self._answer


def notifier(channel: Channel, timeout_s: float = 3.0) -> AppriseNotifier:
    return AppriseNotifier(channel, name="pager", timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("severity", "kind"), [(Severity.INFO, "info"), (Severity.WARNING, "warning"), (Severity.CRITICAL, "failure")]
)
async def test_notify__each_severity__is_the_kind_that_apprise_knows(severity: Severity, kind: str) -> None:
    channel = Channel(Answer(AppriseResultStatus.SUCCESS))
    delivery = await notifier(channel).notify(Notice("k", "title", "body", severity))
    assert delivery == Delivery(delivered=True)
    assert channel.calls == [
        {"body": "body", "title": "title", "notify_type": kind, "body_format": "text", "timeout": 3.0}
    ]


async def test_notify__blocking_work__is_done_in_another_thread_and_its_logs_are_released() -> None:
    answer = Answer(AppriseResultStatus.SUCCESS)
    channel = Channel(answer)
    await notifier(channel).notify(NOTICE)
    assert channel.threads != [threading.current_thread()]
    assert answer.released


async def test_notify__a_timeout__may_be_tried_again() -> None:
    delivery = await notifier(Channel(Answer(AppriseResultStatus.TIMEOUT)), timeout_s=2.5).notify(NOTICE)
    assert delivery == Delivery(delivered=False, recoverable=True, message="no answer in 2.5 s")


@pytest.mark.parametrize(
    ("status", "recoverable"),
    [
        (399, True),
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (425, True),
        (429, True),
        (499, False),
        (500, True),
        (503, True),
    ],
)
async def test_notify__an_http_status__says_whether_trying_again_may_help(status: int, recoverable: bool) -> None:
    answer = Answer(
        AppriseResultStatus.FAILURE, "about to send", f"Failed to send JSON POST notification: Words, error={status}."
    )
    delivery = await notifier(Channel(answer)).notify(NOTICE)
    assert delivery == Delivery(
        delivered=False, recoverable=recoverable, message=f"the receiver answered HTTP {status}"
    )


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (f"A Connection error occurred sending notification to {SECRET}.",),
        (f"{SECRET} error=12", f"error={SECRET}"),
    ],
    ids=["none", "connection", "no status"],
)
@pytest.mark.parametrize(
    "status", [AppriseResultStatus.FAILURE, AppriseResultStatus.PARTIAL, AppriseResultStatus.NOMATCH]
)
async def test_notify__a_failure_without_a_status__may_be_tried_again_and_quotes_nothing(
    lines: tuple[str, ...], status: AppriseResultStatus
) -> None:
    delivery = await notifier(Channel(Answer(status, *lines))).notify(NOTICE)
    assert (delivery.delivered, delivery.recoverable) == (False, True)
    assert SECRET not in delivery.message
    assert "could not be reached" in delivery.message


async def test_notify__after_close__sends_nothing() -> None:
    channel = Channel(Answer(AppriseResultStatus.SUCCESS))
    subject = notifier(channel)
    await subject.close()
    delivery = await subject.notify(NOTICE)
    assert (delivery.delivered, delivery.recoverable, channel.calls) == (False, False, [])


@pytest.mark.parametrize(
    "url",
    [
        f"json://receiver.example/hook/{SECRET}",
        f"slack://TJHQ7HQ9R/A1BRTD4JD/{SECRET}ABC",
        f"jsons://user:{SECRET}@receiver.example",
    ],
)
async def test_open__an_address_with_a_secret__is_shown_nowhere(url: str) -> None:
    subject = await open_apprise(url, name="ops")
    assert subject.name == "ops"
    assert SECRET not in f"{subject!r} {subject}"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", "***"),
        (SECRET, "***"),
        (f"nope://receiver/{SECRET}", "nope://***"),
        (f"{SECRET}://receiver", "no scheme://***"),
        ("json://", "json://***"),
        (f"slack://{SECRET}", "slack://***"),
        ("mailto://", "mailto://***"),
        (f"json://[::1/{SECRET}", "json://***"),
    ],
)
async def test_open__an_address_that_cannot_be_used__is_a_configuration_error_at_its_place(
    url: str, found: str, root_log: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"notify\[1\]\.url: apprise cannot use") as caught:
        await open_apprise(url, place="notify[1].url")
    (problem,) = caught.value.problems
    assert problem.found == found
    assert "SERVICE://" in problem.hint
    captured = capfd.readouterr()
    assert SECRET not in f"{caught.value} {problem} {root_log.lines} {captured.out} {captured.err}"


async def test_open__apprises_own_log__stays_with_apprise(root_log: Collector) -> None:
    await open_apprise("json://receiver.example")
    logging.getLogger("apprise").error("a host that is a token: %s", SECRET)
    logging.getLogger("keeper").error("our own line")
    assert root_log.lines == ["our own line"]


def test_import__of_the_package__does_not_import_apprise() -> None:
    modules = "keeper.adapters.notify.apprise_notifier, keeper.adapters.notify.filtered, keeper.adapters.notify.memory"
    code = f"import sys, {modules}; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
