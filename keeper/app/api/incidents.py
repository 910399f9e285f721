"""Incidents, what was done in them, and how long it took."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from keeper.app.api import models, questions, stories
from keeper.app.api.answers import answered, json_bytes
from keeper.app.api.cursors import cursor_after, key_of
from keeper.app.api.desk import AuditDesk
from keeper.app.api.problems import described
from keeper.app.api.queries import INCIDENT_FORM, ActionsQuery, IncidentsQuery, ReportQuery, time_ms
from keeper.app.api.records import TAG_HEADERS, UNCHANGED, IfNoneMatch
from keeper.app.pages.problem import PageProblem
from keeper.domain.record import RecordKind, RecordQuery

NO_INCIDENT: Final = "The log knows no incident of this name."
NO_INCIDENT_REMEDY: Final = "/api/v1/incidents lists them"
REPORT_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""A report brings its own style in itself, and nothing else runs or loads."""
_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report, in the form that was asked for.",
        "headers": TAG_HEADERS,
        "content": {
            "text/markdown": {"schema": {"type": "string"}},
            "text/html": {"schema": {"type": "string"}},
        },
    },
    304: UNCHANGED[304],
}
IncidentPath = Annotated[
    str, Path(pattern=INCIDENT_FORM, description="The incident's name.", examples=["ETH-PERP@19284411"])
]


def router(desk: AuditDesk) -> APIRouter:
    routes = APIRouter(tags=["incidents"])

    @routes.get("/incidents", response_model=models.Incidents, responses=described(400) | UNCHANGED)
    async def incidents(
        request: Request, asked: Annotated[IncidentsQuery, Query()], if_none_match: IfNoneMatch = ""
    ) -> Response:
        """Incidents in short. A page may hold fewer than asked for although others follow: `next_cursor` says so."""
        question = asked.question()
        query = _query(asked, question, RecordKind.INCIDENT)
        async with desk.turns.of(request):
            listed = await questions.incidents(desk.reader, query)
        return answered(request, json_bytes({"incidents": listed.items, "next_cursor": _next(question, listed)}))

    @routes.get("/incidents/{incident}", response_model=models.Story, responses=described(404, 413) | UNCHANGED)
    async def incident(request: Request, incident: IncidentPath, if_none_match: IfNoneMatch = "") -> Response:
        """All that the log says of one incident: timeline, decisions, actions, figures."""
        return await _report(request, incident, "json")

    @routes.get("/incidents/{incident}/report", response_model=models.Story, responses=described(404, 413) | _FORMS)
    async def report(
        request: Request,
        incident: IncidentPath,
        asked: Annotated[ReportQuery, Query()],
        if_none_match: IfNoneMatch = "",
    ) -> Response:
        """The post-mortem, as `keeper incidents CONFIG report` writes it."""
        return await _report(request, incident, asked.format)

    async def _report(request: Request, incident: str, form: str) -> Response:
        async with desk.turns.of(request):
            written = await stories.report(desk.reader, incident, form, desk.config)
        if written is None:
            raise PageProblem(404, NO_INCIDENT, NO_INCIDENT_REMEDY)
        media, content = written
        headers = {"Content-Security-Policy": REPORT_CSP} if form == "html" else {}
        return answered(request, content, media, **headers)

    @routes.get("/actions", response_model=models.Actions, responses=described(400) | UNCHANGED)
    async def actions(
        request: Request, asked: Annotated[ActionsQuery, Query()], if_none_match: IfNoneMatch = ""
    ) -> Response:
        """What the keeper undertook, and what came of it."""
        question = asked.question()
        async with desk.turns.of(request):
            listed = await questions.actions(desk.reader, _query(asked, question, RecordKind.INTENT))
        return answered(request, json_bytes({"actions": listed.items, "next_cursor": _next(question, listed)}))

    @routes.get("/response-times", response_model=models.ResponseTimes, responses=described(400) | UNCHANGED)
    async def response_times(
        request: Request, asked: Annotated[ActionsQuery, Query()], if_none_match: IfNoneMatch = ""
    ) -> Response:
        """How long each stage took from the block on, and percentiles over this page."""
        question = {**asked.question(), "of": "response-times"}
        async with desk.turns.of(request):
            listed = await questions.actions(desk.reader, _query(asked, question, RecordKind.INTENT))
        document = {
            "actions": listed.items,
            "percentiles": questions.percentiles(listed.items),
            "next_cursor": _next(question, listed),
        }
        return answered(request, json_bytes(document))

    return routes


def _query(asked: IncidentsQuery | ActionsQuery, question: object, kind: RecordKind) -> RecordQuery:
    return RecordQuery(
        market=asked.market,
        action=asked.action if isinstance(asked, ActionsQuery) else None,
        incident=asked.incident if isinstance(asked, ActionsQuery) else None,
        kinds=(kind,),
        since_ms=time_ms(asked.since) if asked.since else None,
        until_ms=time_ms(asked.until) if asked.until else None,
        after=key_of(asked.cursor, question) if asked.cursor else 0,
        limit=asked.limit,
        newest_first=asked.order == "newest",
    )


def _next(question: object, listed: questions.Listed) -> str | None:
    return None if listed.last is None else cursor_after(question, listed.last)
