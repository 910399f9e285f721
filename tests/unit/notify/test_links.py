"""Where to look further: pages where there are pages, else the command to type; the runbook; how to acknowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.app.notifying.links import RUNBOOKS, Links, runbook_of
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.notify_stage import cleared, down, failed, tripped, up

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PAGES = Links("https://keeper.example", "'my keeper.yaml'", "prod on chain 1")
NO_PAGES = Links("", "'my keeper.yaml'", "prod on chain 1")


def test_incident__with_pages__page_runbook_and_how_to_acknowledge() -> None:
    assert PAGES.on(tripped("i 1")).links == (
        "page https://keeper.example/incidents/i%201",
        "runbook docs/runbooks/KeeperTripped.md",
        "acknowledge: keeper notify 'my keeper.yaml' ack 'incident/i 1'",
        "keeper prod on chain 1",
    )


def test_incident__without_pages__the_command() -> None:
    assert NO_PAGES.on(tripped("i-1")).links[0] == "keeper incidents 'my keeper.yaml' show i-1"


def test_outcome__links_to_its_incident() -> None:
    assert PAGES.on(failed()).links[0] == "page https://keeper.example/incidents/i-1"


@pytest.mark.parametrize(
    ("links", "first"), [(PAGES, "page https://keeper.example/status"), (NO_PAGES, "keeper status 'my keeper.yaml'")]
)
def test_fault__links_to_the_state(links: Links, first: str) -> None:
    assert links.on(down("source:eth", Severity.WARNING)).links[0] == first


@pytest.mark.parametrize("notice", [up(), cleared(), down("x", Severity.WARNING), down("x", Severity.INFO)])
def test_acknowledging__what_is_over_or_not_critical__is_not_offered(notice: Notice) -> None:
    assert not [one for one in PAGES.on(notice).links if "ack" in one]


def test_links__of_its_own__come_first_and_none_twice() -> None:
    own = Notice("proposal/0x1", "t", "b", Severity.WARNING, links=("page x", "page x"))
    assert PAGES.on(own).links == ("page x", "runbook docs/runbooks/KeeperCouncilWaiting.md", "keeper prod on chain 1")


@pytest.mark.parametrize("name", sorted(set(RUNBOOKS.values())))
def test_runbooks__every_one_that_is_named__is_there(name: str) -> None:
    assert (ROOT / "docs/runbooks" / f"{name}.md").is_file()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("fault/source:a", "KeeperSourceDown"),
        ("fault/other", "KeeperFault"),
        ("fault/heads", "KeeperNoBlocks"),
        ("digest/1", ""),
    ],
)
def test_runbook_of__longest_beginning__counts(key: str, name: str) -> None:
    assert runbook_of(key) == (f"docs/runbooks/{name}.md" if name else "")
