"""The pages of the log for people: search, one record, incidents, response times, and the form that takes a token."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from keeper.adapters.audit.errors import TooLarge
from keeper.adapters.audit.evidence import named
from keeper.app.api import questions, stories
from keeper.app.api.asked import CALLER, said_twice
from keeper.app.api.cursors import cursor_after, key_of
from keeper.app.api.desk import AuditDesk
from keeper.app.api.queries import INCIDENT_FORM, NAME_FORM
from keeper.app.pages import rendering
from keeper.app.pages.guard import HEADERS
from keeper.app.pages.incident_sheet import incident_sheet
from keeper.app.pages.log_search import find, search_of
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.record_sheet import record_sheet
from keeper.app.pages.settings import PageSettings
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.ports.log_reader import Kept

FORMS: Final = frozenset({"/login", "/logout"})
"""Where plain forms go, which are answered by a page."""
COOKIE: Final = "keeper_session"
INCIDENTS: Final = 25
ACTIONS: Final = 50
VERIFY: Final = "run: keeper audit CONFIG verify"
QUERY_MAX: Final = 4_096
BODY_MAX: Final = 2_048
FORM_HEADERS: Final = {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'"),
    # a browser names where a form came from only then
    "Referrer-Policy": "same-origin",
}
_SEQ: Final = re.compile(r"[1-9][0-9]{0,18}")
_OWN_PATH: Final = re.compile(r"/(audit|incidents|status)([/?][A-Za-z0-9/?&=%._~@:+-]{0,2000})?")


def add_log_pages(app: FastAPI, desk: AuditDesk, settings: PageSettings) -> None:
    """Puts them into the application of the pages."""
    _log(app, desk, settings)
    _incidents(app, desk, settings)
    _login(app, desk, settings)


def _log(app: FastAPI, desk: AuditDesk, settings: PageSettings) -> None:
    @app.get("/audit")
    async def log(request: Request) -> Response:
        _admit(request, desk)
        search = search_of(request.query_params)
        async with desk.turns.of(request):
            found = await find(desk.reader, search)
        html = await rendered("log.html", settings, found=found, kinds=list(RecordKind))
        return HTMLResponse(html, headers=FORM_HEADERS)

    @app.get("/audit/records/{seq}")
    async def record(seq: str, request: Request) -> Response:
        _admit(request, desk)
        if not _SEQ.fullmatch(seq) or int(seq) >= 2**63:
            raise PageProblem(400, "This is no number of a record.", "records count from 1")
        number = int(seq)
        async with desk.turns.of(request):
            found, damaged = await _around(desk, number)
            if number in damaged:
                raise PageProblem(500, f"Record {number} is damaged and cannot be read.", VERIFY)
            if number not in found:
                raise PageProblem(404, f"There is no record {number}.", "the newest are at /audit")
            one = found[number]
            kept, left = await _kept(desk, named(one.body))
            sheet = await asyncio.to_thread(record_sheet, one, found.get(number - 1), found.get(number + 1), kept)
        return HTMLResponse(await rendered("record.html", settings, sheet=sheet, not_read=left))

    @app.get("/audit/response-times")
    async def response_times(request: Request) -> Response:
        _admit(request, desk)
        market, older = _market_and_cursor(request)
        question = ["response times page", market]
        query = RecordQuery(
            market=market or None,
            kinds=(RecordKind.INTENT,),
            after=key_of(older, question) if older else 0,
            limit=ACTIONS,
            newest_first=True,
        )
        async with desk.turns.of(request):
            listed = await questions.actions(desk.reader, query)
        found = questions.percentiles(listed.items)
        html = await rendered(
            "response_times.html",
            settings,
            items=listed.items,
            stages=[one["stage"] for one in found if one["stage"] != "head"],
            percentiles=found,
            older=_older("/audit/response-times", market, question, listed.last),
            market=market,
        )
        return HTMLResponse(html, headers=FORM_HEADERS)


async def _around(desk: AuditDesk, number: int) -> tuple[dict[int, Record], set[int]]:
    """The record and its neighbours as far as they are there, and which of them are damaged."""
    found: dict[int, Record] = {}
    damaged: set[int] = set()
    for after in range(max(0, number - 2), number + 1):
        sheet = await desk.reader.sheet(RecordQuery(after=after, limit=1))
        found |= {one.seq: one for one in sheet.records}
        damaged |= set(sheet.damaged)
    return found, damaged


async def rendered(template: str, settings: PageSettings, **values: Any) -> str:
    """In a thread: a page takes tens of milliseconds, and others wait for the loop."""
    return await asyncio.to_thread(rendering.page, template, settings, **values)


async def _kept(desk: AuditDesk, digest: str | None) -> tuple[Kept | None, str]:
    """The evidence, or why it is not shown here."""
    if digest is None or not re.fullmatch(r"0x[0-9a-f]{64}", digest):
        return None, ""
    try:
        return await desk.reader.evidence(digest), ""
    except (TooLarge, StoreUnavailable) as error:
        return None, f"{error.message}: {error.remedy}"


def _incidents(app: FastAPI, desk: AuditDesk, settings: PageSettings) -> None:
    @app.get("/incidents")
    async def incidents(request: Request) -> Response:
        _admit(request, desk)
        market, older = _market_and_cursor(request)
        question = ["incidents page", market]
        query = RecordQuery(
            market=market or None, after=key_of(older, question) if older else 0, limit=INCIDENTS, newest_first=True
        )
        async with desk.turns.of(request):
            listed = await questions.incidents(desk.reader, query)
        older_link = _older("/incidents", market, question, listed.last)
        html = await rendered("incidents.html", settings, items=listed.items, older=older_link, market=market)
        return HTMLResponse(html, headers=FORM_HEADERS)

    @app.get("/incidents/{incident_id}")
    async def incident(incident_id: str, request: Request) -> Response:
        refusal = None
        try:
            _admit(request, desk)
        except PageProblem as problem:
            if not settings.council or problem.status not in (401, 403):
                raise
            refusal = problem
        if not re.fullmatch(INCIDENT_FORM, incident_id):
            raise PageProblem(400, "This is no name of an incident.", "follow a link from a proposal or a notification")
        async with desk.turns.of(request):
            if refusal is not None and not await _is_proposed_about(desk, incident_id):
                raise refusal
            story = await stories.story(desk.reader, incident_id)
            if story is None:
                raise PageProblem(404, "The log knows no incident of this name.", "/incidents lists them")
            sheet = await asyncio.to_thread(incident_sheet, story)
            html = await rendered("incident_story.html", settings, sheet=sheet, story=story)
        return HTMLResponse(html)


async def _is_proposed_about(desk: AuditDesk, incident: str) -> bool:
    """Whether the council has, or had, something before it because of this incident: its page then belongs to theirs, which ask for no token."""
    return bool(await desk.reader.page(RecordQuery(incident=incident, kinds=(RecordKind.PROPOSAL,), limit=1)))


def _login(app: FastAPI, desk: AuditDesk, settings: PageSettings) -> None:
    @app.post("/login")
    async def log_in(request: Request) -> Response:
        form = await _form(request, settings)
        session = desk.access.log_in(form.get("token", "").strip(), _address(request))
        wanted = form.get("next", "")
        answer = RedirectResponse(wanted if _OWN_PATH.fullmatch(wanted) else "/audit", status_code=303)
        answer.set_cookie(
            COOKIE, session, httponly=True, samesite="strict", secure=settings.url.startswith("https:"), path="/"
        )
        return answer

    @app.post("/logout")
    async def log_out(request: Request) -> Response:
        await _form(request, settings)
        desk.access.log_out(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/audit", status_code=303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer


def login_page(request: Request, problem: PageProblem, settings: PageSettings) -> Response:
    """Where a page of the log was asked for without a session."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    after = wanted if request.method == "GET" and _OWN_PATH.fullmatch(wanted) else "/audit"
    html = rendering.page("login.html", settings, problem=problem, after=after, tried=request.method == "POST")
    headers = {"Retry-After": str(problem.retry_s)} if problem.retry_s else {}
    return HTMLResponse(html, status_code=problem.status, headers={**FORM_HEADERS, **headers})


