"""The page of the status in a real browser (headless Chromium): on a phone and at a desk, light and dark, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, expect

from keeper.app.pages import status_pages
from keeper.domain.verdict import Severity
from tests.support.browser import chromium, served
from tests.support.status_stage import StatusStage, app_of, no_log

pytestmark = pytest.mark.e2e

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
COLD_MAX = 100_000
LANDMARKS = ("In short", "Numbers", "Markets", "Would each action work now?", "Incidents", "On its way", "Log")
_LEVELS = "() => [...document.querySelectorAll('h1,h2,h3,h4')].map(e => Number(e.tagName[1]))"
_TABLES = (
    "() => [...document.querySelectorAll('table')].every(t => t.caption && t.querySelectorAll('th[scope]').length)"
)
_METERS = """() => [...document.querySelectorAll('[role=meter]')].filter(e => !e.getAttribute('aria-label')
  || !e.getAttribute('aria-valuetext') || !(Number(e.getAttribute('aria-valuenow')) <= Number(e.getAttribute('aria-valuemax')))).length"""
_FAINT = """() => {
  const parts = (color) => (color.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (e) => {
    const found = parts(getComputedStyle(e).backgroundColor);
    return found.length === 3 || found[3] === 1 ? found : behind(e.parentElement);
  };
  return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(e.tagName)
      && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(e => [e, light(parts(getComputedStyle(e).color)), light(behind(e))])
    .filter(([, a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5).map(([e]) => e.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_pages, "read_facts", no_log)


def calm() -> StatusStage:
    stage = StatusStage()
    stage.run(20)
    stage.probed()
    return stage


def troubled() -> StatusStage:
    stage = StatusStage()
    stage.run(20)
    stage.run(2, {"ETH-PERP": "0.061", "BTC-PERP": "0.017"}, ["SOL-PERP"])
    stage.probed(("BTC-PERP", "pause-market"))
    stage.down("source:SOL-PERP-spot", "the exchange did not answer", "is it up?")
    stage.down("heads", "no node answers", "start one", Severity.CRITICAL)
    stage.not_delivered()
    return stage


def crowded() -> StatusStage:
    stage = StatusStage([f"MARKET-{index:03}-PERP" for index in range(200)])
    stage.run(20)
    stage.tick({f"MARKET-{index:03}-PERP": "0.05" for index in range(30)})
    stage.probed()
    return stage


@pytest.mark.parametrize("make", [calm, troubled, crowded])
def test_status__on_every_screen__fits_has_names_contrast_and_asks_nobody_else(
    browser: Browser, make: Callable[[], StatusStage]
) -> None:
    stage = make()
    with served(app_of(stage)) as base:
        for screen, scheme in ((PHONE, "dark"), (DESK, "light"), (DESK, "dark")):
            look_at(browser, base, screen, scheme)


def look_at(browser: Browser, base: str, screen: dict[str, int], scheme: str) -> None:
    with browser.new_context(viewport=screen, color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        complaints: list[str] = []
        sizes: list[int] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(base) else complaints.append(asked.url))
        page.on("response", lambda got: None if got.url.endswith("/events") else sizes.append(len(got.body())))
        page.goto(f"{base}/status")
        expect(page.locator("#link")).to_have_text("Live")
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
        assert page.locator("h1").count() == 1
        levels = page.evaluate(_LEVELS)
        assert all(after - before <= 1 for before, after in pairwise(levels)), levels
        for name in LANDMARKS:
            expect(page.get_by_role("region", name=name, exact=True)).to_have_count(1)
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        assert page.get_by_role("meter").count() >= 6
        assert page.evaluate(_METERS) == 0
        assert page.evaluate(_TABLES)
        assert page.evaluate(_FAINT) == []
        assert 10_000 < sum(sizes) < COLD_MAX
        assert complaints == []


def test_status__with_the_keyboard__focus_is_seen_and_stays_when_a_new_block_comes(browser: Browser) -> None:
    stage = calm()
    with served(app_of(stage)) as base, browser.new_context(viewport=DESK) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{base}/status")
        expect(page.locator("#link")).to_have_text("Live")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Sources":
                break
        else:
            pytest.fail("the table of sources is not reached by Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
        page.evaluate("document.activeElement.dataset.old = 'yes'")
        stage.tick({"ETH-PERP": "0.05"})
        expect(page.locator("#part-headline")).to_contain_text("1 market tripped: ETH-PERP")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Sources"
        assert page.evaluate("document.activeElement.dataset.old || 'new'") == "new", "it is another element by now"
        assert page.locator("#part-headline").get_attribute("aria-live") == "polite"


def test_status__without_javascript__is_complete_and_loads_itself_anew(browser: Browser) -> None:
    stage = calm()
    with served(app_of(stage)) as base, browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{base}/status")
        expect(page.locator("#part-headline")).to_contain_text("All calm")
        expect(page.locator("#evaluated")).to_contain_text("now")
        stage.run(3)
        expect(page.locator("#part-numbers")).to_contain_text(f"{stage.block - 1:,}", timeout=15_000)


def test_status__no_block_for_long__turns_red_by_itself(browser: Browser) -> None:
    stage = calm()
    with served(app_of(stage)) as base, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{base}/status")
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.locator("#evaluated")).not_to_have_class("late")
        stage.clock._start_ms += 11_000
        expect(page.locator("#evaluated")).to_have_class("late", timeout=15_000)
        expect(page.get_by_role("alert")).to_contain_text("No block was evaluated since")
        assert page.evaluate(_FAINT) == []
