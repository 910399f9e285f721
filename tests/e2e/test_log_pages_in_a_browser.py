"""An auditor and the pages of the log in a real browser (headless Chromium), on a phone and at a desk, with and without JavaScript."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.public_reader import PublicReader
from tests.support.audit_log import write_log
from tests.support.browser import chromium, served
from tests.support.log_site import TOKEN, build_site, filled, hostile_records, incident_id

pytestmark = pytest.mark.e2e

LARGE = 100_000
"""More than any page shows."""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
PATHS = (
    "/audit",
    "/audit?kind=effect",
    "/audit/records/3",
    f"/audit/records/{len(filled()) + 1}",
    "/incidents",
    f"/incidents/{incident_id(0)}",
    "/incidents/hostile",
    "/audit/response-times",
)
_NAMELESS = """() => [...document.querySelectorAll('a,button,input:not([type=hidden]),summary')]
  .filter(e => e.checkVisibility() && !(e.innerText || (e.labels && e.labels.length) || e.getAttribute('aria-label'))).map(e => e.outerHTML)"""
_LEVELS = "() => [...document.querySelectorAll('h1,h2,h3')].map(e => Number(e.tagName[1]))"
_TABLES = (
    "() => [...document.querySelectorAll('table')].every(t => t.caption && t.querySelectorAll('th[scope]').length > 1)"
)
_CUT = "() => [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).length"
_NARROW = """() => [...document.querySelectorAll('td')].filter(e => e.checkVisibility())
  .map(e => [e.getBoundingClientRect(), e.closest('.wide').getBoundingClientRect()])
  .filter(([e, around]) => e.width < 40 || (innerWidth < 640 && (e.left - around.left < 8 || e.width < 250))).length"""
_COVERED = """() => [...document.querySelectorAll('circle.event')].filter(mark => {
  const [a, b] = [mark, document.querySelector('polyline.signal')].map(e => e.getBoundingClientRect());
  return a.bottom > b.top && a.right > b.left && b.right > a.left; }).length"""
_SMALL = """() => [...document.querySelectorAll('a,button,summary,.checks label')]
  .filter(e => e.checkVisibility() && !['skip', 'small'].includes(e.className) && !e.closest('p.small,dd,table'))
  .filter(e => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().height < 24)
  .map(e => e.outerHTML)"""


def apart(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """In a thread of its own: the browser's driver has this one's event loop."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: asyncio.run(work())).result()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    apart(lambda: write_log(path, [*filled(), *hostile_records(LARGE)]))
    return path


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest, log: Path) -> Iterator[tuple[str, bool]]:
    site = build_site(PublicReader(sqlite_url(log)), tokens=request.param)
    with served(site.app) as found:
        yield found, request.param
    apart(site.reader.close)


def opened(page: Page, address: tuple[str, bool]) -> str:
    """Past the form, where there is one."""
    base, asks = address
    page.set_default_timeout(20_000)
    page.goto(f"{base}/audit")
    if asks:
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Open the log").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What the log says")
    return base


@pytest.mark.parametrize(
    ("address", "screen"), [(False, PHONE), (True, DESK)], ids=["phone", "desk"], indirect=["address"]
)
def test_pages__on_every_screen__fit_have_names_and_ask_nobody_else(
    browser: Browser, address: tuple[str, bool], screen: dict[str, int]
) -> None:
    dark = "dark" if screen is DESK else "light"
    with browser.new_context(viewport=screen, color_scheme=dark) as context:  # type: ignore[arg-type]
        page = context.new_page()
        base = opened(page, address)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda asked: None if asked.url.startswith(base) else complaints.append(asked.url))
        for path in PATHS:
            page.goto(base + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"], path
            assert page.locator("h1").count() == 1
            assert page.evaluate(_NAMELESS) == []
            assert page.evaluate(_TABLES)
            assert page.evaluate(_COVERED) == 0, path
            assert path == "/audit/response-times" or page.evaluate(_CUT) == 0, path
            assert page.evaluate(_NARROW) == 0, path
            assert page.evaluate(_SMALL) == []
            levels = page.evaluate(_LEVELS)
            assert all(after - before <= 1 for before, after in pairwise(levels)), levels
        assert complaints == []


@pytest.mark.parametrize("address", [True], indirect=True)
def test_auditor__without_javascript_and_with_the_keyboard__searches_and_reads_a_record(
    browser: Browser, address: tuple[str, bool]
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        opened(page, address)
        page.locator("summary", has_text="Search").click()
        page.get_by_role("textbox", name="Incident").fill(incident_id(1))
        page.get_by_role("textbox", name="Incident").press("Enter")
        expect(page.locator(".records li").first).to_contain_text(incident_id(1))
        page.locator(".records a").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Record ")
        expect(page.locator("main")).to_contain_text("✓ The hash is that of the other columns")
        if address[1]:
            page.goto(f"{address[0]}/audit")
            page.get_by_role("button", name="Forget my token here").click()
            expect(page.get_by_label("Token")).to_be_visible()
