"""What the council's page shows of queue, proposal and incident."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from keeper.app.council.matter import After, Change, Decoded, Kept, Matter, Standing, Times
from keeper.domain.errors import StoreUnavailable, Unreachable
from keeper.domain.safe import SafeTransaction
from tests.support.council_matters import (
    CHAIN_ID,
    INCIDENT,
    MULTISEND,
    NOW_MS,
    OWNERS,
    POOL,
    SAFE,
    FakeCouncil,
    alarming,
    batch,
    matter,
)
from tests.support.council_page import Page

pytestmark = pytest.mark.unit

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}\N{RIGHT-TO-LEFT OVERRIDE}evil\x00"
COLD_MAX = 100_000
BLOCKS = {"br", "p", "li", "dt", "dd", "pre", "code", "title", "h1"}
"""Where a reader sees a gap."""


class Skeleton(HTMLParser):
    """Tags with their attributes, and the text without them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in BLOCKS:
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


async def shown(one: Matter, *, approve: bool = False) -> str:
    answer = await Page(FakeCouncil([one]), approve=approve).get(f"/proposals/{one.hash}")
    assert answer.status_code == 200, answer.text
    return answer.text


def text_of(html: str) -> str:
    return Skeleton(html).text


async def test_queue__each_proposal__says_what_it_is_and_who_is_missing() -> None:
    answer = await Page(FakeCouncil([matter(), alarming(nonce=5)])).get("/")
    text = text_of(answer.text)
    assert answer.status_code == 200
    for words in (
        "Restore ETH-PERP after the incident",
        "Waiting for 1 more signature",
        "1 of 2",
        f"Bob, {OWNERS[2].address}",
        "(9 min ago)",
        "when nonce 4 is used",
        "ALARM: It makes 0x7099",
    ):
        assert words in text
    assert f'href="/proposals/{matter().hash}"' in answer.text


async def test_queue__empty__says_so() -> None:
    assert "Nothing is open." in text_of((await Page(FakeCouncil([])).get("/")).text)


async def test_queue__with_history__tells_what_was_executed_and_what_is_dead() -> None:
    times = Times(executed_ms=NOW_MS - 3_600_000)
    past = [
        matter(nonce=2, signers=2, standing=Standing.EXECUTED, title="Old one", times=times),
        matter(nonce=3, standing=Standing.DEAD, title="Dead one", times=Times(moot_ms=NOW_MS - 60_000)),
    ]
    text = text_of((await Page(FakeCouncil([], past)).get("/")).text)
    assert "Old one Executed 2025-11-21 03:50:00 UTC (1 h ago)" in text
    assert (
        "Dead one Dead: its nonce was used by another transaction, it can never be executed 2025-11-21 04:49:00 UTC"
        in text
    )


@pytest.mark.parametrize(
    ("standing", "signers", "words", "commands"),
    [
        (Standing.WAITING, 1, "Waiting for 1 more signature", {"show", "confirm", "reject"}),
        (Standing.WAITING, 0, "Waiting for 2 more signatures", {"show", "confirm", "reject"}),
        (Standing.READY, 2, "Ready: enough owners have signed", {"show", "execute", "reject"}),
        (Standing.BEHIND, 2, "Signed, but an earlier nonce", {"show", "reject"}),
        (Standing.EXECUTED, 2, "Executed", {"show"}),
        (Standing.DEAD, 1, "Dead: its nonce was used", {"show"}),
    ],
)
async def test_proposal__of_each_standing__says_it_and_gives_the_commands_that_fit(
    standing: Standing, signers: int, words: str, commands: set[str]
) -> None:
    one = matter(signers=signers, standing=standing)
    html = await shown(one)
    assert words in text_of(html)
    assert ("Becomes pointless" in html) == (standing not in (Standing.EXECUTED, Standing.DEAD))
    assert set(re.findall(rf"keeper council keeper\.yaml (\w+) {one.hash}", html)) == commands


