"""Why a host cannot be reached, in words that hold no address."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from keeper.app.doctor.reach import why_unreachable
from keeper.app.remedies import CHECK_NODE, of_node

pytestmark = pytest.mark.unit


def bad_certificate() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "says", "remedy"),
    [
        (bad_certificate(), "certificate is not good: self-signed certificate", "authorities"),
        (ssl.SSLError(1, "wrong version number"), "no TLS", "http://"),
        (socket.gaierror(-2, "unknown"), "name of the host", "DNS"),
        (ConnectionRefusedError(111, "refused"), "connection refused", "nothing listens"),
        (TimeoutError(), "no connection within", "firewall"),
        (OSError(113, "No route to host"), "no route to host", "firewall"),
    ],
)
async def test_why_unreachable__each_error__has_words_and_a_remedy(
    error: OSError, says: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(asyncio, "open_connection", fail)
    cause = await why_unreachable("https://node.example/secret-key")
    assert says in cause
    assert "secret" not in cause
    assert remedy in of_node(cause) != CHECK_NODE


@pytest.mark.parametrize("url", ["/run/geth.ipc", "ws://", "http://[", "other://x"])
async def test_why_unreachable__no_address_of_a_host__has_nothing_to_say(url: str) -> None:
    assert await why_unreachable(url) == ""
