"""A service like web3signer, over real HTTP on loopback: ``eth_accounts`` and ``eth_signTransaction``, signed by eth-account.

As web3signer does, it takes the chain from its own settings. ``twist`` changes what it signs, ``answer`` what it says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_account import Account

Answer = tuple[int, bytes]


@dataclass
class RemoteEndpoint:
    """``key`` is what it signs with. ``hang``: it answers nothing until ``release`` is set. ``requests`` are (headers, document)."""

    key: str
    chain_id: int = 31337
    port: int = 0
    accounts: list[str] = field(default_factory=list)
    twist: Callable[[dict[str, Any]], None] = lambda _: None
    answer: Callable[[str], Answer | None] = lambda _: None
    hang: bool = False
    release: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply(self, document: dict[str, Any]) -> Answer:
        method = document["method"]
        if (given := self.answer(method)) is not None:
            return given
        if method == "eth_accounts":
            return result(self.accounts)
        if method != "eth_signTransaction":
            return error(-32601, "Method not found")
        (asked,) = document["params"]
        if asked["from"] not in self.accounts:
            return error(-32000, "From address does not match available account")
        fields = {
            "type": 2,
            "chainId": self.chain_id,
            "to": asked["to"],
            "value": int(asked["value"], 16),
            "data": asked["data"],
            "nonce": int(asked["nonce"], 16),
            "gas": int(asked["gas"], 16),
            "maxFeePerGas": int(asked["maxFeePerGas"], 16),
            "maxPriorityFeePerGas": int(asked["maxPriorityFeePerGas"], 16),
            "accessList": [],
        }
        self.twist(fields)
        return result(Account.sign_transaction(fields, self.key).raw_transaction.to_0x_hex())


def result(value: Any) -> Answer:
    return 200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()


def error(code: int, message: str, status: int = 200) -> Answer:
    return status, json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}).encode()


@contextmanager
def remote_endpoint(key: str) -> Iterator[RemoteEndpoint]:
    """Starts it with the key's address among its accounts, and ends it with every request that still hangs."""
    remote = RemoteEndpoint(key, accounts=[Account.from_key(key).address])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            remote.requests.append((dict(self.headers.items()), document))
            if remote.hang:
                remote.release.wait(timeout=60)
                return
            status, body = remote.reply(document)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    remote.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield remote
    finally:
        remote.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
