"""The service's addresses: those that safe-eth-py's client asks, and the Safe itself. Messages between owners and decoding of data are not here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from keeper.devnet.anvil import quantity
from keeper.devnet.safe_service.answers import Answer, address_of_path, hash_of_path, is_checksummed
from keeper.devnet.safe_service.book import Entry
from keeper.devnet.safe_service.chain import known_or_none
from keeper.devnet.safe_service.desk import Desk
from keeper.devnet.safe_service.documents import confirmation_document, delegate_document, transaction_document
from keeper.devnet.serving import nobody_left
from keeper.domain.errors import OutsideError

PAGE, GREATEST_PAGE = 100, 200
VERSION = "6.10.0"
"""Whose behaviour it has."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_ORDERS: Mapping[str, Callable[[tuple[int, Entry]], int]] = {
    "nonce": lambda numbered: numbered[1].transaction.nonce,
    "created": lambda numbered: numbered[0],
    "modified": lambda numbered: numbered[1].modified_ms,
}
"""By what entries can be ordered; their number is that of their arrival."""
_COMPARED: Mapping[str, Callable[[int, int], bool]] = {
    "nonce": lambda nonce, wanted: nonce == wanted,
    "nonce__gte": lambda nonce, wanted: nonce >= wanted,
    "nonce__gt": lambda nonce, wanted: nonce > wanted,
    "nonce__lte": lambda nonce, wanted: nonce <= wanted,
    "nonce__lt": lambda nonce, wanted: nonce < wanted,
}


