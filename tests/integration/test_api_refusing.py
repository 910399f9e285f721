"""The API and the pages of the log against whoever should not read them, and against questions that are meant to do harm."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.public_reader import PublicReader
from keeper.app.api.access import (
    SESSION_MS,
    SESSIONS_OF_ONE,
    Access,
    AccessSettings,
    is_loopback,
    new_token,
    token_hash,
)
from keeper.app.pages.log_pages import COOKIE
from keeper.app.pages.problem import PageProblem
from tests.support.audit_log import write_log
from tests.support.log_site import API, HOSTILE, ORIGIN, TOKEN, Site, build_site, filled, site_of
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.integration

PAGES = ("/audit", "/audit/records/1", "/incidents", "/incidents/ETH-PERP@1000", "/audit/response-times")
ASKED = ("/records", "/records/1", "/incidents", "/openapi.json", "/nothing", "/evidence/x")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    asyncio.run(write_log(path, filled()))
    return path


@pytest.fixture
async def guarded(log: Path) -> AsyncIterator[Site]:
    async with site_of(log, tokens=True) as site:
        yield site


@pytest.fixture(scope="module")
def shut(log: Path) -> Iterator[Site]:
    """The same for many questions of which none comes in."""
    site = build_site(PublicReader(sqlite_url(log)), tokens=True)
    yield site
    asyncio.run(site.reader.close())


@pytest.fixture(scope="module")
def unguarded(log: Path) -> Iterator[Site]:
    """For many questions that change nothing."""
    site = build_site(PublicReader(sqlite_url(log)))
    yield site
    asyncio.run(site.reader.close())


def is_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert set(said) == {"type", "title", "status", "detail", "remedy", "errors"}
    assert said["status"] == status
    assert said["detail"]


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer " + "x" * 9_000,
     f"Bearer {token_hash(TOKEN)}"],
    ids=["none", "scheme", "empty", "wrong", "basic", "longer", "shorter", "endless", "the hash"],
)  # fmt: skip
async def test_token__none_or_wrong__is_the_same_401_for_whatever_is_asked(shut: Site, path: str, header: str) -> None:
    answer = await shut.ask("GET", API + path, headers={"authorization": header})
    plain = await shut.ask("GET", f"{API}/records", headers={"authorization": "Bearer none"})
    is_problem(answer, 401)
    assert answer.content == plain.content
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text
    assert "sha256" not in answer.text


async def test_token__known__opens_the_api_and_is_described(guarded: Site) -> None:
    assert (await guarded.get(f"{API}/records")).status_code == 200
    description = (await guarded.get(f"{API}/openapi.json")).json()
    assert description["security"] == [{"token": []}]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
async def test_no_token__where_others_reach_it__is_403_with_what_to_do(log: Path, host: str) -> None:
    async with site_of(log, listen_host=host) as site:
        is_problem(await site.get(f"{API}/records"), 403)
        for path in PAGES:
            page = await site.get(path)
            assert page.status_code == 403
            assert "keeper audit CONFIG token NAME" in page.text
            assert "ETH-PERP" not in page.text
        assert (await site.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True),
                      ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_loopback__is_what_only_this_machine_reaches(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_new_token__is_another_each_time_and_long() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert min(len(one) for one in made) >= 43


async def test_host__that_is_not_ours__is_refused_before_anything(unguarded: Site) -> None:
    answer = await unguarded.get(f"{API}/records", host="evil.example")
    assert answer.status_code == 421
    assert "seq" not in answer.text


async def test_rate__of_one_address__is_429_with_when_to_come_back(log: Path) -> None:
    async with site_of(log, rate=3) as site:
        for _ in range(3):
            assert (await site.get(f"{API}/verification")).status_code == 200
        await site.clock.advance(20_000)
        late = await site.get(f"{API}/verification")
        is_problem(late, 429)
        assert late.headers["retry-after"] == "41"
        assert (await site.get("/audit")).status_code == 429
        await site.clock.advance(41_000)
        assert (await site.get(f"{API}/verification")).status_code == 200


async def test_rate__of_wrong_tokens__counts_too(log: Path) -> None:
    async with site_of(log, rate=3, tokens=True) as site:
        found = [
            (await site.ask("GET", f"{API}/records", headers={"authorization": f"Bearer guess{number}"})).status_code
            for number in range(5)
        ]
        good = [(await site.get(f"{API}/verification")).status_code for _ in range(4)]
    assert found == [401, 401, 401, 429, 429]
    assert good == [200, 200, 200, 429], "whoever has a token is limited by it alone"


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "query.limit"), ("limit=1001", "query.limit"), ("limit=99999999999999999999", "query.limit"), ("limit=ten", "query.limit"),
        ("kind=nonsense", "query.kind.0"), ("kind=" + "&kind=".join(["tick"] * 40), "query.kind"),
        ("market=' OR 1=1--", "query.market"), ("market=%27%3BDROP TABLE records;--", "query.market"), ("market=" + "m" * 65, "query.market"),
        ("market=", "query.market"), ("incident=../../etc/passwd", "query.incident"), ("action=a%00b", ""), ("market=%E2%80%AE", "query.market"),
        ("since=yesterday", "query.since"), ("since=2026-02-30T00:00:00Z", "query.since"), ("until=1", "query.until"),
        ("order=random", "query.order"), ("evidence=all", "query.evidence"), ("unknown=1", "query.unknown"), ("cursor=%ff", "query.cursor"),
        ("seq%00=1", ""), ("cursor=1", "query.cursor"), ("cursor=-1 UNION SELECT", "query.cursor"),
    ],
)  # fmt: skip
async def test_question__bad__is_422_with_the_place_and_without_what_was_sent(
    unguarded: Site, query: str, place: str
) -> None:
    answer = await unguarded.get(f"{API}/records?{query}")
    is_problem(answer, 422)
    assert place in [one["place"] for one in answer.json()["errors"]] or not place
    for secret in ("SELECT seq", "sqlite", "Traceback", "/tmp"):
        assert secret not in answer.text
    for sent in ("DROP", "UNION", "passwd", "1=1"):
        assert sent not in answer.text


@pytest.mark.parametrize("cursor", ["A" * 24, "A" * 28, "_" * 64, "x" * 28])
async def test_cursor__of_the_right_form_that_nobody_made__is_400(unguarded: Site, cursor: str) -> None:
    is_problem(await unguarded.get(f"{API}/records?cursor={cursor}"), 400)


async def test_cursor__with_other_filters__is_400(unguarded: Site) -> None:
    cursor = (await unguarded.get(f"{API}/records?limit=1")).json()["next_cursor"]
    assert (await unguarded.get(f"{API}/records?limit=2&cursor={cursor}")).status_code == 200
    for other in ("records?kind=tick", "records?order=newest", "actions?", "checkpoints?"):
        is_problem(await unguarded.get(f"{API}/{other}&cursor={cursor}"), 400)


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/records/0", {422}), ("/records/-1", {422}), ("/records/9223372036854775808", {422}), ("/records/1;", {422}), ("/records/99999", {404}),
        ("/records/1%0A", {422}), ("/evidence/..%2F..%2Fetc%2Fpasswd", {404, 422}), ("/evidence/0x" + "0" * 64, {404}),
        ("/incidents/%2e%2e", {404, 422}), ("/incidents/nobody", {404}), ("/incidents/a%00", {422}), ("/incidents/" + "i" * 2_000, {414}),
        ("/../../etc/passwd", {404, 307, 200}), ("/static/%2e%2e/server.py", {404}), ("//evil.example/", {404}), ("", {404}), ("/records/", {404}),
        ("/records?" + "a=1&" * 2_000, {414}), ("/incidents/nobody/report?format=pdf", {422}), ("/%0A", {422}),
    ],
)  # fmt: skip
async def test_path__bad__is_4xx_and_no_file(unguarded: Site, path: str, statuses: set[int]) -> None:
    answer = await unguarded.get(API + path)
    assert answer.status_code in statuses, answer.text
    assert "root:" not in answer.text
    if answer.status_code >= 400 and str(answer.request.url.path).startswith(API):
        is_problem(answer, answer.status_code)


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/records", "/records/1", "/incidents", "/openapi.json"])
async def test_method__another__is_405_and_says_which(unguarded: Site, method: str, path: str) -> None:
    answer = await unguarded.ask(method, API + path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.headers["content-type"] == "application/problem+json"
    is_problem(answer, 405)


@pytest.mark.parametrize(
    "path", [f"{API}/records", f"{API}/records/1", f"{API}/openapi.json", f"{API}/nothing", "/audit", "/nothing"]
)
async def test_head__is_answered_like_get_without_a_body(unguarded: Site, path: str) -> None:
    head, get = await unguarded.ask("HEAD", path), await unguarded.get(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers.items() >= {name: get.headers[name] for name in ("content-type", "content-length")}.items()


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "market=a&market=b", "cursor=&cursor=", "order=newest&order=newest"]
)
async def test_question__with_a_parameter_twice__is_422(unguarded: Site, query: str) -> None:
    is_problem(await unguarded.get(f"{API}/records?{query}"), 422)
    assert (await unguarded.get(f"/audit?{query}")).status_code == 422


async def test_question__with_two_kinds__is_answered(unguarded: Site) -> None:
    assert (await unguarded.get(f"{API}/records?kind=start&kind=tick&limit=2")).status_code == 200
    assert (await unguarded.get("/audit?kind=start&kind=tick")).status_code == 200


@pytest.mark.parametrize("number", ["1_0", "+1", "01", "1.0", "%201", "1e1", "\u0661"])
async def test_number__that_only_python_reads__is_422(unguarded: Site, number: str) -> None:
    is_problem(await unguarded.get(f"{API}/records/{number}"), 422)
    is_problem(await unguarded.get(f"{API}/records?limit={number}"), 422)


async def test_answers__carry_headers_that_keep_other_sites_out(unguarded: Site) -> None:
    for path in (f"{API}/records", f"{API}/nothing", "/audit", "/audit/records/1"):
        headers = (await unguarded.get(path, origin="https://evil.example")).headers
        assert "access-control-allow-origin" not in headers
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "no-" in headers["cache-control"]


async def log_in(site: Site, token: str, next_path: str = "/audit", **headers: str) -> httpx.Response:
    return await site.ask("POST", "/login", data={"token": token, "next": next_path}, headers=headers)


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].split(";")[0]


@pytest.mark.parametrize("path", PAGES)
async def test_page__without_a_session__is_the_form_alone(guarded: Site, path: str) -> None:
    for cookie in ("", f"{COOKIE}=", f"{COOKIE}=guess", f"{COOKIE}={TOKEN}", f"{COOKIE}={'x' * 5_000}"):
        page = await guarded.get(path, cookie=cookie)
        assert page.status_code == 401
        assert 'name="token"' in page.text
        assert f'value="{path}"' in page.text
        assert "divergence" not in page.text
        assert "form-action 'self'" in page.headers["content-security-policy"]


async def test_login__with_a_known_token__opens_the_pages_for_a_while_and_not_the_api(guarded: Site) -> None:
    answer = await log_in(guarded, TOKEN, "/audit/records/1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit/records/1")
    flags = answer.headers["set-cookie"]
    assert "HttpOnly" in flags
    assert "SameSite=strict" in flags
    assert TOKEN not in flags
    cookie = cookie_of(answer)
    assert (await guarded.get("/audit", cookie=cookie)).status_code == 200
    assert (await guarded.get(f"{API}/records", cookie=cookie, authorization="")).status_code == 401
    await guarded.clock.advance(SESSION_MS)
    assert (await guarded.get("/audit", cookie=cookie)).status_code == 401


async def test_login__behind_https__sets_a_cookie_that_never_goes_in_the_clear(log: Path) -> None:
    async with site_of(log, tokens=True, url="https://keeper.example.org") as site:
        assert "Secure" in (await log_in(site, TOKEN)).headers["set-cookie"]


async def test_logout__ends_the_session_here(guarded: Site) -> None:
    cookie = cookie_of(await log_in(guarded, TOKEN))
    left = await guarded.ask("POST", "/logout", data={"x": "1"}, headers={"cookie": cookie})
    assert left.status_code == 303
    assert (await guarded.get("/audit", cookie=cookie)).status_code == 401


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/login", "/audit\r\nX: y", "/audit/../logout/\\"],
)
async def test_login__with_another_way_on__leads_to_the_log(guarded: Site, elsewhere: str) -> None:
    assert (await log_in(guarded, TOKEN, elsewhere)).headers["location"] == "/audit"


@pytest.mark.parametrize("token", ["", "wrong", "x" * 300, token_hash(TOKEN), HOSTILE.replace("\x00", "")])
async def test_login__with_another_token__says_so_and_sets_nothing(guarded: Site, token: str) -> None:
    answer = await log_in(guarded, token)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "not known here" in answer.text
    assert "<script>alert" not in answer.text


async def test_login__again_and_again__is_429_but_for_a_known_token(guarded: Site) -> None:
    found = [(await log_in(guarded, "guess")).status_code for _ in range(12)]
    assert found == [401] * 10 + [429] * 2
    assert (await log_in(guarded, TOKEN)).status_code == 303


async def test_login__where_others_of_the_address_were_refused_too_often__has_its_form_still(log: Path) -> None:
    async with site_of(log, rate=2, tokens=True) as site:
        pages = [await site.get("/audit") for _ in range(3)]
        assert [page.status_code for page in pages] == [401, 401, 429]
        assert 'name="token"' in pages[-1].text
        assert pages[-1].headers["retry-after"] == "61"
        cookie = cookie_of(await log_in(site, TOKEN))
        assert (await site.get("/audit", cookie=cookie)).status_code == 200


async def test_sessions__of_one_token__are_so_many_and_the_oldest_ends(guarded: Site) -> None:
    cookies = [cookie_of(await log_in(guarded, TOKEN)) for _ in range(SESSIONS_OF_ONE + 1)]
    found = [(await guarded.get("/audit", cookie=cookies[number])).status_code for number in (0, 1, -1)]
    assert found == [401, 200, 200]


@pytest.mark.parametrize(
    ("headers", "url", "status"),
    [
        ({}, "", 200), ({"host": "localhost:1"}, "", 200), ({}, "http://127.0.0.1:1/", 200), ({}, "https://127.0.0.1/", 200),
        ({"forwarded": "for=203.0.113.7"}, "", 403), ({"x-forwarded-for": "203.0.113.7"}, "", 403), ({"x-forwarded-proto": "https"}, "", 403),
        ({"via": "1.1 proxy"}, "", 403), ({"x-real-ip": "203.0.113.7"}, "", 403), ({}, "https://keeper.example.org", 403),
        ({"host": "keeper.example.org"}, "https://keeper.example.org", 403), ({"x-forwarded-for": "127.0.0.1"}, "", 403),
    ],
)  # fmt: skip
async def test_no_token__behind_a_proxy__is_403_with_what_to_do(
    log: Path, headers: dict[str, str], url: str, status: int
) -> None:
    async with site_of(log, url=url) as site:
        found = [await site.get(path, **headers) for path in (f"{API}/records", "/audit", "/incidents/ETH-PERP@1000")]
    assert {one.status_code for one in found} == {status}
    assert status == 200 or all("keeper audit CONFIG token NAME" in one.text for one in found)


async def test_token__known__is_answered_behind_a_proxy_too(log: Path) -> None:
    async with site_of(log, tokens=True, url="https://keeper.example.org") as site:
        answer = await site.get(f"{API}/records", host="keeper.example.org", via="1.1 proxy")
    assert answer.status_code == 200


async def test_rate__of_ipv6__counts_a_subscriber_and_not_each_of_its_addresses() -> None:
    access = Access(AccessSettings(tokens={"a": token_hash(TOKEN)}, rate=2), ManualClock(0))
    found = []
    for address in (
        "2001:db8::1",
        "2001:db8::ffff:2",
        "2001:db8::3",
        "2001:db8:0:1::1",
        "::ffff:192.0.2.1",
        "192.0.2.1",
        "192.0.2.1",
    ):
        with pytest.raises(PageProblem) as refused:
            access.of_api(Headers({}), address)
        found.append(refused.value.status)
    assert found == [401, 401, 429, 401, 401, 401, 429]


async def test_login__from_another_site_or_as_no_form__is_refused(guarded: Site) -> None:
    assert (await log_in(guarded, TOKEN, origin="https://evil.example")).status_code == 403
    assert (await log_in(guarded, TOKEN, **{"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await log_in(guarded, TOKEN, origin=ORIGIN, **{"sec-fetch-site": "same-origin"})).status_code == 303
    assert (await guarded.ask("POST", "/login", json={"token": TOKEN})).status_code == 415
    assert (await log_in(guarded, "x" * 5_000)).status_code == 413


async def test_log__read_while_it_is_asked__is_not_changed_by_it(log: Path, tmp_path: Path) -> None:
    own = Path(shutil.copy(log, tmp_path / "own.db"))
    before = await asyncio.to_thread(own.read_bytes)
    async with site_of(own) as site:
        await asyncio.gather(*(site.get(f"{API}/records?limit=1000") for _ in range(12)))
    assert await asyncio.to_thread(own.read_bytes) == before
