"""The least a client can do: a raw WebSocket, no reads, no rule, no records, and a transaction signed beforehand."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import websockets
from eth_account import Account

from bench.peers.talk import commands, say

GAS_LIMIT = 120_000
MAX_FEE_WEI = 10**10
PRIORITY_FEE_WEI = 10**9
SENDING = 0


class Client:
    """Requests one at a time; announcements that come in between are passed over."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    async def ask(self, method: str, *params: Any) -> Any:
        self._number += 1
        body = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        return await self.exchange(json.dumps(body), self._number)

    async def exchange(self, body: str, number: int) -> Any:
        await self._socket.send(body)
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == number:
                return answer["result"]

    async def signed_pause(self, setup: dict[str, Any]) -> str:
        """The whole message with the signed transaction in it: nothing is left to do but to send it. Its number is SENDING."""
        account = Account.from_key(setup["key"])
        nonce = int(await self.ask("eth_getTransactionCount", account.address, "latest"), 16)
        signed = account.sign_transaction(
            {
                "type": 2,
                "chainId": setup["chain_id"],
                "nonce": nonce,
                "to": setup["exchange"],
                "value": 0,
                "data": setup["pause_data"],
                "gas": GAS_LIMIT,
                "maxFeePerGas": MAX_FEE_WEI,
                "maxPriorityFeePerGas": PRIORITY_FEE_WEI,
            }
        )
        raw = "0x" + signed.raw_transaction.hex()
        return json.dumps({"jsonrpc": "2.0", "id": SENDING, "method": "eth_sendRawTransaction", "params": [raw]})

    async def trial(self, setup: dict[str, Any]) -> tuple[float, str]:
        """(milliseconds from the head to the node's answer, hash)."""
        ready = await self.signed_pause(setup)
        subscription = await self.ask("eth_subscribe", "newHeads")
        say("armed")
        await self._socket.recv()
        begin = time.perf_counter()
        tx_hash = await self.exchange(ready, SENDING)
        ms = (time.perf_counter() - begin) * 1000
        await self.ask("eth_unsubscribe", subscription)
        return ms, str(tx_hash)


async def main() -> None:
    orders = commands()
    setup = await anext(orders)
    async with websockets.connect(setup["url"], compression=None, proxy=None) as socket:
        client = Client(socket)
        say("ready")
        async for _ in orders:
            ms, tx_hash = await client.trial(setup)
            say("accepted", ms=ms, tx_hash=tx_hash)


if __name__ == "__main__":
    asyncio.run(main())
