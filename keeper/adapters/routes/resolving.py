"""Looks up the addresses of builders apart from everybody else.

An event loop looks names up in a few threads that all its connections share, and a look-up that hangs keeps its thread: the name server of one
builder would then keep the keeper from its nodes. Here each host has one look-up at a time, in a thread of its own, and an address that was good
before is used while a new look-up takes its time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

FRESH_MS: Final = 60_000
"""An address is looked up again after so long, beside the request that finds it old."""

LookUp = Callable[[str, int], Sequence[str]]
"""From host and port to addresses, the best first. Blocks. Raises OSError."""


def system_look_up(host: str, port: int) -> Sequence[str]:
    """As the machine is set up."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(slots=True)
class _Host:
    addresses: Sequence[str] = ()
    at_ms: float = 0.0
    running: asyncio.Future[Sequence[str]] | None = field(default=None)


class ResolvingTransport(httpx.AsyncBaseTransport):
    """Connects to an address instead of a name; TLS still checks the name. ``now_ms`` is monotonic."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, now_ms: Callable[[], float], look_up: LookUp = system_look_up
    ) -> None:
        self._inner = inner
        self._now_ms = now_ms
        self._look_up = look_up
        self._hosts: dict[tuple[str, int], _Host] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ConnectError where the name has no address."""
        name = request.url.host
        if _is_address(name):
            return await self._inner.handle_async_request(request)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        host = self._hosts.setdefault((name, port), _Host())
        address = (await self._addresses(host, name, port))[0]
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": name}
        try:
            return await self._inner.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            host.addresses = (*host.addresses[1:], *host.addresses[:1])  # another one the next time
            host.at_ms = 0.0
            raise

    async def aclose(self) -> None:
        """Look-ups that hang end with the process."""
        await self._inner.aclose()

    async def _addresses(self, host: _Host, name: str, port: int) -> Sequence[str]:
        old = self._now_ms() - host.at_ms > FRESH_MS
        if (old or not host.addresses) and host.running is None:
            self._begin(host, name, port)
        if host.addresses:
            return host.addresses
        assert host.running is not None, "without addresses one is looked up"
        try:
            return await asyncio.shield(host.running)
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__) from None

    def _begin(self, host: _Host, name: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        running: asyncio.Future[Sequence[str]] = loop.create_future()
        host.running = running

        def done(found: Sequence[str] | OSError) -> None:
            host.running = None
            if isinstance(found, OSError):
                if not host.addresses:
                    host.at_ms = 0.0
                running.set_exception(found)
                running.exception()  # perhaps nobody waits for it
                return
            host.addresses, host.at_ms = found, self._now_ms()
            running.set_result(found)

        def work() -> None:
            try:
                found: Sequence[str] | OSError = self._look_up(name, port) or OSError("no address")
            except OSError as error:
                found = error
            except UnicodeError:
                found = OSError("no name")
            if not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(done, found)
                except RuntimeError:  # closed in this very moment
                    return

        threading.Thread(target=work, name="look-up", daemon=True).start()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
