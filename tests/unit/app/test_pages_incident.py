"""An incident's page as council members see it: the log's own, with links to the proposals, and open to them where the log is not."""

from __future__ import annotations

import re
from html import unescape

import pytest

from keeper.app.api.access import token_hash
from keeper.app.pages.incident_sheet import MOMENTS_MAX
from keeper.domain.record import Draft, Json, RecordKind
from tests.support.council_matters import INCIDENT, NOW_MS, FakeCouncil, about, matter, story
from tests.support.council_page import Page

pytestmark = pytest.mark.unit

PATH = f"/incidents/{INCIDENT}"
T0 = NOW_MS - 900_000


def note(at_ms: int, key: str = "page") -> Draft:
    return about(RecordKind.NOTIFICATION, {"key": key, "notifier": "log", "delivered": True}, at_ms)


def closed(at_ms: int) -> Draft:
    verdict: Json = {"rule": "oracle-divergence", "signal": "divergence", "value": "0.001", "threshold": "0.02"}
    return about(RecordKind.INCIDENT, {"id": INCIDENT, "phase": "closed", "verdict": verdict}, at_ms)


def proposed(safe_tx_hash: str) -> Draft:
    made: dict[str, Json] = {"step": "made", "safe_tx_hash": safe_tx_hash, "title": "x"}
    return about(RecordKind.PROPOSAL, made, NOW_MS - 5_000)


async def shown(*more: Draft, page: Page | None = None) -> str:
    answer = await (page or Page(FakeCouncil(log=story(*more)))).get(PATH)
    assert answer.status_code == 200, answer.text
    return answer.text


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def moments(html: str) -> list[int]:
    """Their records, in the order of the page."""
    return [int(found) for found in re.findall(r'class="done theme-\w+">.*?>record (\d+)<', html)]


async def test_incident__tells_its_records_and_no_others_with_a_link_to_the_proposal() -> None:
    other = Draft(RecordKind.INCIDENT, {"id": "BTC-PERP@7", "phase": "opened"}, T0, "BTC-PERP", None, "BTC-PERP@7")
    html = await shown(other, note(NOW_MS - 60_000))
    text = words(html)
    assert moments(html) == [1, 2, 3, 5]
    assert "BTC-PERP@7" not in text
    assert "Began 2025-11-21 04:35:00 UTC (15 min ago) Ended not yet" in text
    assert "effect record 2 2025-11-21 04:35:01.000 UTC read back at block 21044919: paused" in text
    assert "notification record 5" in text
    assert html.count(f'href="/proposals/{matter().hash}"') == 1
    assert f"keeper incidents keeper.yaml report {INCIDENT}" in text


async def test_incident__with_a_proposal_of_no_hash__has_no_link_to_it() -> None:
    html = await shown(proposed("javascript:alert(1)"), proposed("0x" + 63 * "a"))
    assert html.count('href="/proposals/') == 1
    assert 'href="javascript:' not in html


async def test_incident__that_is_over__says_when() -> None:
    assert "Ended 2025-11-21 04:49:00 UTC (1 min ago" in words(await shown(closed(NOW_MS - 60_000)))


@pytest.mark.parametrize(("records", "left_out"), [(MOMENTS_MAX, 0), (MOMENTS_MAX + 1, 1)])
async def test_incident__longer_than_a_page__is_cut_and_still_knows_its_end(records: int, left_out: int) -> None:
    notes = [note(T0 + 1_000 + at, f"n{at}") for at in range(records - len(story()) - 1)]
    html = await shown(*notes, closed(NOW_MS - 60_000))
    assert len(moments(html)) == MOMENTS_MAX
    assert (f"{left_out} more are not shown here." in html) == bool(left_out)
    assert "Ended 2025-11-21 04:49:00 UTC" in words(html)


async def test_incident__hostile_words_in_a_record__are_cut_and_run_nowhere() -> None:
    html = await shown(note(T0, "a\x1b[31m\n<b>\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 1_000))
    assert "<b>" not in html
    assert not {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(html)
    assert len(max(re.findall("x+", html), key=len)) <= 400


async def test_incident__of_nobody__is_404() -> None:
    assert (await Page().get("/incidents/ETH-PERP@8")).status_code == 404


TOKENS = {"smith": token_hash("t0ken")}


@pytest.mark.parametrize(("tokens", "refused"), [({}, 403), (TOKENS, 401)])
async def test_member__elsewhere_and_without_a_token__reads_what_a_proposal_is_about_and_nothing_else_of_the_log(
    tokens: dict[str, str], refused: int
) -> None:
    secret = Draft(RecordKind.INCIDENT, {"id": "BTC-PERP@7", "phase": "opened"}, T0, "BTC-PERP", None, "BTC-PERP@7")
    page = Page(FakeCouncil(log=story(secret)), listen_host="192.0.2.7", url="http://127.0.0.1:8642", tokens=tokens)
    assert moments(await shown(page=page)) == [1, 2, 3]
    for path in ("/incidents/BTC-PERP@7", "/incidents/nobody@1", "/incidents", "/audit", "/audit/records/1"):
        assert (await page.get(path)).status_code == refused, path
    assert (await page.get("/api/v1/records")).status_code == refused


async def test_member__where_nobody_reads_the_log__finds_no_links_that_lead_nowhere() -> None:
    page = Page(listen_host="192.0.2.7", url="http://127.0.0.1:8642")
    for path in ("/", PATH):
        html = (await page.get(path)).text
        assert not re.search(r'href="/(audit|api|incidents")', html), path
    assert 'href="/audit' in await shown()


async def test_member__who_asks_too_often__is_told_to_wait() -> None:
    page = Page(rate=2, listen_host="192.0.2.7", url="http://127.0.0.1:8642")
    assert [(await page.get(PATH)).status_code for _ in range(3)] == [200, 200, 429]
