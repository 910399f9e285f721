"""The least a client can do that looks before it sends, and writes down what it sends: the keeper's steps over a raw WebSocket.

One message with the keeper's own reads, one number held against a limit, the message with the signed transaction written into a file that has its
size already, fdatasync, and the sending. No incident, decision, evidence or chain of records; nothing is simulated; nothing is checked.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

import websockets

from bench.options import scratch
from bench.peers.raw_reads import Reader
from bench.peers.raw_websocket import SENDING
from bench.peers.talk import commands, say

FILE_BYTES = 1024 * 1024
"""More than all trips write: a file that grows would cost the disk more."""


class Steps(Reader):
    def __init__(self, socket: websockets.ClientConnection, setup: dict[str, Any], file: int) -> None:
        super().__init__(socket, setup)
        self._file = file

    async def exchange(self, body: str, number: int) -> Any:
        if number == SENDING:
            os.write(self._file, body.encode())
            os.fdatasync(self._file)
        return await super().exchange(body, number)


async def main() -> None:
    orders = commands()
    setup = await anext(orders)
    with scratch() as folder, tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(FILE_BYTES))
        os.fsync(file.fileno())
        file.seek(0)
        async with websockets.connect(setup["url"], compression=None, proxy=None) as socket:
            client = Steps(socket, setup, file.fileno())
            say("ready")
            async for _ in orders:
                await client.turn(pause=True)


if __name__ == "__main__":
    asyncio.run(main())