async def test_proposal__everything_of_it__is_on_the_page() -> None:
    one = matter()
    text = text_of(await shown(one))
    for words in (
        "now 500 WETH → after 5000 WETH",
        "Before the keeper acted: 5000 WETH. This puts it back.",
        "now true → after could not be read",
        "Rule oracle-divergence tripped on ETH-PERP: divergence 0.0313 against 0.02 for 3 blocks.",
        "It goes through. 1 of 3 invariants would be BROKEN. Simulated on the node with eth_simulateV1",
        "Holds: oracle-near-market",
        "BROKEN: no-mass-liquidation",
        "Could not be judged: caps-above-use",
        f"✓ signed Alice {OWNERS[0].address}",
        f"○ missing Bob {OWNERS[1].address}",
        f"○ missing {OWNERS[2].address}",
        "Becomes pointless: when nonce 4 is used",
        "They were not taken from any service.",
        "First seen 2025-11-21 04:45:00 UTC (5 min ago), 4 min later",
        "Enough signatures not yet",
        "Set the withdrawal limit of ETH-PERP to 5000 WETH",
        "0.1 of the chain's coin (100000000000000000 wei)",
        "Raw calldata (204 bytes)",
        "keeper: restore ETH-PERP (their words, checked by nobody)",
        "Proposed by this keeper yes, by its log",
    ):
        assert words in text, words
    assert "0x" + one.transaction.data.hex() in text
    assert f'href="/incidents/{INCIDENT.replace("@", "%40")}"' in await shown(one)


async def test_proposal__its_three_hashes__are_those_computed_here_in_groups_of_four() -> None:
    one = matter()
    html = await shown(one)
    transaction = one.transaction
    for digest in (transaction.domain_hash, transaction.message_hash, transaction.hash):
        groups = re.findall("....", digest.hex())
        assert "".join(f"<span>{group}</span>" for group in groups) in html
        assert f'data-hash="0x{digest.hex()}"' in html


async def test_proposal__nested_batch__is_an_indented_list() -> None:
    html = await shown(matter())
    assert html.count('<ol class="calls') == 2
    inner = html.index('<ol class="calls">')
    assert html.index("A batch of 2 calls") < inner < html.index("setWithdrawalLimit(bytes32,uint256)")


async def test_proposal__batch_of_thousands__is_cut_and_says_so() -> None:
    many = replace(batch(), inner=tuple(replace(batch(), inner=(), text=f"call {number}") for number in range(5_000)))
    html = await shown(matter(decoded=many))
    assert "4941 more calls inside are not shown here." in text_of(html)
    assert len(html) < COLD_MAX


async def test_proposal__batches_in_batches_without_end__are_cut_and_say_so() -> None:
    deep = Decoded(POOL, "", 0, False, "deepest()", (), "0x")
    for _ in range(500):
        deep = replace(batch(), inner=(deep,))
    text = text_of(await shown(matter(decoded=deep)))
    assert "1 more call inside is not shown here." in text
    assert "deepest" not in text


async def test_proposal__calldata_longer_than_a_page__is_cut_and_not_signed_here() -> None:
    transaction = SafeTransaction(CHAIN_ID, SAFE, 4, MULTISEND, b"\x11" * (12 * 1024 + 1))
    html = await shown(matter(transaction=transaction), approve=True)
    assert "1 more bytes are not shown here." in text_of(html)
    assert "Its calldata is too long for this page" in text_of(html)
    assert 'id="wallet"' not in html
    assert len(html) < COLD_MAX


async def test_proposal__calldata_just_as_long_as_a_page_takes__is_whole_and_the_page_still_small() -> None:
    transaction = SafeTransaction(CHAIN_ID, SAFE, 4, MULTISEND, b"\x11" * (12 * 1024))
    html = await shown(matter(transaction=transaction), approve=True)
    assert "more bytes are not shown" not in html
    assert 'id="wallet"' in html
    assert len(html) < COLD_MAX


async def test_pages__cold__are_below_100_kb_with_style_and_script() -> None:
    page = Page(approve=True)
    html = len((await page.get(f"/proposals/{matter().hash}")).content)
    files = [len((await page.get(f"/static/{name}")).content) for name in ("page.css", "page.js", "icon.svg")]
    assert html + sum(files) < COLD_MAX


