"""A hundred reads as most scripts make them: web3.py contract objects over WebSocket, made once, each call awaited before the next."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from web3 import AsyncWeb3, WebSocketProvider

from bench.peers.talk import commands, say
from keeper.domain.abi import encode_arg, parse_signature


class Script:
    def __init__(self, web3: AsyncWeb3[Any], setup: dict[str, Any]) -> None:
        self._web3 = web3
        abis = {setup["exchange"]: setup["exchange_abi"]} | dict.fromkeys(setup["feeds"], setup["feed_abi"])
        contracts = {address: web3.eth.contract(address=address, abi=abi) for address, abi in abis.items()}
        self._reads = []
        for read in setup["reads"]:
            function = parse_signature(read["signature"])
            args = [encode_arg(kind, text) for kind, text in zip(function.inputs, read["args"], strict=True)]
            self._reads.append((contracts[read["target"]], function.name, args, read["index"], len(function.outputs)))

    async def trial(self) -> None:
        subscription = await self._web3.eth.subscribe("newHeads")
        say("armed")
        async for message in self._web3.socket.process_subscriptions():
            begin = time.perf_counter()
            values = await self.read()
            ms = (time.perf_counter() - begin) * 1000
            block = message["result"]["number"]
            break
        await self._web3.eth.unsubscribe(subscription)
        say("read", ms=ms, block=block, values=values)

    async def read(self) -> list[int]:
        values = []
        for contract, name, args, index, results in self._reads:
            answer = await contract.functions[name](*args).call()
            values.append(int(answer[index] if results > 1 else answer))
        return values


async def main() -> None:
    orders = commands()
    setup = await anext(orders)
    async with AsyncWeb3(WebSocketProvider(setup["url"])) as web3:
        script = Script(web3, setup)
        say("ready")
        async for _ in orders:
            await script.trial()


if __name__ == "__main__":
    asyncio.run(main())
