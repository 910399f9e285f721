"""Asks the node for a block without being woken by its answer: the stage must not take a core from whoever is measured."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from bench.contestant import Broken

BODY = b'{"jsonrpc":"2.0","id":1,"method":"evm_mine","params":[]}'
TIMEOUT_S = 30.0


class Trigger:
    """One blocking connection that no event loop watches: ``pull`` sends, ``settle`` reads the answer when there is time for it."""

    def __init__(self, http_url: str) -> None:
        address = urlsplit(http_url)
        assert address.hostname is not None
        self._socket = socket.create_connection((address.hostname, address.port or 80), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST / HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        self._request = head.encode("ascii") + BODY

    def pull(self) -> None:
        """Asks for a block, and returns at once."""
        self._socket.sendall(self._request)

    def settle(self) -> None:
        """Takes the answer. Raises Broken when the node did not mine."""
        answer = b""
        while b"}" not in answer:
            more = self._socket.recv(4096)
            if not more:
                raise Broken("the node closed the connection instead of mining")
            answer += more
        if b'"result"' not in answer:
            raise Broken(f"the node did not mine: {answer[-200:].decode(errors='replace')}")

    def close(self) -> None:
        self._socket.close()
