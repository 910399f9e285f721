"""Notices in the log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from keeper.adapters.notify.log import LogNotifier
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("severity", "level"), [(Severity.INFO, "info"), (Severity.WARNING, "warning"), (Severity.CRITICAL, "error")]
)
async def test_notify__each_severity__is_one_line_at_its_level(severity: Severity, level: str) -> None:
    with capture_logs() as lines:
        delivery = await LogNotifier().notify(Notice("incident/1", "ETH-PERP: tripped", "divergence = 0.031", severity))
    assert delivery == Delivery(delivered=True)
    assert lines == [
        {
            "event": "ETH-PERP: tripped",
            "key": "incident/1",
            "severity": str(severity),
            "body": "divergence = 0.031",
            "log_level": level,
        }
    ]


async def test_notify__body_of_several_lines__is_one_line() -> None:
    with capture_logs() as lines:
        await LogNotifier().notify(Notice("k", "t", "price = 1\nincident 7\n\r\nlook there", Severity.INFO))
    assert lines[0]["body"] == "price = 1 | incident 7 | look there"


def test_levels__every_severity__has_one() -> None:
    from keeper.adapters.notify.log import _LEVELS

    assert set(_LEVELS) == set(Severity)


def test_name__is_log_unless_told__otherwise() -> None:
    assert LogNotifier().name == "log"
    assert LogNotifier("journal").name == "journal"