def _admit(request: Request, desk: AuditDesk) -> None:
    """Raises PageProblem."""
    session, address = request.cookies.get(COOKIE, ""), _address(request)
    request.scope[CALLER] = address
    request.scope[CALLER] = desk.access.of_page(session, request.headers, address)
    query = request.scope["query_string"]
    if len(query) > QUERY_MAX:
        raise PageProblem(414, "The address is too long.", "use the form of the page")
    if (name := said_twice(query)) is not None:
        raise PageProblem(422, f"{name} is given more than once.", "use the form of the page")


def _market_and_cursor(request: Request) -> tuple[str, str]:
    params = request.query_params
    if set(params) - {"market", "older"}:
        raise PageProblem(422, "There is no such field.", "use the form of this page")
    market = params.get("market", "").strip()
    if market and not re.fullmatch(NAME_FORM, market):
        raise PageProblem(422, "market: this is no name.", "letters, digits and . _ - are in one")
    return market, params.get("older", "")


def _older(path: str, market: str, question: object, last: int | None) -> str:
    if last is None:
        return ""
    return f"{path}?{f'market={market}&' if market else ''}older={cursor_after(question, last)}"


async def _form(request: Request, settings: PageSettings) -> dict[str, str]:
    """The fields of a form that one of these pages sent. Raises PageProblem."""
    headers = request.headers
    origin = headers.get("origin", "")
    ours = {headers.get("host", "").lower(), settings.netloc} - {""}
    elsewhere = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if elsewhere or (origin and urlsplit(origin).netloc.lower() not in ours):
        raise PageProblem(403, "This form did not come from this page.", "open the page itself")
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise PageProblem(415, "This is no form.", "use the form of the page")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise PageProblem(413, f"More than {BODY_MAX} bytes are not read.")
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=8))
    except ValueError:
        raise PageProblem(400, "This form cannot be read.", "use the form of the page") from None


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
