"""The ticker of an exchange, over a transport in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from json import dumps as serialized
from typing import Any

import httpx
import pytest

from keeper.adapters.prices.http import MAX_BODY_BYTES, HttpSource
from keeper.domain.errors import UnitError
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.source_fakes import RECEIVED_MS, ManualClock

pytestmark = pytest.mark.unit

KEY = "0123456789abcdef"
URL = f"https://user:{KEY}@api.example/{KEY}/ticker?key={KEY}"
Handler = Callable[[httpx.Request], httpx.Response]


def reply(
    status: int,
    *,
    json: object = None,
    content: bytes | AsyncIterator[bytes] = b"",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """An answer whose body is still to be read, as one from a socket."""
    body = serialized(json).encode() if json is not None else content
    stream = httpx.ByteStream(body) if isinstance(body, bytes) else Streamed(body)
    return httpx.Response(status, headers=headers, stream=stream)


class Streamed(httpx.AsyncByteStream):
    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            yield part


class Exchange:
    """Answers what the test says and keeps what it was asked."""

    def __init__(self, answer: httpx.Response | Handler | Exception) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, httpx.Response) else self.answer(request)


def source(exchange: Exchange, clock: ManualClock | None = None, **changes: Any) -> HttpSource:
    arguments: dict[str, Any] = {"value_path": "lastPrice", "transport": httpx.MockTransport(exchange), **changes}
    return HttpSource("eth-spot", URL, clock=clock or ManualClock(), **arguments)


async def poll(answer: httpx.Response | Handler | Exception, **changes: Any) -> Observation:
    subject = source(Exchange(answer), **changes)
    try:
        return await subject.poll()
    finally:
        await subject.close()


async def test_poll__good_answer__is_the_value_with_its_time() -> None:
    body = {"lastPrice": "3000.10", "closeTime": RECEIVED_MS - 40}
    seen = await poll(reply(200, json=body), time_path="closeTime")
    assert seen == Observation("eth-spot", Decimal("3000.10"), Unit.PRICE, RECEIVED_MS, RECEIVED_MS - 40)
    assert str(seen.value) == "3000.10"


async def test_poll__without_a_time_path__has_no_time() -> None:
    assert (await poll(reply(200, json={"lastPrice": 1}))).at_ms is None


async def test_poll__time_in_seconds__is_scaled_and_may_have_a_fraction() -> None:
    body = b'{"lastPrice": 1, "t": 1699999999.5}'
    assert (await poll(reply(200, content=body), time_path="t", time_unit_ms=1000)).at_ms == 1_699_999_999_500


@pytest.mark.parametrize(("ahead_ms", "quality"), [(0, Quality.OK), (60_000, Quality.OK), (60_001, Quality.MALFORMED)])
async def test_poll__time_in_the_future__is_tolerated_a_little(ahead_ms: int, quality: Quality) -> None:
    body = {"lastPrice": "1", "t": RECEIVED_MS + ahead_ms}
    assert (await poll(reply(200, json=body), time_path="t")).quality is quality


@pytest.mark.parametrize("time", [None, "now", -1, 1e30, True])
async def test_poll__time_that_is_none__is_malformed(time: object) -> None:
    assert (await poll(reply(200, json={"lastPrice": "1", "t": time}), time_path="t")).quality is Quality.MALFORMED


@pytest.mark.parametrize(("unit", "quality"), [(Unit.PRICE, Quality.MALFORMED), (Unit.AMOUNT, Quality.OK)])
async def test_poll__zero__is_an_amount_but_not_a_price(unit: Unit, quality: Quality) -> None:
    assert (await poll(reply(200, json={"lastPrice": 0}), unit=unit)).quality is quality


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, content=b'{"lastPrice": "1'),
        reply(200, content=b"<html>"),
        reply(200, json={"price": "1"}),
        reply(200, json={"lastPrice": None}),
        reply(200, content=b'{"lastPrice": NaN}'),
        reply(200, content=b'{"lastPrice": "1", "lastPrice": "2"}'),
        reply(200, content=b""),
        reply(200, content=b"{}", headers={"content-encoding": "gzip"}),
    ],
)
async def test_poll__nonsense__is_malformed(answer: httpx.Response) -> None:
    seen = await poll(answer)
    assert (seen.quality, seen.value) == (Quality.MALFORMED, None)
    assert seen.reason.startswith("api.example")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(500), "HTTP 500"),
        (httpx.Response(503), "HTTP 503"),
        (httpx.Response(404), "HTTP 404"),
        (httpx.Response(204), "HTTP 204"),
        (httpx.Response(302, headers={"location": f"https://evil.example/{KEY}"}), "a redirect, which is not followed"),
        (httpx.ConnectError(f"cannot reach {URL}"), "cannot be reached (ConnectError)"),
        (httpx.ReadTimeout(f"too slow {URL}"), "did not answer within 2000 ms"),
        (httpx.RemoteProtocolError(URL), "cannot be reached (RemoteProtocolError)"),
        (OSError(URL), "cannot be reached (OSError)"),
    ],
)
async def test_poll__no_answer_or_a_refusal__is_missing_and_tells_no_secret(
    answer: httpx.Response | Exception, says: str
) -> None:
    seen = await poll(answer)
    assert (seen.quality, seen.value, seen.received_ms) == (Quality.MISSING, None, RECEIVED_MS)
    assert says in seen.reason
    assert KEY not in seen.reason


async def test_poll__redirect__is_asked_for_only_once() -> None:
    exchange = Exchange(httpx.Response(302, headers={"location": "https://evil.example/"}))
    subject = source(exchange)
    await subject.poll()
    await subject.close()
    assert len(exchange.requests) == 1


@pytest.mark.parametrize(("size", "quality"), [(MAX_BODY_BYTES, Quality.OK), (MAX_BODY_BYTES + 1, Quality.MALFORMED)])
async def test_poll__body_at_the_cap__is_taken_and_one_byte_more_is_not(size: int, quality: Quality) -> None:
    body = b'{"lastPrice": "1"}'.ljust(size)
    assert (await poll(reply(200, content=body))).quality is quality


async def test_poll__body_without_an_end__is_cut_off() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 1024

    seen = await poll(lambda _: reply(200, content=endless()))
    assert seen.quality is Quality.MALFORMED
    assert sent == MAX_BODY_BYTES // 1024 + 1


async def test_poll__body_that_drips__ends_with_the_time_out() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.005)

    seen = await poll(lambda _: reply(200, content=dripping()), timeout_ms=50)
    assert (seen.quality, seen.reason) == (Quality.MISSING, "api.example did not answer within 50 ms")


async def test_poll__rate_limited__does_not_ask_again_before_it_may() -> None:
    clock = ManualClock()
    exchange = Exchange(httpx.Response(429, headers={"retry-after": "7"}))
    subject = source(exchange, clock)
    limited = await subject.poll()
    assert (limited.quality, limited.reason) == (Quality.MISSING, "api.example answered HTTP 429 and asked to wait 7 s")
    exchange.answer = reply(200, json={"lastPrice": "5"})
    clock.advance(6_999)
    waiting = await subject.poll()
    assert waiting.quality is Quality.MISSING
    assert "asked to wait" in waiting.reason
    assert len(exchange.requests) == 1
    clock.advance(1)
    assert (await subject.poll()).value == Decimal(5)
    assert len(exchange.requests) == 2
    await subject.close()


@pytest.mark.parametrize(
    ("status", "header", "again"), [(429, None, False), (503, "3", False), (503, None, True), (500, "3", True)]
)
async def test_poll__asked_to_wait_in_other_ways__waits_only_when_it_is_meant(
    status: int, header: str | None, again: bool
) -> None:
    exchange = Exchange(httpx.Response(status, headers={"retry-after": header} if header else {}))
    subject = source(exchange)
    await subject.poll()
    await subject.poll()
    await subject.close()
    assert len(exchange.requests) == (2 if again else 1)


async def test_poll__wall_clock_set_back__does_not_prolong_the_wait() -> None:
    clock = ManualClock()
    exchange = Exchange(httpx.Response(429, headers={"retry-after": "7"}))
    subject = source(exchange, clock)
    await subject.poll()
    clock.monotonic += 7_000
    clock.now -= 3_600_000
    await subject.poll()
    await subject.close()
    assert len(exchange.requests) == 2


async def test_poll__headers__are_sent_and_no_compression_is_asked_for() -> None:
    exchange = Exchange(reply(200, json={"lastPrice": "1"}))
    subject = source(exchange, headers={"X-Key": KEY})
    await subject.poll()
    await subject.close()
    sent = exchange.requests[0].headers
    assert (sent["x-key"], sent["accept-encoding"], sent["user-agent"]) == (KEY, "identity", "keeper")


async def test_poll__all_logging_on__no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await poll(reply(200, json={"lastPrice": "1"}), headers={"X-Key": KEY})
    assert KEY not in caplog.text


async def test_close__twice_and_then_poll__is_missing() -> None:
    subject = source(Exchange(reply(200, json={"lastPrice": "1"})))
    await subject.close()
    await subject.close()
    seen = await subject.poll()
    assert (seen.quality, seen.reason) == (Quality.MISSING, "this source is closed")


@pytest.mark.parametrize(
    "url", ["", "ftp://x.example", "x.example/price", "https://", "http://[", "file:///etc/passwd"]
)
def test_source__address_that_is_not_http__is_refused(url: str) -> None:
    with pytest.raises(UnitError):
        HttpSource("x", url, clock=ManualClock(), value_path="p")


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\n": "a"}, {"X": "ü"}, {"": "a"}])
def test_source__header_that_cannot_be_sent__is_refused_without_its_value(headers: dict[str, str]) -> None:
    with pytest.raises(UnitError) as caught:
        HttpSource("x", "https://x.example", clock=ManualClock(), value_path="p", headers=headers)
    assert all(value not in caught.value.message for value in headers.values() if len(value) > 1)
