"""The pages of the log without a browser: search, one record, incidents, response times; and what hostile records look like there."""

from __future__ import annotations

import asyncio
import html
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keeper.app.pages.log_search import PAGE
from keeper.domain.record import Draft, RecordKind
from tests.support.audit_log import T0, write_log
from tests.support.log_site import (
    HOSTILE,
    Site,
    beginning,
    filled,
    hostile_records,
    incident,
    incident_id,
    site_in_memory,
    site_of,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    asyncio.run(write_log(path, filled()))
    return path


@pytest.fixture
async def site(log: Path) -> AsyncIterator[Site]:
    async with site_of(log) as found:
        yield found


@pytest.fixture
async def hostile(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(tmp_path / "log.db", [*filled(), *hostile_records()]) as found:
        yield found


async def text(site: Site, path: str) -> str:
    answer = await site.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def numbers(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'line-head"><a href="/audit/records/(\d+)"', page)]


async def test_log__walked_by_its_links__shows_each_record_once_and_leads_back() -> None:
    site = await site_in_memory([Draft(RecordKind.JOB, {"number": n}, T0 + n) for n in range(2 * PAGE + 10)])
    newest = await text(site, "/audit?kind=job")
    assert 'rel="prev"' not in newest
    seen, page = numbers(newest), newest
    while link := re.search(r'rel="next" href="([^"]+)"', page):
        page = await text(site, html.unescape(link[1]))
        seen += numbers(page)
    assert seen == list(range(2 * PAGE + 10, 0, -1))
    back = re.search(r'rel="prev" href="([^"]+)"', page)
    assert back is not None
    before = await text(site, html.unescape(back[1]))
    assert numbers(before) == list(range(PAGE + 10, 10, -1))


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("kind=verification", {"verification"}),
        ("kind=effect&kind=receipt&market=ETH-PERP", {"effect", "receipt"}),
        ("market=&action=&incident=&since=&until=&kind=start", {"start"}),
        ("since=2025-11-21T05:10&until=2025-11-21T05:11", {"verification"}),
    ],
)
async def test_log__searched__shows_what_fits_and_keeps_the_fields(site: Site, query: str, kinds: set[str]) -> None:
    page = await text(site, f"/audit?{query}")
    assert set(re.findall(r'class="kind kind-([a-z]+)"', page)) == kinds
    for kind in kinds:
        assert ("kind=" not in query) or f'value="{kind}" checked' in page


@pytest.mark.parametrize(
    "query",
    ["market=' OR 1", "kind=nonsense", "since=soon", "until=2026-02-30T00:00", "x=1", "older=AAAA", "incident=%00", "since=" + "1" * 50],
)  # fmt: skip
async def test_log__searched_for_what_cannot_be__says_what_is_wrong(site: Site, query: str) -> None:
    answer = await site.get(f"/audit?{query}")
    assert answer.status_code in (400, 422)
    assert "What to do:" in answer.text
    assert "sqlite" not in answer.text.lower()


async def test_record__shows_that_its_hash_fits_and_its_neighbours(site: Site) -> None:
    page = await text(site, "/audit/records/2")
    assert "✓ The hash is that of the other columns" in page
    assert "✓ It follows record 1" in page
    assert 'rel="prev" href="/audit/records/1"' in page
    assert 'rel="next" href="/audit/records/3"' in page
    tick = await text(site, "/audit/records/3")
    assert "✓ The content has this hash." in tick
    assert "signals" in tick
    assert "nothing: it is the first" in await text(site, "/audit/records/1")


async def test_record__that_was_changed__is_shown_as_such(tmp_path: Path) -> None:
    async with site_of(tmp_path / "log.db", filled()[:4]) as site:
        assert "NOT" not in await text(site, "/audit/records/2")
        with sqlite3.connect(tmp_path / "log.db") as connection:
            connection.execute("DROP TRIGGER records_no_update")
            connection.execute("UPDATE records SET market = 'X' WHERE seq = 2")
            connection.execute("UPDATE records SET prev_hash = hash WHERE seq = 3")
        assert "The hash is NOT that of the other columns" in await text(site, "/audit/records/2")
        assert "It does NOT follow the record before it" in await text(site, "/audit/records/3")


@pytest.mark.parametrize(
    "seq", ["0", "-1", "1e3", "01", "9223372036854775808", "99999999999999999999", "x", "%00", "١"]
)
async def test_record__of_no_number__is_400(site: Site, seq: str) -> None:
    assert (await site.get(f"/audit/records/{seq}")).status_code == 400


async def test_record__that_is_not_there__is_404(site: Site) -> None:
    assert (await site.get("/audit/records/99999")).status_code == 404


async def test_incidents__list_and_story__say_when_how_long_and_what_came_of_it(site: Site) -> None:
    listed = await text(site, "/incidents?market=ETH-PERP")
    assert "Closed" in listed
    assert "2 min" in listed
    assert "after 412 ms" in listed
    story = await text(site, f"/incidents/{incident_id(0)}")
    for words in ("Block 1000", "Block 1001", "tripped", "included", "effect read back", "time to broadcast", "<svg"):
        assert words in story
    assert story.count('class="event"') == 2 * 4
    assert (await site.get("/incidents/nobody")).status_code == 404
    assert (await site.get("/incidents?market='")).status_code == 422


async def test_incidents__one_that_goes_on__is_still_open(site: Site) -> None:
    listed = await text(site, "/incidents?market=ETH-PERP")
    assert "still open" in listed
    assert "not yet" not in listed


async def test_response_times__of_one_action__say_so() -> None:
    one = await site_in_memory([*beginning(), *incident(0)])
    assert "The table holds one action;" in await text(one, "/audit/response-times")
    two = await site_in_memory([*beginning(), *incident(0), *incident(1)])
    assert "The table holds the newest 2 actions;" in await text(two, "/audit/response-times")


@pytest.mark.parametrize(
    "path", ["/audit", "/audit/records/2", "/incidents", f"/incidents/{incident_id(0)}", "/audit/response-times"]
)
async def test_pages__times_for_people__have_one_form(site: Site, path: str) -> None:
    page = await text(site, path)
    shown = re.findall(r"<time[^>]*>([^<]*)</time>", page)
    assert shown
    assert [one for one in shown if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{3})? UTC", one)] == []


async def test_response_times__hold_a_row_for_each_action_and_percentiles(site: Site) -> None:
    page = await text(site, "/audit/response-times?market=ETH-PERP")
    assert page.count('scope="row"') == 7 + 2
    assert "351.000" in page
    assert (await site.get("/audit/response-times?older=x")).status_code == 400


async def test_hostile_records__are_shown_cut_and_run_nowhere(hostile: Site) -> None:
    first = len(filled()) + 1
    paths = ["/audit", "/incidents", "/incidents/hostile", "/audit/response-times", "/audit?incident=hostile"]
    paths += [f"/audit/records/{first + number}" for number in range(len(hostile_records()))]
    for path in paths:
        page = await text(hostile, path)
        assert len(page) < 120_000, path
        assert "<script>alert" not in page
        for sign in ("\u202e", "\x1b", "\x00"):
            assert sign not in page
        assert "49" not in page or "{{7*7}}" in page
    for form in ("json", "md", "html"):
        answer = await hostile.get(f"/api/v1/incidents/hostile/report?format={form}")
        assert answer.status_code == 200
        assert form == "json" or "<script>alert" not in answer.text
    listed = (await hostile.get(f"/api/v1/records/{first}")).json()
    assert listed["body"]["id"] == HOSTILE


async def test_root__without_a_council__leads_to_the_log(site: Site) -> None:
    answer = await site.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/audit")
