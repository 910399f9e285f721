"""When a block was announced to the keeper: the moment its frame was out of the socket, before anything of it was parsed, as with every peer."""

from __future__ import annotations

import time
from typing import Any

from keeper.adapters.chain.link import WebSocketLink


class Arrivals:
    """``newest_ms``: monotonic milliseconds of the newest announcement."""

    def __init__(self) -> None:
        self.newest_ms = 0.0

    def watch(self) -> None:
        """Looks at each frame of every WebSocket of this process from now on."""
        next_message: Any = WebSocketLink._next_message

        async def noted(link: WebSocketLink) -> bytes | str:
            message: bytes | str = await next_message(link)
            if "eth_subscription" in str(message[:100]):
                self.newest_ms = time.monotonic_ns() / 1_000_000
            return message

        WebSocketLink._next_message = noted  # type: ignore[method-assign, assignment]
