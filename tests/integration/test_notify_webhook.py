"""apprise against a real receiver that accepts, refuses, hangs, redirects or is not there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from keeper.adapters.notify.apprise_notifier import open_apprise
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

SECRET = "T0KENabcdef0123456789"
NOTICE = Notice(
    "incident/1",
    "ETH-PERP: oracle-divergence tripped",
    "divergence = 0.031, threshold 0.02, block 12",
    Severity.CRITICAL,
)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


async def test_notify__an_accepting_receiver__gets_title_body_and_kind(hook: Webhook) -> None:
    notifier = await open_apprise(hook.address(f"keeper/{SECRET}"))
    assert await notifier.notify(NOTICE) == Delivery(delivered=True)
    ((path, document),) = hook.received
    assert path.startswith(f"/keeper/{SECRET}")
    assert (document["title"], document["message"], document["type"]) == (NOTICE.title, NOTICE.body, "failure")


@pytest.mark.parametrize(
    ("status", "recoverable"), [(500, True), (503, True), (429, True), (400, False), (403, False), (404, False)]
)
async def test_notify__a_refusing_receiver__is_a_failure_with_its_status(
    hook: Webhook, status: int, recoverable: bool
) -> None:
    hook.status = status
    delivery = await (await open_apprise(hook.address(SECRET))).notify(NOTICE)
    assert delivery == Delivery(
        delivered=False, recoverable=recoverable, message=f"the receiver answered HTTP {status}"
    )
    assert len(hook.received) == 1


async def test_notify__a_receiver_that_hangs__ends_at_the_time_out(hook: Webhook) -> None:
    hook.hang = True
    notifier = await open_apprise(hook.address(SECRET), timeout_s=0.3)
    delivery = await notifier.notify(NOTICE)
    hook.release.set()
    assert delivery == Delivery(delivered=False, recoverable=True, message="no answer in 0.3 s")


async def test_notify__while_a_receiver_hangs__the_loop_goes_on(hook: Webhook) -> None:
    """Only the loop releases the receiver: were the loop blocked, the delivery would end at its time-out instead."""
    hook.hang = True
    notifier = await open_apprise(hook.address(), timeout_s=30)
    sending = asyncio.create_task(notifier.notify(NOTICE))
    assert await asyncio.to_thread(hook.arrived.wait, 30)
    assert not sending.done()
    hook.release.set()
    delivery = await sending
    assert not delivery.delivered
    assert "30 s" not in delivery.message


async def test_notify__a_closed_port__is_a_failure_that_may_pass() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and nobody answers there
        taken.bind(("127.0.0.1", 0))
        notifier = await open_apprise(f"json://127.0.0.1:{taken.getsockname()[1]}/{SECRET}")
        delivery = await notifier.notify(NOTICE)
    assert (delivery.delivered, delivery.recoverable) == (False, True)
    assert SECRET not in delivery.message


async def test_notify__a_redirect__is_no_delivery(hook: Webhook) -> None:
    """A followed redirect would turn the POST into a GET, and its 200 into a delivery that never was."""
    hook.status, hook.location = 302, f"http://127.0.0.1:{hook.port}/elsewhere"
    delivery = await (await open_apprise(hook.address())).notify(NOTICE)
    assert delivery == Delivery(delivered=False, recoverable=True, message="the receiver answered HTTP 302")


async def test_notify__after_a_failure__the_next_one_is_delivered(hook: Webhook) -> None:
    notifier = await open_apprise(hook.address())
    hook.status = 500
    assert not (await notifier.notify(NOTICE)).delivered
    hook.status = 200
    assert (await notifier.notify(NOTICE)).delivered


async def test_notify__whatever_happens__the_secret_is_on_no_stream(
    hook: Webhook, capfd: pytest.CaptureFixture[str]
) -> None:
    notifier = await open_apprise(hook.address(SECRET, query=f"?+Authorization={SECRET}"))
    messages = []
    for status in (200, 401, 500):
        hook.status = status
        messages.append((await notifier.notify(NOTICE)).message)
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err + repr(notifier) + " ".join(messages)
