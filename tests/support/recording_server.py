"""An HTTP server in front of another one, which keeps each request as it came, byte for byte, and passes it on."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import httpx

_POLL_S = 0.02
# What belongs to one connection, and not to the message.
_HOP_BY_HOP = frozenset({"connection", "host", "content-length", "transfer-encoding", "date", "server"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """``headers`` have their names as they came. ``status`` and ``answer`` are what the other server said."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    status: int = 0
    answer: bytes = b""

    def header(self, name: str) -> str:
        """Raises KeyError without it."""
        return {key.lower(): value for key, value in self.headers}[name.lower()]


class RecordingServer:
    """``with RecordingServer(base_url) as recorder``: what is asked at ``recorder.url`` is asked there."""

    def __init__(self, upstream: str) -> None:
        self.requests: list[Recorded] = []
        self._client = httpx.Client(base_url=upstream, trust_env=False, timeout=30)
        self._server = _Server(self._client, self.requests)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="recording-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._client.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    def __init__(self, client: httpx.Client, requests: list[Recorded]) -> None:
        self.client = client
        self.requests = requests
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        headers = tuple(self.headers.items())
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        passed = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
        answer = self.server.client.request(self.command, self.path, headers=passed, content=body)
        self.server.requests.append(
            Recorded(self.command, self.path, headers, body, answer.status_code, answer.content)
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
