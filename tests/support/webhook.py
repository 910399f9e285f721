"""A receiver of webhooks on a free loopback port, which answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """``received`` holds (path, document) of each request; ``status`` is the answer; while ``hang`` is set it answers nothing.

    ``arrived`` is set by a request; setting ``release`` ends those that hang.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.location = ""
        self.hang = False
        self.arrived = threading.Event()
        self.release = threading.Event()
        self.port = 0

    def address(self, path: str = "hook", query: str = "") -> str:
        """As apprise writes it."""
        return f"json://127.0.0.1:{self.port}/{path}{query}"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Starts the receiver, and ends it with every request that still hangs."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.received.append((self.path, json.loads(body)))
            hook.arrived.set()
            if hook.hang:
                hook.release.wait(timeout=60)
                return
            self._answer(hook.status)

        def do_GET(self) -> None:
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hook
    finally:
        hook.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
