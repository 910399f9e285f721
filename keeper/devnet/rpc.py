"""JSON-RPC over HTTP to the local node, with the keeper's errors."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import httpx

from keeper.domain.errors import MalformedAnswer, Refused, Unreachable


class RpcClient:
    """One connection pool to one node. Never goes through a proxy, whatever the environment says."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        # the node is asked without TLS: certificates, whose reading takes 20 ms, are not needed
        trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False, verify=trusts_nobody)
        self._next_id = 0

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises Unreachable (no answer), Refused (an error answer) or MalformedAnswer."""
        response = await self._posted(method, self._request(method, params))
        return parse_answer(method, response.status_code, response.content)

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of several requests that the node carries out one after the other; in place of a result the Refused where it says no.

        Raises Unreachable or MalformedAnswer.
        """
        requests = [self._request(method, params) for method, params in calls]
        response = await self._posted("a batch", requests)
        try:
            by_id = {answer["id"]: answer for answer in response.json()}
            answers = [by_id[request["id"]] for request in requests]
        except (ValueError, KeyError, TypeError):
            raise MalformedAnswer("a batch: the answer does not fit the requests") from None
        return [_result_or_refused(method, answer) for (method, _), answer in zip(calls, answers, strict=True)]

    async def close(self) -> None:
        """Safe to call twice."""
        await self._http.aclose()

    def _request(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        self._next_id += 1
        return {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}

    async def _posted(self, what: str, body: Any) -> httpx.Response:
        try:
            return await self._http.post("", json=body)
        except (httpx.TransportError, RuntimeError) as error:  # RuntimeError: the client is closed
            raise Unreachable(
                f"the local node does not answer {what}: {type(error).__name__}", remedy="is it still running?"
            ) from None


def parse_answer(method: str, status: int, content: bytes) -> Any:
    """The result in an HTTP answer. Raises Refused or MalformedAnswer."""
    if status != httpx.codes.OK:
        raise Refused(f"{method}: HTTP {status}", code=status, data=content[:200].decode("utf-8", "replace"))
    try:
        answer = httpx.Response(status, content=content).json()
    except ValueError:
        raise MalformedAnswer(f"{method}: the answer is not JSON") from None
    return _result(method, answer)


def _result(method: str, answer: Any) -> Any:
    if not isinstance(answer, dict):
        raise MalformedAnswer(f"{method}: the answer is not an object")
    error = answer.get("error")
    if isinstance(error, dict):
        raise Refused(
            f"{method}: {error.get('message', 'refused')}",
            code=error["code"] if isinstance(error.get("code"), int) else 0,
            data=error["data"] if isinstance(error.get("data"), str) else "",
        )
    if "result" not in answer:
        raise MalformedAnswer(f"{method}: neither result nor error")
    return answer["result"]


def _result_or_refused(method: str, answer: Any) -> Any:
    try:
        return _result(method, answer)
    except Refused as error:
        return error
