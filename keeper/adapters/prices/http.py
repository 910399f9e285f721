"""A number from JSON over HTTP: the ticker of an exchange, or any other endpoint that answers an object or a list."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlsplit

import httpx

from keeper.adapters.prices.json_value import NotAValue, number_at, parse_json
from keeper.adapters.retry_after import wait_ms
from keeper.domain.errors import UnitError
from keeper.domain.observation import Observation, Quality
from keeper.domain.redact import redact_url
from keeper.domain.units import Unit
from keeper.ports.clock import Clock

for _noisy in ("httpx", "httpcore"):
    # they log whole addresses, which may hold keys, at INFO and DEBUG
    logging.getLogger(_noisy).setLevel(logging.WARNING)

MAX_BODY_BYTES = 64 * 1024
MAX_TIME_MS = 10**14
"""The year 5138: later times are nonsense."""


class _NoValue(Exception):
    def __init__(self, quality: Quality, reason: str) -> None:
        super().__init__(reason)
        self.quality = quality
        self.reason = reason


class HttpSource:
    """Asks one address. ``poll`` never raises: no answer, a refusal or nonsense is an observation with that quality and a reason."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        clock: Clock,
        value_path: str,
        time_path: str | None = None,
        time_unit_ms: int = 1,
        unit: Unit = Unit.PRICE,
        interval_ms: int = 1000,
        timeout_ms: int = 2000,
        future_tolerance_ms: int = 60_000,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``value_path`` and ``time_path`` as ``lastPrice`` or ``data.0.price``. ``time_unit_ms`` is 1 where that time counts milliseconds
        since 1970 UTC, 1000 where it counts seconds. ``timeout_ms`` is for the whole answer;
        ``future_tolerance_ms`` is how far the source's time may lie after the keeper's. Raises UnitError for an address that is not http
        or a header that cannot be sent."""
        host = _host(url)
        _check_headers(headers or {})
        self._name = name
        self._url = url
        self._host = host
        self._clock = clock
        self._value_path = value_path
        self._time_path = time_path
        self._time_unit_ms = time_unit_ms
        self._unit = unit
        self._interval_ms = interval_ms
        self._timeout_ms = timeout_ms
        self._future_tolerance_ms = future_tolerance_ms
        self._not_before_ms = float("-inf")
        self._client = httpx.AsyncClient(
            # compressed answers are not asked for: a small one can unpack to gigabytes
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": "keeper",
                **(headers or {}),
            },
            timeout=timeout_ms / 1000,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    @property
    def interval_ms(self) -> int:
        """How often to ask."""
        return self._interval_ms

    async def poll(self) -> Observation:
        """MISSING: no answer in time, an answer other than 200, or asked to wait (then nothing is sent). MALFORMED: not a sane value."""
        try:
            document = parse_json(await self._fetch())
            received_ms = self._clock.now_ms()
            at_ms = self._time_ms(document, received_ms)
            return Observation(self._name, self._value(document), self._unit, received_ms, at_ms)
        except _NoValue as why:
            return self._nothing(why.quality, why.reason)
        except NotAValue as error:
            return self._nothing(Quality.MALFORMED, f"{self._host}: {error}")

    async def close(self) -> None:
        """Lets go of connections. Safe to call twice."""
        await self._client.aclose()

    def _nothing(self, quality: Quality, reason: str) -> Observation:
        return Observation(self._name, None, self._unit, self._clock.now_ms(), quality=quality, reason=reason)

    async def _fetch(self) -> bytes:
        if self._client.is_closed:
            raise _NoValue(Quality.MISSING, "this source is closed")
        left_ms = self._not_before_ms - self._clock.monotonic_ms()
        if left_ms > 0:
            raise _NoValue(Quality.MISSING, f"{self._host} asked to wait: {left_ms / 1000:.1f} s are left")
        try:
            async with asyncio.timeout(self._timeout_ms / 1000), self._client.stream("GET", self._url) as response:
                self._check(response)
                return await self._body(response)
        except (TimeoutError, httpx.TimeoutException):
            raise _NoValue(Quality.MISSING, f"{self._host} did not answer within {self._timeout_ms} ms") from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise _NoValue(Quality.MISSING, f"{self._host} cannot be reached ({type(error).__name__})") from None

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        asks_to_wait = response.headers.get("retry-after")
        if status == 429 or (status == 503 and asks_to_wait):
            wait = wait_ms(asks_to_wait, self._clock.now_ms())
            self._not_before_ms = self._clock.monotonic_ms() + wait
            raise _NoValue(Quality.MISSING, f"{self._host} answered HTTP {status} and asked to wait {wait / 1000:g} s")
        if status != 200:
            what = ", a redirect, which is not followed" if 300 <= status < 400 else ""
            raise _NoValue(Quality.MISSING, f"{self._host} answered HTTP {status}{what}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise _NoValue(Quality.MALFORMED, f"{self._host} sent a compressed answer that was not asked for")

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise _NoValue(Quality.MALFORMED, f"{self._host} sent more than {MAX_BODY_BYTES // 1024} kB")
        return bytes(body)

    def _value(self, document: object) -> Decimal:
        value = number_at(document, self._value_path)
        if self._unit is Unit.PRICE and value == 0:
            raise NotAValue(f"{self._value_path} is a price of 0")
        return value

    def _time_ms(self, document: object, received_ms: int) -> int | None:
        if self._time_path is None:
            return None
        at_ms = int(number_at(document, self._time_path) * self._time_unit_ms)
        if at_ms > MAX_TIME_MS or at_ms - received_ms > self._future_tolerance_ms:
            raise NotAValue(f"{self._time_path} lies in the future: is its unit right?")
        return at_ms


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (name.isascii() and name.isprintable() and name and value.isascii() and value.isprintable()):
            raise UnitError(f"the header {name!r:.40} cannot be sent", remedy="headers are plain ASCII on one line")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise UnitError(f"{redact_url(url)} is not an http address", remedy="write https://host/path")
    return host
