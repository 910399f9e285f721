"""A small exchange on loopback that speaks real HTTP (1.1, keep-alive), for the demo, drills and tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from keeper.devnet.venue import DEFAULT_VOLUME, Fault, Reply, Venue

_HOST = "127.0.0.1"
# How often the accepting thread looks whether it should end.
_POLL_S = 0.05


class Exchange:
    """``with Exchange(clock.now_ms) as exchange`` or ``async with``; or ``start`` and ``stop``.

    ``now_ms`` gives milliseconds since 1970 UTC and is called from other threads. ``port`` 0: the operating system picks a free one.
    """

    def __init__(self, now_ms: Callable[[], int], *, port: int = 0) -> None:
        self._venue = Venue(now_ms)
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at its end."""
        return f"http://{_HOST}:{self._port}"

    @property
    def requests(self) -> int:
        """How many requests there were, answered or not."""
        return self._venue.requests

    def ticker_url(self, symbol: str) -> str:
        return f"{self.url}/api/v3/ticker/24hr?symbol={symbol}"

    def set_price(self, symbol: str, price: Decimal, volume: Decimal = DEFAULT_VOLUME) -> None:
        """From now on the symbol trades at this price in dollars. Raises ValueError for what is not a price."""
        self._venue.set_price(symbol, price, volume)

    def stop_trading(self, symbol: str) -> None:
        """From now on nothing is traded: bars are without volume. KeyError for an unknown symbol."""
        self._venue.stop_trading(symbol)

    def inject(self, fault: Fault) -> None:
        """Breaks it: see ``FaultKind``. Of several faults that fit a request, the newest counts."""
        self._venue.inject(fault)

    def heal(self) -> None:
        """Takes all faults away; a request that hangs goes on hanging."""
        self._venue.heal()

    def start(self) -> None:
        """Raises OSError when a port that was asked for by number is taken."""
        if self._server is not None:
            return
        self._server = _Server(self._venue, self._port)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="devnet-exchange")
        self._thread.start()

    def stop(self) -> None:
        """Ends it: open connections are closed, every thread is waited for. Safe to call twice; ``start`` takes the same port again."""
        server, self._server = self._server, None
        thread, self._thread = self._thread, None
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
            server.end_connections()
            server.server_close()


class _Server(ThreadingHTTPServer):
    # Threads are waited for when it closes, so that nothing outlives it.
    daemon_threads = False
    block_on_close = True
    # The default of 5 makes a burst of clients wait a second for their second try.
    request_queue_size = 128

    def __init__(self, venue: Venue, port: int) -> None:
        self.venue = venue
        self.ending = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((_HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Wakes every handler: those that wait, and those that read from a connection kept alive."""
        self.ending.set()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is its own business; anything else is a fault of this file and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        reply = self.server.venue.reply(self.path)
        if reply.hang:
            self.server.ending.wait()
        elif reply.delay_s:
            self.server.ending.wait(reply.delay_s)
        if reply.hang or reply.body is None:
            self.close_connection = True
            return
        self._write(reply, reply.body)

    def _write(self, reply: Reply, body: bytes) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the keeper's own log is what people look at."""
