"""Checkpoints of other keepers, taken in: the one request that writes, and only where the configuration names whose are kept."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from keeper.app.api import models
from keeper.app.api.answers import json_bytes
from keeper.app.api.desk import TakeWitness
from keeper.app.api.problems import described
from keeper.app.pages.problem import PageProblem
from keeper.app.witnessing import WitnessReason, WitnessRefused

BODY_MAX: Final = 8 * 1024
_STATUS: Final = {
    WitnessReason.MALFORMED: 422,
    WitnessReason.UNKNOWN_SIGNER: 403,
    WitnessReason.NOT_SIGNED: 422,
    WitnessReason.OLDER: 409,
    WitnessReason.MISSING: 409,
    WitnessReason.ANOTHER_LOG: 409,
    WitnessReason.FORK: 409,
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": models.Checkpoint.model_json_schema()}},
    }
}


def router(take: TakeWitness) -> APIRouter:
    routes = APIRouter(tags=["witness"])

    @routes.post(
        "/witness", response_model=models.Witnessed, responses=described(400, 409, 413, 415), openapi_extra=_BODY
    )
    async def witness(request: Request) -> Response:
        """Keeps a signed checkpoint of another keeper, durably, as a record. The same one again is kept once."""
        document = await _object(request)
        try:
            signed = await take(document)
        except WitnessRefused as refused:
            raise PageProblem(_STATUS[refused.reason], refused.message, refused.remedy) from refused
        one = signed.checkpoint
        return Response(
            json_bytes({"ok": True, "number": one.number, "seq": one.seq, "signer": one.signer}),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return routes


async def _object(request: Request) -> dict[str, Any]:
    """Raises PageProblem. Only application/json: no page of another site can send that without being asked first."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise PageProblem(415, "This is not JSON.", "send it as application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise PageProblem(413, f"More than {BODY_MAX} bytes are not read.", "send one checkpoint at a time")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise PageProblem(422, "This is no JSON object.", "send the object of one checkpoint")
    return document
