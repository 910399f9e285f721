"""How a builder says no: the same refusal in each builder's shape."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import Response
from fastapi.responses import JSONResponse

from keeper.devnet.relay.builders import Shape

INVALID_REQUEST: Final = -32600
NO_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
REFUSED: Final = -32000


class Refusal(Exception):
    """``code`` is JSON-RPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


NO_SIGNATURE: Final = "signature is required"
WRONG_SIGNATURE: Final = "invalid signature provided"


def refused(shape: Shape, number: Any, refusal: Refusal) -> Response:
    """``number`` is the id of the request."""
    code, message = refusal.code, refusal.message
    match shape:
        case Shape.RPC:
            return JSONResponse(_rpc(number, code, message))
        case Shape.RPC_WITH_STATUS:
            if message in (NO_SIGNATURE, WRONG_SIGNATURE):
                return JSONResponse(_rpc(number, INTERNAL, "Invalid signature"), 400)
            return JSONResponse(_rpc(number, code, message), 500 if code == INTERNAL else 400)
        case Shape.BARE:
            return JSONResponse({"error": message}, 403)
        case Shape.PLAIN:
            return Response(f"<html><body><h1>400 Bad Request</h1>{message}</body></html>", 400, media_type="text/html")


def gateway(status: int, words: str, **headers: str) -> Response:
    """An answer from in front of the builder: no JSON."""
    page = f"<html><head><title>{status} {words}</title></head><body><center><h1>{status} {words}</h1></center></body></html>"
    return Response(page, status, headers=headers, media_type="text/html")


def too_many(shape: Shape, number: Any, retry_after_s: int) -> Response:
    """HTTP 429."""
    body: Any = _rpc(number, -32005, "rate limit exceeded") if shape is not Shape.BARE else {"error": "rate limited"}
    content = "Too Many Requests" if shape is Shape.PLAIN else json.dumps(body)
    kind = "text/plain" if shape is Shape.PLAIN else "application/json"
    return Response(content, 429, headers={"Retry-After": str(retry_after_s)}, media_type=kind)


def _rpc(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
