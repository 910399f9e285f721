"""The local exchange over real HTTP, as a client sees it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
import pytest_asyncio

from keeper.adapters.clock import SystemClock
from keeper.devnet.exchange import Exchange
from keeper.devnet.venue import Fault, FaultKind

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def test_exchange__ticker__is_answered_in_the_shape_of_the_venue(
    exchange: Exchange, client: httpx.AsyncClient
) -> None:
    response = await client.get(f"{exchange.url}/api/v3/ticker/24hr", params={"symbol": "ETHUSDT"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json;charset=UTF-8"
    assert response.json()["lastPrice"] == "3000.00000000"
    assert isinstance(response.json()["closeTime"], int)


async def test_exchange__unknown_symbol__is_a_400(exchange: Exchange, client: httpx.AsyncClient) -> None:
    response = await client.get(exchange.ticker_url("NOPE"))
    assert (response.status_code, response.json()) == (400, {"code": -1121, "msg": "Invalid symbol."})


async def test_exchange__another_method__is_refused(exchange: Exchange, client: httpx.AsyncClient) -> None:
    assert (await client.post(exchange.ticker_url("ETHUSDT"))).status_code == 501


async def test_exchange__price_set__is_seen_by_the_next_request(exchange: Exchange, client: httpx.AsyncClient) -> None:
    exchange.set_price("ETHUSDT", Decimal("2820.5"), volume=Decimal(3))
    found = (await client.get(exchange.ticker_url("ETHUSDT"))).json()
    assert (found["lastPrice"], found["volume"]) == ("2820.50000000", "3.00000000")


async def test_exchange__many_requests__keep_one_connection(exchange: Exchange, client: httpx.AsyncClient) -> None:
    before = threading.active_count()
    for _ in range(20):
        assert (await client.get(exchange.ticker_url("BTCUSDT"))).status_code == 200
    assert threading.active_count() == before + 1
    assert exchange.requests == 20


async def test_exchange__requests_at_once__are_all_answered(exchange: Exchange, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get(exchange.ticker_url("SOLUSDT")) for _ in range(25)))
    assert {answer.json()["lastPrice"] for answer in answers} == {"150.00000000"}


async def test_fault__http_500_and_429__carry_status_and_retry_after(
    exchange: Exchange, client: httpx.AsyncClient
) -> None:
    exchange.inject(Fault(FaultKind.HTTP_500, times=1))
    assert (await client.get(exchange.ticker_url("ETHUSDT"))).status_code == 500
    exchange.inject(Fault(FaultKind.RATE_LIMITED, times=1, retry_after_s=9))
    limited = await client.get(exchange.ticker_url("ETHUSDT"))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "9")
    assert (await client.get(exchange.ticker_url("ETHUSDT"))).status_code == 200


async def test_fault__malformed__is_no_json(exchange: Exchange, client: httpx.AsyncClient) -> None:
    exchange.inject(Fault(FaultKind.MALFORMED))
    response = await client.get(exchange.ticker_url("ETHUSDT"))
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()


@pytest.mark.parametrize("value", [None, "abc", "9" * 5000])
async def test_fault__wrong_type__arrives(exchange: Exchange, client: httpx.AsyncClient, value: object) -> None:
    exchange.inject(Fault(FaultKind.WRONG_TYPE, value=value))
    assert (await client.get(exchange.ticker_url("ETHUSDT"))).json()["lastPrice"] == value


async def test_fault__stale__is_an_old_close_time(exchange: Exchange, client: httpx.AsyncClient) -> None:
    fresh = (await client.get(exchange.ticker_url("ETHUSDT"))).json()["closeTime"]
    exchange.inject(Fault(FaultKind.STALE, age_ms=600_000))
    assert (await client.get(exchange.ticker_url("ETHUSDT"))).json()["closeTime"] < fresh - 500_000


async def test_fault__absurd__is_one_print(exchange: Exchange, client: httpx.AsyncClient) -> None:
    exchange.inject(Fault(FaultKind.ABSURD, times=1))
    prices = [(await client.get(exchange.ticker_url("ETHUSDT"))).json()["lastPrice"] for _ in range(2)]
    assert prices == ["30000.00000000", "3000.00000000"]


async def test_fault__silent__ends_without_a_byte(exchange: Exchange, client: httpx.AsyncClient) -> None:
    exchange.inject(Fault(FaultKind.SILENT, times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(exchange.ticker_url("ETHUSDT"))
    assert (await client.get(exchange.ticker_url("ETHUSDT"))).status_code == 200


async def test_fault__slow__is_late_for_the_impatient_and_right_for_the_patient(
    exchange: Exchange, client: httpx.AsyncClient
) -> None:
    exchange.inject(Fault(FaultKind.SLOW, delay_s=0.3))
    with pytest.raises(httpx.ReadTimeout):
        await client.get(exchange.ticker_url("ETHUSDT"), timeout=0.1)
    assert (await client.get(exchange.ticker_url("ETHUSDT"))).json()["lastPrice"] == "3000.00000000"


async def test_fault__hang__never_answers_and_stop_ends_it(client: httpx.AsyncClient) -> None:
    async with Exchange(SystemClock().now_ms) as exchange:
        exchange.set_price("ETHUSDT", Decimal(1))
        exchange.inject(Fault(FaultKind.HANG))
        with pytest.raises(httpx.ReadTimeout):
            await client.get(exchange.ticker_url("ETHUSDT"), timeout=0.1)
        waiting = asyncio.create_task(client.get(exchange.ticker_url("ETHUSDT"), timeout=30))
        while exchange.requests < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(httpx.TransportError):
        await waiting


async def test_stop__connections_kept_alive__leaves_no_thread_and_no_port(client: httpx.AsyncClient) -> None:
    before = set(threading.enumerate())
    exchange = Exchange(SystemClock().now_ms)
    exchange.start()
    exchange.start()
    exchange.set_price("ETHUSDT", Decimal(1))
    await asyncio.gather(*(client.get(exchange.ticker_url("ETHUSDT")) for _ in range(5)))
    exchange.stop()
    exchange.stop()
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        await client.get(exchange.ticker_url("ETHUSDT"))


async def test_start__after_stop__takes_the_same_port(client: httpx.AsyncClient) -> None:
    exchange = Exchange(SystemClock().now_ms)
    with exchange:
        url = exchange.url
    with exchange:
        assert exchange.url == url
        exchange.set_price("ETHUSDT", Decimal(1))
        assert (await client.get(exchange.ticker_url("ETHUSDT"))).status_code == 200


def test_start__port_taken__raises() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            Exchange(SystemClock().now_ms, port=other.getsockname()[1]).start()


def test_client__goes_away_in_the_middle__is_not_reported(
    exchange: Exchange, capfd: pytest.CaptureFixture[str]
) -> None:
    exchange.inject(Fault(FaultKind.SLOW, delay_s=0.05))
    host, port = "127.0.0.1", int(exchange.url.rsplit(":", 1)[1])
    for request in (b"GET /api/v3/ticker/24hr?symbol=ETHUSDT HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HT"):
        connection = socket.create_connection((host, port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a goodbye
        connection.sendall(request)
        connection.close()
    exchange.stop()
    assert capfd.readouterr() == ("", "")