def build_app(desk: Desk, alter: Callable[[dict[str, Any]], dict[str, Any]]) -> FastAPI:
    """``alter`` has the last word on every document of a transaction."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, exception_handlers={ClientDisconnect: nobody_left})
    _add_errors(app)
    _add_about(app, desk)
    _add_safes(app, desk)
    _add_transactions(app, desk, alter)
    _add_delegates(app, desk)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Answer)
    async def answer(_: Request, said: Answer) -> Response:
        return Response(status_code=said.status) if said.body is None else JSONResponse(said.body, said.status)

    @app.exception_handler(OutsideError)
    async def no_node(_: Request, __: OutsideError) -> Response:
        return JSONResponse({"exception": "NodeConnectionException", "trace": ""}, 503)


def _add_about(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/about/")
    async def about() -> dict[str, Any]:
        return {
            "name": "Safe Transaction Service (local stand-in)",
            "version": VERSION,
            "apiVersion": "v1",
            "secure": False,
            "settings": {},
        }

    @app.get("/api/v1/about/ethereum-rpc/")
    async def node() -> dict[str, Any]:
        number, _ = await desk.chain.head()
        chain_id = quantity(await desk.chain.rpc.call("eth_chainId"))
        version = await desk.chain.rpc.call("web3_clientVersion")
        return {"version": version, "blockNumber": number, "chainId": chain_id, "chain": "LOCAL", "syncing": False}


def _add_safes(app: FastAPI, desk: Desk) -> None:
    async def safe_document(address: str) -> dict[str, Any]:
        facts = await desk.facts(address_of_path(address))
        return {
            "address": facts.address,
            "nonce": str(facts.nonce),
            "threshold": facts.threshold,
            "owners": list(facts.owners),
            "masterCopy": facts.master_copy,
            "modules": list(facts.modules),
            "fallbackHandler": known_or_none(facts.fallback_handler),
            "guard": known_or_none(facts.guard),
            "version": facts.version,
        }

    @app.get("/api/v2/safes/{address}/")
    async def safe_2(address: str) -> dict[str, Any]:
        return await safe_document(address)

    @app.get("/api/v1/safes/{address}/")
    async def safe_1(address: str) -> dict[str, Any]:
        document = await safe_document(address)
        return document | {"nonce": int(document["nonce"])}

    @app.get("/api/v1/safes/{address}/balances/")
    async def balances(address: str) -> list[dict[str, Any]]:
        await desk.facts(address_of_path(address))
        wei = quantity(await desk.chain.rpc.call("eth_getBalance", address, "latest"))
        return [{"tokenAddress": None, "token": None, "balance": str(wei)}]

    @app.get("/api/v1/owners/{address}/safes/")
    async def safes_of(address: str) -> dict[str, Any]:
        owner = address_of_path(address)
        return {"safes": [safe for safe in sorted(desk.book.safes) if owner in (await desk.chain.owners(safe) or ())]}


def _add_transactions(app: FastAPI, desk: Desk, alter: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    @app.post("/api/v2/safes/{address}/multisig-transactions/")
    async def propose(address: str, request: Request) -> Response:
        await desk.propose(address_of_path(address), await _json(request))
        return Response(status_code=201)

    @app.get("/api/v2/safes/{address}/multisig-transactions/")
    async def transactions(address: str, request: Request) -> dict[str, Any]:
        safe = address_of_path(address)
        if await desk.chain.owners(safe) is not None:
            desk.book.safes.add(safe)
        threshold = await desk.chain.threshold(safe)
        entries = _ordered(_filtered(list(desk.book.of_safe(safe)), request), request)
        documents = [alter(transaction_document(entry, threshold)) for entry in entries]
        page = _page(request, documents)
        return page | {"countUniqueNonce": len({entry.transaction.nonce for entry in entries})}

    @app.get("/api/v2/multisig-transactions/{safe_tx_hash}/")
    async def transaction(safe_tx_hash: str) -> dict[str, Any]:
        entry = desk.entry(hash_of_path(safe_tx_hash))
        return alter(transaction_document(entry, await desk.chain.threshold(entry.transaction.safe)))

    @app.delete("/api/v2/multisig-transactions/{safe_tx_hash}/")
    async def delete(safe_tx_hash: str, request: Request) -> Response:
        desk.delete(hash_of_path(safe_tx_hash), await _json(request))
        return Response(status_code=204)

    @app.get("/api/v1/multisig-transactions/{safe_tx_hash}/confirmations/")
    async def confirmations(safe_tx_hash: str, request: Request) -> dict[str, Any]:
        entry = desk.book.entries.get(hash_of_path(safe_tx_hash))
        said = [] if entry is None else list(entry.confirmations.values())
        return _page(request, [confirmation_document(one) for one in said])

    @app.post("/api/v1/multisig-transactions/{safe_tx_hash}/confirmations/")
    async def confirm(safe_tx_hash: str, request: Request) -> Response:
        await desk.confirm(hash_of_path(safe_tx_hash), await _json(request))
        return Response(status_code=201)


def _add_delegates(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v2/delegates/")
    async def delegates(request: Request) -> dict[str, Any]:
        asked = {
            name: value for name, value in request.query_params.items() if name in ("safe", "delegate", "delegator")
        }
        label = request.query_params.get("label", "")
        wrong = {
            name: ["Enter a valid checksummed Ethereum Address."]
            for name, value in asked.items()
            if not is_checksummed(value)
        }
        if wrong or not (asked or label):
            raise Answer(400, wrong or ["At least one query param must be provided"])
        documents = [delegate_document(one) for one in desk.book.delegates.values()]
        if label:
            asked["label"] = label
        return _page(request, [one for one in documents if all(one[name] == value for name, value in asked.items())])

    @app.post("/api/v2/delegates/")
    async def add(request: Request) -> Response:
        return JSONResponse(delegate_document(await desk.add_delegate(await _json(request))), 201)

    @app.delete("/api/v2/delegates/{address}/")
    async def remove(address: str, request: Request) -> Response:
        await desk.remove_delegate(address_of_path(address), await _json(request))
        return Response(status_code=204)


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise Answer(400, {"detail": "JSON parse error"}) from None


def _filtered(entries: list[Entry], request: Request) -> list[Entry]:
    """Without ``trusted`` only those that somebody signed who may. An unknown filter is passed over, as the real service does."""
    asked = request.query_params
    trusted = _boolean(asked.get("trusted"))
    executed, confirmed = _boolean(asked.get("executed")), _boolean(asked.get("has_confirmations"))
    kept = [entry for entry in entries if entry.trusted is (trusted is not False)]
    if executed is not None:
        kept = [entry for entry in kept if (entry.execution is not None) is executed]
    if confirmed is not None:
        kept = [entry for entry in kept if bool(entry.confirmations) is confirmed]
    for name, compared in _COMPARED.items():
        if name in asked:
            wanted = _number(name, asked[name])
            kept = [entry for entry in kept if compared(entry.transaction.nonce, wanted)]
    if "safe_tx_hash" in asked:
        kept = [entry for entry in kept if entry.transaction.hash_text == asked["safe_tx_hash"].lower()]
    if "to" in asked:
        kept = [entry for entry in kept if entry.transaction.to == asked["to"]]
    return kept


def _ordered(entries: list[Entry], request: Request) -> list[Entry]:
    """By ``ordering``: names, ``-`` in front turns one round. Highest nonce and then newest first without it."""
    names = [name for name in request.query_params.get("ordering", "").split(",") if name.removeprefix("-") in _ORDERS]
    ordered = list(enumerate(entries))
    for name in reversed(names or ["-nonce", "-created"]):
        ordered.sort(key=_ORDERS[name.removeprefix("-")], reverse=name.startswith("-"))
    return [entry for _, entry in ordered]


def _page(request: Request, documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    asked = request.query_params
    limit = min(_whole(asked.get("limit")) or PAGE, GREATEST_PAGE)
    offset = _whole(asked.get("offset"))
    end = offset + limit
    return {
        "count": len(documents),
        "next": _link(request, limit, end) if end < len(documents) else None,
        "previous": _link(request, limit, max(offset - limit, 0)) if offset else None,
        "results": list(documents[offset:end]),
    }


def _link(request: Request, limit: int, offset: int) -> str:
    query = dict(request.query_params) | {"limit": str(limit)}
    query.pop("offset", None)
    if offset:
        query["offset"] = str(offset)
    return f"{request.url.scheme}://{request.url.netloc}{request.url.path}?{urlencode(query)}"


def _boolean(text: str | None) -> bool | None:
    return None if text is None else _BOOLEANS.get(text.lower())


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise Answer(400, {name: ["Enter a number."]})
    return int(text)


def _whole(text: str | None) -> int:
    """What is no number counts as not given."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() else 0
