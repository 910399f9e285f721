"""The section notify: what a receiver can be given, its defaults, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.config.model import AppriseNotify
from keeper.domain.errors import ConfigurationError
from keeper.domain.matters import About, Escalation, Policy
from keeper.domain.verdict import Severity

pytestmark = pytest.mark.unit

Load = Callable[..., Any]
LOG = "  - {kind: log}\n"


def with_receivers(load_good: Load, *lines: str) -> tuple[Policy, ...]:
    text = "".join(f"  - {line}\n" for line in lines)
    return tuple(one.policy for one in load_good((LOG, text)).notify[: len(lines)])


def test_notify__everything_given__is_as_written(load_good: Load) -> None:
    line = (
        '{kind: apprise, name: pager, url: "json://h/p", min_severity: critical, about: [incidents, actions], group: 10s, repeat: 1h, '
        "escalate: {after: 10m, every: 15m, times: 2}}"
    )
    (policy,) = with_receivers(load_good, line)
    about = frozenset({About.INCIDENTS, About.ACTIONS})
    escalate = Escalation(600_000, 900_000, 2)
    assert policy == Policy("pager", Severity.CRITICAL, about, 10_000, 3_600_000, escalate)


def test_notify__nothing_given__log_tells_all_and_others_group(load_good: Load) -> None:
    log, chat = with_receivers(load_good, "{kind: log}", '{kind: apprise, url: "json://h/p"}')
    assert log == Policy("log")
    assert chat == Policy("apprise-1", group_ms=2_000, repeat_ms=600_000)


def test_notify__escalate_alone__has_defaults(load_good: Load) -> None:
    (policy,) = with_receivers(load_good, "{kind: log, escalate: {every: 10m}}")
    assert policy.escalate == Escalation(0, 600_000, 4)


def test_notify__not__is_everything_else(load_good: Load) -> None:
    (policy,) = with_receivers(load_good, "{kind: log, not: [faults, digest]}")
    assert policy.about == {About.INCIDENTS, About.ACTIONS, About.COUNCIL}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{kind: log, about: [fault]}", "not one of the words"),
        ("{kind: log, about: []}", "the list is empty"),
        ("{kind: log, about: [faults], not: [digest]}", "exclude each other"),
        ("{kind: log, not: [incidents, actions, faults, council, digest]}", "nothing is left"),
        ("{kind: log, escalate: {every: 9s}}", "too short"),
        ("{kind: log, escalate: {times: 101}}", "too large"),
        ("{kind: log, escalate: {evry: 10m}}", "unknown key"),
        ("{kind: log, group: -1s}", "negative"),
        ("{kind: log, name: a b}", "name"),
        ('{kind: apprise, name: log, url: "json://h"}\n  - {kind: log, name: log}', "another receiver has this name"),
    ],
)
def test_notify__what_cannot_be__is_refused_at_its_place(load_good: Load, line: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        with_receivers(load_good, line)
    assert all(problem.path.startswith("notify[") for problem in caught.value.problems)


def test_notify__boundaries__are_allowed(load_good: Load) -> None:
    (policy,) = with_receivers(
        load_good, "{kind: log, group: 0s, repeat: 0s, escalate: {after: 0s, every: 10s, times: 0}}"
    )
    assert policy.escalate == Escalation(0, 10_000, 0)
    assert isinstance(load_good().notify[1], AppriseNotify)
