"""The least a client can do to read: the same Multicall3 call at the announced block over a raw WebSocket, and the results cut out of the answer.

With ``pause`` in an order it also compares one number with a limit, and sends a transaction signed beforehand.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import websockets

from bench.peers.plain_script import THRESHOLD
from bench.peers.raw_websocket import SENDING, Client
from bench.peers.talk import commands, say


class Reader(Client):
    def __init__(self, socket: websockets.ClientConnection, setup: dict[str, Any]) -> None:
        super().__init__(socket)
        self._setup = setup
        call = json.dumps({"to": setup["multicall"], "data": setup["multicall_data"]})
        self._middle = f',"method":"eth_call","params":[{call},{{"blockHash":"'
        self._limit = float(setup["reference"])

    async def turn(self, pause: bool) -> None:
        sending = await self.signed_pause(self._setup) if pause else ""
        subscription = await self.ask("eth_subscribe", "newHeads")
        tx_hash = ""
        say("armed")
        announced = await self._socket.recv()
        begin = time.perf_counter()
        block = json.loads(announced)["params"]["result"]
        results = await self.read(block["hash"])
        if pause:
            price = int.from_bytes(results[0][1][32:64], "big") / 1e8
            if abs(price / self._limit - 1) <= THRESHOLD:
                raise RuntimeError("there was nothing to do: the stage is not set")
            tx_hash = await self.exchange(sending, SENDING)
        ms = (time.perf_counter() - begin) * 1000
        await self.ask("eth_unsubscribe", subscription)
        told = [data.hex() if ok else None for ok, data in results]
        say("accepted" if pause else "read", ms=ms, block=int(block["number"], 16), values=told, tx_hash=tx_hash)

    async def read(self, block_hash: str) -> list[tuple[bool, bytes]]:
        self._number += 1
        body = f'{{"jsonrpc":"2.0","id":{self._number}{self._middle}{block_hash}"}}]}}'
        raw = bytes.fromhex((await self.exchange(body, self._number))[2:])
        return aggregate3_results(raw)


def aggregate3_results(raw: bytes) -> list[tuple[bool, bytes]]:
    """Trusts the node, as such scripts do: nothing is checked."""
    base = 64
    results = []
    for index in range(int.from_bytes(raw[32:64], "big")):
        head = base + index * 32
        place = base + int.from_bytes(raw[head : head + 32], "big")
        size = int.from_bytes(raw[place + 64 : place + 96], "big")
        results.append((raw[place + 31] == 1, raw[place + 96 : place + 96 + size]))
    return results


async def main() -> None:
    orders = commands()
    setup = await anext(orders)
    async with websockets.connect(setup["url"], compression=None, proxy=None) as socket:
        reader = Reader(socket, setup)
        say("ready")
        async for order in orders:
            await reader.turn(bool(order.get("pause")))


if __name__ == "__main__":
    asyncio.run(main())
