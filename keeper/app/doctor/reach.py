"""Why an address cannot be reached: the name, the port or the certificate. Clients say no more than that there is no connection."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from urllib.parse import urlsplit

PATIENCE_S = 3.0
PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
ENCRYPTED = frozenset({"wss", "https"})


async def why_unreachable(url: str) -> str:
    """The cause in words that hold no address; empty when a connection is made, or it is no address of a host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return ""
    if not host or not port:
        return ""
    context = await asyncio.to_thread(ssl.create_default_context) if parts.scheme in ENCRYPTED else None
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, ValueError) as error:
        return _words(error)
    writer.transport.abort()
    return ""


def _words(error: OSError | ValueError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not good: {error.verify_message}"
        case ssl.SSLError():
            return "no TLS is spoken there"
        case TimeoutError():
            return f"no connection within {PATIENCE_S:g} s"
        case socket.gaierror() | ValueError():
            return "the name of the host is not known"
        case ConnectionRefusedError():
            return "connection refused"
        case _:
            return os.strerror(error.errno).lower() if error.errno else type(error).__name__
