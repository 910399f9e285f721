"""An incident's page from the records of the log."""

from __future__ import annotations

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.pages.incident import incident_story
from keeper.domain.record import Draft, Json, RecordKind

pytestmark = pytest.mark.unit

T0 = 1_763_700_000_000
ID = "ETH-PERP@7"


def draft(kind: RecordKind, body: dict[str, Json], at_ms: int, incident: str | None = ID) -> Draft:
    return Draft(kind, body, at_ms, market="ETH-PERP", incident=incident)


def turn(phase: str, at_ms: int, incident: str = ID) -> Draft:
    verdict: Json = {"rule": "div", "signal": "divergence", "value": "0.0313", "threshold": "0.02"}
    return draft(RecordKind.INCIDENT, {"id": incident, "phase": phase, "verdict": verdict}, at_ms, incident)


def note(at_ms: int, key: str = "page") -> Draft:
    return draft(RecordKind.NOTIFICATION, {"key": key, "notifier": "log", "delivered": True}, at_ms)


async def log(*drafts: Draft) -> MemoryAuditStore:
    store = MemoryAuditStore()
    await store.append(drafts)
    return store


async def test_story__of_an_incident__tells_its_records_and_no_others() -> None:
    store = await log(turn("opened", T0), turn("opened", T0, "BTC-PERP@7"), note(T0 + 5), turn("closed", T0 + 9_000))
    story = await incident_story(store, ID)
    assert story is not None
    assert (story.id, story.market, story.opened_ms, story.closed_ms) == (ID, "ETH-PERP", T0, T0 + 9_000)
    assert [(line.seq, line.at_ms, line.kind) for line in story.lines] == [
        (1, T0, "incident"),
        (3, T0 + 5, "notification"),
        (4, T0 + 9_000, "incident"),
    ]
    assert story.lines[0].text == f"opened {ID}: div: divergence 0.0313 against 0.02"
    assert story.lines[1].text == "page by log: delivered"
    assert not story.more


async def test_story__still_open__has_no_end() -> None:
    story = await incident_story(await log(turn("opened", T0)), ID)
    assert story is not None
    assert story.closed_ms is None


async def test_story__of_nobody__is_none() -> None:
    assert await incident_story(await log(turn("opened", T0)), "ETH-PERP@8") is None


@pytest.mark.parametrize(("notes", "more"), [(2, False), (3, True)])
async def test_story__longer_than_a_page__is_cut_and_still_knows_its_end(notes: int, more: bool) -> None:
    store = await log(turn("opened", T0), *(note(T0 + at) for at in range(notes)), turn("closed", T0 + 9_000))
    story = await incident_story(store, ID, lines_max=4)
    assert story is not None
    assert (len(story.lines), story.more, story.closed_ms) == (4, more, T0 + 9_000)


async def test_story__hostile_words_in_a_record__are_one_printable_line() -> None:
    story = await incident_story(await log(note(T0, "a\x1b[31m\n<b>" + "x" * 1000)), ID)
    assert story is not None
    text = story.lines[0].text
    assert text.isprintable()
    assert len(text) <= 500
    assert (story.opened_ms, story.closed_ms) == (None, None)
