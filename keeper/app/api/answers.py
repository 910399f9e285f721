"""Answers in bytes: exact JSON, with a tag that tells whether anything changed since it was last asked for."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from keeper.domain.errors import StoreUnavailable

CACHE: Final = "private, no-cache"
"""Kept by who asked, and asked for again each time: then mostly answered by 304."""
JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"


def json_bytes(document: Any) -> bytes:
    """ASCII, so that whatever text a damaged log holds has a form. Raises StoreUnavailable for what JSON has no form for."""
    try:
        return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise StoreUnavailable(
            "a record holds what a keeper never writes", remedy="run: keeper audit CONFIG verify"
        ) from None


def answered(request: Request, content: bytes, media: str = JSON_TYPE, **headers: str) -> Response:
    """200, or 304 where the asker has these very bytes.

    The tag is over what is sent, records' hashes and bodies both: a row that was changed and kept its hash has another tag.
    """
    tag = f'"{hashlib.sha256(media.encode() + content).hexdigest()[:40]}"'
    own = {"ETag": tag, "Cache-Control": CACHE, "Vary": "Authorization", **headers}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=own)
    return Response(content, media_type=media, headers=own)


def _has(given: str, tag: str) -> bool:
    return given.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in given.split(","))
