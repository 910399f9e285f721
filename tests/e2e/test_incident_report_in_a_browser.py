"""The report as one HTML file in a real browser (headless Chromium): on a phone, on a tablet and at a desk nothing is cut off or broken apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from keeper.app.incidents.page import html
from keeper.app.incidents.report import report_of
from keeper.app.incidents.telling import read_story
from tests.support import incident_log as log
from tests.support.browser import chromium

pytestmark = pytest.mark.e2e

CUT = "() => [...document.querySelectorAll('.wide, pre')].filter(e => e.scrollWidth > e.clientWidth).length"
BROKEN = """() => [...document.querySelectorAll('td > span')].filter(e => {
  const lines = document.createRange(); lines.selectNodeContents(e);
  return new Set([...lines.getClientRects()].map(r => Math.round(r.top))).size > 1 && /^[\\d.,]+$/.test(e.innerText.trim());
}).map(e => e.innerText)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    drafts = [*log.whole(), *log.restoring(), log.verification()]
    story = read_story(log.page_of(log.records_of(drafts)), log.ID)
    assert story is not None
    file: Path = tmp_path_factory.mktemp("report") / "incident.html"
    file.write_text(html(report_of(story, "keeper.yaml"), story), "utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    """After the address, which needs an event loop to be made: the browser's driver has this thread's."""
    with chromium() as found:
        yield found


@pytest.mark.parametrize("width", [390, 740, 1130, 1280])
def test_report__at_each_width__no_table_is_cut_and_no_number_is_broken(
    browser: Browser, address: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BROKEN) == []
    assert page.evaluate(CUT) == 0
    assert page.locator("td code").count() > 0
    page.close()
