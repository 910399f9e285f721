"""How requests to KMS travel: each ends within its time, whatever answers there, and none is read past what an answer of KMS can need.

botocore makes and signs the requests and reads the answers, in threads. On its own it counts the time anew for each piece that comes, and reads
whatever is sent: an endpoint that drips holds a thread for good. So the exchange itself is done on the event loop, which can end it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

MAX_BYTES: Final = 100_000
"""A signature takes some hundred bytes, a public key with its certificate-like wrapping about a thousand."""
MAX_AT_ONCE: Final = 32
"""Requests that have a thread. One can only be stuck where credentials are fetched, which is botocore's own doing."""
THREAD: Final = "kms"


class TooLong(Exception):
    """More came than KMS ever answers with."""


class TooMany(Exception):
    """So many earlier requests are stuck that no other one is begun."""


class Wire:
    """``carry`` belongs to the event ``before-send`` of a client of botocore's, and only works within ``run``."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._here = threading.local()

    async def run(self, ask: Callable[[], Any], timeout_s: float) -> Any:
        """What ``ask`` returns or raises, from a thread that neither others wait for nor the end of the process does.

        Raises TimeoutError, TooMany.
        """
        if not self._places.acquire(blocking=False):
            raise TooMany
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout_s
        answered: asyncio.Future[Any] = loop.create_future()

        def give(take: Callable[[Any], None], what: Any) -> None:
            if not answered.done():
                take(what)

        def hand_over(take: Callable[[Any], None], what: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(give, take, what)

        def work() -> None:
            self._here.call = (loop, ends)
            try:
                result = ask()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to who asked
                hand_over(answered.set_exception, error)
            else:
                hand_over(answered.set_result, result)
            finally:
                self._places.release()

        threading.Thread(target=work, name=THREAD, daemon=True).start()
        async with asyncio.timeout_at(ends):
            return await answered

    def carry(self, request: Any, **_: Any) -> Any:
        """The answer to a request of botocore's, in its own form. Raises its errors, and TooLong."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import ReadTimeoutError

        loop, ends = self._here.call
        if loop.time() >= ends:
            raise ReadTimeoutError(endpoint_url=request.url)
        exchange = self._exchange(request, ends)
        try:
            status, headers, body = asyncio.run_coroutine_threadsafe(exchange, loop).result()
        except RuntimeError:  # the loop is closed
            exchange.close()
            raise
        except TimeoutError:
            raise ReadTimeoutError(endpoint_url=request.url) from None
        return AWSResponse(request.url, status, headers, _Read(body))

    async def _exchange(self, request: Any, ends: float) -> tuple[int, dict[str, str], bytes]:
        import httpx  # late: only who has such a signer pays for it
        from botocore.exceptions import EndpointConnectionError, HTTPClientError, SSLError

        headers = {"Accept-Encoding": "identity"} | {name: _text(value) for name, value in request.headers.items()}
        try:
            async with (
                asyncio.timeout_at(ends),
                httpx.AsyncClient(verify=self._tls, timeout=None, follow_redirects=False) as client,  # noqa: S113 above
                client.stream(request.method, request.url, content=request.body, headers=headers) as answer,
            ):
                body = bytearray()
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise TooLong
                return answer.status_code, dict(answer.headers), bytes(body)
        except httpx.ConnectError as error:
            kind = SSLError if _is_about_tls(error) else EndpointConnectionError
            raise kind(endpoint_url=request.url, error=error) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise HTTPClientError(error=error) from None


class _Read:
    """A body as botocore reads one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
