"""Records, evidence, checkpoints, and the newest verdict."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from keeper.app.api import models, questions
from keeper.app.api.answers import answered, json_bytes
from keeper.app.api.asked import PLAIN
from keeper.app.api.cursors import cursor_after, key_of
from keeper.app.api.desk import AuditDesk
from keeper.app.api.problems import described
from keeper.app.api.queries import FULL_MAX, HASH_FORM, CheckpointsQuery, RecordsQuery, time_ms
from keeper.app.pages.problem import PageProblem
from keeper.domain.checkpoint import to_document
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import RecordQuery
from keeper.ports.log_reader import Sheet

LAST_RECORD: Final = 2**63 - 1
VERIFY: Final = "run: keeper audit CONFIG verify"
TAG_HEADERS: Final[dict[str, Any]] = {
    "ETag": {"description": "Strong; over the very bytes.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "`private, no-cache`.", "schema": {"type": "string"}},
}
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Unchanged since the `ETag` of `If-None-Match`.", "headers": TAG_HEADERS},
    200: {"headers": TAG_HEADERS},
}
IfNoneMatch = Annotated[
    str, Header(description="`ETag` of an earlier answer: unchanged ones are not sent again.", max_length=1_000)
]


def router(desk: AuditDesk) -> APIRouter:
    routes = APIRouter(tags=["log"])
    _records(routes, desk)
    _beside(routes, desk)
    return routes


def _records(routes: APIRouter, desk: AuditDesk) -> None:

    @routes.get("/records", response_model=models.Records, responses=described(400) | UNCHANGED)
    async def records(
        request: Request, asked: Annotated[RecordsQuery, Query()], if_none_match: IfNoneMatch = ""
    ) -> Response:
        """Records that fit, a page at a time. A record never changes, so neither does a full page in the order `oldest`."""
        full = asked.evidence == "full"
        if full and asked.limit > FULL_MAX:
            raise PageProblem(
                400, f"limit: with full evidence at most {FULL_MAX} records are given at once.", "ask for fewer"
            )
        question = asked.question()
        query = RecordQuery(
            market=asked.market,
            action=asked.action,
            incident=asked.incident,
            kinds=tuple(dict.fromkeys(asked.kind)),
            since_ms=time_ms(asked.since) if asked.since else None,
            until_ms=time_ms(asked.until) if asked.until else None,
            after=key_of(asked.cursor, question) if asked.cursor else 0,
            limit=asked.limit,
            newest_first=asked.order == "newest",
            full=full,
        )
        async with desk.turns.of(request):
            sheet = await desk.reader.sheet(query)

            def content() -> bytes:
                following = cursor_after(question, sheet.end) if sheet.more else None
                return _page(sheet, following)

            return answered(request, await asyncio.to_thread(content))

    @routes.get("/records/{seq}", response_model=models.Record, responses=described(404, 500) | UNCHANGED)
    async def record(
        request: Request,
        seq: Annotated[int, Path(ge=1, le=LAST_RECORD, description="The record's number."), PLAIN],
        if_none_match: IfNoneMatch = "",
    ) -> Response:
        """One record."""
        async with desk.turns.of(request):
            sheet = await desk.reader.sheet(RecordQuery(after=seq - 1, limit=1))
        if seq in sheet.damaged:
            raise PageProblem(500, f"Record {seq} is damaged and cannot be read.", VERIFY)
        if not sheet.records or sheet.records[0].seq != seq:
            raise PageProblem(
                404, f"There is no record {seq}.", "numbers count from 1; /verification names the last one"
            )
        return answered(request, json_bytes(questions.record_document(sheet.records[0])))


def _page(sheet: Sheet, following: str | None) -> bytes:
    """Each record by itself: one that JSON has no form for is damaged, and the others are given."""
    given: list[bytes] = []
    damaged = list(sheet.damaged)
    for one in sheet.records:
        try:
            given.append(json_bytes(questions.record_document(one)))
        except StoreUnavailable:
            damaged.append(one.seq)
    rest = json_bytes({"damaged": sorted(damaged), "next_cursor": following})
    return b'{"records":[' + b",".join(given) + b"]," + rest[1:]


def _beside(routes: APIRouter, desk: AuditDesk) -> None:
    @routes.get("/evidence/{digest}", response_model=models.Evidence, responses=described(404, 410, 413) | UNCHANGED)
    async def evidence(
        request: Request,
        digest: Annotated[
            str, Path(alias="digest", pattern=HASH_FORM, description="As a body names it under `evidence`.")
        ],
        if_none_match: IfNoneMatch = "",
    ) -> Response:
        """Evidence, unpacked and checked against its hash."""
        async with desk.turns.of(request):
            kept = await desk.reader.evidence(digest)
            if kept is None:
                raise PageProblem(404, "No evidence here has this hash.", "take it from the body of a record")
            if kept.content is None:
                raise PageProblem(
                    410,
                    f"This evidence moved into an archive, which record {kept.archive_seq} names.",
                    "read the file that the record names",
                )
            document = {"hash": kept.hash, "seq": kept.seq, "content": kept.content}
            return answered(request, await asyncio.to_thread(json_bytes, document))

    @routes.get("/checkpoints", response_model=models.Checkpoints, responses=described(400) | UNCHANGED)
    async def checkpoints(
        request: Request, asked: Annotated[CheckpointsQuery, Query()], if_none_match: IfNoneMatch = ""
    ) -> Response:
        """What the keeper signed of its log, newest first."""
        question = asked.question()
        before = key_of(asked.cursor, question) if asked.cursor else None
        async with desk.turns.of(request):
            found = list(await desk.reader.checkpoints(asked.limit + 1, before=before))
        more = len(found) > asked.limit
        found = found[: asked.limit]
        document = {
            "checkpoints": [to_document(one) for one in found],
            "next_cursor": cursor_after(question, found[-1].checkpoint.number) if more else None,
        }
        return answered(request, json_bytes(document))

    @routes.get("/verification", response_model=models.Verification, responses=described() | UNCHANGED)
    async def verification(request: Request, if_none_match: IfNoneMatch = "") -> Response:
        """The newest verdict that the keeper recorded. Nothing is verified now: `keeper audit CONFIG verify` does that."""
        async with desk.turns.of(request):
            return answered(request, json_bytes(await questions.verification(desk.reader)))
