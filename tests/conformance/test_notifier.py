"""What every notifier does, whoever is at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from structlog.testing import capture_logs

from keeper.adapters.notify.apprise_notifier import open_apprise
from keeper.adapters.notify.filtered import Filtered
from keeper.adapters.notify.log import LogNotifier
from keeper.adapters.notify.memory import MemoryNotifier
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice, Notifier
from tests.support.webhook import webhook

pytestmark = pytest.mark.conformance

SECRET = "T0KENabcdef0123456789"

Subject = tuple[Notifier, Callable[[], list[tuple[str, str]]]]


def notice(number: int = 1, severity: Severity = Severity.WARNING) -> Notice:
    return Notice(
        f"incident/{number}", f"ETH-PERP: tripped {number}", "divergence = 0.031\nthreshold 0.02 · é 🔒", severity
    )


def pair(one: Notice) -> tuple[str, str]:
    return one.title, one.body


@pytest.fixture
def memory() -> Subject:
    inner = MemoryNotifier()
    return inner, lambda: [pair(one) for one in inner.notices]


@pytest.fixture
def filtered() -> Subject:
    inner = MemoryNotifier()
    return Filtered(inner, Severity.INFO), lambda: [pair(one) for one in inner.notices]


@pytest.fixture
def log() -> Iterator[Subject]:
    with capture_logs() as lines:
        yield LogNotifier(), lambda: [(line["event"], line["body"].replace(" | ", "\n")) for line in lines]


@pytest.fixture
async def apprise() -> AsyncIterator[Subject]:
    with webhook() as hook:
        subject = await open_apprise(hook.address(SECRET))
        yield subject, lambda: [(document["title"], document["message"]) for _, document in hook.received]


@pytest.fixture(params=["memory", "filtered", "log", "apprise"])
def subject(request: pytest.FixtureRequest) -> Subject:
    made: Subject = request.getfixturevalue(request.param)
    return made


async def test_notify__one_notice__arrives_once_with_title_and_body(subject: Subject) -> None:
    notifier, arrived = subject
    assert await notifier.notify(notice()) == Delivery(delivered=True)
    assert arrived() == [pair(notice())]


@pytest.mark.parametrize("severity", list(Severity))
async def test_notify__every_severity__is_delivered(subject: Subject, severity: Severity) -> None:
    notifier, arrived = subject
    assert (await notifier.notify(notice(severity=severity))).delivered
    assert len(arrived()) == 1


async def test_notify__several_at_once__all_arrive(subject: Subject) -> None:
    notifier, arrived = subject
    deliveries = await asyncio.gather(*(notifier.notify(notice(number)) for number in range(5)))
    assert all(delivery.delivered for delivery in deliveries)
    assert sorted(arrived()) == sorted(pair(notice(number)) for number in range(5))


async def test_notify__the_same_notice_twice__is_two_deliveries(subject: Subject) -> None:
    """Telling repeats apart is the caller's business: a notifier drops nothing."""
    notifier, arrived = subject
    for _ in range(2):
        assert (await notifier.notify(notice())).delivered
    assert len(arrived()) == 2


async def test_name__is_short_and_no_address(subject: Subject) -> None:
    notifier, _ = subject
    assert 0 < len(notifier.name) <= 40
    assert "://" not in notifier.name
    assert SECRET not in notifier.name + repr(notifier)


async def test_close__twice__is_harmless_and_a_later_notice_raises_nothing(subject: Subject) -> None:
    notifier, _ = subject
    await notifier.close()
    await notifier.close()
    assert isinstance(await notifier.notify(notice()), Delivery)
