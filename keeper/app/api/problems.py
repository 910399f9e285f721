"""What is answered where a question cannot be: application/problem+json (RFC 9457), with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from keeper.adapters.audit.errors import TooLarge
from keeper.app.api.answers import PROBLEM_TYPE, json_bytes
from keeper.app.api.models import Problem
from keeper.app.pages.problem import PageProblem, problem_of
from keeper.domain.errors import KeeperError
from keeper.domain.text import printable

_ERRORS_MAX: Final = 20
_WORDS_MAX: Final = 200
_UNSURE: Final = "The keeper failed to answer; its log says why."
_STATUS: Final[Mapping[int, str]] = {
    400: "A cursor of another question, or a request that cannot be read.",
    401: "No token that is known here.",
    403: "The log is read on this machine only.",
    404: "There is no such thing in the log.",
    405: "Another method.",
    409: "It does not fit what is here already.",
    410: "It is in an archive, not in the database.",
    413: "More than one answer, or one request, holds.",
    414: "The address is too long.",
    415: "Another type of content.",
    421: "The request names a host under which these pages do not answer.",
    422: "A part of the request is not what it should be; `errors` names each.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    500: "This record is damaged; `keeper audit CONFIG verify` says how.",
    503: "The database cannot be read now, or it is busy.",
}
EVERYWHERE: Final = (401, 403, 405, 414, 421, 422, 429, 503)


def described(*more: int) -> dict[int | str, dict[str, Any]]:
    """For the description: every problem that a question can end with; ``more`` beside those of EVERYWHERE."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*EVERYWHERE, *more}):
        headers = {}
        if status in (429, 503):
            headers = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
        found[status] = {
            "description": _STATUS[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": headers} if headers else {}),
        }
    return found


def problem_response(problem: PageProblem, errors: list[dict[str, str]] | None = None) -> Response:
    document = Problem.model_validate(
        {
            "type": "about:blank",
            "title": _title(problem.status),
            "status": problem.status,
            "detail": problem.message,
            "remedy": problem.remedy,
            "errors": errors or [],
        }
    )
    headers = {"Cache-Control": "no-store"}
    if problem.retry_s:
        headers["Retry-After"] = str(problem.retry_s)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        json_bytes(document.model_dump()), status_code=problem.status, media_type=PROBLEM_TYPE, headers=headers
    )


def handle(app: FastAPI) -> None:
    """Every way in which a request can fail."""

    @app.exception_handler(PageProblem)
    async def said(request: Request, problem: PageProblem) -> Response:
        return problem_response(problem)

    @app.exception_handler(KeeperError)
    async def of_the_keeper(request: Request, error: KeeperError) -> Response:
        if isinstance(error, TooLarge):
            return problem_response(PageProblem(413, error.message, error.remedy))
        found = problem_of(error)
        return problem_response(PageProblem(found.status, found.message, found.remedy, retry_s=5))

    @app.exception_handler(RequestValidationError)
    async def of_the_form(request: Request, error: RequestValidationError) -> Response:
        return problem_response(
            PageProblem(422, "The request is not what it should be.", "look at `errors`, and at /api/v1/openapi.json"),
            _places(error.errors()),
        )

    @app.exception_handler(HTTPException)
    async def of_the_router(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing at this address.", 405: "This method is not answered here."}
        found = PageProblem(
            error.status_code,
            words.get(error.status_code, "This cannot be read."),
            "see /api/v1/openapi.json for what there is",
        )
        answer = problem_response(found)
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer

    @app.exception_handler(Exception)
    async def of_ours(request: Request, error: Exception) -> Response:
        return problem_response(PageProblem(500, _UNSURE))


def _places(errors: Sequence[Any]) -> list[dict[str, str]]:
    """One for each place: a part that may be left out fails once as a text and once as nothing, and only the first says something."""
    found: dict[str, dict[str, str]] = {}
    for one in errors:
        if len(found) == _ERRORS_MAX:
            break
        said = _place(one)
        found.setdefault(said["place"], said)
    return list(found.values())


def _place(error: Mapping[str, Any]) -> dict[str, str]:
    """Names of what was sent are cut and made fit to be shown; its values are not sent back."""
    where = error["loc"]
    place = ".".join(str(part) for part in (*where[:2], *(part for part in where[2:] if isinstance(part, int))))
    message = "unknown" if error["type"] == "extra_forbidden" else str(error["msg"])
    return {"place": printable(place, _WORDS_MAX), "message": printable(message, _WORDS_MAX)}


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
