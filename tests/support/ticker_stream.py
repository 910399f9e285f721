"""A local WebSocket that speaks as much of Binance's streams as ccxt needs for one ticker."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve


class TickerStream:
    """``async with TickerStream() as stream``: clients subscribe, ``say`` sends a price to all of them, ``drop`` hangs up on them."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._clients: set[ServerConnection] = set()
        self.subscribed = asyncio.Event()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._talk, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def say(self, symbol: str, price: str, at_ms: int) -> None:
        for client in self._clients:
            await client.send(json.dumps(_ticker(symbol, price, at_ms)))

    async def drop(self) -> None:
        self.subscribed.clear()
        for client in tuple(self._clients):
            await client.close()

    async def _talk(self, client: ServerConnection) -> None:
        self._clients.add(client)
        try:
            async for text in client:
                request = json.loads(text)
                if request.get("method") == "SUBSCRIBE":
                    await client.send(json.dumps({"result": None, "id": request["id"]}))
                    self.subscribed.set()
        finally:
            self._clients.discard(client)


def _ticker(symbol: str, price: str, at_ms: int) -> dict[str, Any]:
    return {
        "e": "24hrTicker",
        "E": at_ms,
        "s": symbol,
        "p": "0",
        "P": "0",
        "w": price,
        "x": price,
        "c": price,
        "Q": "1",
        "b": price,
        "B": "1",
        "a": price,
        "A": "1",
        "o": price,
        "h": price,
        "l": price,
        "v": "1000",
        "q": "1000",
        "O": at_ms - 86_400_000,
        "C": at_ms,
        "F": 0,
        "L": 1,
        "n": 1,
    }
