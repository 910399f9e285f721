"""A council member and the page, in a real browser (headless Chromium) with a wallet in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import pytest
from eth_account.messages import encode_typed_data
from playwright.sync_api import Browser, Page, expect

from keeper.app.council.matter import Matter, Standing
from tests.support.browser import Wallet, chromium, page_of
from tests.support.council_matters import INCIDENT, OWNERS, STRANGER, FakeCouncil, alarming, matter

pytestmark = pytest.mark.e2e

LAPTOP = (1280, 900)
PHONE = (390, 844)
TABS_MAX = 30
TAP_MIN_PX = 24
CONTRAST_MIN = 4.5


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@dataclass
class Member:
    """Somebody in front of the page. Whatever the browser complains about, and whatever it asks elsewhere, is kept in ``complaints``."""

    page: Page
    address: str
    wallet: Wallet
    complaints: list[str] = field(default_factory=list)

    def opens(self, one: Matter) -> None:
        self.page.goto(f"{self.address}/proposals/{one.hash}")

    def approves(self) -> None:
        self.page.get_by_role("button", name="Approve with my wallet").click()

    def is_told(self, words: str) -> None:
        expect(self.page.get_by_role("status")).to_contain_text(words)


@pytest.fixture
def view() -> FakeCouncil:
    return FakeCouncil([matter()])


@pytest.fixture
def wallet() -> Wallet:
    return Wallet()


@pytest.fixture
def member(browser: Browser, view: FakeCouncil, wallet: Wallet) -> Iterator[Member]:
    with page_of(view) as address, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        somebody = Member(page, address, wallet)
        wallet.into(page)
        page.on("pageerror", lambda error: somebody.complaints.append(str(error)))
        page.on(
            "console", lambda message: somebody.complaints.append(message.text) if message.type == "error" else None
        )
        page.on("request", lambda request: _at_home(somebody, request.url))
        yield somebody
        page.unroute_all()
        assert somebody.complaints == []


def _at_home(member: Member, url: str) -> None:
    if not url.startswith(member.address):
        member.complaints.append(f"asked {url}")


def test_member__reads_compares_and_approves__and_sees_the_new_signature(member: Member, view: FakeCouncil) -> None:
    one = view.matters[0]
    member.page.goto(member.address)
    member.page.get_by_role("link", name="Restore ETH-PERP").click()
    text = member.page.locator("main").inner_text()
    assert "500 WETH" in text
    assert "It goes through." in text
    typed = encode_typed_data(full_message=one.transaction.typed_data())
    on_the_page = [part.inner_text().replace("\n", "").replace(" ", "") for part in member.page.locator(".hash").all()]
    assert on_the_page[:2] == ["0x" + typed.header.hex(), "0x" + typed.body.hex()]

    member.approves()

    member.is_told("The signature of Bob (")
    member.is_told("2 of 2 signatures; it can be executed now.")
    expect(member.page.locator("#signatures")).to_contain_text(f"✓ signed Bob {OWNERS[1].address}")
    expect(member.page.locator("#standing")).to_contain_text("Ready: enough owners have signed")
    expect(member.page.get_by_role("button", name="Approve with my wallet")).to_be_hidden()
    expect(member.page.locator("#commands")).to_contain_text(
        f"execute {one.hash} \\ --keystore FILE --password-file FILE"
    )
    expect(member.page.locator("#commands")).not_to_contain_text(" confirm ")
    expect(member.page.locator("#approve-how")).to_contain_text("Enough owners have signed")
    assert member.wallet.asked == ["eth_requestAccounts", "eth_chainId", "eth_signTypedData_v4"]
    assert member.wallet.shown == [one.transaction.typed_data()]
    assert [(safe_tx_hash, via) for safe_tx_hash, _, via in view.confirmed] == [(one.hash, "page")]
    assert view.seen_hashes == [(one.hash, "page")]


def test_member__on_another_chain__signs_nothing_until_the_wallet_is_switched(
    member: Member, view: FakeCouncil
) -> None:
    member.wallet.chain_id = 1
    member.opens(view.matters[0])
    member.approves()
    member.is_told("Your wallet is on chain 1; this Safe is on chain 31337. Nothing was signed.")
    assert "eth_signTypedData_v4" not in member.wallet.asked
    member.page.get_by_role("button", name="Switch my wallet to chain 31337").click()
    member.is_told("The signature of Bob (")
    assert member.wallet.chain_id == 31337


def test_member__whose_wallet_does_not_know_the_chain__is_told_to_add_it(member: Member, view: FakeCouncil) -> None:
    member.wallet.chain_id, member.wallet.knows = 1, {1}
    member.opens(view.matters[0])
    member.approves()
    member.page.get_by_role("button", name="Switch my wallet to chain 31337").click()
    member.is_told("Your wallet does not know chain 31337")
    assert view.confirmed == []


def test_member__who_is_no_owner__is_told_and_signs_nothing(member: Member, view: FakeCouncil) -> None:
    member.wallet.accounts = [STRANGER]
    member.opens(view.matters[0])
    member.approves()
    member.is_told("is not an owner of this Safe")
    assert member.wallet.shown == []


def test_member__who_has_signed__is_told_and_signs_nothing(member: Member, view: FakeCouncil) -> None:
    member.wallet.accounts = [OWNERS[0]]
    member.opens(view.matters[0])
    member.approves()
    member.is_told(f"Alice ({OWNERS[0].address.lower()}) has signed already")
    assert member.wallet.shown == []


def test_member__with_several_accounts__signs_with_the_owner_who_has_not(member: Member, view: FakeCouncil) -> None:
    member.wallet.accounts = [STRANGER, OWNERS[0], OWNERS[2]]
    member.opens(view.matters[0])
    member.approves()
    member.is_told(f"The signature of {OWNERS[2].address} is in.")


@pytest.mark.parametrize("method", ["eth_requestAccounts", "eth_signTypedData_v4"])
def test_member__who_rejects_it_in_the_wallet__may_try_again(member: Member, view: FakeCouncil, method: str) -> None:
    member.wallet.rejects = method
    member.opens(view.matters[0])
    member.approves()
    member.is_told("You rejected it in your wallet. Nothing was signed.")
    assert view.confirmed == []
    member.wallet.rejects = ""
    member.approves()
    member.is_told("The signature of Bob (")


def test_member__signing_what_is_over_meanwhile__is_told_why_it_is_not_taken(member: Member, view: FakeCouncil) -> None:
    one = view.matters[0]
    member.opens(one)
    view.matters = [matter(standing=Standing.DEAD)]
    member.approves()
    member.is_told("It is over: a signature changes nothing any more.")
    assert view.confirmed == []
    assert [line for line in member.complaints if "409" not in line] == []
    member.complaints.clear()  # the browser writes every answer of 4xx to its console


def test_member__pastes_a_signature_made_elsewhere__and_it_is_taken(member: Member, view: FakeCouncil) -> None:
    one = view.matters[0]
    signature = OWNERS[2].sign_typed_data(full_message=one.transaction.typed_data()).signature
    member.opens(one)
    member.page.get_by_text("Paste a signature made elsewhere").click()
    box = member.page.get_by_label("An owner's signature over the safeTxHash")
    box.fill("0x1234")
    member.page.get_by_role("button", name="Send this signature").click()
    member.is_told("This is no signature")
    box.fill(f" 0x{bytes(signature).hex()} ")
    member.page.get_by_role("button", name="Send this signature").click()
    member.is_told(f"The signature of {OWNERS[2].address} is in.")
    assert member.wallet.asked == []


def test_member__seeing_alarms__finds_them_on_the_first_screen_and_no_button(member: Member, view: FakeCouncil) -> None:
    view.matters = [alarming()]
    member.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    member.opens(view.matters[0])
    expect(member.page.get_by_role("heading", name="ALARM: do not sign before you know why")).to_be_in_viewport()
    assert member.page.get_by_role("button").count() == 0
    expect(member.page.locator("#approve")).to_contain_text("There are alarms: find out why before anybody signs.")


def test_member__without_a_wallet__is_told_the_other_ways(browser: Browser, view: FakeCouncil) -> None:
    with page_of(view) as address, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/proposals/{view.matters[0].hash}")
        page.get_by_role("button", name="Approve with my wallet").click()
        expect(page.get_by_role("status")).to_contain_text("This browser has no wallet.")


def test_member__without_javascript__reads_everything_and_is_told_the_commands(
    browser: Browser, view: FakeCouncil
) -> None:
    with page_of(view) as address, browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{address}/proposals/{view.matters[0].hash}")
        expect(page.get_by_text("The commands below work without it.")).to_be_visible()
        expect(page.get_by_role("button", name="Approve with my wallet")).to_be_hidden()
    assert view.seen_hashes == []


def test_member__with_the_keyboard_alone__reaches_the_button_and_approves(member: Member, view: FakeCouncil) -> None:
    member.opens(view.matters[0])
    reached = []
    for _ in range(TABS_MAX):
        member.page.keyboard.press("Tab")
        reached.append(member.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        outline = member.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"the focus is not seen on {reached[-1]}"
        if reached[-1] == "wallet":
            break
    assert reached[0] == "Skip to the content"
    assert reached[-1] == "wallet"
    member.page.keyboard.press("Enter")
    member.is_told("The signature of Bob (")
    expect(member.page.locator("#result")).to_be_focused()


@pytest.mark.parametrize(("size", "scheme"), [(LAPTOP, "dark"), (PHONE, "light")], ids=["laptop-dark", "phone-light"])
def test_pages__at_laptop_and_phone_width__fit_are_readable_and_can_be_tapped(
    browser: Browser, size: tuple[int, int], scheme: str
) -> None:
    odd = matter(nonce=5, title="W" * 300, why=("0x" + "f" * 2_000,), pointless="when " + "x" * 500, market="m" * 64)
    view = FakeCouncil([matter(), alarming(nonce=6), odd], [matter(nonce=2, standing=Standing.DEAD)])
    paths = [
        "/",
        f"/incidents/{INCIDENT}",
        "/nothing",
        *(f"/proposals/{one.hash}" for one in chain(view.matters, view.past)),
    ]
    with (
        page_of(view) as address,
        browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light"
        ) as context,
    ):
        page = context.new_page()
        for path in paths:
            page.goto(address + path)
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
            assert page.evaluate(_SMALL, TAP_MIN_PX) == [], path
            assert page.evaluate(_FAINT, CONTRAST_MIN) == [], path


_SMALL = """(least) => [...document.querySelectorAll("a, button, summary, textarea")]
  .filter((each) => each.offsetParent && !each.classList.contains("skip") && each.getBoundingClientRect().height < least)
  .map((each) => each.textContent)"""

_FAINT = """(least) => {
  const part = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = part(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const each = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !each.getClientRects().length || each.closest("svg, script")) continue;
    const [one, other] = [light(part(getComputedStyle(each).color)), light(ground(each))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < least) faint.add(texts.currentNode.data.trim());
  }
  return [...faint];
}"""
