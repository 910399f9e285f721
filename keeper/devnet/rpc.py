"""JSON-RPC over HTTP to the local node, with the keeper's errors."""

from __future__ import annotations

from typing import Any

import httpx

from keeper.domain.errors import MalformedAnswer, Refused, Unreachable


class RpcClient:
    """One connection pool to one node. Never goes through a proxy, whatever the environment says."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False)
        self._next_id = 0

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises Unreachable (no answer), Refused (an error answer) or MalformedAnswer."""
        self._next_id += 1
        body = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        try:
            response = await self._http.post("", json=body)
        except (httpx.TransportError, RuntimeError) as error:  # RuntimeError: the client is closed
            raise Unreachable(
                f"the local node does not answer {method}: {type(error).__name__}", remedy="is it still running?"
            ) from None
        return parse_answer(method, response.status_code, response.content)

    async def close(self) -> None:
        """Safe to call twice."""
        await self._http.aclose()


def parse_answer(method: str, status: int, content: bytes) -> Any:
    """The result in an HTTP answer. Raises Refused or MalformedAnswer."""
    if status != httpx.codes.OK:
        raise Refused(f"{method}: HTTP {status}", code=status, data=content[:200].decode("utf-8", "replace"))
    try:
        answer = httpx.Response(status, content=content).json()
    except ValueError:
        raise MalformedAnswer(f"{method}: the answer is not JSON") from None
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
