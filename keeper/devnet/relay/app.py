"""The relay's addresses: ``POST /NAME`` is a builder, ``GET /NAME/tx/HASH`` its status page, ``/control`` is for whoever tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from keeper.devnet.relay.builders import Builder, Header
from keeper.devnet.relay.desk import Asker, Desk
from keeper.devnet.relay.faults import Fault, FaultKind, Faults
from keeper.devnet.relay.header import NAMES, verified
from keeper.devnet.relay.refusing import (
    INTERNAL,
    INVALID_REQUEST,
    NO_SIGNATURE,
    REFUSED,
    WRONG_SIGNATURE,
    Refusal,
    gateway,
    refused,
    too_many,
)
from keeper.devnet.relay.slots import Slots
from keeper.devnet.serving import nobody_left
from keeper.domain.errors import OutsideError


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came. ``signature`` is the header's text, ``signer`` whose it is (empty: nobody's); ``refusal`` empty: it was taken."""

    builder: str
    method: str
    signature: str
    signer: str
    body: bytes = field(repr=False)
    refusal: str = ""

    @property
    def document(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


class Counter:
    """Where requests come in."""

    def __init__(self, builders: Sequence[Builder], desk: Desk, slots: Slots, faults: Faults) -> None:
        self.builders: Mapping[str, Builder] = {builder.name: builder for builder in builders}
        self.desk = desk
        self.slots = slots
        self.faults = faults
        self.asked: list[Asked] = []
        self.closing = asyncio.Event()

    async def taken(self, builder: Builder, request: Request) -> Response:
        """The whole way of one request: a fault first, where one fits."""
        body = await request.body()
        document = _document(body)
        method, number = str(document.get("method", "")), _number(document.get("id"))
        fault = self.faults.take(builder.name, method)
        signature = next((request.headers[name] for name in builder.headers if name in request.headers), "")
        signer = verified(signature, body) or ""
        refusal, answer = "", None
        match fault.kind if fault else None:
            case FaultKind.HANG:
                refusal = "hangs"
                await self.closing.wait()
                answer = gateway(503, "Service Unavailable")
            case FaultKind.RATE_LIMITED:
                refusal, answer = "rate-limited", too_many(builder.shape, number, fault.retry_after_s if fault else 0)
            case FaultKind.BAD_GATEWAY:
                refusal, answer = "bad gateway", gateway(502, "Bad Gateway")
        if answer is None:
            try:
                self._check(builder, request, document, signature, signer, fault)
                asker = Asker(builder, signer, buried=fault is not None and fault.kind is FaultKind.BURIES)
                result = await self.desk.answer(asker, method, document.get("params"))
                answer = JSONResponse({"jsonrpc": "2.0", "id": number, "result": result})
            except Refusal as said:
                refusal, answer = said.message, refused(builder.shape, number, said)
            except OutsideError as error:
                refusal, answer = error.message, refused(builder.shape, number, Refusal(INTERNAL, "internal error"))
        self.asked.append(Asked(builder.name, method, signature, signer, body, refusal))
        return await self._late(fault, answer)

    async def _late(self, fault: Fault | None, answer: Response) -> Response:
        if fault is not None and fault.kind is FaultKind.LOST:
            return gateway(502, "Bad Gateway")
        if fault is not None and fault.kind is FaultKind.SLOW:
            try:
                async with asyncio.timeout(fault.delay_s):
                    await self.closing.wait()
            except TimeoutError:
                pass
        return answer

    def _check(
        self,
        builder: Builder,
        request: Request,
        document: Mapping[str, Any],
        signature: str,
        signer: str,
        fault: Fault | None,
    ) -> None:
        if not document:
            raise Refusal(INVALID_REQUEST, "the body is not a JSON-RPC request; batches are not taken")
        if document.get("jsonrpc") != "2.0" or _number(document.get("id")) is None:
            raise Refusal(INVALID_REQUEST, "a request has jsonrpc 2.0 and an id")
        if fault is not None and fault.kind is FaultKind.REFUSES:
            raise Refusal(REFUSED, "not accepted at this time")
        if fault is not None and fault.kind is FaultKind.WRONG_SIGNATURE:
            raise Refusal(INVALID_REQUEST, WRONG_SIGNATURE)
        if not signature and builder.header is Header.REQUIRED:
            raise Refusal(INVALID_REQUEST, NO_SIGNATURE)
        if not signer and (signature or any(name in request.headers for name in NAMES)):
            raise Refusal(INVALID_REQUEST, WRONG_SIGNATURE)


def build_app(counter: Counter) -> FastAPI:
    """The last paths are the builders'."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, exception_handlers={ClientDisconnect: nobody_left})
    _add_control(app, counter)

    @app.api_route("/{name}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    async def builder(name: str, request: Request) -> Response:
        found = counter.builders.get(name)
        if found is None:
            return Response("no such builder", 404, media_type="text/plain")
        if request.method != "POST":
            return Response("Method Not Allowed", 405, headers={"Allow": "POST"}, media_type="text/plain")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return Response("Unsupported Media Type", 415, media_type="text/plain")
        return await counter.taken(found, request)

    @app.get("/{name}/tx/{tx_hash}")
    async def status(name: str, tx_hash: str) -> Response:
        found = counter.builders.get(name)
        if found is None:
            return Response("no such builder", 404, media_type="text/plain")
        return JSONResponse(await counter.desk.status(found, tx_hash.lower()))

    return app


def _add_control(app: FastAPI, counter: Counter) -> None:
    @app.post("/control/faults")
    async def inject(request: Request) -> Response:
        try:
            said = json.loads(await request.body())
            counter.faults.inject(Fault(**(said | {"kind": FaultKind(said["kind"])})))
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(status_code=204)

    @app.delete("/control/faults")
    async def heal() -> Response:
        counter.faults.heal()
        return Response(status_code=204)

    @app.post("/control/slots")
    async def slot() -> Response:
        return JSONResponse(asdict(await counter.slots.next()))

    @app.get("/control/asked")
    async def asked() -> Response:
        told = [asdict(one) | {"body": one.body.decode("utf-8", "replace")} for one in counter.asked]
        return JSONResponse(told)


def _number(said: Any) -> int | str | None:
    """The id of a request, where it is one that an answer may repeat."""
    return said if isinstance(said, (int, str)) and not isinstance(said, bool) else None


def _document(body: bytes) -> dict[str, Any]:
    """Empty for what no answer could repeat either: NaN and Infinity, halves of characters, and what nests too deep."""
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