async def test_proposal__with_alarms__shows_them_first_and_offers_no_button() -> None:
    html = await shown(alarming(), approve=True)
    text = text_of(html)
    assert text.index("ALARM: do not sign before you know why") < text.index("Waiting for 1 more")
    assert "It makes 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 an owner" in text
    assert "There are alarms: find out why before anybody signs." in text
    assert "Warning: The keeper's log does not know this proposal." in text
    assert 'id="wallet"' not in html
    assert 'id="signing"' not in html


async def test_proposal__read_only__offers_no_button_and_says_how_else() -> None:
    html = await shown(matter())
    assert "This page is read-only (`http: approve: true`" in text_of(html)
    assert 'id="wallet"' not in html
    assert 'id="signing"' not in html


async def test_proposal__approving__embeds_exactly_the_typed_data_of_the_transaction() -> None:
    one = matter()
    html = await shown(one, approve=True)
    found = re.search(r'<script type="application/json" id="signing">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    signing = json.loads(found.group(1))
    assert signing["typed"] == one.transaction.typed_data()
    assert signing["signed"] == [OWNERS[0].address]
    assert signing["owners"] == [owner.address for owner in OWNERS]


@pytest.mark.parametrize("standing", [Standing.READY, Standing.BEHIND, Standing.EXECUTED, Standing.DEAD])
async def test_proposal__that_needs_no_signature__offers_no_button(standing: Standing) -> None:
    assert 'id="wallet"' not in await shown(matter(signers=2, standing=standing), approve=True)


async def test_proposal__a_signature_that_does_not_count__says_why() -> None:
    one = matter(signers=1)
    bad = replace(one.signed[0], counts=False, why="it is over another hash")
    text = text_of(await shown(replace(one, signed=(bad,))))
    assert f"✗ does not count Alice {OWNERS[0].address}" in text
    assert "it is over another hash" in text
    assert "Signatures: 0 of 2" in text


async def test_proposal__not_simulated_and_failing__are_told_apart() -> None:
    assert "Not simulated. The node cannot." in text_of(await shown(matter(after=After(None, "The node cannot."))))
    assert "It FAILS. It reverts." in text_of(await shown(matter(after=After(False, "It reverts."))))


async def test_proposal__over__tells_when_and_why_and_nothing_that_is_yet_to_come() -> None:
    times = Times(NOW_MS - 60_000, moot_ms=NOW_MS - 1_000, moot_why="nonce 4 was used")
    html = await shown(matter(standing=Standing.DEAD, times=times))
    assert "Pointless: nonce 4 was used 2025-11-21 04:49:59 UTC" in text_of(html)
    assert "not yet" not in text_of(html)


async def test_proposal__that_is_another_than_asked_for__is_an_alarm() -> None:
    class Lying(FakeCouncil):
        async def matter(self, hash_or_prefix: str, /) -> Matter:
            return matter()

    asked = "0x" + 64 * "1"
    html = (await Page(Lying(), approve=True).get(f"/proposals/{asked}")).text
    assert f"ALARM: this page was asked for {asked}, and what was found has another hash." in text_of(html)
    assert 'id="wallet"' not in html


async def test_proposal__hostile_words_everywhere__are_shown_as_words() -> None:
    one = matter(
        title=HOSTILE,
        why=(HOSTILE,),
        changes=(Change(POOL, HOSTILE, (HOSTILE,), HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        decoded=Decoded(POOL, HOSTILE, 0, False, HOSTILE, ((HOSTILE, HOSTILE),), HOSTILE, (), HOSTILE),
        after=After(True, HOSTILE, (Kept(HOSTILE, True, HOSTILE, HOSTILE, HOSTILE),)),
        pointless=HOSTILE,
        market=HOSTILE,
        action=HOSTILE,
        incident=HOSTILE,
        evidence=HOSTILE,
        proposer=HOSTILE,
        delegate=HOSTILE,
        origin=HOSTILE,
        executed_tx=HOSTILE,
        web_url="javascript:alert(1)",
        times=Times(NOW_MS, moot_ms=NOW_MS, moot_why=HOSTILE),
    )
    one = replace(one, signed=(replace(one.signed[0], name=HOSTILE, why=HOSTILE),))
    page = Page(FakeCouncil([one], [one]), approve=True)
    for path in ("/", f"/proposals/{one.hash}"):
        html = (await page.get(path)).text
        skeleton = Skeleton(html)
        assert "<script>alert" not in html
        assert {tag for tag, _ in skeleton.tags} & {"img", "iframe", "form", "object"} == set()
        assert not [
            name for _, attributes in skeleton.tags for name in attributes if name.startswith("on") or name == "style"
        ]
        assert "javascript:" not in html
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
        assert "\x00" not in html
        assert "{{ 7*7 }}" in unescape(html)


async def test_pages__scripts__are_from_a_file_or_are_data() -> None:
    html = await shown(matter(), approve=True)
    scripts = [attributes for tag, attributes in Skeleton(html).tags if tag == "script"]
    assert [(one.get("src"), one.get("type")) for one in scripts] == [
        ("/static/page.js", None),
        (None, "application/json"),
    ]


async def test_pages__headings__go_down_one_level_at_a_time_from_one_h1() -> None:
    page = Page(FakeCouncil([matter(), alarming(nonce=5)], [matter(nonce=2)]), approve=True)
    for path in (
        "/",
        f"/proposals/{matter().hash}",
        f"/proposals/{alarming(nonce=5).hash}",
        f"/incidents/{INCIDENT}",
        "/x",
    ):
        skeleton = Skeleton((await page.get(path)).text)
        levels = [int(tag[1]) for tag, _ in skeleton.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


async def test_pages__landmarks_language_and_title__are_there() -> None:
    skeleton = Skeleton(await shown(matter(), approve=True))
    tags = dict(skeleton.tags)
    assert tags["html"]["lang"] == "en"
    assert {"main", "header", "footer", "nav"} <= tags.keys()
    ids = [attributes["id"] for _, attributes in skeleton.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes.get("aria-labelledby") for tag, attributes in skeleton.tags if tag == "section"}
    assert named <= set(ids)
    assert "Restore ETH-PERP after the incident of block 21044918 · council" in skeleton.text


@pytest.mark.parametrize(
    "path",
    [
        "/proposals/0x12",
        "/proposals/" + "0x" + 64 * "G",
        "/proposals/0x" + 64 * "A",
        "/proposals/0x" + 65 * "a",
        "/proposals/%3Cscript%3E",
        "/proposals/0x" + 64 * "a" + "%0A",
        "/incidents/%3Cscript%3E",
        "/incidents/" + 121 * "a",
        "/incidents/%00",
        "/incidents/a%20b",
    ],
)
async def test_pages__hostile_names__are_400_and_nobody_is_asked(path: str) -> None:
    answer = await Page(FakeCouncil(error=AssertionError("asked"))).get(path)
    assert answer.status_code == 400
    assert "<h1>This is no" in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/proposals/0x" + 64 * "0",
        "/incidents/nobody@1",
        "/static/base.html",
        "/static/..%2Fserver.py",
        "/docs",
        "/openapi.json",
    ],
)
async def test_pages__what_is_not_there__is_404_in_the_same_style(path: str) -> None:
    answer = await Page().get(path)
    assert answer.status_code == 404
    assert 'href="/static/page.css"' in answer.text


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Unreachable("the service does not answer", remedy="wait"), 503, "the service does not answer"),
        (StoreUnavailable("the database is gone"), 503, "the database is gone"),
        (RuntimeError("secret detail"), 500, "The keeper failed to answer"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/proposals/0x" + 64 * "0", f"/incidents/{INCIDENT}"])
async def test_pages__what_fails_behind_them__is_told_without_a_traceback(
    path: str, error: Exception, status: int, words: str
) -> None:
    answer = await Page(FakeCouncil(error=error)).get(path)
    assert answer.status_code == status
    assert words in text_of(answer.text)
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


async def test_pages__many_at_once__ask_only_a_few_at_a_time() -> None:
    class Slow(FakeCouncil):
        inside = most = 0

        async def queue(self) -> list[Matter]:
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.inside -= 1
            return self.matters

    view = Slow()
    page = Page(view)
    answers = await asyncio.gather(*(page.get("/") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert 1 < view.most <= 4


async def test_health__answers_without_asking_anybody() -> None:
    answer = await Page(FakeCouncil(error=AssertionError("asked"))).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
