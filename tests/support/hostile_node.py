"""A WebSocket server that answers JSON-RPC as badly as a test wants."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

_SILENT = logging.Logger("hostile node", level=logging.CRITICAL + 1)
"""What this server logs must not be taken for what the client logs."""

Behaviour = Callable[["HostileNode", ServerConnection, dict[str, Any]], Awaitable[None]]

HEADER = {
    "number": "0x10",
    "hash": "0x" + "1a" * 32,
    "parentHash": "0x" + "2b" * 32,
    "timestamp": "0x6553f100",
    "baseFeePerGas": "0x3b9aca00",
    "gasUsed": "0x0",
    "gasLimit": "0x1c9c380",
}


@dataclass(slots=True)
class HostileNode:
    """``behaviour`` is called for each request; the test may change it at any time."""

    behaviour: Behaviour
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        async for message in connection:
            request = json.loads(message)
            self.requests.append(request)
            await self.behaviour(self, connection, request)


def replying(result: object) -> Behaviour:
    """A node that gives every request this result."""

    async def behave(_: HostileNode, connection: ServerConnection, request: dict[str, Any]) -> None:
        await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))

    return behave


def sending(*frames: str | bytes) -> Behaviour:
    """A node that sends these frames; ``ID`` in a text becomes the request's id."""

    async def behave(_: HostileNode, connection: ServerConnection, request: dict[str, Any]) -> None:
        for frame in frames:
            await connection.send(frame.replace("ID", str(request["id"])) if isinstance(frame, str) else frame)

    return behave


async def silent(_: HostileNode, __: ServerConnection, ___: dict[str, Any]) -> None:
    """A node that never answers."""


async def closing(_: HostileNode, connection: ServerConnection, __: dict[str, Any]) -> None:
    """A node that closes politely instead of answering."""
    await connection.close(1000)


async def dropping(_: HostileNode, connection: ServerConnection, __: dict[str, Any]) -> None:
    """A node whose connection breaks instead of an answer."""
    connection.transport.abort()


@asynccontextmanager
async def hostile_node(behaviour: Behaviour) -> AsyncIterator[HostileNode]:
    """On loopback, on a free port."""
    node = HostileNode(behaviour)
    async with serve(node.serve, "127.0.0.1", 0, close_timeout=0.2, logger=_SILENT) as server:
        node.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield node
        await asyncio.sleep(0)
