"""The severity filter, on both sides of each of its boundaries."""

from __future__ import annotations

import pytest

from keeper.adapters.notify.filtered import Filtered
from keeper.adapters.notify.memory import MemoryNotifier
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

pytestmark = pytest.mark.unit

ORDER = [Severity.INFO, Severity.WARNING, Severity.CRITICAL]


def notice(severity: Severity) -> Notice:
    return Notice("key", "title", "body", severity)


@pytest.mark.parametrize("least", ORDER)
@pytest.mark.parametrize("severity", ORDER)
async def test_notify__each_pair_of_severities__passes_only_what_is_severe_enough(
    severity: Severity, least: Severity
) -> None:
    inner = MemoryNotifier()
    delivery = await Filtered(inner, least).notify(notice(severity))
    wanted = ORDER.index(severity) >= ORDER.index(least)
    assert inner.notices == ([notice(severity)] if wanted else [])
    assert delivery.delivered is wanted
    assert delivery.suppressed is not wanted


async def test_notify__held_back__is_no_failure_to_try_again_and_says_why() -> None:
    delivery = await Filtered(MemoryNotifier(), Severity.CRITICAL).notify(notice(Severity.WARNING))
    assert not delivery.recoverable
    assert "warning is below critical" in delivery.message


async def test_notify__the_inner_one_fails__its_answer_is_passed_on() -> None:
    broken = Delivery(delivered=False, recoverable=True, message="the receiver answered HTTP 500")
    filtered = Filtered(MemoryNotifier(broken=broken), Severity.INFO)
    assert await filtered.notify(notice(Severity.INFO)) is broken


def test_name__is_the_inner_ones() -> None:
    assert Filtered(MemoryNotifier("pager"), Severity.INFO).name == "pager"


async def test_close__closes_the_inner_one() -> None:
    class Closing(MemoryNotifier):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    inner = Closing()
    await Filtered(inner, Severity.INFO).close()
    assert inner.closed == 1


async def test_notify__an_end__passes_whatever_its_severity() -> None:
    inner = MemoryNotifier()
    over = Notice("fault/x", "x is up", "", Severity.INFO, ends=True)
    assert (await Filtered(inner, Severity.CRITICAL).notify(over)).delivered
    assert inner.notices == [over]
