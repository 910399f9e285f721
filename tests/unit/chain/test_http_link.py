"""Plain HTTP: what every kind of answer means, what is asked, and that nothing leaks. No socket: httpx with a transport of the test."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from keeper.adapters.chain import http_link
from keeper.adapters.chain.batches import BatchRefused
from keeper.adapters.chain.http_link import HttpLink
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable

pytestmark = pytest.mark.unit

KEY = "0123456789abcdef0123456789abcdef"
URL = f"https://user:password-of-the-user@node.example/v3/{KEY}?token={KEY}"


def link(answer: Callable[[httpx.Request], httpx.Response], timeout_s: float = 5.0) -> HttpLink:
    return HttpLink(URL, request_timeout_s=timeout_s, transport=httpx.MockTransport(answer))


def told(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    """An answer as it comes from a connection: not read yet."""
    return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)


def replying(body: object, status: int = 200, headers: dict[str, str] | None = None) -> HttpLink:
    """A node that gives this body; ``ID`` in it becomes the request's id."""

    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(body, bytes):
            return told(body, status, headers)
        number = json.loads(request.content)["id"]
        return told(str(body).replace("ID", str(number)).encode(), status, headers)

    return link(answer)


async def test_request__answer__is_the_json_of_the_node() -> None:
    answer = await replying('{"jsonrpc":"2.0","id":ID,"result":"0x1"}').request("eth_chainId", "[]")
    assert answer["result"] == "0x1"


async def test_request__what_is_sent__is_one_json_rpc_request_that_asks_for_no_compression() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return told(b'{"id":0,"result":null}')

    await link(answer).request("eth_call", '[{"to":"0x"},"latest"]')
    assert json.loads(sent[0].content) == {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "eth_call",
        "params": [{"to": "0x"}, "latest"],
    }
    assert sent[0].headers["accept-encoding"] == "identity"
    assert sent[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        ("garbage", 200, MalformedAnswer, "not JSON"),
        ("", 200, MalformedAnswer, "not JSON"),
        ("[" * 100_000, 200, MalformedAnswer, "not JSON"),
        ("[]", 200, MalformedAnswer, "the node sent []"),
        ('{"id":99,"result":"0x1"}', 200, MalformedAnswer, "another request"),
        ('{"result":"0x1"}', 200, MalformedAnswer, "another request"),
        ("<html>", 403, Refused, "HTTP 403"),
        ("", 301, Refused, "a redirect, which is not followed"),
        ("slow down", 429, Refused, "HTTP 429"),
        ('{"id":ID,"error":{"code":1,"message":"busy"}}', 503, Refused, "HTTP 503"),
    ],
)
async def test_request__answer_that_is_none__is_a_typed_error(
    body: str, status: int, kind: type[OutsideError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        await replying(body, status).request("eth_chainId", "[]")
    assert words in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_request__error_of_the_node__is_its_answer_whatever_the_status(status: int) -> None:
    answer = await replying('{"id":ID,"error":{"code":3,"message":"reverted"}}', status).request("eth_call", "[]")
    assert answer["error"]["code"] == 3


async def test_request__error_for_no_request__is_its_answer() -> None:
    answer = await replying('{"id":null,"error":{"code":-32700,"message":"parse error"}}').request("eth_call", "[]")
    assert answer["error"]["code"] == -32700


@pytest.mark.parametrize(("size", "taken"), [(0, True), (1, False)])
async def test_request__answer_of_the_largest_size__is_taken_and_one_byte_more_is_not(
    size: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_link, "MAX_MESSAGE_BYTES", 1_000)
    body = b'{"id":0,"result":"0x1"}'
    asking = replying(body + b" " * (1_000 - len(body) + size)).request("eth_chainId", "[]")
    if taken:
        await asking
        return
    with pytest.raises(MalformedAnswer, match="more than 1000 bytes"):
        await asking


async def test_request__compressed_answer__is_refused_unopened() -> None:
    with pytest.raises(MalformedAnswer, match="compressed"):
        await replying(b"\x1f\x8b\x08", 200, {"content-encoding": "gzip"}).request("eth_chainId", "[]")


async def test_request__no_answer__is_unreachable_after_the_time_out() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    made = HttpLink(URL, request_timeout_s=0.02, transport=httpx.MockTransport(never))
    with pytest.raises(Unreachable, match=r"no answer within 0\.02 s"):
        await made.request("eth_chainId", "[]")
    assert made.alive


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ReadError("x"), httpx.RemoteProtocolError("x"), OSError(5, "x")]
)
async def test_request__broken_connection__is_unreachable_with_a_remedy(error: Exception) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(Unreachable) as caught:
        await link(broken).request("eth_chainId", "[]")
    assert caught.value.remedy


async def test_errors__of_every_kind__hold_no_part_of_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {URL}")

    for made in (link(broken), replying("x", 404), replying("x")):
        with pytest.raises(OutsideError) as caught:
            await made.request("eth_chainId", "[]")
        assert KEY not in f"{caught.value!r} {caught.value.remedy}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert KEY not in caplog.text
    assert "password-of-the-user" not in caplog.text


async def test_disconnect__ends_what_waits_and_refuses_the_rest() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    made = HttpLink(URL, request_timeout_s=60, transport=httpx.MockTransport(never))
    waiting = asyncio.ensure_future(made.request("eth_chainId", "[]"))
    await asyncio.sleep(0)
    await made.disconnect()
    await made.disconnect()
    with pytest.raises(Unreachable):
        await waiting
    with pytest.raises(Unreachable):
        await made.request("eth_chainId", "[]")
    assert not made.alive


async def test_request__cancelled__stays_cancelled() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    made = HttpLink(URL, request_timeout_s=60, transport=httpx.MockTransport(never))
    waiting = asyncio.ensure_future(made.request("eth_chainId", "[]"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await made.disconnect()


def batching(change: Callable[[list[dict[str, Any]]], object], status: int = 200) -> HttpLink:
    def answer(request: httpx.Request) -> httpx.Response:
        answers = [{"id": one["id"], "result": one["params"][0]} for one in json.loads(request.content)]
        return told(json.dumps(change(answers)).encode(), status)

    return link(answer)


REQUESTS = [("echo", '["a"]'), ("echo", '["b"]'), ("echo", '["c"]')]


async def test_batch__answers_in_another_order__are_those_of_the_requests() -> None:
    made = batching(lambda answers: answers[::-1])
    assert [one["result"] for one in await made.batch(REQUESTS)] == ["a", "b", "c"]
    assert made.requests_made == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda answers: answers[:1],
        lambda answers: [],
        lambda answers: {"id": None, "error": {"code": -32600, "message": "no batches"}},
        lambda answers: "no",
        lambda answers: [*answers[:2], {"id": True, "result": 1}],
    ],
)
async def test_batch__not_all_answered__is_refused(change: Callable[[list[dict[str, Any]]], object]) -> None:
    with pytest.raises(BatchRefused):
        await batching(change).batch(REQUESTS)


@pytest.mark.parametrize(("status", "refused"), [(400, True), (413, True), (405, True), (429, False), (503, False)])
async def test_batch__http_error__means_no_batches_unless_the_node_is_busy(status: int, refused: bool) -> None:
    with pytest.raises(Refused) as caught:
        await batching(lambda answers: answers, status).batch(REQUESTS)
    assert isinstance(caught.value, BatchRefused) is refused
