"""The address of the pages: free, served by a running keeper, or somebody else's?"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from typing import Final

from keeper.app.doctor.check import Check, Health
from keeper.app.pages.guard import HEALTH
from keeper.config.model import HttpConfig

PATIENCE_S: Final = 3.0
MOST_BYTES: Final = 65_536
HEALTHY: Final = b'{"ok":true}'
"""What the pages of a keeper answer to HEALTH."""


async def examine_pages(http: HttpConfig) -> Check:
    """Takes the port for a moment, without listening; asks whoever has it whether it is a keeper."""
    host = f"[{http.host}]" if ":" in http.host else http.host
    name = f"http {host}:{http.port}"
    number = _taken(http.host, http.port)
    if not number:
        return _reach(http, name, "free")
    if number != errno.EADDRINUSE:
        message = f"nothing can listen there: {os.strerror(number).lower()}"
        return Check(name, Health.FAIL, message, "correct `listen` in `http`")
    if await _health(http.host, http.port, host):
        return _reach(http, name, "in use: the pages of a running keeper answer")
    message = "in use by something that does not answer as the pages of a keeper do"
    return Check(name, Health.FAIL, message, "end what uses it, or choose another port in `http: listen:`")


def _reach(http: HttpConfig, name: str, message: str) -> Check:
    """Whoever reaches the address can read the pages."""
    if http.host == "localhost" or ipaddress.ip_address(http.host).is_loopback:
        return Check(name, Health.OK, message)
    message += "; everybody who reaches this address can read the pages" + (
        ", and hand in signatures" if http.approve else ""
    )
    return Check(
        name, Health.WARN, message, "put a proxy with your sign-on in front of it, and let nothing else reach it"
    )


def _taken(host: str, port: int) -> int:
    """0 where the port can be had, else the number of the error."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the pages do
            trying.bind(address)
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0


async def _health(host: str, port: int, shown: str) -> bool:
    asked = f"GET {HEALTH} HTTP/1.1\r\nHost: {shown}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(asked.encode("ascii"))
                await writer.drain()
                answer = await reader.read(MOST_BYTES)
                while more := await reader.read(MOST_BYTES):
                    answer = (answer + more)[-MOST_BYTES:]
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False
    return answer.startswith(b"HTTP/1.1 200") and answer.endswith(HEALTHY)
