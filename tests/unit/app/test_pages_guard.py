"""Who may ask the council's page for what: names, origins, sizes, headers, how often."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from keeper.app.pages.guard import BODY_MAX, HEADERS, RateLimit, host_name
from keeper.app.pages.problem import PageProblem
from tests.support.council_matters import FakeCouncil, matter
from tests.support.council_page import ORIGIN, SAME_ORIGIN, Page
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

PATH = f"/proposals/{matter().hash}/seen"
CONFIRM = f"/proposals/{matter().hash}/confirmations"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/nothing"), ("GET", "/healthz"), ("GET", "/static/page.js"), ("POST", PATH), ("PUT", "/")],
)
async def test_headers__on_every_answer__are_strict(method: str, path: str) -> None:
    answer = await Page().request(method, path)
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert "set-cookie" not in answer.headers


async def test_headers__of_a_failure_of_ours__are_strict_too() -> None:
    answer = await Page(FakeCouncil(error=RuntimeError("broken"))).get("/")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_policy__allows_no_inline_script_no_style_attribute_and_no_frame() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'none'" in policy
    assert re.findall(r"script-src ([^;]*)", policy) == ["'self'"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8642", "localhost", "LOCALHOST:1", "[::1]:8642", "keeper.example.org", "Keeper.Example.org:443"]
)
async def test_host__that_is_ours__is_answered(host: str) -> None:
    assert (await Page(url="https://keeper.example.org").get("/", host=host)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "keeper.example.org.evil",
        "",
        "localhost@evil",
        "[::2]",
        "a b",
        "0.0.0.0",
    ],
)
async def test_host__that_is_not_ours__is_refused_for_every_path_but_the_probe(host: str) -> None:
    page = Page(FakeCouncil(error=AssertionError("asked")), url="https://keeper.example.org", listen_host="0.0.0.0")
    for path in ("/", "/static/page.js", f"/proposals/{matter().hash}"):
        answer = await page.get(path, host=host)
        assert answer.status_code == 421
        assert "http: url:" in answer.text
    for path in ("/api/v1/records", "/api/v1/openapi.json", "/api", "/api/nothing"):
        answer = await page.get(path, host=host)
        assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")
        assert "http: url:" in answer.json()["remedy"]
    assert (await page.post(PATH, {}, {**SAME_ORIGIN, "host": host})).status_code == 421
    assert (await page.get("/healthz", host=host)).status_code == 200


async def test_host__that_it_listens_on__is_ours() -> None:
    assert (await Page(listen_host="192.0.2.7").get("/", host="192.0.2.7:8642")).status_code == 200
    assert (await Page().get("/", host="192.0.2.7:8642")).status_code == 421


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("a.b:1", "a.b"),
        ("[::1]", "::1"),
        ("[::1]:65535", "::1"),
        ("A", "a"),
        ("a:", None),
        ("a:123456", None),
        ("", None),
        ("a/b", None),
    ],
)
def test_host_name__of_a_header__is_its_name_or_nothing(header: str, name: str | None) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "file://127.0.0.1:8642"},
        {"origin": ORIGIN, "sec-fetch-site": "same-site"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    ],
)
async def test_post__not_from_this_page__is_refused(headers: dict[str, str]) -> None:
    view = FakeCouncil()
    for path in (PATH, CONFIRM):
        answer = await Page(view, approve=True).post(path, {}, headers)
        assert answer.status_code == 403
        assert answer.json()["message"] == "This request did not come from this page."
    assert view.seen_hashes == []


@pytest.mark.parametrize("headers", [SAME_ORIGIN, {"origin": ORIGIN}])
async def test_post__from_this_page__is_taken(headers: dict[str, str]) -> None:
    assert (await Page().post(PATH, {}, headers)).status_code == 200


async def test_post__through_a_proxy_that_names_another_host__is_taken_from_the_url_of_the_page() -> None:
    page = Page(url="https://keeper.example.org")
    assert (await page.post(PATH, {}, {"origin": "https://keeper.example.org"})).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
async def test_post__that_is_not_json__is_refused(kind: str) -> None:
    answer = await Page().request("POST", PATH, content=b"{}", headers={**SAME_ORIGIN, "content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 4000, b'"' + b"x" * 100 + b'"'])
async def test_post__that_is_no_json_object__is_400(body: bytes) -> None:
    answer = await raw(Page(), body)
    assert (answer.status_code, answer.json()["ok"]) == (400, False)


async def test_post__at_the_size_limit__is_read_and_above_it_is_not() -> None:
    start, end = b'{"x": "', b'"}'
    filled = start + b"x" * (BODY_MAX - len(start) - len(end)) + end
    assert (await raw(Page(), filled)).status_code == 200
    assert (await raw(Page(), filled.replace(b"xx", b"xxx", 1))).status_code == 413


async def test_post__longer_than_it_says__is_cut_off_all_the_same() -> None:
    async def endless() -> Any:
        for _ in range(1000):
            yield b"x" * 1024

    answer = await Page().request(
        "POST", PATH, content=endless(), headers={**SAME_ORIGIN, "content-type": "application/json"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "many", "99999999999999999999"])
async def test_post__with_a_length_that_is_none__is_refused(length: str) -> None:
    headers = {**SAME_ORIGIN, "content-type": "application/json", "content-length": length}
    assert (await Page().request("POST", PATH, content=b"{}", headers=headers)).status_code == 413


async def test_post__too_often__is_told_to_wait_and_works_again_after_a_minute() -> None:
    page = Page(approve=True)
    answers = [(await page.post(PATH, {})).status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]
    assert (await page.post(CONFIRM, {})).status_code == 429
    assert (await page.get("/")).status_code == 200
    await page.clock.advance(60_000)
    assert (await page.post(PATH, {})).status_code == 200


def test_limit__one_caller_too_often__does_not_stop_another() -> None:
    limit = RateLimit(ManualClock(), per_minute=1)
    limit.take("a")
    with pytest.raises(PageProblem):
        limit.take("a")
    limit.take("b")


def test_limit__many_callers__remembers_no_more_than_it_may() -> None:
    limit = RateLimit(ManualClock(), per_minute=1, callers_max=10)
    for number in range(1000):
        limit.take(str(number))
    assert len(limit._recent) == 10


async def test_seen__from_the_page__is_told_once_and_never_by_get() -> None:
    view = FakeCouncil()
    page = Page(view)
    await page.get(f"/proposals/{matter().hash}")
    assert view.seen_hashes == []
    for _ in range(3):
        assert (await page.post(PATH, {})).json() == {"ok": True}
    assert view.seen_hashes == [(matter().hash, "page")]


@pytest.mark.parametrize(("name", "status"), [("0x12", 400), ("0x" + 64 * "0", 404)])
async def test_seen__of_what_is_not_there__is_refused(name: str, status: int) -> None:
    view = FakeCouncil()
    assert (await Page(view).post(f"/proposals/{name}/seen", {})).status_code == status
    assert view.seen_hashes == []


async def raw(page: Page, body: bytes) -> httpx.Response:
    return await page.request("POST", PATH, content=body, headers={**SAME_ORIGIN, "content-type": "application/json"})
